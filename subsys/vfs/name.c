#include <base/memory.h>
#include <subsys/vfs/name.h>

/* At most NAME_WORD bytes, the first lowest. */
static uint64_t word_of(const char *bytes, size_t size)
{
    uint64_t word = 0;

    memcpy(&word, bytes, size);
    return word;
}

struct name_scan name_scan_of(const char *name, size_t length)
{
    size_t left = length;
    uint64_t hash = 0;
    uint64_t last;

    for (; left >= NAME_WORD; left -= NAME_WORD, name += NAME_WORD) {
        hash = name_mix(hash, word_of(name, NAME_WORD));
    }
    last = word_of(name, left);
    return (struct name_scan){name + left, last, name_fold(name_mix(hash, last))};
}

void name_entry_init(struct name_entry *entry, const char *name, size_t length, struct vnode *vnode)
{
    struct name_scan scan = name_scan_of(name, length);

    atomic_init(&entry->next, NULL);
    atomic_init(&entry->vnode, vnode);
    entry->hash = scan.hash;
    entry->length = (uint8_t)length;
    memcpy(entry->words, name, length - length % NAME_WORD);
    entry->words[length / NAME_WORD] = scan.last;
}
