/* /proc/stat, cpuinfo, interrupts. */
#include <core/interrupts/dispatcher.h>
#include <hal/clock.h>
#include <hal/cpu.h>
#include <hal/interrupt.h>
#include <kern/cpu.h>
#include <subsys/process/load_average.h>
#include <subsys/procfs/procfs_private.h>
#include <subsys/time/wall_clock.h>

/* --- idle time -------------------------------------------------------------------------------- */

/* Without overflow for centuries, and rates below 18 GHz: whole seconds apart from the rest. */
static uint64_t cycles_to_ns(uint64_t cycles)
{
    uint64_t rate = hal_clock_cycles_per_second();

    return rate == 0 ? 0 : cycles / rate * HAL_NS_PER_S + cycles % rate * HAL_NS_PER_S / rate;
}

static uint64_t idle_of(uint32_t cpu)
{
    uint64_t idle = cycles_to_ns(thread_idle_cycles(cpu));
    uint64_t now = hal_clock_now();

    return idle < now ? idle : now;
}

uint64_t procfs_idle_ns(void)
{
    uint64_t sum = 0;

    for (uint32_t cpu = 0; cpu < hal_cpu_count(); cpu++) {
        sum += cpu_is_online(cpu) ? idle_of(cpu) : 0;
    }
    return sum;
}

/* --- stat ------------------------------------------------------------------------------------- */

static unsigned long long ticks(uint64_t nanoseconds)
{
    return nanoseconds / (HAL_NS_PER_S / PROCFS_TICKS_PER_SECOND);
}

/* All time that is not idle counts as the programs': the kernel's share of it is not measured. */
static void add_times(struct text *text, uint64_t all, uint64_t idle)
{
    text_add(text, " %llu 0 0 %llu 0 0 0 0 0 0\n", ticks(all > idle ? all - idle : 0), ticks(idle));
}

static void add_cpu_lines(struct text *text)
{
    uint64_t now = hal_clock_now();

    text_add(text, "cpu ");
    add_times(text, now * cpu_online_count(), procfs_idle_ns());
    for (uint32_t cpu = 0; cpu < hal_cpu_count(); cpu++) {
        if (cpu_is_online(cpu)) {
            text_add(text, "cpu%u", (unsigned)cpu);
            add_times(text, now, idle_of(cpu));
        }
    }
}

static uint64_t count_of(unsigned vector)
{
    uint64_t sum = 0;

    for (uint32_t cpu = 0; cpu < hal_cpu_count(); cpu++) {
        sum += interrupt_statistics((uint8_t)vector, cpu).count;
    }
    return sum;
}

static bool add_switches(struct thread *thread, void *argument)
{
    *(uint64_t *)argument += atomic_load_explicit(&thread->switches, memory_order_relaxed);
    return true;
}

hx_err procfs_show_system_stat(const struct pseudo_node *node, struct text *text)
{
    uint64_t interrupts = 0;
    uint64_t switches = 0;

    (void)node;
    for (unsigned vector = 0; vector < HAL_VECTOR_COUNT; vector++) {
        interrupts += count_of(vector);
    }
    thread_for_each(add_switches, &switches);
    add_cpu_lines(text);
    text_add(text, "intr %llu\nctxt %llu\nbtime %llu\nprocesses %llu\n",
             (unsigned long long)interrupts, (unsigned long long)switches,
             (unsigned long long)(wall_clock_offset() / HAL_NS_PER_S),
             (unsigned long long)process_forks());
    text_add(text, "procs_running %u\nprocs_blocked 0\n", (unsigned)load_running_threads());
    return HX_OK;
}

/* --- processors ------------------------------------------------------------------------------- */

hx_err procfs_show_processors(const struct pseudo_node *node, struct text *text)
{
    uint64_t kilohertz = hal_clock_cycles_per_second() / 1000;

    (void)node;
    for (uint32_t cpu = 0; cpu < hal_cpu_count(); cpu++) {
        if (cpu_is_online(cpu)) {
            text_add(text, "processor\t: %u\nmodel name\t: %s\ncpu MHz\t\t: %llu.%03llu\n",
                     (unsigned)cpu, hal_cpu_name(), (unsigned long long)(kilohertz / 1000),
                     (unsigned long long)(kilohertz % 1000));
            text_add(text, "cpu cores\t: 1\nflags\t\t: %s\n\n", hal_cpu_features());
        }
    }
    return HX_OK;
}

/* --- interrupts ------------------------------------------------------------------------------- */

static void add_vector(struct text *text, unsigned vector)
{
    text_add(text, "%3u: ", vector);
    for (uint32_t cpu = 0; cpu < hal_cpu_count(); cpu++) {
        if (cpu_is_online(cpu)) {
            text_add(text, "%10llu ",
                     (unsigned long long)interrupt_statistics((uint8_t)vector, cpu).count);
        }
    }
    text_add(text, "  vector\n");
}

/* By vector: lines and messages between CPUs alike. */
hx_err procfs_show_interrupts(const struct pseudo_node *node, struct text *text)
{
    (void)node;
    text_add(text, "    ");
    for (uint32_t cpu = 0; cpu < hal_cpu_count(); cpu++) {
        if (cpu_is_online(cpu)) {
            text_add(text, "       CPU%u", (unsigned)cpu);
        }
    }
    text_add(text, "\n");
    for (unsigned vector = 0; vector < HAL_VECTOR_COUNT; vector++) {
        if (count_of(vector) > 0) {
            add_vector(text, vector);
        }
    }
    return HX_OK;
}
