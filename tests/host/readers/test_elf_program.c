#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <tests/host/random.h>
#include <tests/host/readers/elf_checks.h>
#include <tests/host/readers/sample_program.h>
#include <unistd.h>

#include <cmocka.h>

#define WINDOW_BASE      0x1000U
#define WINDOW_SIZE      0x7fffffffd000U
#define DYNAMIC_BASE     0x400000000U
#define INTERPRETED_BASE 0x555555554000U

struct program {
    struct sample_program sample;
    uint8_t *bytes; /* the head that was read last, exactly head_size bytes */
    struct elf_program_file file;
    struct elf_program found;
    const char *why;
};

static int set_up(void **state)
{
    struct program *program = calloc(1, sizeof(*program));

    assert_non_null(program);
    sample_program_init(&program->sample);
    program->file = (struct elf_program_file){.head_size = 0x1000,
                                              .file_size = FILE_SIZE,
                                              .machine = MACHINE,
                                              .window_base = WINDOW_BASE,
                                              .window_size = WINDOW_SIZE,
                                              .dynamic_base = DYNAMIC_BASE,
                                              .interpreted_base = INTERPRETED_BASE};
    *state = program;
    return 0;
}

static int tear_down(void **state)
{
    struct program *program = *state;

    free(program->bytes);
    free(program);
    return 0;
}

static hx_err read_head(struct program *program, const uint8_t *head)
{
    free(program->bytes);
    program->bytes = malloc(program->file.head_size + 1);
    assert_non_null(program->bytes);
    memcpy(program->bytes, head, program->file.head_size);
    program->file.head = program->bytes;
    return elf_program_read(&program->file, &program->found, &program->why);
}

static hx_err read_program(struct program *program)
{
    uint8_t head[0x1000];

    sample_program_write(&program->sample, head);
    return read_head(program, head);
}

/* Refuse the program with one field changed, and accept it again once it is restored. */
#define REFUSED_WITH(program, field, bad, error)                                                   \
    do {                                                                                           \
        __typeof__((program)->sample.field) good_ = (program)->sample.field;                       \
        (program)->sample.field = (__typeof__(good_))(bad);                                        \
        assert_int_equal(read_program(program), (error));                                          \
        assert_non_null((program)->why);                                                           \
        (program)->sample.field = good_;                                                           \
        assert_int_equal(read_program(program), HX_OK);                                            \
    } while (0)

static void a_good_program_is_mapped_as_it_says(void **state)
{
    struct program *program = *state;
    const struct elf_program *found = &program->found;

    assert_int_equal(read_program(program), HX_OK);
    assert_null(program->why);
    check_program(&program->file, found);
    assert_int_equal(found->segment_count, 3);
    assert_int_equal(found->segments[DATA].address, 0x402800);
    assert_int_equal(found->segments[DATA].offset, 0x1800);
    assert_int_equal(found->segments[DATA].file_size, 0x800);
    assert_int_equal(found->segments[DATA].memory_size, 0x900);
    assert_int_equal(found->segments[DATA].access, ELF_PROGRAM_READ | ELF_PROGRAM_WRITE);
    assert_int_equal(found->segments[TEXT].access, ELF_PROGRAM_READ | ELF_PROGRAM_EXECUTE);
    assert_int_equal(found->entry, 0x401000);
    assert_int_equal(found->end, 0x409000);
    assert_int_equal(found->headers, 0x400040);
    assert_int_equal(found->header_count, HEADER_COUNT);
    assert_false(found->wants_executable_stack);
    assert_false(found->is_dynamic);
}

static void make_dynamic(struct program *program)
{
    program->sample.header.type = ELF64_TYPE_DYNAMIC;
    program->sample.header.entry -= 0x400000;
    for (size_t i = 0; i < 3; i++) {
        program->sample.segments[i].address -= 0x400000;
    }
}

