/* Whatever the bytes, elf_module_read refuses them with a sentence or gives a plan that holds. */
#include <tests/fuzz/seeded.h>
#include <tests/host/readers/elf_checks.h>
#include <tests/host/readers/sample_module.h>

static const uint64_t NUMBERS[] = {
    0,          1,          2,          3,       4,          8,          9,
    14,         16,         24,         64,      SYMBOLS,    STRINGS,    TEXT_AT,
    RODATA_AT,  DATA_AT,    TABLE_AT,   0xfff1,  0xfff2,     4096,       FILE_SIZE,
    0x7fffffff, UINT32_MAX, UINT64_MAX, 1 << 24, 0x70000001, SYMBOLS_AT, STRINGS_AT};

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned int seed)
{
    uint8_t file[FILE_SIZE];
    struct sample_module sample = {0};

    sample_module_init(&sample);
    sample_module_write(&sample, file);
    return seeded_mutate(&(struct seeded){file, FILE_SIZE, NUMBERS, HX_ARRAY_SIZE(NUMBERS)}, data,
                         size, max_size, seed);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct elf_module module;
    const char *why;
    hx_err error = elf_module_read(data, size, MACHINE, &module, &why);

    must((error == HX_OK) == (why == NULL), "a refusal has a sentence, and only a refusal");
    if (error == HX_OK) {
        check_module(&module);
    }
    return 0;
}
