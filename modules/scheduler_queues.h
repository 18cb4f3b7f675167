/*
 * The queues of a scheduler module, for each CPU and level, and how it begins with the threads
 * there are: compiled into each module that includes it, by way of the version of its state
 * (scheduler_state_1_0.h, scheduler_state_1_1.h).
 *
 * Rules:
 * - The module defines QUEUE_LEVELS (1 to 32) and the function level_of before it includes this.
 * - Within a level, first come, first served; a CPU takes the highest level that has a thread, and
 * from other CPUs' queues when its own are empty.
 * - A thread whose index is THREADS_MAX or above is not taken: the kernel queues it. A module may
 * have room for fewer: HAS_ROOM_FOR.
 */
#ifndef MODULES_SCHEDULER_QUEUES_H
#define MODULES_SCHEDULER_QUEUES_H

#include <helix/module.h>
#include <helix/scheduler.h>
#include <helix/spin.h>
#include <stdbool.h>

#define THREADS_MAX 8192U
#ifndef HAS_ROOM_FOR
#define HAS_ROOM_FOR(index) ((index) < THREADS_MAX)
#endif
#define SLICE_TICKS 4U /* of 1 ms, at niceness 0 */
#define PAGE_SIZE   4096U
#define NODE_PAGES  ((THREADS_MAX * sizeof(struct node) + PAGE_SIZE - 1) / PAGE_SIZE)

/* What every version of the state counts: the statistics before this one. */
#define STATISTICS_1_0 ((uint32_t)HX_SCHEDULER_TURNS)

/* Tags of the state's records. */
#define STATE_STATISTICS 1U /* 1.0: the sums of all CPUs, STATISTICS_1_0 of them */

/* A ring: of an empty one the head leads to itself. */
struct links {
    struct links *next, *previous;
};

/* A thread that waits. Keys: Q = its queue's lock */
struct node {
    struct links links;     /* Q  first: links of a ring are nodes, but for its head */
    uint64_t thread;        /* Q */
    uint64_t affinity;      /* Q */
    _Atomic uint32_t place; /* Q  PLACE_OF; 0: it waits nowhere; read by anyone as a hint */
};

/* Where a thread waits, if there are several levels: not 0. */
#define PLACE_OF(cpu, level) ((uint32_t)(cpu) << 8 | (level) << 1 | 1U)
#define PLACE_CPU(place)     ((place) >> 8)
#define PLACE_LEVEL(place)   ((place) >> 1 & 0x7fU)

/* A CPU's threads. Keys: Q = lock, R = lock, read by anyone (relaxed: a hint) */
struct queue {
    struct hx_spin lock;
    _Atomic uint32_t levels;  /* R  a bit for each level that has a thread, if there are several */
    _Atomic uint32_t length;  /* R */
    bool is_used;             /* Q  its rings are made */
    _Atomic uint32_t running; /* the level plus one of what pick gave this CPU, 0: nothing */
    _Atomic uint64_t counts[HX_SCHEDULER_STATISTICS]; /* R */
    struct links rings[QUEUE_LEVELS];                 /* Q */
} HX_ALIGNED(HX_CACHE_LINE);

static struct node *nodes;
static struct queue queues[HX_SCHEDULER_CPU_MAX];
static _Atomic uint64_t used_cpus; /* whose queue had a thread once: a bit each */
/* Of the instances before: what belongs to no CPU; whose CPUs' counts they have left here. */
static uint64_t statistics_before[HX_SCHEDULER_STATISTICS];
static uint64_t imported_cpus;

/* --- one queue -------------------------------------------------------------------------------- */

static inline uint32_t read_word(const _Atomic uint32_t *word)
{
    return atomic_load_explicit(word, memory_order_relaxed);
}

static inline void write_word(_Atomic uint32_t *word, uint32_t value)
{
    atomic_store_explicit(word, value, memory_order_relaxed);
}