static void a_position_independent_program_is_moved_as_a_whole(void **state)
{
    struct program *program = *state;

    make_dynamic(program);
    assert_int_equal(read_program(program), HX_OK);
    check_program(&program->file, &program->found);
    assert_true(program->found.is_dynamic);
    assert_int_equal(program->found.bias, DYNAMIC_BASE);
    assert_int_equal(program->found.segments[DATA].address, DYNAMIC_BASE + 0x2800);
    assert_int_equal(program->found.entry, DYNAMIC_BASE + 0x1000);
    assert_int_equal(program->found.headers, DYNAMIC_BASE + 0x40);
}

static void a_position_independent_program_gets_the_alignment_it_asks_for(void **state)
{
    struct program *program = *state;

    make_dynamic(program);
    program->sample.segments[TEXT].alignment = 0x200000;
    assert_int_equal(read_program(program), HX_OK);
    assert_int_equal(program->found.alignment, 0x200000);
    assert_int_equal(program->found.bias, DYNAMIC_BASE);
    program->file.dynamic_base = DYNAMIC_BASE + 0x1000;
    assert_int_equal(read_program(program), HX_OK);
    assert_int_equal(program->found.bias, DYNAMIC_BASE + 0x200000);
    program->file.dynamic_base = UINT64_MAX & ~0xfffULL;
    assert_int_equal(read_program(program), HX_EFAULT);
}

static void an_executable_stack_is_told(void **state)
{
    struct program *program = *state;

    program->sample.segments[STACK].flags = R | W | X;
    assert_int_equal(read_program(program), HX_OK);
    assert_true(program->found.wants_executable_stack);
}

static void headers_that_are_not_loaded_have_no_address(void **state)
{
    struct program *program = *state;

    program->sample.segments[TEXT].offset = 0x1000;
    program->sample.segments[TEXT].file_size = 0x800;
    assert_int_equal(read_program(program), HX_OK);
    assert_int_equal(program->found.headers, 0);
}

static void a_header_with_a_wrong_field_is_refused(void **state)
{
    struct program *program = *state;

    REFUSED_WITH(program, header.ident[1], 'e', HX_EFORMAT);
    REFUSED_WITH(program, header.ident[ELF64_IDENT_CLASS], 1, HX_EFORMAT);
    REFUSED_WITH(program, header.ident[ELF64_IDENT_ABI], 9 /* FreeBSD */, HX_EFORMAT);
    REFUSED_WITH(program, header.version, 0, HX_EFORMAT);
    REFUSED_WITH(program, header.type, ELF64_TYPE_RELOCATABLE, HX_EFORMAT);
    REFUSED_WITH(program, header.type, 4 /* a core dump */, HX_EFORMAT);
    REFUSED_WITH(program, header.machine, 3 /* i386 */, HX_EVERSION);
    REFUSED_WITH(program, header.program_entry_size, 32, HX_EFORMAT);
    REFUSED_WITH(program, header.program_count, 0, HX_EFORMAT);
    REFUSED_WITH(program, header.program_count, 0xffff, HX_ERANGE);
    REFUSED_WITH(program, header.program_offset, 0x1000 - 56, HX_EFORMAT);
    REFUSED_WITH(program, header.program_offset, UINT64_MAX - 55, HX_EFORMAT);
    REFUSED_WITH(program, header.entry, 0, HX_EFORMAT);
    REFUSED_WITH(program, header.entry, 0x402800, HX_EFORMAT); /* data */
    REFUSED_WITH(program, header.entry, 0x401800, HX_EFORMAT); /* the byte behind the text */
    REFUSED_WITH(program, header.entry, UINT64_MAX, HX_EFORMAT);
}

