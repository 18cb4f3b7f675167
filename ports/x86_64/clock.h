/*
 * Monotonic time from the TSC, deadlines from the local APIC's timer.
 *
 * Rules:
 * - All CPUs read one TSC: it is taken to count at one rate from one reset, as it does on every
 *   64-bit machine with one board and in the emulator.
 * - hal_clock_now() is 0 until clock_init().
 */
#ifndef PORTS_X86_64_CLOCK_H
#define PORTS_X86_64_CLOCK_H

#include <helix/attributes.h>
#include <stdbool.h>

struct acpi_summary;

/*
 * Measure the rates of the TSC and of the boot CPU's APIC timer in about 100 us against the best
 * reference there is; time starts to run. After apic_init(). False: there is no reference; the
 * TSC's rate is what the processor states or, failing that, a guess, and time may be wrong by any
 * factor. Context: boot, interrupts off.
 */
HX_MUST_USE bool clock_init(const struct acpi_summary *summary);

/* The name of that reference, for people; "no timer of known rate".  Context: any. */
const char *clock_reference_name(void);

#endif
