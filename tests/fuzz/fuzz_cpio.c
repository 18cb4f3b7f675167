/* Any bytes as an archive: what comes out lies in the buffer, and every walk ends. */
#include <base/cpio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static void require(bool condition)
{
    if (!condition) {
        abort();
    }
}

static void check_entry(const struct cpio_archive *archive, const struct cpio_entry *entry)
{
    const char *first = archive->bytes;
    const char *end = first + archive->size;
    const char *data = entry->data;

    require(entry->name >= first && entry->name < end);
    require(entry->name[0] != '\0' && entry->name + strlen(entry->name) < end);
    require(data >= first && data <= end && entry->size <= (size_t)(end - data));
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct cpio_archive archive = {.bytes = bytes, .size = size};
    struct cpio_reader reader;
    struct cpio_entry entry;
    struct cpio_entry last;
    size_t count = 0;
    hx_err error;

    cpio_open(&reader, archive);
    while ((error = cpio_next(&reader, &entry)) == HX_OK) {
        check_entry(&archive, &entry);
        last = entry;
        count++;
    }
    require(error == HX_ENOENT || error == HX_EFORMAT);
    require(reader.offset <= size && count <= size / 110);
    require(cpio_next(&reader, &entry) == error);
    if (error == HX_ENOENT && count > 0) {
        require(cpio_find(archive, last.name, &entry) == HX_OK);
        require(entry.data == last.data);
    }
    return 0;
}
