/* Places of threads: chunks that are never given back, and a list of the free ones. */
#include <kern/heap.h>
#include <kern/spinlock.h>
#include <kern/thread_table.h>

#define CHUNK_SIZE      (1U << THREAD_TABLE_CHUNK_BITS)
#define INDEX_MASK      (THREAD_PLACE_OFFERED - 1)
#define GENERATION_STEP (THREAD_PLACE_OFFERED << 1)
#define GENERATION_MASK (~(GENERATION_STEP - 1))

/* What stands for chunks that do not exist: nothing in it is ever offered. */
static struct thread_place nobody[CHUNK_SIZE];

_Atomic(struct thread_place *) thread_table_chunks[THREAD_TABLE_CHUNKS] = {
    [0 ... THREAD_TABLE_CHUNKS - 1] = nobody};

/* Of a free place, the word keeps the last handle and thread leads to the next free one. */
static struct {
    struct spinlock lock;
    struct thread_place *free; /* under lock */
    _Atomic uint32_t chunks;   /* under lock; read by anyone */
} table = {.lock = SPINLOCK_INIT(LOCK_RANK_THREAD_TABLE, "thread table")};

static void push_free_locked(struct thread_place *place)
{
    place->thread = (struct thread *)table.free;
    table.free = place;
}

/* Places for CHUNK_SIZE threads more; the first free one is the one with the lowest index. */
static hx_err add_chunk_locked(struct thread_place *chunk)
{
    uint32_t chunks = atomic_load_explicit(&table.chunks, memory_order_relaxed);
    uint32_t first = chunks * CHUNK_SIZE;

    if (chunks == THREAD_TABLE_CHUNKS) {
        return HX_ENOSPC;
    }
    for (uint32_t i = CHUNK_SIZE; i-- > 0;) {
        atomic_init(&chunk[i].word, first + i);
        push_free_locked(&chunk[i]);
    }
    /* Release: pairs with thread_table_take. */
    atomic_store_explicit(&thread_table_chunks[chunks], chunk, memory_order_release);
    /* Release: pairs with thread_table_size. */
    atomic_store_explicit(&table.chunks, chunks + 1, memory_order_release);
    return HX_OK;
}

static hx_err add_chunk(void)
{
    struct thread_place *chunk = heap_allocate(CHUNK_SIZE * sizeof(*chunk), OWNER_CORE);
    hal_interrupt_state state;
    hx_err error;

    if (chunk == NULL) {
        return HX_ENOMEM;
    }
    state = spinlock_acquire(&table.lock);
    error = add_chunk_locked(chunk);
    spinlock_release(&table.lock, state);
    if (error != HX_OK) {
        heap_free(chunk);
    }
    return error;
}

/* NULL: there is none free. */
static struct thread_place *take_free(struct thread *thread, uint64_t *handle)
{
    hal_interrupt_state state = spinlock_acquire(&table.lock);
    struct thread_place *place = table.free;

    if (place != NULL) {
        uint64_t last = atomic_load_explicit(&place->word, memory_order_relaxed);

        table.free = (struct thread_place *)place->thread;
        place->thread = thread;
        *handle = (last & INDEX_MASK) | ((last + GENERATION_STEP) & GENERATION_MASK);
        *handle |= (*handle & GENERATION_MASK) == 0 ? GENERATION_STEP : 0; /* 0 is nobody's */
        atomic_store_explicit(&place->word, *handle, memory_order_relaxed);
    }
    spinlock_release(&table.lock, state);
    return place;
}

hx_err thread_table_add(struct thread *thread, struct thread_place **place, uint64_t *handle)
{
    hx_err error = HX_OK;

    *place = take_free(thread, handle);
    while (*place == NULL && error == HX_OK) {
        error = add_chunk();
        *place = error == HX_OK ? take_free(thread, handle) : NULL;
    }
    return error;
}

void thread_table_remove(struct thread_place *place)
{
    hal_interrupt_state state = spinlock_acquire(&table.lock);

    push_free_locked(place);
    spinlock_release(&table.lock, state);
}

uint32_t thread_table_size(void)
{
    return atomic_load_explicit(&table.chunks, memory_order_acquire) * CHUNK_SIZE;
}
