#define _GNU_SOURCE
#include <sched.h>
#include <tests/bench-host/pin.h>

static cpu_set_t usable;

void pin_start(void)
{
    if (sched_getaffinity(0, sizeof usable, &usable) != 0) {
        CPU_ZERO(&usable);
    }
}

void pin_to_turn(uint32_t n)
{
    int count = CPU_COUNT(&usable);
    uint32_t left = count > 0 ? n % (uint32_t)count : 0;
    cpu_set_t one;

    CPU_ZERO(&one);
    for (int cpu = 0; cpu < CPU_SETSIZE && count > 0; cpu++) {
        if (CPU_ISSET(cpu, &usable) && left-- == 0) {
            CPU_SET(cpu, &one);
            (void)sched_setaffinity(0, sizeof one, &one);
            return;
        }
    }
}
