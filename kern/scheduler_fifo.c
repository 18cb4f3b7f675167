/* First in, first out, whatever the priority: the policy that stays when no other can be trusted.
 */
#include <base/list.h>
#include <kern/cpu.h>
#include <kern/scheduler.h>
#include <kern/spinlock.h>
#include <kern/thread.h>

/* Keys: Q = lock, A = atomic */
struct fifo {
    struct spinlock lock;
    _Atomic uint32_t length; /* A  written under lock, read by anyone */
    struct list threads;     /* Q  by run_link, the next one first */
} HX_ALIGNED(HX_CACHE_LINE);

static struct fifo fifos[HAL_CPU_MAX];

static void fifo_init(void)
{
    for (uint32_t cpu = 0; cpu < HAL_CPU_MAX; cpu++) {
        spinlock_init(&fifos[cpu].lock, LOCK_RANK_RUN_QUEUE, "run queue");
        atomic_init(&fifos[cpu].length, 0);
        list_init(&fifos[cpu].threads);
    }
}

static uint32_t fifo_length(uint32_t cpu)
{
    return atomic_load_explicit(&fifos[cpu].length, memory_order_relaxed);
}

static void set_length_locked(struct fifo *fifo, uint32_t length)
{
    atomic_store_explicit(&fifo->length, length, memory_order_relaxed);
}

static bool fifo_enqueue(struct thread *thread, uint32_t cpu)
{
    struct fifo *fifo = &fifos[cpu];

    spinlock_acquire_nested(&fifo->lock);
    list_push_back(&fifo->threads, &thread->run_link);
    set_length_locked(fifo, fifo_length(cpu) + 1);
    spinlock_release_nested(&fifo->lock);
    return false;
}

static void fifo_requeue(struct thread *thread, uint32_t cpu)
{
    (void)fifo_enqueue(thread, cpu);
}

/* Take the first thread out of a queue that may run on a CPU. */
static struct thread *take_for(struct fifo *fifo, uint32_t cpu)
{
    struct thread *found = NULL;

    spinlock_acquire_nested(&fifo->lock);
    LIST_FOR_EACH (node, &fifo->threads) {
        struct thread *thread = LIST_ENTRY(node, struct thread, run_link);

        if ((thread_affinity(thread) >> cpu & 1) != 0) {
            found = thread;
            list_remove(node);
            set_length_locked(fifo, atomic_load_explicit(&fifo->length, memory_order_relaxed) - 1);
            break;
        }
    }
    spinlock_release_nested(&fifo->lock);
    return found;
}

/* A thread that waits for another CPU, beginning with this one's neighbour. */
static HX_NOINLINE struct thread *steal(uint32_t cpu)
{
    uint64_t others = cpu_online_mask() & ~(1ULL << cpu);

    while (others != 0) {
        uint32_t victim = cpu_next(others, cpu);

        if (fifo_length(victim) != 0) {
            struct thread *thread = take_for(&fifos[victim], cpu);

            if (thread != NULL) {
                return thread;
            }
        }
        others &= ~(1ULL << victim);
    }
    return NULL;
}

static struct thread *fifo_pick(uint32_t cpu)
{
    struct fifo *fifo = &fifos[cpu];
    struct list *head = &fifo->threads;

    spinlock_acquire_nested(&fifo->lock);

    struct list *node = head->next;

    if (HX_UNLIKELY(node == head)) {
        spinlock_release_nested(&fifo->lock);
        return steal(cpu);
    }

    /* Not list_remove: who picks and enqueues on the hot path does not need the self-links. */
    struct list *second = node->next;

    head->next = second;
    second->prev = head;
    set_length_locked(fifo, fifo_length(cpu) - 1);
    spinlock_release_nested(&fifo->lock);
    return LIST_ENTRY(node, struct thread, run_link);
}

static uint64_t slice_of(const struct thread *thread)
{
    int nice = thread_nice(thread);

    return nice < 0 ? SCHEDULER_SLICE_NS * (unsigned)(5 - nice) / 5
                    : SCHEDULER_SLICE_NS * (unsigned)(20 - nice) / 20;
}

static bool fifo_is_over(const struct thread *running, uint32_t cpu)
{
    (void)cpu;
    return running->slice_ticks * TIMER_TICK_NS >= slice_of(running);
}

const struct scheduler_ops scheduler_fifo = {
    .name = "fifo",
    .init = fifo_init,
    .enqueue = fifo_enqueue,
    .requeue = fifo_requeue,
    .pick = fifo_pick,
    .length = fifo_length,
    .is_over = fifo_is_over,
};
