#include <base/format.h>
#include <hal/console.h>
#include <hal/interrupt.h>
#include <hal/power.h>
#include <ports/x86_64/acpi_tables.h>
#include <ports/x86_64/clock.h>
#include <ports/x86_64/devices.h>

static char devices[128];

void devices_describe(const struct acpi_summary *summary)
{
    (void)format_text(devices, sizeof devices, "local APIC, %u I/O APIC with %u lines, %s, RTC%s%s",
                      (unsigned)summary->io_apic_count, (unsigned)hal_line_count(),
                      clock_reference_name(), hal_console_line() >= 0 ? ", COM1" : "",
                      summary->has_sleep ? ", ACPI power-off" : "");
}

const char *hal_machine_devices(void)
{
    return devices;
}