static inline void count_locked(struct queue *queue, enum hx_scheduler_statistic which)
{
    _Atomic uint64_t *count = &queue->counts[which];

    atomic_store_explicit(count, atomic_load_explicit(count, memory_order_relaxed) + 1,
                          memory_order_relaxed);
}

static inline uint32_t highest(uint32_t levels)
{
    return QUEUE_LEVELS == 1 ? 0 : 31U - (uint32_t)__builtin_clz(levels);
}

static inline void append_locked(struct queue *queue, uint64_t cpu, struct node *node,
                                 uint32_t level)
{
    struct links *head = &queue->rings[level];
    struct links *last = head->previous;

    node->links = (struct links){head, last};
    last->next = &node->links;
    head->previous = &node->links;
    write_word(&queue->length, read_word(&queue->length) + 1);
    if (QUEUE_LEVELS > 1) {
        write_word(&node->place, PLACE_OF(cpu, level));
        write_word(&queue->levels, read_word(&queue->levels) | 1U << level);
    }
}

static inline void unlink_locked(struct queue *queue, struct node *node)
{
    struct links *next = node->links.next;
    struct links *previous = node->links.previous;

    previous->next = next;
    next->previous = previous;
    write_word(&queue->length, read_word(&queue->length) - 1);
    if (QUEUE_LEVELS > 1 && next == previous) {
        uint32_t level = PLACE_LEVEL(read_word(&node->place));

        write_word(&queue->levels, read_word(&queue->levels) & ~(1U << level));
    }
    if (QUEUE_LEVELS > 1) {
        write_word(&node->place, 0);
    }
}

/* Which levels of a queue have a thread: a bit each. */
static inline uint32_t levels_of(const struct queue *queue)
{
    return QUEUE_LEVELS > 1 ? read_word(&queue->levels) : read_word(&queue->length) != 0;
}

/* --- all of them ------------------------------------------------------------------------------ */

/* A CPU's queue has its first thread: rings, and others look into it from now on. */
static HX_PRESERVE_REGISTERS void begin_queue_locked(struct queue *queue, uint64_t cpu)
{
    for (uint32_t level = 0; level < QUEUE_LEVELS; level++) {
        queue->rings[level] = (struct links){&queue->rings[level], &queue->rings[level]};
    }
    queue->is_used = true;
    atomic_fetch_or_explicit(&used_cpus, 1ULL << cpu, memory_order_relaxed);
}

/*
 * Have a thread wait for a CPU. Whether it is of a higher level than what runs there: on a CPU that
 * runs nothing, every level is.
 */
static inline enum hx_scheduler_enqueued queues_put(uint64_t thread, uint64_t cpu, uint32_t level,
                                                    uint64_t affinity)
{
    uint32_t index = HX_THREAD_INDEX(thread);
    struct queue *queue = &queues[cpu];
    struct node *node = &nodes[index];
    enum hx_scheduler_enqueued answer = HX_SCHEDULER_QUEUED;

    if (!HAS_ROOM_FOR(index)) {
        return HX_SCHEDULER_REFUSED;
    }
    hx_spin_lock(&queue->lock);
    if (HX_UNLIKELY(!queue->is_used)) {
        begin_queue_locked(queue, cpu);
    }
    node->thread = thread;
    node->affinity = affinity;
    append_locked(queue, cpu, node, level);
    if (QUEUE_LEVELS > 1 && level >= read_word(&queue->running)) {
        count_locked(queue, HX_SCHEDULER_PREEMPTIONS);
        answer = HX_SCHEDULER_PREEMPTS;
    }
    hx_spin_unlock(&queue->lock);
    return answer;
}

/* Of a queue's level, the first thread that may run on a CPU; 0: none may. */
static uint64_t steal_from(struct queue *queue, uint32_t level, uint64_t cpu)
{
    uint64_t found = 0;

    hx_spin_lock(&queue->lock);
    for (struct links *links = queue->rings[level].next; links != &queue->rings[level];
         links = links->next) {
        struct node *node = (struct node *)links;

        if ((node->affinity >> cpu & 1) != 0) {
            found = node->thread;
            unlink_locked(queue, node);
            count_locked(queue, HX_SCHEDULER_STEALS);
            break;
        }
    }
    hx_spin_unlock(&queue->lock);
    return found;
}

