/* Time as a subsystem. */
#include <core/component/component.h>
#include <core/debug/log.h>
#include <hal/clock.h>
#include <hal/cpu.h>
#include <kern/thread.h>
#include <stdatomic.h>
#include <subsys/time/clock_page.h>
#include <subsys/time/time.h>
#include <subsys/time/wall_clock.h>

/* The boot's calibration is short; a window this long makes its error a thousandth of that. */
#define REFINE_AFTER_NS (200 * HAL_NS_PER_MS)

static _Atomic int64_t last_correction_ppm;
static _Atomic uint32_t refinements;
static uint64_t suspended_at; /* ns; the orchestrator calls one at a time */

static void refine(void *argument)
{
    int64_t correction;

    (void)argument;
    thread_sleep(REFINE_AFTER_NS);
    clock_page_begin();
    correction = hal_clock_refine();
    clock_page_end();
    atomic_store_explicit(&last_correction_ppm, correction, memory_order_relaxed);
    atomic_fetch_add_explicit(&refinements, 1, memory_order_relaxed);
    kinfo("time: rate corrected by %lld ppm to %llu kHz", (long long)correction,
          (unsigned long long)hal_clock_cycles_per_second() / 1000);
}

static hx_err start_refining(void)
{
    struct thread *thread;
    hx_err error = thread_create(&(struct thread_options){.name = "clock-refine",
                                                          .entry = refine,
                                                          .priority = THREAD_PRIORITY_NORMAL},
                                 &thread);

    if (error == HX_OK) {
        thread_start(thread);
    }
    return error;
}

static void stats(struct component_stats *numbers)
{
    numbers->operations = atomic_load_explicit(&refinements, memory_order_relaxed);
    for (uint32_t cpu = 0; cpu < hal_cpu_count(); cpu++) {
        numbers->operations += thread_tick_count(cpu);
    }
}

static const struct component time_component = {
    .name = "time",
    .version = "1.0.0",
    .stats = stats,
};

/* The component and the thread. */
static hx_err start(void)
{
    hx_err error = component_register(&time_component);

    if (error != HX_OK) {
        return error;
    }
    error = start_refining();
    if (error != HX_OK) {
        (void)!component_unregister(&time_component);
    }
    return error;
}

static hx_err init(const struct boot_configuration *config)
{
    hx_err error;

    (void)config;
    wall_clock_init();
    kinfo("time: %llu kHz counter, %llu seconds since 1970",
          (unsigned long long)hal_clock_cycles_per_second() / 1000,
          (unsigned long long)hal_clock_wall());
    if (hal_clock_wall() == 0) {
        kwarn("time: no clock says the date: it is 1970 until it is set");
    }
    error = clock_page_init();
    if (error != HX_OK) {
        return error;
    }
    error = start();
    if (error != HX_OK) {
        clock_page_fini();
    }
    return error;
}

static hx_err shutdown(void)
{
    clock_page_fini();
    return component_unregister(&time_component);
}

static hx_err suspend(void)
{
    suspended_at = hal_clock_now();
    return HX_OK;
}

/* The wall clock is read again: the machine may have slept longer than the counter ran. */
static hx_err resume(void)
{
    kinfo("time: suspended for %llu ms, %llu seconds since 1970",
          (unsigned long long)((hal_clock_now() - suspended_at) / HAL_NS_PER_MS),
          (unsigned long long)hal_clock_wall());
    return HX_OK;
}

static const char *const dependencies[] = {"memory", NULL};

const struct subsystem time_subsystem = {
    .name = "time",
    .version = "1.0.0",
    .dependencies = dependencies,
    .init = init,
    .shutdown = shutdown,
    .suspend = suspend,
    .resume = resume,
};
