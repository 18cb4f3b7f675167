#include <base/format.h>
#include <hal/clock.h>
#include <hal/console.h>
#include <hal/interrupt.h>
#include <hal/power.h>
#include <ports/x86_64/acpi_tables.h>
#include <ports/x86_64/clock.h>
#include <ports/x86_64/devices.h>
#include <ports/x86_64/ioapic.h>

static char devices[128];

void devices_describe(const struct acpi_summary *summary)
{
    (void)format_text(devices, sizeof devices, "local APIC, %u I/O APIC with %u lines, %s%s%s%s",
                      (unsigned)ioapic_found(), (unsigned)hal_line_count(), clock_reference_name(),
                      hal_clock_wall() != 0 ? ", RTC" : "",
                      hal_console_has_registers() ? ", COM1" : "",
                      summary->has_sleep ? ", ACPI power-off" : "");
}

const char *hal_machine_devices(void)
{
    return devices;
}
