/* The HPET's main counter. Source: IA-PC HPET specification 1.0a, 2.3. */
#include <ports/x86_64/acpi_tables.h>
#include <ports/x86_64/clock_reference.h>
#include <ports/x86_64/paging.h>

#define HPET_CAPABILITIES   (0x000 / 4) /* the upper half: femtoseconds per tick */
#define HPET_CONFIGURATION  (0x010 / 4)
#define HPET_COUNTER        (0x0F0 / 4)
#define HPET_REGISTERS_SIZE 1024

#define CONFIGURATION_ENABLE 0x1
#define CONFIGURATION_LEGACY 0x2 /* would take over the PIT's and the RTC's interrupts */

#define FEMTOSECONDS_PER_NANOSECOND 1000000

static volatile uint32_t *hpet;

/* The low half alone: a counter may be 32 bits wide, and one access cannot tear. */
static uint32_t hpet_read(void)
{
    return hpet[HPET_COUNTER];
}

bool hpet_init(const struct acpi_summary *summary, struct clock_reference *reference)
{
    uint64_t capabilities;
    uint32_t period;

    if (summary->hpet == 0) {
        return false;
    }
    hpet = x86_map_device(summary->hpet, HPET_REGISTERS_SIZE);
    if (hpet == NULL) {
        return false;
    }
    capabilities = hpet[HPET_CAPABILITIES] | (uint64_t)hpet[HPET_CAPABILITIES + 1] << 32;
    period = acpi_hpet_period(capabilities);
    if (period == 0) {
        return false;
    }
    hpet[HPET_CONFIGURATION] =
        (hpet[HPET_CONFIGURATION] & ~(uint32_t)CONFIGURATION_LEGACY) | CONFIGURATION_ENABLE;
    *reference = (struct clock_reference){
        .name = "HPET",
        .read = hpet_read,
        .bits = 32,
        .nanoseconds_per_lap = period,
        .ticks_per_lap = FEMTOSECONDS_PER_NANOSECOND,
    };
    return true;
}
