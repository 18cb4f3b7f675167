#include <hal/clock.h>
#include <kern/thread.h>
#include <stdatomic.h>
#include <subsys/process/load_average.h>

#define INTERVAL_NS (5 * HAL_NS_PER_S)
#define ONE         (1U << LOAD_SHIFT)

/* exp(-5/60), exp(-5/300), exp(-5/900), times ONE */
static const uint32_t decays[LOAD_AVERAGES] = {1884, 2014, 2037};
static _Atomic uint32_t current[LOAD_AVERAGES];

static bool count_running(struct thread *thread, void *argument)
{
    uint32_t state = atomic_load_explicit(&thread->state, memory_order_relaxed) & THREAD_STATE_MASK;

    if (thread->process != NULL && (state == THREAD_RUNNING || state == THREAD_RUNNABLE)) {
        (*(uint32_t *)argument)++;
    }
    return true;
}

uint32_t load_running_threads(void)
{
    uint32_t count = 0;

    thread_for_each(count_running, &count);
    return count;
}

uint32_t load_average_next(uint32_t average, uint32_t decay, uint32_t running)
{
    uint64_t active = (uint64_t)running << LOAD_SHIFT;
    uint64_t next = (uint64_t)average * decay + active * (ONE - decay);

    /* Rounded towards where it goes, or it would never get there. */
    return (uint32_t)((next + (active >= average ? ONE - 1 : 0)) >> LOAD_SHIFT);
}

static void look(void *argument)
{
    (void)argument;
    for (;;) {
        uint32_t running = load_running_threads();

        for (unsigned i = 0; i < LOAD_AVERAGES; i++) {
            uint32_t average = atomic_load_explicit(&current[i], memory_order_relaxed);

            /* relaxed, both: numbers for people, each for itself */
            atomic_store_explicit(&current[i], load_average_next(average, decays[i], running),
                                  memory_order_relaxed);
        }
        thread_sleep(INTERVAL_NS);
    }
}

hx_err load_average_init(void)
{
    const struct thread_options options = {
        .name = "load", .entry = look, .priority = THREAD_PRIORITY_NORMAL};
    struct thread *thread;
    hx_err error = thread_create(&options, &thread);

    if (error == HX_OK) {
        thread_start(thread);
    }
    return error;
}

void load_average_get(uint32_t averages[LOAD_AVERAGES])
{
    for (unsigned i = 0; i < LOAD_AVERAGES; i++) {
        averages[i] = atomic_load_explicit(&current[i], memory_order_relaxed);
    }
}