/* The next CPU after this one, in a circle, of a mask that is not 0. */
static inline uint64_t next_cpu(uint64_t mask, uint64_t cpu)
{
    uint64_t above = mask & ~((2ULL << cpu) - 1);

    return (uint64_t)__builtin_ctzll(above != 0 ? above : mask);
}

static uint64_t steal_level(uint64_t others, uint32_t level, uint64_t cpu)
{
    uint64_t found = 0;

    for (uint64_t victim = cpu; others != 0 && found == 0; others &= ~(1ULL << victim)) {
        victim = next_cpu(others, victim);
        if ((levels_of(&queues[victim]) >> level & 1) != 0) {
            found = steal_from(&queues[victim], level, cpu);
        }
    }
    return found;
}

/* Of what other CPUs have, a thread of the highest level that may run here. */
static HX_NOINLINE uint64_t steal(uint64_t cpu)
{
    uint64_t others = atomic_load_explicit(&used_cpus, memory_order_relaxed) & ~(1ULL << cpu);
    uint64_t found = 0;
    uint32_t levels = 0;
    uint32_t level = 0;

    for (uint64_t left = others; left != 0; left &= left - 1) {
        levels |= levels_of(&queues[__builtin_ctzll(left)]);
    }
    while (levels != 0 && found == 0) {
        level = highest(levels);
        found = steal_level(others, level, cpu);
        levels &= ~(1U << level);
    }
    if (QUEUE_LEVELS > 1 && found != 0) {
        write_word(&queues[cpu].running, level + 1);
    }
    return found;
}

/*
 * The next thread for a CPU. The lock is taken even if the queue looks empty: who enqueued without
 * having seen that the CPU idles held it, and is seen. What comes while the CPU looks at others'
 * queues finds it running nothing.
 */
static uint64_t queues_pick(uint64_t cpu)
{
    struct queue *queue = &queues[cpu];
    uint64_t thread = 0;
    uint32_t running = 0;

    hx_spin_lock(&queue->lock);
    if (levels_of(queue) != 0) {
        uint32_t level = highest(levels_of(queue));
        struct node *node = (struct node *)queue->rings[level].next;

        thread = node->thread;
        running = level + 1;
        unlink_locked(queue, node);
        count_locked(queue, HX_SCHEDULER_PICKS);
    }
    if (QUEUE_LEVELS > 1) {
        write_word(&queue->running, running);
    }
    hx_spin_unlock(&queue->lock);
    return HX_LIKELY(thread != 0) ? thread : steal(cpu);
}

static uint64_t queues_length(uint64_t cpu)
{
    return read_word(&queues[cpu].length);
}

static inline uint64_t count_of(uint64_t cpu, uint64_t index)
{
    return atomic_load_explicit(&queues[cpu].counts[index], memory_order_relaxed);
}

static inline void set_count(uint64_t cpu, uint64_t index, uint64_t value)
{
    atomic_store_explicit(&queues[cpu].counts[index], value, memory_order_relaxed);
}

/* CPUs that have counted something: a bit each. */
static inline uint64_t counting_cpus(void)
{
    return atomic_load_explicit(&used_cpus, memory_order_relaxed) | imported_cpus;
}

static uint64_t sum_of(uint64_t index)
{
    uint64_t sum = statistics_before[index];

    for (uint64_t left = counting_cpus(); left != 0; left &= left - 1) {
        sum += count_of((uint64_t)__builtin_ctzll(left), index);
    }
    return sum;
}

static void forget_counts(void)
{
    for (uint64_t left = counting_cpus(); left != 0; left &= left - 1) {
        for (uint64_t index = 0; index < HX_SCHEDULER_STATISTICS; index++) {
            set_count((uint64_t)__builtin_ctzll(left), index, 0);
        }
    }
    imported_cpus = 0;
}

