/* Whatever the bytes, elf_program_read refuses them with a sentence or gives a plan that holds. */
#include <tests/fuzz/seeded.h>
#include <tests/host/readers/elf_checks.h>
#include <tests/host/readers/sample_program.h>

#define SAMPLE_SIZE 512U /* header and program headers; the file claims to be longer */

static const uint64_t NUMBERS[] = {0,          1,          2,          3,          4,
                                   5,          6,          7,          0x1000,     0x1800,
                                   0x2000,     0x400000,   0x401000,   0x402800,   0x404000,
                                   FILE_SIZE,  0x200000,   1 << 30,    UINT32_MAX, UINT64_MAX,
                                   1ULL << 47, 1ULL << 63, 0x6474e551, 64,         0x7fffffffe000};

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned int seed)
{
    uint8_t head[0x1000];
    struct sample_program sample = {0};

    sample_program_init(&sample);
    if (seed % 2 == 0) {
        sample_program_name_interpreter(&sample, 0x1234, 28);
    }
    sample_program_write(&sample, head);
    return seeded_mutate(&(struct seeded){head, SAMPLE_SIZE, NUMBERS, HX_ARRAY_SIZE(NUMBERS)}, data,
                         size, max_size, seed);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct elf_program_file file = {.head = data,
                                          .head_size = size,
                                          .file_size = size < FILE_SIZE ? FILE_SIZE : size,
                                          .machine = MACHINE,
                                          .window_base = 0x1000,
                                          .window_size = 0x7fffffffd000,
                                          .dynamic_base = 0x400000000,
                                          .interpreted_base = 0x555555554000};
    struct elf_program program;
    const char *why;
    hx_err error = elf_program_read(&file, &program, &why);

    must((error == HX_OK) == (why == NULL), "a refusal has a sentence, and only a refusal");
    if (error == HX_OK) {
        check_program(&file, &program);
    }
    return 0;
}
