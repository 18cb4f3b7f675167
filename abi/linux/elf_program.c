#include <abi/linux/elf_program.h>
#include <base/elf64.h>
#include <base/memory.h>

#define ALIGNMENT_MAX (1ULL << 30) /* the largest page of the machine */

struct reading {
    const struct elf_program_file *file;
    struct elf_program *program;
    const char **why;
    uint64_t headers_offset; /* of the program headers, in the file */
};

static hx_err refuse(const struct reading *reading, hx_err error, const char *sentence)
{
    *reading->why = sentence;
    return error;
}

static hx_err check_header(const struct reading *reading, const struct elf64_header *header)
{
    const struct elf_program_file *file = reading->file;

    if (!elf64_is_header(header)) {
        return refuse(reading, HX_EFORMAT, "not a 64-bit little-endian ELF file");
    }
    if (header->machine != file->machine) {
        return refuse(reading, HX_EVERSION, "the program is for another machine");
    }
    if (header->type != ELF64_TYPE_EXECUTABLE && header->type != ELF64_TYPE_DYNAMIC) {
        return refuse(reading, HX_EFORMAT, "the ELF file is not a program");
    }
    if (header->program_entry_size != sizeof(struct elf64_segment) || header->program_count == 0) {
        return refuse(reading, HX_EFORMAT, "the program headers are missing or malformed");
    }
    if (header->program_count > ELF_PROGRAM_HEADER_MAX) {
        return refuse(reading, HX_ERANGE, "there are too many program headers");
    }
    if (!elf64_range_fits(header->program_offset,
                          header->program_count * sizeof(struct elf64_segment), file->head_size)) {
        return refuse(reading, HX_EFORMAT, "the program headers are not in the head of the file");
    }
    return HX_OK;
}

static struct elf64_segment header_at(const struct reading *reading, uint32_t index)
{
    const uint8_t *bytes = (const uint8_t *)reading->file->head + reading->headers_offset;
    struct elf64_segment segment;

    memcpy(&segment, bytes + index * sizeof(segment), sizeof(segment));
    return segment;
}

/* --- one segment ------------------------------------------------------------------------------ */

/* What the segment's own header says, before it is placed. */
static hx_err check_segment(const struct reading *reading, const struct elf64_segment *segment)
{
    unsigned both = ELF64_SEGMENT_WRITE | ELF64_SEGMENT_EXECUTE;

    if (!elf64_is_alignment(segment->alignment, ALIGNMENT_MAX)) {
        return refuse(reading, HX_EFORMAT, "a segment's alignment is not a power of two");
    }
    if (segment->alignment > 1 && (segment->address - segment->offset) % segment->alignment != 0) {
        return refuse(reading, HX_EFORMAT, "a segment is not aligned as it says");
    }
    if ((segment->address - segment->offset) % ELF64_PAGE_SIZE != 0) {
        return refuse(reading, HX_EFORMAT, "a segment cannot be mapped by pages");
    }
    if (segment->file_size > segment->memory_size ||
        (segment->file_size != 0 &&
         !elf64_range_fits(segment->offset, segment->file_size, reading->file->file_size))) {
        return refuse(reading, HX_EFORMAT, "a segment's bytes are not all in the file");
    }
    if ((segment->flags & both) == both) {
        return refuse(reading, HX_EPERM, "a segment is writable and executable");
    }
    return HX_OK;
}

static uint64_t page_down(uint64_t address)
{
    return address & ~(ELF64_PAGE_SIZE - 1);
}

static uint64_t page_up(uint64_t address)
{
    return elf64_round_up(address, ELF64_PAGE_SIZE);
}

/* Whether the whole pages of [address, address + size) are user addresses. */
static bool is_in_window(const struct elf_program_file *file, uint64_t address, uint64_t size)
{
    uint64_t first = page_down(address);
    uint64_t room = page_down(file->window_size);

    return first >= file->window_base && size <= file->window_size &&
           elf64_range_fits(first - file->window_base, page_up(address - first + size), room);
}

static hx_err add_segment(const struct reading *reading, const struct elf64_segment *segment)
{
    struct elf_program *program = reading->program;
    uint64_t address = segment->address + program->bias;
    hx_err error = check_segment(reading, segment);

    if (error != HX_OK) {
        return error;
    }
    if (address < program->bias || !is_in_window(reading->file, address, segment->memory_size)) {
        return refuse(reading, HX_EFAULT, "a segment is outside the user's addresses");
    }
    if (page_down(address) < page_up(program->end)) {
        return refuse(reading, HX_EFORMAT, "segments overlap, share a page or are not sorted");
    }
    if (program->segment_count == ELF_PROGRAM_SEGMENT_MAX) {
        return refuse(reading, HX_ERANGE, "there are too many segments to load");
    }
    program->segments[program->segment_count++] =
        (struct elf_program_segment){.address = address,
                                     .offset = segment->offset,
                                     .file_size = segment->file_size,
                                     .memory_size = segment->memory_size,
                                     .access = segment->flags & 7U};
    program->end = address + segment->memory_size;
    return HX_OK;
}