static void a_segment_that_makes_no_sense_is_refused(void **state)
{
    struct program *program = *state;

    REFUSED_WITH(program, segments[TEXT].flags, R | W | X, HX_EPERM);
    REFUSED_WITH(program, segments[TEXT].file_size, 0x1801, HX_EFORMAT);
    REFUSED_WITH(program, segments[DATA].file_size, UINT64_MAX, HX_EFORMAT);
    REFUSED_WITH(program, segments[DATA].offset, FILE_SIZE - 0x7ff, HX_EFORMAT);
    REFUSED_WITH(program, segments[DATA].offset, UINT64_MAX - 0x7ff, HX_EFORMAT);
    REFUSED_WITH(program, segments[DATA].offset, 0x1810, HX_EFORMAT); /* not congruent */
    REFUSED_WITH(program, segments[DATA].alignment, 0x1001, HX_EFORMAT);
    REFUSED_WITH(program, segments[DATA].alignment, 0x4000, HX_EFORMAT); /* not congruent to it */
    REFUSED_WITH(program, segments[DATA].alignment, 1ULL << 63, HX_EFORMAT);
}

static void an_interpreter_is_told_by_where_its_path_is(void **state)
{
    struct program *program = *state;

    assert_int_equal(read_program(program), HX_OK);
    assert_int_equal(program->found.interpreter_size, 0);
    sample_program_name_interpreter(&program->sample, 0x1234, 28);
    assert_int_equal(read_program(program), HX_OK);
    check_program(&program->file, &program->found);
    assert_int_equal(program->found.interpreter_offset, 0x1234);
    assert_int_equal(program->found.interpreter_size, 28);
    assert_int_equal(program->found.bias, 0);
}

static void a_position_independent_program_with_an_interpreter_has_a_place_of_its_own(void **state)
{
    struct program *program = *state;

    make_dynamic(program);
    sample_program_name_interpreter(&program->sample, 0x1234, 28);
    assert_int_equal(read_program(program), HX_OK);
    check_program(&program->file, &program->found);
    assert_int_equal(program->found.bias, INTERPRETED_BASE);
    assert_int_equal(program->found.entry, INTERPRETED_BASE + 0x1000);
}

static void the_first_of_two_interpreters_counts(void **state)
{
    struct program *program = *state;

    sample_program_name_interpreter(&program->sample, 0x1234, 28);
    program->sample.segments[STACK] = program->sample.segments[TLS];
    program->sample.segments[TLS].offset = UINT64_MAX;
    assert_int_equal(read_program(program), HX_OK);
    assert_int_equal(program->found.interpreter_offset, 0x1234);
}

static void an_interpreters_path_that_is_not_in_the_file_is_refused(void **state)
{
    struct program *program = *state;

    sample_program_name_interpreter(&program->sample, FILE_SIZE - 28, 28);
    REFUSED_WITH(program, segments[TLS].file_size, 29, HX_EFORMAT);
    REFUSED_WITH(program, segments[TLS].file_size, 0, HX_EFORMAT);
    REFUSED_WITH(program, segments[TLS].file_size, 1, HX_EFORMAT);
    REFUSED_WITH(program, segments[TLS].file_size, UINT64_MAX, HX_EFORMAT);
    REFUSED_WITH(program, segments[TLS].offset, FILE_SIZE, HX_EFORMAT);
    REFUSED_WITH(program, segments[TLS].offset, UINT64_MAX - 26, HX_EFORMAT);
    sample_program_name_interpreter(&program->sample, 0, ELF_PROGRAM_PATH_MAX);
    REFUSED_WITH(program, segments[TLS].file_size, ELF_PROGRAM_PATH_MAX + 1, HX_EFORMAT);
}

static void a_segment_that_pages_cannot_map_is_refused_whatever_it_says(void **state)
{
    struct program *program = *state;

    program->sample.segments[DATA].alignment = 1;
    assert_int_equal(read_program(program), HX_OK);
    REFUSED_WITH(program, segments[DATA].offset, 0x1810, HX_EFORMAT);
}

