/*
 * Round robin: each CPU has one queue, first come, first served, whatever the priority; a CPU
 * without work takes from the others. A turn is the longer the nicer a thread is not.
 */
#include <helix/module.h>
#include <helix/scheduler.h>
#include <helix/spin.h>

#define THREADS_MAX 8192U /* nodes; a thread with a higher index is left to the kernel */
#define SLICE_TICKS 4U    /* of 1 ms, at niceness 0 */
#define PAGE_SIZE   4096U
#define NODE_PAGES  (THREADS_MAX * sizeof(struct node) / PAGE_SIZE)

#define STATE_STATISTICS 1U

/* A thread that waits; links are indices plus one, 0 ends. Keys: Q = its queue's lock */
struct node {
    uint64_t thread;   /* Q */
    uint64_t affinity; /* Q */
    uint32_t next;     /* Q */
    uint32_t previous; /* Q */
    uint32_t place;    /* Q  CPU plus one, 0: it does not wait; read without to find the queue */
    uint32_t reserved;
};

struct queue {
    struct hx_spin lock;
    uint32_t first, last;    /* under lock */
    _Atomic uint32_t length; /* under lock, read by anyone */
    uint64_t picks, steals;  /* under lock: what left it, and what was taken by others */
} HX_ALIGNED(HX_CACHE_LINE);

static struct node *nodes;
static struct queue queues[HX_SCHEDULER_CPU_MAX];
static uint64_t statistics_before[HX_SCHEDULER_STATISTICS]; /* of the instances before */

/* --- queues ----------------------------------------------------------------------------------- */

static void set_length_locked(struct queue *queue, uint32_t length)
{
    atomic_store_explicit(&queue->length, length, memory_order_relaxed);
}

static uint32_t length_of(const struct queue *queue)
{
    return atomic_load_explicit(&queue->length, memory_order_relaxed);
}

static void append_locked(struct queue *queue, uint32_t number)
{
    nodes[number - 1].previous = queue->last;
    nodes[number - 1].next = 0;
    if (queue->last != 0) {
        nodes[queue->last - 1].next = number;
    } else {
        queue->first = number;
    }
    queue->last = number;
    set_length_locked(queue, length_of(queue) + 1);
}

static void unlink_locked(struct queue *queue, struct node *node)
{
    if (node->previous != 0) {
        nodes[node->previous - 1].next = node->next;
    } else {
        queue->first = node->next;
    }
    if (node->next != 0) {
        nodes[node->next - 1].previous = node->previous;
    } else {
        queue->last = node->previous;
    }
    node->place = 0;
    set_length_locked(queue, length_of(queue) - 1);
}

/* --- operations ------------------------------------------------------------------------------- */

static uint64_t enqueue(uint64_t thread, uint64_t cpu, uint64_t priority, uint64_t affinity)
{
    uint32_t index = HX_THREAD_INDEX(thread);
    struct queue *queue = &queues[cpu];
    struct node *node = &nodes[index];

    (void)priority;
    if (index >= THREADS_MAX) {
        return HX_SCHEDULER_REFUSED;
    }
    hx_spin_lock(&queue->lock);
    node->thread = thread;
    node->affinity = affinity;
    node->place = (uint32_t)cpu + 1;
    append_locked(queue, index + 1);
    hx_spin_unlock(&queue->lock);
    return HX_SCHEDULER_QUEUED;
}

/* The first thread of another CPU's queue that may run here. */
static uint64_t steal_from(struct queue *queue, uint64_t cpu)
{
    uint64_t found = 0;

    hx_spin_lock(&queue->lock);
    for (uint32_t number = queue->first; number != 0; number = nodes[number - 1].next) {
        struct node *node = &nodes[number - 1];

        if ((node->affinity >> cpu & 1) != 0) {
            found = node->thread;
            unlink_locked(queue, node);
            queue->steals++;
            break;
        }
    }
    hx_spin_unlock(&queue->lock);
    return found;
}

static uint64_t steal(uint64_t cpu)
{
    for (uint64_t i = 1; i < HX_SCHEDULER_CPU_MAX; i++) {
        struct queue *victim = &queues[(cpu + i) % HX_SCHEDULER_CPU_MAX];

        if (length_of(victim) != 0) {
            uint64_t thread = steal_from(victim, cpu);

            if (thread != 0) {
                return thread;
            }
        }
    }
    return 0;
}

