/*
 * The I/O APICs: external lines (hal_line_*).
 * Source: Intel 82093AA data sheet.
 *
 * Rules:
 * - A line is an ACPI global system interrupt; it belongs to the I/O APIC whose range holds it.
 * - One CPU in the mask: physical destination. Several, all of them among CPUs 0 to 7: logical
 *   destination in the flat model, which has names for eight. Several with a higher one: physical
 *   broadcast, which every local APIC takes that is switched on. Those of CPUs that have not
 *   started or have left are not; so these are all CPUs that run, one that is about to leave
 *   included.
 */
#ifndef PORTS_X86_64_IOAPIC_H
#define PORTS_X86_64_IOAPIC_H

#include <stdint.h>

struct acpi_summary;

/* Find the I/O APICs and mask all lines. The summary must stay valid.  Context: boot. */
void ioapic_init(const struct acpi_summary *summary);

/* How many there are.  Context: any, after ioapic_init. */
uint32_t ioapic_found(void);

/* Have a line that exists raise NMIs on the started CPUs 0 to 7, unmasked.  Context: any but nmi.
 */
struct hal_line_mode;
void ioapic_route_nmi(uint32_t line, struct hal_line_mode mode);

/*
 * Mask all lines, for a machine that is reset: devices signal when they are, and a message that
 * comes before the firmware can take it is its end. Does not wait for who holds the lock.
 * Context: any.
 */
void ioapic_silence(void);

/* Redirection entry (82093AA 3.2.4). */
#define IOAPIC_VECTOR            0xFFUL
#define IOAPIC_NMI               (4UL << 8)
#define IOAPIC_LOGICAL           (1UL << 11)
#define IOAPIC_ACTIVE_LOW        (1UL << 13)
#define IOAPIC_LEVEL             (1UL << 15)
#define IOAPIC_MASKED            (1UL << 16)
#define IOAPIC_DESTINATION_SHIFT 56
#define IOAPIC_BROADCAST         0xFFUL

/* A line's entry as the controller holds it, 0 for a line no controller has.  Context: any. */
uint64_t ioapic_entry(uint32_t line);

#endif
