/* The initial stack of a program. */
#include <abi/linux/elf_program.h>
#include <abi/linux/initial_stack.h>
#include <base/memory.h>
#include <base/string.h>
#include <hal/cpu.h>
#include <hal/memory.h>

/* Linux's numbers (include/uapi/linux/auxvec.h). */
enum auxiliary_type {
    AUXILIARY_END = 0,
    AUXILIARY_HEADERS = 3,
    AUXILIARY_HEADER_SIZE = 4,
    AUXILIARY_HEADER_COUNT = 5,
    AUXILIARY_PAGE_SIZE = 6,
    AUXILIARY_ENTRY = 9,
    AUXILIARY_SECURE = 23,
    AUXILIARY_RANDOM = 25,
};

struct auxiliary_entry {
    uint64_t type; /* enum auxiliary_type */
    uint64_t value;
};

#define PROGRAM_HEADER_SIZE 56
#define RANDOM_SIZE         16

static const char *const environment[] = {"HOME=/", "PATH=/bin", "TERM=vt100"};

struct builder {
    char *page;
    uintptr_t top;
    size_t used; /* strings, from the top down */
};

static uintptr_t push_bytes(struct builder *builder, const void *bytes, size_t size)
{
    builder->used += size;
    memcpy(builder->page + HAL_PAGE_SIZE - builder->used, bytes, size);
    return builder->top - builder->used;
}

static uintptr_t push_string(struct builder *builder, const char *text)
{
    return push_bytes(builder, text, string_length(text) + 1);
}

static uintptr_t push_random(struct builder *builder)
{
    uint64_t random[RANDOM_SIZE / sizeof(uint64_t)] = {hal_cpu_entropy(), hal_cpu_entropy()};

    return push_bytes(builder, random, sizeof(random));
}

size_t initial_stack_build(char *page, uintptr_t top, const char *name,
                           const struct elf_program *program)
{
    struct builder builder = {.page = page, .top = top};
    uint64_t name_address = push_string(&builder, name);
    uint64_t home = push_string(&builder, environment[0]);
    uint64_t path = push_string(&builder, environment[1]);
    uint64_t terminal = push_string(&builder, environment[2]);
    uint64_t random = push_random(&builder);
    const uint64_t arguments[] = {1, name_address, 0, home, path, terminal, 0};
    const struct auxiliary_entry vector[] = {
        {AUXILIARY_HEADERS, program->headers},
        {AUXILIARY_HEADER_SIZE, PROGRAM_HEADER_SIZE},
        {AUXILIARY_HEADER_COUNT, program->header_count},
        {AUXILIARY_PAGE_SIZE, HAL_PAGE_SIZE},
        {AUXILIARY_ENTRY, program->entry},
        {AUXILIARY_SECURE, 0},
        {AUXILIARY_RANDOM, random},
        {AUXILIARY_END, 0},
    };

    /* The stack pointer, where argc lies, is 16-byte aligned. */
    builder.used += (-(builder.used + sizeof(vector) + sizeof(arguments))) & 15;
    (void)push_bytes(&builder, vector, sizeof(vector));
    (void)push_bytes(&builder, arguments, sizeof(arguments));
    return builder.used;
}
