/* The HPET's main counter, and its comparators. Source: IA-PC HPET specification 1.0a, 2.3. */
#include <hal/clock.h>
#include <ports/x86_64/acpi_tables.h>
#include <ports/x86_64/clock_reference.h>
#include <ports/x86_64/instructions.h>
#include <ports/x86_64/paging.h>
#include <ports/x86_64/start.h>
#include <ports/x86_64/watchdog.h>

#define HPET_CAPABILITIES   (0x000 / 4) /* the upper half: femtoseconds per tick */
#define HPET_CONFIGURATION  (0x010 / 4)
#define HPET_COUNTER        (0x0F0 / 4)
#define HPET_REGISTERS_SIZE 1024

#define CAPABILITIES_LAST_SHIFT 8 /* the last comparator */
#define CAPABILITIES_LAST       0x1F

#define CONFIGURATION_ENABLE 0x1
#define CONFIGURATION_LEGACY 0x2 /* would take over the PIT's and the RTC's interrupts */

/* Of a comparator (2.3.8); the upper half of the first says which inputs it can signal. */
#define TIMER_CONFIGURATION(n) ((0x100 + 0x20 * (n)) / 4)
#define TIMER_COMPARATOR(n)    ((0x108 + 0x20 * (n)) / 4)
#define TIMER_INTERRUPT        0x004
#define TIMER_PERIODIC         0x008
#define TIMER_CAN_REPEAT       0x010
#define TIMER_SET_VALUE        0x040 /* of the next two writes: the first moment, the period */
#define TIMER_32_BITS          0x100
#define TIMER_ROUTE_SHIFT      9
#define TIMER_ROUTE_LINES      32

#define FEMTOSECONDS_PER_NANOSECOND  1000000
#define FEMTOSECONDS_PER_MILLISECOND (FEMTOSECONDS_PER_NANOSECOND * HAL_NS_PER_MS)
#define COUNT_POLLS_MAX              1000

static volatile uint32_t *hpet;
static uint32_t hpet_period; /* femtoseconds of a tick */

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
        x86_boot_warn("there is no HPET where ACPI says: ignored");
        return false;
    }
    capabilities = hpet[HPET_CAPABILITIES] | (uint64_t)hpet[HPET_CAPABILITIES + 1] << 32;
    period = acpi_hpet_period(capabilities);
    if (period == 0) {
        return false;
    }
    hpet_period = period;
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

/* --- signals ---------------------------------------------------------------------------------- */

/* Firmware may describe one that is switched off. */
static bool hpet_counts(void)
{
    uint32_t before = hpet_read();

    for (unsigned polls = 0; polls < COUNT_POLLS_MAX; polls++) {
        if (hpet_read() != before) {
            return true;
        }
    }
    return false;
}

static bool has_comparator(uint32_t comparator)
{
    return hpet != NULL && hpet_period != 0 &&
           comparator <= (hpet[HPET_CAPABILITIES] >> CAPABILITIES_LAST_SHIFT & CAPABILITIES_LAST);
}

static bool can_signal(uint32_t comparator, uint32_t line)
{
    return has_comparator(comparator) && line < TIMER_ROUTE_LINES &&
           (hpet[TIMER_CONFIGURATION(comparator)] & TIMER_CAN_REPEAT) != 0 &&
           (hpet[TIMER_CONFIGURATION(comparator) + 1] >> line & 1) != 0 && hpet_counts();
}

bool hpet_signal(uint32_t comparator, uint32_t line, uint32_t period_ms)
{
    uint32_t ticks;

    if (!can_signal(comparator, line)) {
        return false;
    }
    ticks = (uint32_t)(period_ms * FEMTOSECONDS_PER_MILLISECOND / hpet_period);
    hpet[TIMER_CONFIGURATION(comparator)] = line << TIMER_ROUTE_SHIFT | TIMER_INTERRUPT |
                                            TIMER_PERIODIC | TIMER_SET_VALUE | TIMER_32_BITS;
    hpet[TIMER_COMPARATOR(comparator)] = hpet_read() + ticks;
    hpet[TIMER_COMPARATOR(comparator)] = ticks;
    return true;
}

void hpet_signal_stop(uint32_t comparator)
{
    if (has_comparator(comparator)) {
        hpet[TIMER_CONFIGURATION(comparator)] = 0;
    }
}