/* How many ticks a thread may run while others of its level wait: the more the nicer it is not. */
static uint64_t slice_of(uint64_t priority)
{
    int nice = HX_PRIORITY_NICE(priority);

    return nice < 0 ? SLICE_TICKS * (uint64_t)(5 - nice) / 5
                    : SLICE_TICKS * (uint64_t)(20 - nice) / 20;
}

/* --- life ------------------------------------------------------------------------------------- */

static hx_err queues_init(void)
{
    nodes = hx_pages_allocate(NODE_PAGES);
    return nodes != NULL ? HX_OK : HX_ENOMEM;
}

static void forget_all(void)
{
    for (uint64_t left = atomic_load_explicit(&used_cpus, memory_order_relaxed); left != 0;
         left &= left - 1) {
        struct queue *queue = &queues[__builtin_ctzll(left)];

        begin_queue_locked(queue, (uint64_t)__builtin_ctzll(left));
        write_word(&queue->levels, 0);
        write_word(&queue->length, 0);
        write_word(&queue->running, 0);
    }
}

/* Where it is to wait and its priority, both at once. */
static inline uint64_t goal_of(const struct hx_runnable *thread)
{
    return thread->cpu | (uint64_t)thread->priority << 32;
}

static inline bool is_too_high(uint64_t thread)
{
    return !HAS_ROOM_FOR(HX_THREAD_INDEX(thread));
}

/* Link threads, from the first on, that have a goal in common, to the end of a ring; returns how
 * many.
 */
static uint64_t link_alike(const struct hx_runnable *threads, const struct hx_runnable *end,
                           struct queue *queue, uint32_t level)
{
    struct links *head = &queue->rings[level];
    struct links *last = head->previous;
    uint64_t goal = goal_of(threads);
    uint32_t place = PLACE_OF(threads->cpu, level);
    const struct hx_runnable *thread = threads;

    for (; thread < end && goal_of(thread) == goal && !is_too_high(thread->thread); thread++) {
        struct node *node = &nodes[HX_THREAD_INDEX(thread->thread)];

        node->thread = thread->thread;
        node->affinity = thread->affinity;
        if (QUEUE_LEVELS > 1) {
            write_word(&node->place, place);
        }
        node->links.previous = last;
        last->next = &node->links;
        last = &node->links;
    }
    last->next = head;
    head->previous = last;
    return (uint64_t)(thread - threads);
}

/* Take over threads that have a goal in common, while nobody else is in the module: no lock. */
static uint64_t put_alike(const struct hx_runnable *threads, const struct hx_runnable *end)
{
    struct queue *queue = &queues[threads->cpu];
    uint32_t level = level_of(threads->priority);
    uint64_t count;

    if (!queue->is_used) {
        begin_queue_locked(queue, threads->cpu);
    }
    count = link_alike(threads, end, queue, level);
    write_word(&queue->length, read_word(&queue->length) + (uint32_t)count);
    write_word(&queue->levels, read_word(&queue->levels) | 1U << level);
    return count;
}

static hx_err put_all(const struct hx_runnable *threads, uint64_t count)
{
    const struct hx_runnable *end = threads + count;
    hx_err error = HX_OK;

    while (threads < end && error == HX_OK) {
        if (is_too_high(threads->thread)) {
            error = hx_runnable_refuse(threads++->thread);
        } else {
            threads += put_alike(threads, end);
        }
    }
    return error;
}

/* Begin with the threads that the kernel says are to be enqueued. */
static hx_err queues_take_over(void)
{
    struct hx_runnable threads[HX_RUNNABLE_MAX];
    uint64_t cursor = 0;
    uint64_t count = 1;
    hx_err error = HX_OK;

    forget_all();
    while (count != 0 && error == HX_OK) {
        error = hx_runnable_threads(&cursor, threads, HX_RUNNABLE_MAX, &count);
        if (error == HX_OK) {
            error = put_all(threads, count);
        }
    }
    return error;
}

#endif
