/* What the boot log says of the machine's devices. */
#ifndef PORTS_X86_64_DEVICES_H
#define PORTS_X86_64_DEVICES_H

struct acpi_summary;

/* Write the line for hal_machine_devices, when all are started.  Context: boot. */
void devices_describe(const struct acpi_summary *summary);

#endif
