/*
 * Priorities: each CPU has a queue for each of the 32 levels and runs the highest one that has a
 * thread, found in one step; a CPU without work takes the highest from the others. A thread that
 * comes preempts what runs on its CPU if that is of a lower level. Threads of one level take turns,
 * the longer the nicer one is not; lower ones wait until all higher ones do. Who is lent a higher
 * priority while it waits moves up.
 */
#include <helix/scheduler.h>

#define QUEUE_LEVELS HX_PRIORITY_LEVELS

static uint32_t level_of(uint64_t priority)
{
    return HX_PRIORITY_LEVEL(priority) % HX_PRIORITY_LEVELS;
}

#include <../modules/scheduler_state_1_1.h>

static uint64_t enqueue(uint64_t thread, uint64_t cpu, uint64_t priority, uint64_t affinity)
{
    return queues_put(thread, cpu, level_of(priority), affinity);
}

/* At once while a higher one waits, after its slice while one of its own level does. */
static uint64_t is_over(uint64_t cpu, uint64_t ticks, uint64_t priority)
{
    uint32_t waiting = read_word(&queues[cpu].levels) >> level_of(priority);

    return count_turn(cpu, waiting > 1 || (waiting == 1 && ticks >= slice_of(priority)));
}

/* Of a thread that waits there; false: it does not. */
static bool move(uint32_t place, uint64_t thread, uint32_t level,
                 enum hx_scheduler_enqueued *answer)
{
    struct queue *queue = &queues[PLACE_CPU(place)];
    struct node *node = &nodes[HX_THREAD_INDEX(thread)];
    bool is_there;

    hx_spin_lock(&queue->lock);
    is_there = read_word(&node->place) == place && node->thread == thread;
    if (is_there && PLACE_LEVEL(place) != level) {
        unlink_locked(queue, node);
        append_locked(queue, PLACE_CPU(place), node, level);
    }
    if (is_there && level >= read_word(&queue->running)) {
        *answer = HX_SCHEDULER_PREEMPTS;
    }
    hx_spin_unlock(&queue->lock);
    return is_there;
}

/* It may have gone to another queue, or to a CPU, before the lock is taken: then the kernel tells
 * of it again if it still matters. */
static uint64_t reprioritize(uint64_t thread, uint64_t cpu, uint64_t priority, uint64_t is_running)
{
    uint32_t level = level_of(priority);
    enum hx_scheduler_enqueued answer = HX_SCHEDULER_QUEUED;
    uint32_t place = 0;

    if (HX_THREAD_INDEX(thread) < THREADS_MAX) {
        place = read_word(&nodes[HX_THREAD_INDEX(thread)].place);
    }
    if (place != 0 && move(place, thread, level, &answer)) {
        return answer;
    }
    if (is_running != 0 && read_word(&queues[cpu].running) != 0) {
        write_word(&queues[cpu].running, level + 1);
    }
    return answer;
}

static const struct hx_scheduler_operations operations = {
    .enqueue = enqueue,
    .pick = queues_pick,
    .is_over = is_over,
    .length = counted_length,
    .number = queues_number,
    .reprioritize = reprioritize,
};

const struct hx_module_descriptor hx_module = {
    .magic = HX_MODULE_MAGIC,
    .abi = HX_MODULE_ABI,
    .size = sizeof(struct hx_module_descriptor),
    .name = "sched_prio",
    .version = {.major = 1, .minor = 1, .patch = 0},
    .category = HX_CATEGORY_SCHEDULER,
    .operations_size = sizeof(operations),
    .operations = &operations,
    .lifecycle = &queues_lifecycle,
    .state_kind = "scheduler",
    .heap_pages = NODE_PAGES,
};
