/*
 * Whatever lies in the memory that survives a reset, panic_record_read refuses it or tells of texts
 * inside it, and what is shown of them has nothing that a terminal would act on. The mutator mends
 * the checksum most of the time, or nothing behind it would ever be reached.
 */
#include <base/crc32c.h>
#include <core/panic/record.h>
#include <stdio.h>
#include <stdlib.h>
#include <tests/fuzz/seeded.h>

#define HEADER      sizeof(struct panic_record_header)
#define SUMMED_FROM offsetof(struct panic_record_header, version)
#define SAMPLE_SIZE 512U
#define SHOWN_MAX   65536U

static const uint64_t NUMBERS[] = {0,           1,    2,          3,
                                   7,           8,    32,         HEADER,
                                   0x1b,        100,  192,        256,
                                   SAMPLE_SIZE, 4096, UINT32_MAX, 1ULL << 15,
                                   1ULL << 31,  0x7f, UINT64_MAX, PANIC_RECORD_MAGIC};

static void must(bool holds, const char *sentence)
{
    if (!holds) {
        fprintf(stderr, "does not hold: %s\n", sentence);
        abort();
    }
}

static void make_sample(uint8_t sample[SAMPLE_SIZE])
{
    struct panic_record_writer writer;

    memset(sample, 0xa5, SAMPLE_SIZE);
    must(panic_record_begin(&writer, sample, SAMPLE_SIZE), "a record has room in the sample");
    text_add(&writer.text, "=== KERNEL PANIC ===\nMessage: 42\n");
    panic_record_next(&writer);
    text_add(&writer.text, "-19.834 us cpu=1 tid=34 exception\n");
    panic_record_next(&writer);
    text_add(&writer.text, "     1     0.000000 helix\n");
    panic_record_seal(&writer, "42");
}

/* Of as much as the lengths say, or as there is. */
static void mend(uint8_t *data, size_t size)
{
    struct panic_record_header header;
    uint64_t length = 0;

    if (size < HEADER) {
        return;
    }
    memcpy(&header, data, HEADER);
    for (size_t i = 0; i < PANIC_RECORD_PARTS; i++) {
        length += header.lengths[i];
    }
    length = length < size - HEADER ? length : size - HEADER;
    header.checksum = crc32c(0, data + SUMMED_FROM, HEADER - SUMMED_FROM + length);
    memcpy(data + offsetof(struct panic_record_header, checksum), &header.checksum,
           sizeof(header.checksum));
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned int seed)
{
    _Alignas(8) uint8_t sample[SAMPLE_SIZE];
    const struct seeded seeded = {sample, SAMPLE_SIZE, NUMBERS,
                                  sizeof(NUMBERS) / sizeof(NUMBERS[0])};

    make_sample(sample);
    size = seeded_mutate(&seeded, data, size, max_size, seed);
    if (seed % 8 != 0) {
        mend(data, size);
    }
    return size;
}

static void check_inside(const struct panic_record *record, const uint8_t *memory, size_t size)
{
    for (size_t i = 0; i < PANIC_RECORD_PARTS; i++) {
        const uint8_t *text = (const uint8_t *)record->texts[i];

        must(text >= memory + HEADER && record->lengths[i] <= size &&
                 text + record->lengths[i] <= memory + size,
             "a text is inside the memory");
    }
}

static void check_shown(const struct panic_record *record)
{
    static char shown[SHOWN_MAX];
    struct text text = text_into(shown, sizeof(shown));

    must(strlen(record->message) < PANIC_MESSAGE_MAX, "the message ends");
    panic_record_show(record, &text);
    for (size_t i = 0; i < text.length && i < sizeof(shown) - 1; i++) {
        must((unsigned char)shown[i] >= ' ' || shown[i] == '\n' || shown[i] == '\t',
             "no control characters are shown");
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    /* As long as the input, for the sanitizer; and aligned, as the memory is. */
    uint8_t *memory = aligned_alloc(8, (size + 8) & ~(size_t)7);
    struct panic_record record;

    memcpy(memory, data, size);
    if (panic_record_read(memory, size, &record)) {
        check_inside(&record, memory, size);
        check_shown(&record);
        panic_record_erase(memory, size);
        must(!panic_record_read(memory, size, &record), "what is erased is gone");
    }
    free(memory);
    return 0;
}
