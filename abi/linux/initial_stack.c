#include <abi/linux/elf_program.h>
#include <abi/linux/exec_strings.h>
#include <abi/linux/initial_stack.h>
#include <base/memory.h>
#include <base/string.h>
#include <hal/memory.h>
#include <hal/user.h>
#include <kern/heap.h>
#include <subsys/random/random.h>
#include <subsys/vfs/credentials.h>

/* Auxiliary vector types (System V ABI AMD64, figure 3.12; include/uapi/linux/auxvec.h). */
enum auxiliary {
    AT_NULL = 0,
    AT_PHDR = 3,
    AT_PHENT = 4,
    AT_PHNUM = 5,
    AT_PAGESZ = 6,
    AT_BASE = 7,
    AT_FLAGS = 8,
    AT_ENTRY = 9,
    AT_UID = 11,
    AT_EUID = 12,
    AT_GID = 13,
    AT_EGID = 14,
    AT_PLATFORM = 15,
    AT_CLKTCK = 17,
    AT_SECURE = 23,
    AT_RANDOM = 25,
    AT_EXECFN = 31,
    AT_SYSINFO_EHDR = 33,
};

#define ELF_PROGRAM_HEADER_SIZE 56U
#define CLOCK_TICKS             100U
#define RANDOM_BYTES            16U
#define AUXILIARY_MAX           20U

static const char platform[] = "x86_64";

/* The image of the stack, built from its end down to its front and then copied in one piece. */
struct image {
    char *bytes; /* the last of them is at top - 1 */
    size_t size;
    size_t start;   /* offset of what is in use */
    uintptr_t base; /* address of bytes[0] */
};

static uintptr_t push(struct image *image, const void *from, size_t size)
{
    image->start -= size;
    memcpy(image->bytes + image->start, from, size);
    return image->base + image->start;
}

/* --- parts ------------------------------------------------------------------------------------ */

struct vector {
    uint64_t words[2 * AUXILIARY_MAX];
    size_t count;
};

static void add(struct vector *vector, enum auxiliary type, uint64_t value)
{
    vector->words[vector->count++] = type;
    vector->words[vector->count++] = value;
}

static void add_program(struct vector *vector, const struct elf_program *program,
                        uintptr_t interpreter)
{
    add(vector, AT_PHDR, program->headers);
    add(vector, AT_PHENT, ELF_PROGRAM_HEADER_SIZE);
    add(vector, AT_PHNUM, program->header_count);
    add(vector, AT_PAGESZ, HAL_PAGE_SIZE);
    add(vector, AT_BASE, interpreter);
    add(vector, AT_FLAGS, 0);
    add(vector, AT_ENTRY, program->entry);
    add(vector, AT_CLKTCK, CLOCK_TICKS);
}

static void add_credentials(struct vector *vector, const struct credentials *who)
{
    add(vector, AT_UID, who->user);
    add(vector, AT_EUID, who->effective_user);
    add(vector, AT_GID, who->group);
    add(vector, AT_EGID, who->effective_group);
    add(vector, AT_SECURE,
        who->user != who->effective_user || who->group != who->effective_group ? 1 : 0);
}

/* The strings' addresses, each array with its closing 0. */
static void push_pointers(struct image *image, const struct exec_strings *strings,
                          uintptr_t address)
{
    size_t words = (size_t)strings->argument_count + strings->environment_count + 3;
    const char *text = strings->bytes;
    uint64_t *to;

    image->start -= words * sizeof(uint64_t);
    to = (uint64_t *)(image->bytes + image->start);
    *to++ = strings->argument_count;
    for (uint32_t i = 0; i < strings->argument_count + strings->environment_count; i++) {
        size_t size = string_length(text) + 1;

        if (i == strings->argument_count) {
            *to++ = 0;
        }
        *to++ = address;
        address += size;
        text += size;
    }
    if (strings->environment_count == 0) {
        *to++ = 0;
    }
    *to = 0;
}

/* --- the whole -------------------------------------------------------------------------------- */

/* So that the stack pointer comes out aligned: bytes that pointers and vector take, rounded up. */
static size_t table_size(const struct exec_strings *strings, const struct vector *vector)
{
    size_t words = (size_t)strings->argument_count + strings->environment_count + 3 + vector->count;

    return words * sizeof(uint64_t);
}

static void build(struct image *image, const struct exec_strings *strings, const char *name,
                  struct vector *vector, struct initial_stack *stack)
{
    const uint64_t end = 0;
    uint8_t seed[RANDOM_BYTES];
    uintptr_t text;

    random_fill(seed, sizeof(seed));
    /* As Linux does; and who reads the last string by words does not leave the stack. */
    (void)push(image, &end, sizeof(end));
    add(vector, AT_EXECFN, push(image, name, string_length(name) + 1));
    text = push(image, strings->bytes, strings->used);
    stack->arguments_start = text;
    stack->arguments_end = text + strings->environment_start;
    stack->environment_start = stack->arguments_end;
    stack->environment_end = text + strings->used;
    add(vector, AT_PLATFORM, push(image, platform, sizeof(platform)));
    add(vector, AT_RANDOM, push(image, seed, sizeof(seed)));
    add(vector, AT_NULL, 0);
    image->start -= (image->base + image->start - table_size(strings, vector)) % 16;
    stack->auxiliary_size = vector->count * sizeof(uint64_t);
    stack->auxiliary_start = push(image, vector->words, stack->auxiliary_size);
    push_pointers(image, strings, text);
    stack->pointer = image->base + image->start;
}

hx_err initial_stack_write(uintptr_t top, const struct exec_strings *strings, const char *name,
                           const struct elf_program *program, const struct credentials *who,
                           uintptr_t vdso, uintptr_t interpreter, struct initial_stack *stack)
{
    struct vector vector = {.count = 0};
    struct image image = {.size =
                              strings->used + string_length(name) + 512 +
                              8 * (size_t)(strings->argument_count + strings->environment_count)};
    hx_err error;

    image.size = (image.size + 15) & ~(size_t)15;
    image.bytes = heap_allocate(image.size, OWNER_CORE);
    if (image.bytes == NULL) {
        return HX_ENOMEM;
    }
    image.start = image.size;
    image.base = top - image.size;
    add_program(&vector, program, interpreter);
    add_credentials(&vector, who);
    if (vdso != 0) {
        add(&vector, AT_SYSINFO_EHDR, vdso);
    }
    build(&image, strings, name, &vector, stack);
    error = hal_user_copy_out(stack->pointer, image.bytes + image.start, image.size - image.start);
    heap_free(image.bytes);
    return error;
}
