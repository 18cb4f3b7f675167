/* Names of a directory: found by hash, listed by position. */
#include <base/memory.h>
#include <kern/heap.h>
#include <subsys/tmpfs/tmpfs_private.h>
#include <subsys/vfs/name.h>

#define FIRST_BUCKETS  8U
#define FIRST_CAPACITY 8U

static struct tmpfs_buckets *buckets_of(const struct tmpfs_directory *directory)
{
    /* acquire: pairs with the release in rehash */
    return atomic_load_explicit(&directory->buckets, memory_order_acquire);
}

static struct tmpfs_entry *load(const _Atomic(struct tmpfs_entry *) *link)
{
    /* acquire: pairs with the release in store */
    return atomic_load_explicit(link, memory_order_acquire);
}

static void store(_Atomic(struct tmpfs_entry *) *link, struct tmpfs_entry *entry)
{
    /* release: who finds the entry sees its name */
    atomic_store_explicit(link, entry, memory_order_release);
}

/* Words at any address. */
typedef uint64_t __attribute__((aligned(1), may_alias)) unaligned_8;
typedef uint32_t __attribute__((aligned(1), may_alias)) unaligned_4;

static HX_ALWAYS_INLINE bool is_same_8(const char *a, const char *b)
{
    return *(const unaligned_8 *)a == *(const unaligned_8 *)b;
}

static HX_ALWAYS_INLINE bool is_same_4(const char *a, const char *b)
{
    return *(const unaligned_4 *)a == *(const unaligned_4 *)b;
}

/* By words; the last one overlaps the one before it. Names of fewer than four bytes: the first, the
 * middle and the last, of which some may be the same. */
static HX_ALWAYS_INLINE bool is_same(const char *a, const char *b, size_t length)
{
    if (length >= 8) {
        for (size_t i = 0; i + 8 < length; i += 8) {
            if (!is_same_8(a + i, b + i)) {
                return false;
            }
        }
        return is_same_8(a + length - 8, b + length - 8);
    }
    if (length >= 4) {
        return is_same_4(a, b) && is_same_4(a + length - 4, b + length - 4);
    }
    return a[0] == b[0] && a[length / 2] == b[length / 2] && a[length - 1] == b[length - 1];
}

/* Chains are changed under who reads them: a reader may be led into another chain, and miss what it
 * looks for, but comes to an end, as entries are only put before those that are there. */
static HX_ALWAYS_INLINE struct tmpfs_entry *find(const struct tmpfs_directory *directory,
                                                 const char *name, size_t length, uint32_t hash)
{
    const struct tmpfs_buckets *buckets = buckets_of(directory);
    struct tmpfs_entry *entry =
        HX_LIKELY(buckets != NULL) ? load(&buckets->first[hash & buckets->mask]) : NULL;

    while (entry != NULL && (entry->hash != hash || entry->length != length ||
                             !is_same(entry->name, name, length))) {
        entry = load(&entry->next);
    }
    return entry;
}

struct tmpfs_entry *tmpfs_directory_find(const struct tmpfs_directory *directory, const char *name,
                                         size_t length)
{
    return find(directory, name, length, name_hash(name, length));
}

struct vnode *tmpfs_directory_peek(const struct vnode *vnode, const char *name, size_t length,
                                   uint32_t hash)
{
    const struct tmpfs_node *node = HX_CONTAINER_OF(vnode, const struct tmpfs_node, vnode);
    const struct tmpfs_entry *entry = find(&node->directory, name, length, hash);

    /* acquire: pairs with the release in tmpfs_entry_set */
    return entry != NULL ? atomic_load_explicit(&entry->vnode, memory_order_acquire) : NULL;
}

/* --- growing ---------------------------------------------------------------------------------- */

static void free_buckets(struct retired *retired)
{
    heap_free(HX_CONTAINER_OF(retired, struct tmpfs_buckets, retired));
}

static void push(struct tmpfs_buckets *buckets, struct tmpfs_entry *entry)
{
    _Atomic(struct tmpfs_entry *) *first = &buckets->first[entry->hash & buckets->mask];

    store(&entry->next, load(first));
    store(first, entry);
}

static void rehash(struct tmpfs_directory *directory, struct tmpfs_buckets *buckets)
{
    struct tmpfs_buckets *old = buckets_of(directory);

    for (uint32_t i = 0; i < directory->end; i++) {
        if (directory->entries[i] != NULL) {
            push(buckets, directory->entries[i]);
        }
    }
    /* release: pairs with the acquire in buckets_of */
    atomic_store_explicit(&directory->buckets, buckets, memory_order_release);
    if (old != NULL) {
        retire(&old->retired, free_buckets);
    }
}

/* Longer chains are no error, no chains at all is one. */
static hx_err grow_buckets(struct tmpfs_directory *directory)
{
    const struct tmpfs_buckets *old = buckets_of(directory);
    uint32_t count = old != NULL ? 2 * (old->mask + 1) : FIRST_BUCKETS;
    struct tmpfs_buckets *buckets;

    if (old != NULL && directory->count <= old->mask) {
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
    entry->position =
        directory->hole_count > 0 ? directory->holes[--directory->hole_count] : directory->end++;
    directory->entries[entry->position] = entry;
    push(buckets_of(directory), entry);
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
    tmpfs_entry_set(entry, vnode_get(vnode));
    entry->hash = name_hash(name, length);
    entry->length = (uint8_t)length;
    memcpy(entry->name, name, length);
    entry->name[length] = '\0';
    enter(directory, entry);
    return HX_OK;
}

static void free_entry(struct retired *retired)
{
    heap_free(HX_CONTAINER_OF(retired, struct tmpfs_entry, retired));
}

void tmpfs_directory_remove(struct tmpfs_directory *directory, struct tmpfs_entry *entry)
{
    struct tmpfs_buckets *buckets = buckets_of(directory);
    _Atomic(struct tmpfs_entry *) *link = &buckets->first[entry->hash & buckets->mask];

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
