/* Starting the CPUs. */
#include <core/component/component.h>
#include <core/config/kernel_configuration.h>
#include <core/debug/log.h>
#include <core/gate/watchdog.h>
#include <core/interrupts/dispatcher.h>
#include <core/interrupts/router.h>
#include <core/ipc/event_bus.h>
#include <hal/cpu.h>
#include <hal/entry.h>
#include <hal/interrupt.h>
#include <hal/power.h>
#include <kern/cpu.h>
#include <kern/thread.h>
#include <subsys/processors/processors.h>

void kernel_secondary_main(void)
{
    cpu_set_online();
    (void)event_publish(&(struct kernel_event){.kind = EVENT_CPU_HOTPLUG,
                                               .topic = EVENT_TOPIC_CPU_HOTPLUG,
                                               .cpu_hotplug = {hal_cpu_id(), true}});
    thread_idle();
}

/* A CPU that does not come is reported and done without. */
static void start_all(void)
{
    uint64_t wanted = hal_cpu_count();

    if (command_line_u64(kernel_command_line(), "smp", &wanted) == HX_OK && wanted == 0) {
        wanted = 1;
    }
    for (uint32_t cpu = 1; cpu < hal_cpu_count() && cpu < wanted; cpu++) {
        hx_err error = cpu_online(cpu);

        if (error != HX_OK) {
            kerror("CPU %u did not start: %s", (unsigned)cpu, hx_error_text(error));
        }
    }
}

void processors_report(void)
{
    for (uint32_t cpu = 0; cpu < hal_cpu_count(); cpu++) {
        kprintln("CPU %u: %s, busy %u per mille, %llu ticks", (unsigned)cpu,
                 cpu_is_online(cpu) ? "online" : "offline", (unsigned)router_busy_permille(cpu),
                 (unsigned long long)thread_tick_count(cpu));
    }
}

static void stats(struct component_stats *numbers)
{
    numbers->operations = cpu_online_count();
    numbers->errors = hal_cpu_count() - cpu_online_count();
    numbers->memory_bytes = (uint64_t)(cpu_online_count() - 1) * THREAD_STACK_SIZE;
}

static bool is_healthy(void)
{
    return cpu_online_count() > 0;
}

/* --- threads and interrupts ------------------------------------------------------------------- */

static bool add_thread(struct thread *thread, void *argument)
{
    struct component_stats *numbers = argument;

    numbers->operations += atomic_load_explicit(&thread->switches, memory_order_relaxed);
    numbers->memory_bytes += sizeof *thread + THREAD_STACK_SIZE;
    return true;
}

static void thread_stats(struct component_stats *numbers)
{
    thread_for_each(add_thread, numbers);
}

static void interrupt_stats(struct component_stats *numbers)
{
    for (uint32_t cpu = 0; cpu < hal_cpu_count(); cpu++) {
        for (unsigned vector = 0; vector < HAL_VECTOR_COUNT; vector++) {
            struct interrupt_statistics one = interrupt_statistics((uint8_t)vector, cpu);

            numbers->operations += one.count;
            numbers->errors += one.unhandled;
        }
    }
    numbers->last_error = numbers->errors > 0 ? HX_ENOENT : HX_OK;
}

/* --- the subsystem ---------------------------------------------------------------------------- */

static const struct component components[] = {
    {.name = "processors", .version = "1.0.0", .health_check = is_healthy, .stats = stats},
    {.name = "threads", .version = "1.0.0", .stats = thread_stats},
    {.name = "interrupts", .version = "1.0.0", .stats = interrupt_stats},
};

/* Returns the first error, or none. */
static hx_err forget_components(size_t count)
{
    hx_err first = HX_OK;

    while (count-- > 0) {
        hx_err error = component_unregister(&components[count]);

        first = first == HX_OK ? error : first;
    }
    return first;
}

/* All or none. */
static hx_err list_components(void)
{
    for (size_t i = 0; i < HX_ARRAY_SIZE(components); i++) {
        hx_err error = component_register(&components[i]);

        if (error != HX_OK) {
            (void)!forget_components(i);
            return error;
        }
    }
    return HX_OK;
}

static hx_err init(const struct boot_configuration *config)
{
    hx_err error = list_components();

    (void)config;
    if (error != HX_OK) {
        return error;
    }
    kinfo("processor: %s", hal_cpu_name());
    kinfo("protection: %s", hal_cpu_features());
    kinfo("devices: %s", hal_machine_devices());
    start_all();
    kinfo("processors: %u of %u online", (unsigned)cpu_online_count(), (unsigned)hal_cpu_count());
    watchdog_start();
    router_start();
    return HX_OK;
}

static hx_err shutdown(void)
{
    return forget_components(HX_ARRAY_SIZE(components));
}

static const char *const dependencies[] = {"memory", "time", "ipc", NULL};

const struct subsystem processors_subsystem = {
    .name = "processors",
    .version = "1.0.0",
    .dependencies = dependencies,
    .init = init,
    .shutdown = shutdown,
    .suspend = processors_suspend,
    .resume = processors_resume,
    .is_healthy = is_healthy,
};
