#include <core/component/component.h>
#include <core/debug/log.h>
#include <hal/clock.h>
#include <kern/thread.h>
#include <subsys/process/process.h>
#include <subsys/processes/processes.h>

/* They need milliseconds; a machine whose CPUs are shared with others, more. */
#define END_LIMIT_NS (4000 * HAL_NS_PER_MS)

static void stats(struct component_stats *numbers)
{
    struct process_statistics processes = process_statistics();

    numbers->operations = processes.forks;
    numbers->errors = processes.failed_forks;
    numbers->memory_bytes = processes.memory_bytes;
    numbers->last_error = processes.last_failure;
}

static const struct component processes_component = {
    .name = "processes", .version = "1.0.0", .stats = stats};

static hx_err init(const struct boot_configuration *config)
{
    hx_err error = process_init();

    (void)config;
    return error == HX_OK ? component_register(&processes_component) : error;
}

static bool end_living(struct process *process, void *argument)
{
    if (process->state == PROCESS_ALIVE) {
        process_end(process);
        *(unsigned *)argument += 1;
    }
    return true;
}

/* Tell all to end, with those that have come meanwhile.  Returns how many are alive. */
static unsigned end_all(void)
{
    unsigned alive = 0;

    process_for_each(end_living, &alive);
    return alive;
}

static bool name_living(struct process *process, void *argument)
{
    (void)argument;
    if (process->state == PROCESS_ALIVE) {
        kwarn("process %u (%s) does not end", process->id, process->name);
    }
    return true;
}

/* All are told to end; they have a while for it.  Errors: HX_ETIMEDOUT some are still there. */
static hx_err shutdown(void)
{
    uint64_t deadline = hal_clock_now() + END_LIMIT_NS;
    unsigned alive;
    hx_err error;

    while ((alive = end_all()) > 0 && hal_clock_now() < deadline) {
        thread_sleep(HAL_NS_PER_MS);
    }
    process_for_each(name_living, NULL);
    error = component_unregister(&processes_component);
    return alive > 0 ? HX_ETIMEDOUT : error;
}

static const char *const dependencies[] = {"files", "sockets", "capabilities", "resources", NULL};

const struct subsystem processes_subsystem = {
    .name = "processes",
    .version = "1.0.0",
    .dependencies = dependencies,
    .init = init,
    .shutdown = shutdown,
};
