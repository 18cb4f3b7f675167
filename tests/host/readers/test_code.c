/* Instructions as bytes: what they are, and that a wrong one is as long as the right one was. */
#include <base/memory.h>
#include <hal/code.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <tests/host/random.h>

#include <cmocka.h>

enum { RAX, RBX, RCX, RDX, RSI, RDI, RBP, RSP, R8, R13 = 13, NO = HAL_CODE_NO_REGISTER };

struct sample {
    const char *text; /* as an assembler writes it */
    uint8_t length;
    uint8_t pointer;
    uint16_t traits;
    uint8_t bytes[12];
};

#define SRC  HAL_CODE_SOURCE
#define DST  HAL_CODE_DESTINATION
#define PTR  HAL_CODE_POINTER
#define ARG  HAL_CODE_ARGUMENT
#define JUMP HAL_CODE_BRANCH
#define IF   (HAL_CODE_CONDITION | HAL_CODE_BRANCH)

/* Encodings from the Intel SDM's tables, checked with GNU as. */
static const struct sample samples[] = {
    {"mov %rdi,%rbx", 3, NO, SRC | DST, {0x48, 0x89, 0xfb}},
    {"mov %rbx,%rdi", 3, NO, SRC | DST | ARG, {0x48, 0x89, 0xdf}},
    {"mov (%rdi),%rax", 3, RDI, DST | PTR, {0x48, 0x8b, 0x07}},
    {"mov 8(%rsp),%rdi", 5, RSP, DST | PTR | ARG, {0x48, 0x8b, 0x7c, 0x24, 0x08}},
    {"mov %eax,0x12345678(%r13)", 7, R13, SRC | PTR, {0x41, 0x89, 0x85, 0x78, 0x56, 0x34, 0x12}},
    {"mov 0x1000,%eax", 7, NO, DST, {0x8b, 0x04, 0x25, 0x00, 0x10, 0x00, 0x00}},
    {"movabs $1,%rsi", 10, NO, DST | ARG, {0x48, 0xbe, 1, 0, 0, 0, 0, 0, 0, 0}},
    {"mov $7,%edx", 5, NO, DST | ARG, {0xba, 7, 0, 0, 0}},
    {"xor %ecx,%ecx", 2, NO, SRC | DST | ARG, {0x31, 0xc9}},
    {"lea 4(%rax,%rbx,8),%rcx", 5, NO, DST | ARG, {0x48, 0x8d, 0x4c, 0xd8, 0x04}},
    {"cmp $5,%eax", 3, NO, 0, {0x83, 0xf8, 0x05}},
    {"add $5,%eax", 3, NO, DST, {0x83, 0xc0, 0x05}},
    {"test %rax,%rax", 3, NO, SRC, {0x48, 0x85, 0xc0}},
    {"testb $1,(%rbx)", 3, RBX, PTR, {0xf6, 0x03, 0x01}},
    {"notl (%rbx)", 2, RBX, PTR, {0xf7, 0x13}},
    {"movw $0x1234,(%rax)", 5, RAX, PTR, {0x66, 0xc7, 0x00, 0x34, 0x12}},
    {"movzbl (%rsi),%eax", 3, RSI, DST | PTR, {0x0f, 0xb6, 0x06}},
    {"sete %al", 3, NO, DST, {0x0f, 0x94, 0xc0}},
    {"cmovb %rcx,%rax", 4, NO, SRC | DST, {0x48, 0x0f, 0x42, 0xc1}},
    {"lock cmpxchg %rcx,(%rdx)", 5, RDX, SRC | PTR, {0xf0, 0x48, 0x0f, 0xb1, 0x0a}},
    {"rep stos %al,(%rdi)", 2, NO, 0, {0xf3, 0xaa}},
    {"push %rbp", 1, NO, 0, {0x55}},
    {"pop %r12", 2, NO, 0, {0x41, 0x5c}},
    {"je .+2", 2, NO, IF, {0x74, 0x00}},
    {"jae .-0x100", 6, NO, IF, {0x0f, 0x83, 0x00, 0xff, 0xff, 0xff}},
    {"jmp .+0x10", 2, NO, JUMP, {0xeb, 0x0e}},
    {"call .+0x100", 5, NO, HAL_CODE_CALL | JUMP, {0xe8, 0xfb, 0x00, 0x00, 0x00}},
    {"call *%rax", 2, NO, JUMP, {0xff, 0xd0}},
    {"call *(%rax)", 2, RAX, JUMP | PTR, {0xff, 0x10}},
    {"ret", 1, NO, HAL_CODE_RETURN | JUMP, {0xc3}},
    {"nopw 0(%rax,%rax,1)", 6, NO, 0, {0x66, 0x0f, 0x1f, 0x44, 0x00, 0x00}},
    {"ud2", 2, NO, 0, {0x0f, 0x0b}},
};

static void each_instruction_is_known(void **state)
{
    struct hal_code code;

    (void)state;
    for (size_t i = 0; i < HX_ARRAY_SIZE(samples); i++) {
        const struct sample *sample = &samples[i];

        if (!hal_code_read(sample->bytes, sizeof(sample->bytes), &code) ||
            code.length != sample->length || code.pointer != sample->pointer) {
            fail_msg("%s: length %u, pointer %u", sample->text, code.length, code.pointer);
        }
        if (code.traits != sample->traits) {
            fail_msg("%s: traits %x", sample->text, code.traits);
        }
    }
}