static void a_segment_that_overlaps_or_shares_a_page_is_refused(void **state)
{
    struct program *program = *state;

    REFUSED_WITH(program, segments[DATA].address, 0x401800, HX_EFORMAT); /* same page */
    REFUSED_WITH(program, segments[DATA].address, 0x400800, HX_EFORMAT);
    REFUSED_WITH(program, segments[DATA].memory_size, 0x1801, HX_EFORMAT); /* up to the next */
    REFUSED_WITH(program, segments[BSS].address, 0x300000, HX_EFORMAT);    /* not sorted */
}

static void a_segment_outside_the_window_is_refused(void **state)
{
    struct program *program = *state;

    REFUSED_WITH(program, segments[BSS].address, 0xffffffff80000000, HX_EFAULT);
    REFUSED_WITH(program, segments[BSS].address, 0x7fffffffc000, HX_EFAULT); /* its end */
    REFUSED_WITH(program, segments[BSS].memory_size, UINT64_MAX, HX_EFAULT);
    REFUSED_WITH(program, segments[BSS].memory_size, UINT64_MAX - 0x404000 + 1, HX_EFAULT);
    REFUSED_WITH(program, segments[TEXT].address, 0, HX_EFAULT); /* the null page */
    program->sample.segments[BSS].address = 0x7fffffff9000;
    assert_int_equal(read_program(program), HX_OK); /* up to the last byte */
    make_dynamic(program);
    program->sample.segments[BSS].address = UINT64_MAX - 0xffffff; /* wraps with the bias */
    program->sample.segments[BSS].address &= ~0xfffULL;
    assert_int_equal(read_program(program), HX_EFAULT);
}

static void a_program_with_nothing_to_load_is_refused(void **state)
{
    struct program *program = *state;

    for (size_t i = 0; i < 3; i++) {
        program->sample.segments[i].memory_size = 0;
        program->sample.segments[i].file_size = 0;
    }
    assert_int_equal(read_program(program), HX_EFORMAT);
}

static void more_segments_than_fit_are_refused(void **state)
{
    struct program *program = *state;
    struct elf64_segment segment = {ELF64_SEGMENT_LOAD, R | X, 0, 0, 0, 0, 0x1000, 0x1000};
    uint8_t head[0x1000] = {0};

    program->sample.header.program_count = ELF_PROGRAM_SEGMENT_MAX + 1;
    memcpy(head, &program->sample.header, sizeof(program->sample.header));
    for (size_t i = 0; i <= ELF_PROGRAM_SEGMENT_MAX; i++) {
        segment.address = 0x400000 + i * 0x1000;
        memcpy(head + HEADERS_AT + i * sizeof(segment), &segment, sizeof(segment));
    }
    assert_int_equal(read_head(program, head), HX_ERANGE);
    head[56] = ELF_PROGRAM_SEGMENT_MAX;
    assert_int_equal(read_head(program, head), HX_OK);
}

static void a_program_cut_anywhere_is_refused(void **state)
{
    struct program *program = *state;

    for (size_t size = 0; size < 0x2000; size++) {
        program->file.file_size = size;
        program->file.head_size = size < 0x1000 ? size : 0x1000;
        assert_int_equal(read_program(program), HX_EFORMAT);
        assert_non_null(program->why);
    }
}

static void a_program_with_any_byte_changed_is_refused_or_harmless(void **state)
{
    struct program *program = *state;
    uint64_t seed = random_start();
    size_t size = HEADERS_AT + HEADER_COUNT * 56;
    uint8_t head[0x1000];

    print_message("HELIX_SEED=%llu\n", (unsigned long long)seed);
    sample_program_write(&program->sample, head);
    for (size_t i = 0; i < size * 16; i++) {
        uint8_t good = head[i % size];

        head[i % size] = i < size ? 0xff : (uint8_t)random_u64();
        if (read_head(program, head) == HX_OK) {
            check_program(&program->file, &program->found);
        } else {
            assert_non_null(program->why);
        }
        head[i % size] = good;
    }
}

