/*
 * The local APIC of each CPU: acknowledging, messages between CPUs, the deadline timer.
 * Source: Intel SDM 3A, chapter 10 (xAPIC mode).
 *
 * Rules:
 * - Every CPU sees its own APIC at the same address.
 */
#ifndef PORTS_X86_64_APIC_H
#define PORTS_X86_64_APIC_H

#include <stdint.h>

struct acpi_summary;

/* Registers by their index in 32-bit words (SDM table 10-1: byte offset / 4). */

/*
 * Mask the two legacy PICs, map the local APIC and set up the boot CPU's.
 * The summary is kept: it must stay valid.  Context: boot.
 */
void apic_init(const struct acpi_summary *summary);

/*
 * Set up the calling CPU's APIC: vectors, NMI inputs as ACPI says, logical id 1 << cpu for the CPUs
 * 0 to 7 (flat model) and none for the others.  Context: boot, interrupts off.
 */
void apic_init_this_cpu(uint32_t cpu);

/* Switch the calling CPU's APIC off but for what starts it again: no line and no set of CPUs
 * reaches it.  Context: interrupts off. */
void apic_leave(void);

/* The calling CPU's APIC id. */
uint32_t apic_id(void);

/* Put a CPU into its wait-for-start state; send it to the page's first byte in real mode. */
void apic_send_init(uint32_t id);
void apic_send_startup(uint32_t id, uint32_t physical_page);

/* Count down from count, then raise HAL_VECTOR_TIMER once; 0 stops it.  Context: any. */
void apic_timer_start(uint32_t count);

/* What is left of it. */
uint32_t apic_timer_left(void);

#endif
