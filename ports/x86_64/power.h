/* Leaving the machine (hal_power_*): ACPI, and what QEMU offers beside it. */
#ifndef PORTS_X86_64_POWER_H
#define PORTS_X86_64_POWER_H

struct acpi_summary;

/*
 * Remember the registers, and map those that are in memory. The summary is kept: it must stay
 * valid. Before this call there is no power-off, and reset goes through the keyboard controller.
 * Context: boot.
 */
void power_init(const struct acpi_summary *summary);

#endif