static void one_that_is_cut_off_is_not_read(void **state)
{
    struct hal_code code;

    (void)state;
    for (size_t i = 0; i < HX_ARRAY_SIZE(samples); i++) {
        for (size_t size = 0; size < samples[i].length; size++) {
            assert_false(hal_code_read(samples[i].bytes, size, &code));
        }
    }
}

static void where_a_branch_leads_is_read(void **state)
{
    static const uint8_t near[] = {0x7c, 0xf0};
    static const uint8_t far[] = {0xe8, 0x78, 0x56, 0x34, 0x12};
    struct hal_code code;

    (void)state;
    assert_true(hal_code_read(near, sizeof(near), &code));
    assert_int_equal(code.target, -16);
    assert_true(hal_code_read(far, sizeof(far), &code));
    assert_int_equal(code.target, 0x12345678);
}

static void what_no_module_has_is_not_read(void **state)
{
    static const uint8_t unknown[][3] = {{0x06}, {0x60}, {0x0f, 0x05}, {0xd8, 0xc0}, {0xc2, 0, 0}};
    struct hal_code code;

    (void)state;
    for (size_t i = 0; i < HX_ARRAY_SIZE(unknown); i++) {
        assert_false(hal_code_read(unknown[i], sizeof(unknown[i]), &code));
    }
}

/* The bytes that a change makes of a sample by name. */
static void expect_change(const char *text, enum hal_code_change change, size_t length,
                          const uint8_t *wanted)
{
    uint8_t changed[HAL_CODE_MAX];
    struct hal_code code;

    for (size_t i = 0; i < HX_ARRAY_SIZE(samples); i++) {
        if (strcmp(samples[i].text, text) == 0) {
            assert_true(hal_code_read(samples[i].bytes, sizeof(samples[i].bytes), &code));
            assert_int_equal(hal_code_change(change, samples[i].bytes, &code, 0, changed), length);
            assert_memory_equal(changed, wanted, length);
            return;
        }
    }
    fail_msg("there is no sample %s", text);
}

static void each_change_does_what_it_says(void **state)
{
    (void)state;
    expect_change("je .+2", HAL_CODE_INVERT, 2, (const uint8_t[]){0x75, 0x00});
    expect_change("jae .-0x100", HAL_CODE_INVERT, 6,
                  (const uint8_t[]){0x0f, 0x82, 0x00, 0xff, 0xff, 0xff});
    expect_change("mov %rdi,%rbx", HAL_CODE_REMOVE, 3, (const uint8_t[]){0x90, 0x90, 0x90});
    /* reads %rax, writes %rsp */
    expect_change("mov %rdi,%rbx", HAL_CODE_CHANGE_SOURCE, 3, (const uint8_t[]){0x48, 0x89, 0xc3});
    expect_change("mov %rdi,%rbx", HAL_CODE_CHANGE_DESTINATION, 3,
                  (const uint8_t[]){0x48, 0x89, 0xfc});
    expect_change("mov (%rdi),%rax", HAL_CODE_CHANGE_POINTER, 3,
                  (const uint8_t[]){0x48, 0x8b, 0x00});
    expect_change("mov $7,%edx", HAL_CODE_LOOP, 2, (const uint8_t[]){0xeb, 0xfe});
    expect_change("mov $7,%edx", HAL_CODE_LOOP_DEAF, 3, (const uint8_t[]){0xfa, 0xeb, 0xfe});
    expect_change("ret", HAL_CODE_INVERT, 0, NULL);
    expect_change("ret", HAL_CODE_CHANGE_POINTER, 0, NULL);
}

/* Whatever stands there: a change that keeps its kind keeps its length, and is a change. */
static void a_wrong_instruction_is_as_long_as_the_right_one(void **state)
{
    static const enum hal_code_change changes[] = {HAL_CODE_INVERT, HAL_CODE_CHANGE_SOURCE,
                                                   HAL_CODE_CHANGE_DESTINATION,
                                                   HAL_CODE_CHANGE_POINTER};
    uint64_t seed = random_start();
    unsigned count[HX_ARRAY_SIZE(changes)] = {0};

    (void)state;
    for (unsigned i = 0; i < 200000; i++) {
        uint64_t words[2] = {random_u64(), random_u64()};
        const uint8_t *bytes = (const uint8_t *)words;
        unsigned which = i % HX_ARRAY_SIZE(changes);
        uint8_t changed[HAL_CODE_MAX];
        struct hal_code code;
        struct hal_code now;

        if (!hal_code_read(bytes, sizeof(words), &code) ||
            hal_code_change(changes[which], bytes, &code, random_u64(), changed) == 0) {
            continue;
        }
        count[which]++;
        if (memcmp(changed, bytes, code.length) == 0 ||
            !hal_code_read(changed, code.length, &now) || now.length != code.length) {
            fail_msg("HELIX_SEED=%llu, number %u", (unsigned long long)seed, i);
        }
    }
    for (size_t i = 0; i < HX_ARRAY_SIZE(changes); i++) {
        assert_true(count[i] > 100);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_instruction_is_known),
        cmocka_unit_test(one_that_is_cut_off_is_not_read),
        cmocka_unit_test(where_a_branch_leads_is_read),
        cmocka_unit_test(what_no_module_has_is_not_read),
        cmocka_unit_test(each_change_does_what_it_says),
        cmocka_unit_test(a_wrong_instruction_is_as_long_as_the_right_one),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
