/* Building the machine and taking it down. */
#include <hal/clock.h>
#include <hal/entry.h>
#include <ports/hosted/hosted.h>
#include <ports/hosted/machine.h>

#define MEMORY_MB_MAX 65536U

bool hosted_start(uint32_t cpus, uint32_t memory_mb)
{
    if (cpus == 0 || cpus > HAL_CPU_MAX || memory_mb == 0 || memory_mb > MEMORY_MB_MAX ||
        !hosted_memory_start((uint64_t)memory_mb << 20)) {
        return false;
    }
    hosted_clock_start();
    hosted_lines_start();
    if (!hosted_cpus_start(cpus, thread_boot(0))) {
        goto stop_cpus;
    }
    if (!hosted_timer_start()) {
        goto stop_cpus;
    }
    hosted_exceptions_start();
    return true;

stop_cpus:
    hosted_cpus_stop();
    hosted_memory_stop();
    return false;
}

void hosted_stop(void)
{
    hosted_exceptions_stop();
    hosted_console_stop();
    hosted_timer_stop();
    hosted_cpus_stop();
    hosted_memory_stop();
}
