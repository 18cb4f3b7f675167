/*
 * Non-maskable interrupts that come by themselves, so that a CPU on which interrupts are off for
 * ever is still heard of.
 *
 * Rules:
 * - While they come, each started CPU gets one (kernel_nmi) at least once in a period, and the
 *   kernel does nothing for it. They cannot be told from those of another origin.
 * - x86_64: the I/O APIC's input of ISA interrupt 0 delivers NMIs. What signals there is a periodic
 *   comparator of the HPET, or channel 0 of the PIT where there is no HPET that reaches this input.
 * - hosted: there are none, as nothing interrupts code that does not pass a delivery point.
 */
#ifndef HAL_WATCHDOG_H
#define HAL_WATCHDOG_H

#include <helix/attributes.h>
#include <stdbool.h>
#include <stdint.h>

struct hal_watchdog {
    const char *source; /* for people */
    uint32_t period_ms; /* at least 1 */
};

/*
 * Have them come from now on. Returns false where the machine has nothing for it.
 * Context: thread, one at a time, not while they come.
 */
HX_MUST_USE bool hal_watchdog_start(struct hal_watchdog *watchdog);

/* Have them come no more; one that is on its way may still arrive.  Context: any. */
void hal_watchdog_stop(void);

#endif
