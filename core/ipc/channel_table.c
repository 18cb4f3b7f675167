#include <core/ipc/channel_table.h>
#include <kern/heap.h>
#include <kern/spinlock.h>

#define NO_ENTRY         UINT32_MAX
#define FIRST_GENERATION 1U

struct entry {
    struct channel *channel; /* NULL: free */
    uint32_t generation;
    uint32_t next_free;
};

/* Keys: L = under lock */
static struct spinlock lock = SPINLOCK_INIT(LOCK_RANK_CORE, "channels");
static struct entry *chunks[CHANNEL_TABLE_CHUNKS]; /* L  the first chunk_count are there */
static uint32_t chunk_count;                       /* L */
static uint32_t first_free = NO_ENTRY;             /* L */

static struct entry *entry_locked(uint32_t index)
{
    return &chunks[index / CHANNEL_TABLE_CHUNK][index % CHANNEL_TABLE_CHUNK];
}

static channel_handle make_handle(uint32_t index, uint32_t generation)
{
    return (uint64_t)generation << 32 | index;
}

static void add_chunk_locked(struct entry *chunk)
{
    uint32_t base = chunk_count * CHANNEL_TABLE_CHUNK;

    chunks[chunk_count++] = chunk;
    for (uint32_t i = CHANNEL_TABLE_CHUNK; i-- > 0;) {
        chunk[i] = (struct entry){.generation = FIRST_GENERATION, .next_free = first_free};
        first_free = base + i;
    }
}

/* Have a free entry, unless others take it first. */
static hx_err grow(void)
{
    struct entry *chunk = heap_allocate(CHANNEL_TABLE_CHUNK * sizeof *chunk, OWNER_CORE);
    hal_interrupt_state state;
    hx_err error = HX_OK;

    if (chunk == NULL) {
        return HX_ENOMEM;
    }
    state = spinlock_acquire(&lock);
    if (first_free == NO_ENTRY && chunk_count < CHANNEL_TABLE_CHUNKS) {
        add_chunk_locked(chunk);
        chunk = NULL;
    } else if (first_free == NO_ENTRY) {
        error = HX_ENOSPC;
    }
    spinlock_release(&lock, state);
    heap_free(chunk);
    return error;
}

static bool try_add(struct channel *channel)
{
    hal_interrupt_state state = spinlock_acquire(&lock);
    uint32_t index = first_free;

    if (index != NO_ENTRY) {
        struct entry *entry = entry_locked(index);

        first_free = entry->next_free;
        entry->channel = channel;
        channel->handle = make_handle(index, entry->generation);
    }
    spinlock_release(&lock, state);
    return index != NO_ENTRY;
}

hx_err channel_table_add(struct channel *channel)
{
    hx_err error = HX_OK;

    while (error == HX_OK && !try_add(channel)) {
        error = grow();
    }
    return error;
}

void channel_table_remove(struct channel *channel)
{
    hal_interrupt_state state = spinlock_acquire(&lock);
    uint32_t index = (uint32_t)channel->handle;
    struct entry *entry = entry_locked(index);

    entry->channel = NULL;
    entry->generation++;
    if (entry->generation == 0) {
        entry->generation = FIRST_GENERATION;
    }
    entry->next_free = first_free;
    first_free = index;
    spinlock_release(&lock, state);
}

/* Add one to a count that is not zero. */
static bool count_in(_Atomic uint32_t *count)
{
    uint32_t seen = atomic_load_explicit(count, memory_order_relaxed);

    while (seen != 0) {
        if (atomic_compare_exchange_weak_explicit(count, &seen, seen + 1, memory_order_relaxed,
                                                  memory_order_relaxed)) {
            return true;
        }
    }
    return false;
}

static struct channel *find_locked(channel_handle handle)
{
    uint32_t index = (uint32_t)handle;
    const struct entry *entry;

    if (index >= chunk_count * CHANNEL_TABLE_CHUNK) {
        return NULL;
    }
    entry = entry_locked(index);
    return handle == make_handle(index, entry->generation) ? entry->channel : NULL;
}

hx_err channel_table_open(channel_handle handle, struct channel **channel)
{
    hal_interrupt_state state = spinlock_acquire(&lock);
    struct channel *found = find_locked(handle);
    hx_err error = HX_OK;

    if (found == NULL) {
        error = HX_ESTALE;
    } else if (!count_in(&found->sender_count)) {
        error = HX_ECLOSED;
    } else {
        *channel = found;
    }
    spinlock_release(&lock, state);
    return error;
}

struct channel *channel_table_next(uint32_t *index)
{
    hal_interrupt_state state = spinlock_acquire(&lock);
    struct channel *found = NULL;

    while (found == NULL && *index < chunk_count * CHANNEL_TABLE_CHUNK) {
        struct channel *candidate = entry_locked((*index)++)->channel;

        if (candidate != NULL && count_in(&candidate->references)) {
            found = candidate;
        }
    }
    spinlock_release(&lock, state);
    return found;
}
