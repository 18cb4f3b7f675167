/*
 * Whatever the bytes, everything that is asked of a module file before it gets memory ends with an
 * answer: accepted, or a sentence. It begins with a module of this tree.
 */
#include <tests/fuzz/seeded.h>
#include <tests/host/hot_reload/real_module.h>

int LLVMFuzzerInitialize(int *argc, char ***argv);

static const uint64_t NUMBERS[] = {
    0,      1,      2,    3,    7,       8,       16,         24,         64,         62,
    0xfff1, 0xfff2, 4096, 8192, 1 << 16, 1 << 24, 0x7fffffff, UINT32_MAX, UINT64_MAX, 0x40000000};

static struct real_module sample;

/* The module is longer than what libFuzzer makes by itself. */
int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    static char longer[] = "-max_len=65536";
    char **words = calloc((size_t)*argc + 2, sizeof(*words));

    sample = real_module_read();
    if (sample.bytes == NULL || words == NULL) {
        abort();
    }
    memcpy(words, *argv, (size_t)*argc * sizeof(*words));
    words[(*argc)++] = longer;
    *argv = words;
    return 0;
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned int seed)
{
    return seeded_mutate(
        &(struct seeded){sample.bytes, sample.size, NUMBERS, sizeof(NUMBERS) / sizeof(NUMBERS[0])},
        data, size, max_size, seed);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char why[MODULE_WHY_MAX];
    hx_err error = real_module_judge(data, size, why);

    if (!real_module_answer_is_good(error, why)) {
        fprintf(stderr, "error %d with the sentence \"%s\"\n", (int)error, why);
        abort();
    }
    return 0;
}