/* --- a real program --------------------------------------------------------------------------- */

/* Compile an empty program with these options; false if there is no such compiler. */
static bool compile(const char *options, char name[])
{
    int descriptor = mkstemp(name);
    char command[256];
    FILE *pipe;

    assert_true(descriptor >= 0);
    close(descriptor);
    snprintf(command, sizeof(command),
             "clang -nostdlib %s -fuse-ld=lld %s -x c - -o %s 2>/dev/null",
             strstr(options, "linker=") == NULL ? "-static" : "", options, name);
    pipe = popen(command, "w");
    assert_non_null(pipe);
    fputs("int data = 1, zeros[5000]; void _start(void) { data += zeros[7]; }\n", pipe);
    return pclose(pipe) == 0;
}

static void read_compiled(struct program *program, const char *options)
{
    char name[] = "/tmp/helix-program-XXXXXX";
    uint8_t head[0x1000] = {0};
    bool is_compiled = compile(options, name);
    FILE *file = fopen(name, "r");

    assert_non_null(file);
    program->file.head_size = fread(head, 1, sizeof(head), file);
    fseek(file, 0, SEEK_END);
    program->file.file_size = (uint64_t)ftell(file);
    fclose(file);
    remove(name);
    if (!is_compiled) {
        skip();
    }
    assert_int_equal(read_head(program, head), HX_OK);
    check_program(&program->file, &program->found);
    assert_int_not_equal(program->found.headers, 0);
}

static void a_real_static_program_is_accepted(void **state)
{
    struct program *program = *state;

    read_compiled(program, "-no-pie");
    assert_false(program->found.is_dynamic);
}

static void a_real_dynamic_program_names_its_interpreter(void **state)
{
    struct program *program = *state;

    read_compiled(program, "-fpie -Wl,-pie,--dynamic-linker=/lib/loader");
    assert_true(program->found.is_dynamic);
    assert_int_equal(program->found.bias, INTERPRETED_BASE);
    assert_int_equal(program->found.interpreter_size, sizeof("/lib/loader"));
    assert_string_equal(program->bytes + program->found.interpreter_offset, "/lib/loader");
}

static void a_real_static_position_independent_program_is_accepted(void **state)
{
    struct program *program = *state;

    read_compiled(program, "-fpie -Wl,-pie,--no-dynamic-linker");
    assert_true(program->found.is_dynamic);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_good_program_is_mapped_as_it_says),
        TEST(a_position_independent_program_is_moved_as_a_whole),
        TEST(a_position_independent_program_gets_the_alignment_it_asks_for),
        TEST(an_executable_stack_is_told),
        TEST(headers_that_are_not_loaded_have_no_address),
        TEST(a_header_with_a_wrong_field_is_refused),
        TEST(a_segment_that_makes_no_sense_is_refused),
        TEST(an_interpreter_is_told_by_where_its_path_is),
        TEST(a_position_independent_program_with_an_interpreter_has_a_place_of_its_own),
        TEST(the_first_of_two_interpreters_counts),
        TEST(an_interpreters_path_that_is_not_in_the_file_is_refused),
        TEST(a_segment_that_pages_cannot_map_is_refused_whatever_it_says),
        TEST(a_segment_that_overlaps_or_shares_a_page_is_refused),
        TEST(a_segment_outside_the_window_is_refused),
        TEST(a_program_with_nothing_to_load_is_refused),
        TEST(more_segments_than_fit_are_refused),
        TEST(a_program_cut_anywhere_is_refused),
        TEST(a_program_with_any_byte_changed_is_refused_or_harmless),
        TEST(a_real_static_program_is_accepted),
        TEST(a_real_dynamic_program_names_its_interpreter),
        TEST(a_real_static_position_independent_program_is_accepted),
    };

    return cmocka_run_group_tests_name("readers/elf_program", tests, NULL, NULL);
}
