/* Names of a directory: found by hash, listed by position. */
#include <base/memory.h>
#include <kern/heap.h>
#include <subsys/tmpfs/tmpfs_private.h>

#define FIRST_BUCKETS  8U
#define FIRST_CAPACITY 8U

/* FNV-1a (Fowler, Noll, Vo), 32 bits. */
static uint32_t hash_of(const char *name, size_t length)
{
    uint32_t hash = 2166136261U;

    for (const char *end = name + length; name != end; name++) {
        hash = (hash ^ (uint8_t)*name) * 16777619U;
    }
    return hash;
}

struct tmpfs_entry *tmpfs_directory_find(const struct tmpfs_directory *directory, const char *name,
                                         size_t length)
{
    uint32_t hash = hash_of(name, length);
    struct tmpfs_entry *entry = directory->buckets != NULL
                                    ? directory->buckets[hash & (directory->bucket_count - 1)]
                                    : NULL;

    while (entry != NULL && (entry->hash != hash || entry->length != length ||
                             memcmp(entry->name, name, length) != 0)) {
        entry = entry->next;
    }
    return entry;
}

/* --- growing ---------------------------------------------------------------------------------- */

static void rehash(struct tmpfs_directory *directory, struct tmpfs_entry **buckets, uint32_t count)
{
    for (uint32_t i = 0; i < directory->end; i++) {
        struct tmpfs_entry *entry = directory->entries[i];

        if (entry != NULL) {
            entry->next = buckets[entry->hash & (count - 1)];
            buckets[entry->hash & (count - 1)] = entry;
        }
    }
    heap_free(directory->buckets);
    directory->buckets = buckets;
    directory->bucket_count = count;
}

/* Longer chains are no error, no chains at all is one. */
static hx_err grow_buckets(struct tmpfs_directory *directory)
{
    uint32_t count = directory->bucket_count > 0 ? 2 * directory->bucket_count : FIRST_BUCKETS;
    struct tmpfs_entry **buckets;

    if (directory->count < directory->bucket_count) {
        return HX_OK;
    }
    buckets = heap_allocate_zeroed(count * sizeof(struct tmpfs_entry *), OWNER_CORE);
    if (buckets != NULL) {
        rehash(directory, buckets, count);
    }
    return directory->buckets != NULL ? HX_OK : HX_ENOMEM;
}

static hx_err grow_positions(struct tmpfs_directory *directory)
{
    uint32_t capacity = directory->capacity > 0 ? 2 * directory->capacity : FIRST_CAPACITY;
    struct tmpfs_entry **entries;
    uint32_t *holes;

    if (directory->hole_count > 0 || directory->end < directory->capacity) {
        return HX_OK;
    }
    entries = heap_allocate(capacity * sizeof(struct tmpfs_entry *), OWNER_CORE);
    holes = heap_allocate(capacity * sizeof(uint32_t), OWNER_CORE);
    if (entries == NULL || holes == NULL) {
        heap_free(entries);
        heap_free(holes);
        return HX_ENOMEM;
    }
    if (directory->end > 0) {
        memcpy(entries, directory->entries, directory->end * sizeof(struct tmpfs_entry *));
    }
    heap_free(directory->entries);
    heap_free(directory->holes);
    directory->entries = entries;
    directory->holes = holes;
    directory->capacity = capacity;
    return HX_OK;
}

/* --- adding and removing ---------------------------------------------------------------------- */

static void enter(struct tmpfs_directory *directory, struct tmpfs_entry *entry)
{
    struct tmpfs_entry **bucket = &directory->buckets[entry->hash & (directory->bucket_count - 1)];

    entry->position =
        directory->hole_count > 0 ? directory->holes[--directory->hole_count] : directory->end++;
    directory->entries[entry->position] = entry;
    entry->next = *bucket;
    *bucket = entry;
    directory->count++;
}

hx_err tmpfs_directory_add(struct tmpfs_directory *directory, const char *name, size_t length,
                           struct vnode *vnode)
{
    struct tmpfs_entry *entry = heap_allocate(sizeof(*entry) + length + 1, OWNER_CORE);
    hx_err error = entry != NULL ? grow_buckets(directory) : HX_ENOMEM;

    if (error == HX_OK) {
        error = grow_positions(directory);
    }
    if (error != HX_OK) {
        heap_free(entry);
        return error;
    }
    entry->vnode = vnode_get(vnode);
    entry->hash = hash_of(name, length);
    entry->length = (uint8_t)length;
    memcpy(entry->name, name, length);
    entry->name[length] = '\0';
    enter(directory, entry);
    return HX_OK;
}

void tmpfs_directory_remove(struct tmpfs_directory *directory, struct tmpfs_entry *entry)
{
    struct tmpfs_entry **link = &directory->buckets[entry->hash & (directory->bucket_count - 1)];

    while (*link != entry) {
        link = &(*link)->next;
    }
    *link = entry->next;
    directory->entries[entry->position] = NULL;
    directory->holes[directory->hole_count++] = entry->position;
    directory->count--;
    if (directory->count == 0) {
        directory->end = 0;
        directory->hole_count = 0;
    }
    heap_free(entry);
}

void tmpfs_directory_fini(struct tmpfs_directory *directory)
{
    for (uint32_t i = 0; i < directory->end; i++) {
        heap_free(directory->entries[i]);
    }
    heap_free(directory->buckets);
    heap_free(directory->entries);
    heap_free(directory->holes);
}
