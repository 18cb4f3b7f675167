/*
 * The other CPUs: numbering, starting, stopping.
 *
 * Rules:
 * - The boot CPU is number 0; the others follow in the order of the MADT, without those that are
 *   disabled there. They sleep until hal_cpu_start().
 * - CPUs are started one at a time; the callers of hal_cpu_start() serialise.
 */
#ifndef PORTS_X86_64_SMP_H
#define PORTS_X86_64_SMP_H

#include <helix/attributes.h>

struct acpi_summary;
struct x86_cpu;

/* Number the CPUs and make their emergency stacks. After apic_init().  Context: boot. */
void smp_init(const struct acpi_summary *summary);

/* A CPU's first C function, from ap_start.S: on the stack given to hal_cpu_start(), GS base set. */
HX_NORETURN void x86_ap_main(struct x86_cpu *cpu);

/*
 * Answer to x86_stop_requested: acknowledge and stop for ever. Returns on the CPU that asked for
 * it, which may meet an NMI of another cause.  Context: nmi, panic.
 */
void x86_cpu_stopped(void);

#endif
