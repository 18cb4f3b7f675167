#include <base/memory.h>
#include <subsys/vfs/name.h>

/* At most NAME_WORD bytes, the first lowest. */
static uint64_t word_of(const char *bytes, size_t size)
{
    uint64_t word = 0;

    memcpy(&word, bytes, size);
    return word;
}

uint32_t name_hash(const char *name, size_t length)
{
    uint64_t hash = 0;

    for (; length >= NAME_WORD; length -= NAME_WORD, name += NAME_WORD) {
        hash = name_mix(hash, word_of(name, NAME_WORD));
    }
    return name_fold(name_mix(hash, word_of(name, length)));
}
