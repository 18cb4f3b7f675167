/*
 * Counters of known rate, against which the TSC and the local APIC's timer are measured.
 *
 * Rules:
 * - A reference counts up and wraps at its width; the reader gives the low `bits` bits.
 * - The best one is taken: HPET, then the ACPI timer, then channel 2 of the PIT.
 */
#ifndef PORTS_X86_64_CLOCK_REFERENCE_H
#define PORTS_X86_64_CLOCK_REFERENCE_H

#include <stdbool.h>
#include <stdint.h>

struct acpi_summary;

struct clock_reference {
    const char *name;
    uint32_t (*read)(void);
    unsigned bits;                /* 16 to 32 */
    uint64_t nanoseconds_per_lap; /* a tick lasts nanoseconds_per_lap / ticks_per_lap ns */
    uint64_t ticks_per_lap;
};

/* Start each if the machine has it and describe it. False: it has not.  Context: boot. */
bool hpet_init(const struct acpi_summary *summary, struct clock_reference *reference);
bool pm_timer_init(const struct acpi_summary *summary, struct clock_reference *reference);
bool pit_init(struct clock_reference *reference);

#endif
