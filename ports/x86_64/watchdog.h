/*
 * The watchdog's non-maskable interrupts (hal/watchdog.h), as the rest of the port sees them.
 *
 * Rules:
 * - The controller reaches CPUs by their logical ids, so only those that have started; of these
 *   there are eight. CPU n passes each NMI on to CPU n + 8.
 */
#ifndef PORTS_X86_64_WATCHDOG_H
#define PORTS_X86_64_WATCHDOG_H

#include <stdbool.h>
#include <stdint.h>

/* This CPU has an NMI: pass it on, while the watchdog runs.  Context: nmi. */
void watchdog_pass_on(void);

/*
 * Have a comparator of the HPET signal an I/O APIC input once in period_ms, at most 10,000. Returns
 * false, and changes nothing, when there is no running HPET with such a comparator or it cannot do
 * that.  Context: any.
 */
#define HPET_WATCHDOG 0 /* the watchdog's; the kernel uses no other */
bool hpet_signal(uint32_t comparator, uint32_t line, uint32_t period_ms);
void hpet_signal_stop(uint32_t comparator);

/*
 * Have channel 0 of the PIT signal ISA interrupt 0 once in PIT_SIGNAL_PERIOD_MS. False: there is no
 * PIT that counts.  Context: any.
 */
#define PIT_SIGNAL_PERIOD_MS 55 /* 65,536 / 1,193,182 Hz */
bool pit_signal(void);
void pit_signal_stop(void);

#endif
