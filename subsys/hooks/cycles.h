/* From the processor's counter to time: done by who reads, not by who records. */
#ifndef SUBSYS_HOOKS_CYCLES_H
#define SUBSYS_HOOKS_CYCLES_H

#include <hal/clock.h>

/* Context: any. */
static inline uint64_t cycles_to_ns(uint64_t cycles)
{
    uint64_t per_second = hal_clock_cycles_per_second();

    /* In two parts, so that the product fits. */
    return cycles / per_second * HAL_NS_PER_S + cycles % per_second * HAL_NS_PER_S / per_second;
}

#endif
