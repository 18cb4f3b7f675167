/* Names of a directory: found by hash, listed by position. */
#include <base/memory.h>
#include <kern/heap.h>
#include <subsys/tmpfs/tmpfs_private.h>
#include <subsys/vfs/name.h>

#define FIRST_BUCKETS  8U
#define FIRST_CAPACITY 8U

/* The table is the vnode's: walks without locks know where. */
static _Atomic(struct name_table *) *table_of(const struct tmpfs_directory *directory)
{
    return &HX_CONTAINER_OF(directory, struct tmpfs_node, directory)->vnode.names;
}

static struct name_table *buckets_of(const struct tmpfs_directory *directory)
{
    return atomic_load_explicit(table_of(directory), memory_order_relaxed); /* under the mutex */
}

static struct name_entry *load(const _Atomic(struct name_entry *) *link)
{
    return atomic_load_explicit(link, memory_order_relaxed); /* under the mutex */
}

static void store(_Atomic(struct name_entry *) *link, struct name_entry *entry)
{
    /* release: who finds the entry sees its name */
    atomic_store_explicit(link, entry, memory_order_release);
}

struct name_entry *tmpfs_directory_find(const struct tmpfs_directory *directory, const char *name,
                                        size_t length)
{
    const struct name_table *table = buckets_of(directory);
    struct name_scan scan = name_scan_of(name, length);

    return table != NULL ? name_find(table, name, &scan) : NULL;
}

/* --- growing ---------------------------------------------------------------------------------- */

static void free_buckets(struct retired *retired)
{
    heap_free(HX_CONTAINER_OF(retired, struct name_table, retired));
}

static void push(struct name_table *buckets, struct name_entry *entry)
{
    _Atomic(struct name_entry *) *first = &buckets->first[entry->hash & buckets->mask];

    store(&entry->next, load(first));
    store(first, entry);
}

static void rehash(struct tmpfs_directory *directory, struct name_table *buckets)
{
    struct name_table *old = buckets_of(directory);

    for (uint32_t i = 0; i < directory->end; i++) {
        if (directory->entries[i] != NULL) {
            push(buckets, directory->entries[i]);
        }
    }
    /* release: pairs with the acquire of walks without locks (path.c) */
    atomic_store_explicit(table_of(directory), buckets, memory_order_release);
    if (old != NULL) {
        retire(&old->retired, free_buckets);
    }
}

/* Longer chains are no error, no chains at all is one. */
static hx_err grow_buckets(struct tmpfs_directory *directory)
{
    const struct name_table *old = buckets_of(directory);
    uint32_t count = old != NULL ? 2 * (old->mask + 1) : FIRST_BUCKETS;
    struct name_table *buckets;

    if (old != NULL && 2 * directory->count <= old->mask) {
        return HX_OK;
    }
    buckets =
        heap_allocate_zeroed(sizeof(*buckets) + count * sizeof(buckets->first[0]), OWNER_CORE);
    if (buckets != NULL) {
        buckets->mask = count - 1;
        rehash(directory, buckets);
    }
    return buckets_of(directory) != NULL ? HX_OK : HX_ENOMEM;
}

static hx_err grow_positions(struct tmpfs_directory *directory)
{
    uint32_t capacity = directory->capacity > 0 ? 2 * directory->capacity : FIRST_CAPACITY;
    struct name_entry **entries;
    uint32_t *holes;

    if (directory->hole_count > 0 || directory->end < directory->capacity) {
        return HX_OK;
    }
    entries = heap_allocate(capacity * sizeof(struct name_entry *), OWNER_CORE);
    holes = heap_allocate(capacity * sizeof(uint32_t), OWNER_CORE);
    if (entries == NULL || holes == NULL) {
        heap_free(entries);
        heap_free(holes);
        return HX_ENOMEM;
    }
    if (directory->end > 0) {
        memcpy(entries, directory->entries, directory->end * sizeof(struct name_entry *));
    }
    heap_free(directory->entries);
    heap_free(directory->holes);
    directory->entries = entries;
    directory->holes = holes;
    directory->capacity = capacity;
    return HX_OK;
}

/* --- adding and removing ---------------------------------------------------------------------- */

static void enter(struct tmpfs_directory *directory, struct name_entry *entry)
{
    entry->position =
        directory->hole_count > 0 ? directory->holes[--directory->hole_count] : directory->end++;
    directory->entries[entry->position] = entry;
    push(buckets_of(directory), entry);
    directory->count++;
}

hx_err tmpfs_directory_add(struct tmpfs_directory *directory, const char *name, size_t length,
                           struct vnode *vnode)
{
    struct name_entry *entry = heap_allocate(name_entry_size(length), OWNER_CORE);
    hx_err error = entry != NULL ? grow_buckets(directory) : HX_ENOMEM;

    if (error == HX_OK) {
        error = grow_positions(directory);
    }
    if (error != HX_OK) {
        heap_free(entry);
        return error;
    }
    name_entry_init(entry, name, length, vnode_get(vnode));
    enter(directory, entry);
    return HX_OK;
}

static void free_entry(struct retired *retired)
{
    heap_free(HX_CONTAINER_OF(retired, struct name_entry, retired));
}

void tmpfs_directory_remove(struct tmpfs_directory *directory, struct name_entry *entry)
{
    struct name_table *buckets = buckets_of(directory);
    _Atomic(struct name_entry *) *link = &buckets->first[entry->hash & buckets->mask];

    while (load(link) != entry) {
        link = &load(link)->next;
    }
    store(link, load(&entry->next));
    directory->entries[entry->position] = NULL;
    directory->holes[directory->hole_count++] = entry->position;
    directory->count--;
    if (directory->count == 0) {
        directory->end = 0;
        directory->hole_count = 0;
    }
    retire(&entry->retired, free_entry);
}

void tmpfs_directory_fini(struct tmpfs_directory *directory)
{
    for (uint32_t i = 0; i < directory->end; i++) {
        heap_free(directory->entries[i]);
    }
    heap_free(buckets_of(directory));
    heap_free(directory->entries);
    heap_free(directory->holes);
}
