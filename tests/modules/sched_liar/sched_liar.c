/*
 * A scheduler that lies when it is told to: include/helix/scheduler_lies.h.
 */
#include <helix/scheduler_lies.h>

#define QUEUE_LEVELS 1U

static uint32_t level_of(uint64_t priority)
{
    (void)priority;
    return 0;
}

#include <../modules/scheduler_state_1_0.h>

#define MADE_UP 0x5a5a5a5a5a5a5a5aULL

static _Atomic uint32_t lie;
static _Atomic uint64_t picks_before_it;
static _Atomic uint64_t last_picked[HX_SCHEDULER_CPU_MAX];

static uint64_t enqueue(uint64_t thread, uint64_t cpu, uint64_t priority, uint64_t affinity)
{
    uint64_t answer = queues_put(thread, cpu, level_of(priority), affinity);

    return answer == HX_SCHEDULER_QUEUED && read_word(&lie) == HX_LIE_PREEMPT
               ? HX_SCHEDULER_PREEMPTS
               : answer;
}

static uint64_t unfit_locked(const struct queue *queue, uint64_t cpu)
{
    const struct links *head = &queue->rings[0];

    for (const struct links *links = head->next; links != head; links = links->next) {
        const struct node *node = (const struct node *)links;

        if ((node->affinity >> cpu & 1) == 0) {
            return node->thread;
        }
    }
    return 0;
}

/* The first thread that waits somewhere and may not run on the CPU, 0: there is none. */
static uint64_t thread_of_others(uint64_t cpu)
{
    for (uint64_t other = 0; other < HX_SCHEDULER_CPU_MAX; other++) {
        uint64_t found = 0;

        hx_spin_lock(&queues[other].lock);
        if (queues[other].is_used) {
            found = unfit_locked(&queues[other], cpu);
        }
        hx_spin_unlock(&queues[other].lock);
        if (found != 0) {
            return found;
        }
    }
    return 0;
}

/* Whoever came last to the CPU's queue, 0: nobody who may run there. */
static uint64_t take_last(uint64_t cpu)
{
    struct queue *queue = &queues[cpu];
    struct node *last;
    uint64_t thread = 0;

    hx_spin_lock(&queue->lock);
    if (queue->is_used && queue->rings[0].previous != &queue->rings[0]) {
        last = (struct node *)queue->rings[0].previous;
        if ((last->affinity >> cpu & 1) != 0) {
            thread = last->thread;
            unlink_locked(queue, last);
        }
    }
    hx_spin_unlock(&queue->lock);
    return thread;
}

/* What the lie is for a CPU, 0: none. */
static uint64_t tell(uint64_t cpu)
{
    switch (read_word(&lie)) {
    case HX_LIE_MADE_UP:
        return MADE_UP;
    case HX_LIE_AGAIN:
        return atomic_load_explicit(&last_picked[cpu], memory_order_relaxed);
    case HX_LIE_WRONG_CPU:
        return thread_of_others(cpu);
    case HX_LIE_TRAP:
        __builtin_trap();
    case HX_LIE_LOOP:
        for (;;) {
            __asm__ volatile("");
        }
    case HX_LIE_LOSE:
        (void)queues_pick(cpu);
        return 0;
    case HX_LIE_STARVE:
        return take_last(cpu);
    default:
        return 0;
    }
}

/* Counts down to 0 and no further, however many CPUs do. */
static bool is_time_to_lie(void)
{
    uint64_t left = atomic_load_explicit(&picks_before_it, memory_order_relaxed);

    if (read_word(&lie) == HX_LIE_NONE) {
        return false;
    }
    while (left != 0 &&
           !atomic_compare_exchange_weak_explicit(&picks_before_it, &left, left - 1,
                                                  memory_order_relaxed, memory_order_relaxed)) {
    }
    return left <= 1;
}

static uint64_t pick(uint64_t cpu)
{
    uint64_t thread = is_time_to_lie() ? tell(cpu) : 0;

    if (thread == 0) {
        thread = queues_pick(cpu);
        atomic_store_explicit(&last_picked[cpu], thread, memory_order_relaxed);
    }
    return thread;
}

static uint64_t is_over(uint64_t cpu, uint64_t ticks, uint64_t priority)
{
    (void)cpu;
    return ticks >= slice_of(priority);
}

static uint64_t number(uint64_t index)
{
    if (index < HX_LIE_COMMAND(0, 0)) {
        return queues_number(index);
    }
    atomic_store_explicit(&picks_before_it, index & 0xffffff, memory_order_relaxed);
    write_word(&lie, (uint32_t)(index >> 24 & 0xff));
    return 0;
}

static const struct hx_scheduler_operations operations = {
    .enqueue = enqueue,
    .pick = pick,
    .is_over = is_over,
    .length = queues_length,
    .number = number,
};

const struct hx_module_descriptor hx_module = {
    .magic = HX_MODULE_MAGIC,
    .abi = HX_MODULE_ABI,
    .size = sizeof(struct hx_module_descriptor),
    .name = "sched_liar",
    .version = {.major = 1, .minor = 0, .patch = 0},
    .category = HX_CATEGORY_SCHEDULER,
    .operations_size = sizeof(operations),
    .operations = &operations,
    .lifecycle = &queues_lifecycle,
    .state_kind = "scheduler",
    .heap_pages = NODE_PAGES,
};