static uint64_t pick(uint64_t cpu)
{
    struct queue *queue = &queues[cpu];
    uint64_t thread = 0;

    if (length_of(queue) == 0) {
        return steal(cpu);
    }
    hx_spin_lock(&queue->lock);
    if (queue->first != 0) {
        struct node *node = &nodes[queue->first - 1];

        thread = node->thread;
        unlink_locked(queue, node);
        queue->picks++;
    }
    hx_spin_unlock(&queue->lock);
    return thread != 0 ? thread : steal(cpu);
}

static uint64_t slice_of(uint64_t priority)
{
    int nice = HX_PRIORITY_NICE(priority);

    return nice < 0 ? SLICE_TICKS * (uint64_t)(5 - nice) / 5
                    : SLICE_TICKS * (uint64_t)(20 - nice) / 20;
}

static uint64_t is_over(uint64_t cpu, uint64_t ticks, uint64_t priority)
{
    (void)cpu;
    return ticks >= slice_of(priority);
}

static uint64_t length(uint64_t cpu)
{
    return length_of(&queues[cpu]);
}

static uint64_t remove(uint64_t thread)
{
    struct node *node = &nodes[HX_THREAD_INDEX(thread)];
    uint32_t place = HX_THREAD_INDEX(thread) < THREADS_MAX ? node->place : 0;
    struct queue *queue = &queues[place - 1];
    uint64_t was_there = 0;

    if (place == 0) {
        return 0;
    }
    hx_spin_lock(&queue->lock);
    if (node->place == place && node->thread == thread) {
        unlink_locked(queue, node);
        was_there = 1;
    }
    hx_spin_unlock(&queue->lock);
    return was_there;
}

static uint64_t number(uint64_t index)
{
    uint64_t sum = index < HX_SCHEDULER_STATISTICS ? statistics_before[index] : 0;

    for (uint32_t cpu = 0; cpu < HX_SCHEDULER_CPU_MAX; cpu++) {
        sum += index == HX_SCHEDULER_PICKS    ? queues[cpu].picks
               : index == HX_SCHEDULER_STEALS ? queues[cpu].steals
                                              : 0;
    }
    return sum;
}

/* --- life ------------------------------------------------------------------------------------- */

static hx_err init(void)
{
    nodes = hx_pages_allocate(NODE_PAGES);
    return nodes != NULL ? HX_OK : HX_ENOMEM;
}

static void forget_all(void)
{
    for (uint32_t cpu = 0; cpu < HX_SCHEDULER_CPU_MAX; cpu++) {
        queues[cpu].first = queues[cpu].last = 0;
        set_length_locked(&queues[cpu], 0);
    }
}

static hx_err take_over(void)
{
    struct hx_runnable threads[16];
    uint64_t cursor = 0;
    uint64_t count = 1;
    hx_err error = HX_OK;

    forget_all();
    while (count != 0 && error == HX_OK) {
        error = hx_runnable_threads(&cursor, threads, sizeof(threads) / sizeof(threads[0]), &count);
        for (uint64_t i = 0; i < count && error == HX_OK; i++) {
            if (enqueue(threads[i].thread, threads[i].cpu, threads[i].priority,
                        threads[i].affinity) == HX_SCHEDULER_REFUSED) {
                error = HX_ERANGE;
            }
        }
    }
    return error;
}

static hx_err export_state(uint64_t minor)
{
    uint64_t statistics[HX_SCHEDULER_STATISTICS];

    (void)minor;
    for (uint64_t i = 0; i < HX_SCHEDULER_STATISTICS; i++) {
        statistics[i] = number(i);
    }
    return hx_state_put(STATE_STATISTICS, statistics, sizeof(statistics));
}

static hx_err import_state(uint64_t minor)
{
    (void)minor;
    return hx_state_get(STATE_STATISTICS, 0, statistics_before, sizeof(statistics_before));
}

static const struct hx_scheduler_operations operations = {
    .enqueue = enqueue,
    .pick = pick,
    .is_over = is_over,
    .length = length,
    .remove = remove,
    .number = number,
};

static const struct hx_module_lifecycle lifecycle = {
    .init = init,
    .import_state = import_state,
    .activate = take_over,
    .cancel_unload = take_over,
    .export_state = export_state,
};

const struct hx_module_descriptor hx_module = {
    .magic = HX_MODULE_MAGIC,
    .abi = HX_MODULE_ABI,
    .size = sizeof(struct hx_module_descriptor),
    .name = "sched_rr",
    .version = {.major = 1, .minor = 0, .patch = 0},
    .category = HX_CATEGORY_SCHEDULER,
    .operations_size = sizeof(operations),
    .operations = &operations,
    .lifecycle = &lifecycle,
    .state_kind = "scheduler",
    .heap_pages = NODE_PAGES,
};
