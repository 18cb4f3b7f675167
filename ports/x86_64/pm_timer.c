/* The ACPI power management timer. Source: ACPI 6.4, 4.8.3.3: 3.579545 MHz, 24 or 32 bits. */
#include <hal/clock.h>
#include <ports/x86_64/acpi_tables.h>
#include <ports/x86_64/clock_reference.h>
#include <ports/x86_64/instructions.h>

#define PM_TIMER_HZ 3579545

static uint16_t pm_timer_port;

static uint32_t pm_timer_read(void)
{
    return x86_in32(pm_timer_port);
}

bool pm_timer_init(const struct acpi_summary *summary, struct clock_reference *reference)
{
    if (summary->pm_timer.space != ACPI_SPACE_IO || summary->pm_timer.address > UINT16_MAX) {
        return false;
    }
    pm_timer_port = (uint16_t)summary->pm_timer.address;
    *reference = (struct clock_reference){
        .name = "ACPI timer",
        .read = pm_timer_read,
        .bits = summary->pm_timer_is_32_bit ? 32 : 24,
        .nanoseconds_per_lap = HAL_NS_PER_S,
        .ticks_per_lap = PM_TIMER_HZ,
    };
    return true;
}
