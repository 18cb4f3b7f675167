#include <core/component/component.h>
#include <hal/clock.h>
#include <kern/thread.h>
#include <subsys/process/process.h>
#include <subsys/processes/processes.h>

#define END_LIMIT_NS (500 * HAL_NS_PER_MS)

static void stats(struct component_stats *numbers)
{
    numbers->operations = process_forks();
}

static const struct component processes_component = {
    .name = "processes", .version = "1.0.0", .stats = stats};

static hx_err init(const struct boot_configuration *config)
{
    hx_err error = process_init();

    (void)config;
    return error == HX_OK ? component_register(&processes_component) : error;
}

static bool end_one(struct process *process, void *argument)
{
    (void)argument;
    process_end(process);
    return true;
}

static bool count_living(struct process *process, void *argument)
{
    *(unsigned *)argument += process->state == PROCESS_ALIVE ? 1U : 0U;
    return true;
}

static unsigned living(void)
{
    unsigned count = 0;

    process_for_each(count_living, &count);
    return count;
}

/* All are told to end; they have a while for it. */
static hx_err shutdown(void)
{
    uint64_t deadline = hal_clock_now() + END_LIMIT_NS;

    process_for_each(end_one, NULL);
    while (living() > 0 && hal_clock_now() < deadline) {
        thread_sleep(HAL_NS_PER_MS);
    }
    return component_unregister(&processes_component);
}

static const char *const dependencies[] = {"files", "capabilities", "resources", NULL};

const struct subsystem processes_subsystem = {
    .name = "processes",
    .version = "1.0.0",
    .dependencies = dependencies,
    .init = init,
    .shutdown = shutdown,
};
