/* Who has the real things of each class, and how they count them. */
#include <hal/memory.h>
#include <kern/frames.h>
#include <kern/thread.h>
#include <subsys/resources/providers.h>

/* --- memory ----------------------------------------------------------------------------------- */

static uint64_t memory_usage(owner_tag owner)
{
    return frames_owned(owner) * HAL_PAGE_SIZE;
}

static const struct resource_provider memory_provider = {
    .name = "frames",
    .usage = memory_usage,
};

/* --- threads and their time ------------------------------------------------------------------- */

struct thread_sum {
    owner_tag owner;
    uint64_t threads;
    uint64_t microseconds;
};

/* The CPUs' boot threads were not created, and idling is nobody's time. */
static bool add_thread(struct thread *thread, void *argument)
{
    struct thread_sum *sum = argument;

    if (thread->owner == sum->owner && thread->stack != NULL) {
        sum->threads++;
        sum->microseconds += thread_run_time(thread) / 1000;
    }
    return true;
}

static struct thread_sum sum_threads(owner_tag owner)
{
    struct thread_sum sum = {.owner = owner};

    thread_for_each(add_thread, &sum);
    return sum;
}

static uint64_t thread_usage(owner_tag owner)
{
    return sum_threads(owner).threads;
}

static uint64_t cpu_time_usage(owner_tag owner)
{
    return sum_threads(owner).microseconds;
}

/* Threads that have exited are charged for until they are freed. */
static bool reclaim_threads(owner_tag owner, uint64_t amount)
{
    (void)owner;
    (void)amount;
    return thread_reap();
}

static const struct resource_provider thread_provider = {
    .name = "threads",
    .reclaim = reclaim_threads,
    .usage = thread_usage,
};

static const struct resource_provider cpu_time_provider = {
    .name = "threads",
    .usage = cpu_time_usage,
};

/* --- modules ---------------------------------------------------------------------------------- */

static const struct resource_provider module_provider = {
    .name = "loader",
};

static const struct resource_provider lock_provider = {
    .name = "gate",
};

const struct resource_provider *const resource_providers[RESOURCE_CLASS_COUNT] = {
    [RESOURCE_MEMORY] = &memory_provider,  [RESOURCE_CPU_TIME] = &cpu_time_provider,
    [RESOURCE_THREADS] = &thread_provider, [RESOURCE_MODULES] = &module_provider,
    [RESOURCE_LOCKS] = &lock_provider,
};