/* --- the program ------------------------------------------------------------------------------ */

/* The first one counts. Its bytes are looked at by who reads them. */
static hx_err take_interpreter(const struct reading *reading, const struct elf64_segment *header)
{
    struct elf_program *program = reading->program;

    if (program->interpreter_size != 0) {
        return HX_OK;
    }
    if (header->file_size < 2 || header->file_size > ELF_PROGRAM_PATH_MAX ||
        !elf64_range_fits(header->offset, header->file_size, reading->file->file_size)) {
        return refuse(reading, HX_EFORMAT, "the interpreter's path is not in the file");
    }
    program->interpreter_offset = header->offset;
    program->interpreter_size = (uint32_t)header->file_size;
    return HX_OK;
}

static hx_err take_header(const struct reading *reading, const struct elf64_segment *header)
{
    switch (header->type) {
    case ELF64_SEGMENT_LOAD:
        return header->memory_size == 0 ? HX_OK : add_segment(reading, header);
    case ELF64_SEGMENT_INTERPRETER:
        return take_interpreter(reading, header);
    case ELF64_SEGMENT_STACK:
        reading->program->wants_executable_stack = (header->flags & ELF64_SEGMENT_EXECUTE) != 0;
        return HX_OK;
    default:
        return HX_OK;
    }
}

/*
 * A position-independent program goes to the base for its kind, rounded up to the greatest
 * alignment that one of its segments asks for. A bad alignment is refused later, with its segment.
 */
static hx_err choose_bias(const struct reading *reading)
{
    uint64_t base = reading->file->dynamic_base;
    uint64_t greatest = ELF64_PAGE_SIZE;

    for (uint32_t i = 0; i < reading->program->header_count; i++) {
        struct elf64_segment header = header_at(reading, i);

        if (header.type == ELF64_SEGMENT_LOAD &&
            elf64_is_alignment(header.alignment, ALIGNMENT_MAX) && header.alignment > greatest) {
            greatest = header.alignment;
        }
        if (header.type == ELF64_SEGMENT_INTERPRETER) {
            base = reading->file->interpreted_base;
        }
    }
    if (base > UINT64_MAX - greatest) {
        return refuse(reading, HX_EFAULT, "there is no place for the program");
    }
    reading->program->alignment = greatest;
    reading->program->bias = elf64_round_up(base, greatest);
    return HX_OK;
}

/* Find where the program itself can see its headers: in the segment whose bytes include them. */
static void find_headers(const struct reading *reading)
{
    struct elf_program *program = reading->program;
    uint64_t size = program->header_count * sizeof(struct elf64_segment);

    for (uint32_t i = 0; i < program->segment_count; i++) {
        const struct elf_program_segment *segment = &program->segments[i];

        if (reading->headers_offset >= segment->offset &&
            elf64_range_fits(reading->headers_offset - segment->offset, size, segment->file_size)) {
            program->headers = segment->address + (reading->headers_offset - segment->offset);
            return;
        }
    }
}

static bool is_executable(const struct elf_program *program, uint64_t address)
{
    for (uint32_t i = 0; i < program->segment_count; i++) {
        const struct elf_program_segment *segment = &program->segments[i];

        if (address >= segment->address && address - segment->address < segment->memory_size) {
            return (segment->access & ELF_PROGRAM_EXECUTE) != 0;
        }
    }
    return false;
}

static hx_err read_segments(const struct reading *reading)
{
    for (uint32_t i = 0; i < reading->program->header_count; i++) {
        struct elf64_segment header = header_at(reading, i);
        hx_err error = take_header(reading, &header);

        if (error != HX_OK) {
            return error;
        }
    }
    if (reading->program->segment_count == 0) {
        return refuse(reading, HX_EFORMAT, "the program has nothing to load");
    }
    return HX_OK;
}

hx_err elf_program_read(const struct elf_program_file *file, struct elf_program *program,
                        const char **why)
{
    struct reading reading = {.file = file, .program = program, .why = why};
    struct elf64_header header;
    hx_err error;

    *why = NULL;
    memset(program, 0, offsetof(struct elf_program, segments));
    if (file->head_size < sizeof(header) || file->head_size > file->file_size) {
        return refuse(&reading, HX_EFORMAT, "the file is too short for a program");
    }
    memcpy(&header, file->head, sizeof(header));
    error = check_header(&reading, &header);
    if (error != HX_OK) {
        return error;
    }
    reading.headers_offset = header.program_offset;
    program->header_count = header.program_count;
    program->is_dynamic = header.type == ELF64_TYPE_DYNAMIC;
    if (program->is_dynamic) {
        error = choose_bias(&reading);
    }
    if (error == HX_OK) {
        error = read_segments(&reading);
    }
    if (error != HX_OK) {
        return error;
    }
    program->entry = header.entry + program->bias;
    if (!is_executable(program, program->entry)) {
        return refuse(&reading, HX_EFORMAT, "the entry point is not in executable memory");
    }
    find_headers(&reading);
    return HX_OK;
}
