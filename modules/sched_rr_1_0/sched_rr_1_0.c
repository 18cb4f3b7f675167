/* sched_rr 1.0, as it was before each CPU's statistics were kept apart: what it does is told there.
 */
#include <stdint.h>

#define QUEUE_LEVELS 1U

static uint32_t level_of(uint64_t priority)
{
    (void)priority;
    return 0;
}

#include <../modules/scheduler_state_1_0.h>

static uint64_t enqueue(uint64_t thread, uint64_t cpu, uint64_t priority, uint64_t affinity)
{
    return queues_put(thread, cpu, level_of(priority), affinity);
}

static uint64_t is_over(uint64_t cpu, uint64_t ticks, uint64_t priority)
{
    (void)cpu;
    return ticks >= slice_of(priority);
}

static const struct hx_scheduler_operations operations = {
    .enqueue = enqueue,
    .pick = queues_pick,
    .is_over = is_over,
    .length = queues_length,
    .number = queues_number,
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
    .lifecycle = &queues_lifecycle,
    .state_kind = "scheduler",
    .heap_pages = NODE_PAGES,
};
