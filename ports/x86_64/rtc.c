#include <hal/clock.h>
#include <hal/cpu.h>
#include <ports/x86_64/acpi_tables.h>
#include <ports/x86_64/instructions.h>
#include <ports/x86_64/port_lock.h>
#include <ports/x86_64/rtc.h>

#define CMOS_INDEX 0x70 /* bit 7 would hold back NMIs */
#define CMOS_DATA  0x71

#define STATUS_A          0x0A
#define STATUS_A_UPDATING 0x80
#define STATUS_B          0x0B
#define STATUS_B_24_HOURS 0x02
#define STATUS_B_BINARY   0x04
#define HOUR_PM           0x80

/* An update takes 2 ms at most; a poll is a port access or more, at least 0.5 us. */
#define UPDATE_POLLS_MAX 10000
#define READ_TRIES       8

#define SECONDS_PER_DAY 86400

/* The clock's registers in the order in which they are read. */
enum rtc_field { SECOND, MINUTE, HOUR, DAY, MONTH, YEAR, CENTURY, FIELD_COUNT };

struct rtc_time {
    uint8_t fields[FIELD_COUNT];
};

/* Where each field is. The century is 0, the seconds' place, where the machine keeps none. */
static uint8_t rtc_registers[FIELD_COUNT] = {
    [SECOND] = 0, [MINUTE] = 2, [HOUR] = 4, [DAY] = 7, [MONTH] = 8, [YEAR] = 9,
};

static struct port_lock cmos_lock = PORT_LOCK_INIT;

void rtc_init(const struct acpi_summary *summary)
{
    rtc_registers[CENTURY] = summary->century;
}

static uint8_t cmos_read(uint8_t index)
{
    hal_interrupt_state state = port_lock_acquire(&cmos_lock);
    uint8_t value;

    x86_out8(CMOS_INDEX, index);
    value = x86_in8(CMOS_DATA);
    port_lock_release(&cmos_lock, state);
    return value;
}

static void rtc_wait_update(void)
{
    for (unsigned polls = 0; polls < UPDATE_POLLS_MAX; polls++) {
        if ((cmos_read(STATUS_A) & STATUS_A_UPDATING) == 0) {
            return;
        }
        hal_cpu_relax();
    }
}

static struct rtc_time rtc_read_once(void)
{
    struct rtc_time time;

    rtc_wait_update();
    for (unsigned i = 0; i < FIELD_COUNT; i++) {
        time.fields[i] = cmos_read(rtc_registers[i]);
    }
    return time;
}

static bool rtc_equal(const struct rtc_time *a, const struct rtc_time *b)
{
    for (unsigned i = 0; i < FIELD_COUNT; i++) {
        if (a->fields[i] != b->fields[i]) {
            return false;
        }
    }
    return true;
}

/* Read until two readings agree: an update may come in the middle of one. */
static bool rtc_read(struct rtc_time *time)
{
    *time = rtc_read_once();
    for (unsigned i = 0; i < READ_TRIES; i++) {
        struct rtc_time again = rtc_read_once();

        if (rtc_equal(time, &again)) {
            return true;
        }
        *time = again;
    }
    return false;
}

static void rtc_to_binary(struct rtc_time *time)
{
    for (unsigned i = 0; i < FIELD_COUNT; i++) {
        uint8_t bcd = time->fields[i];

        time->fields[i] = (uint8_t)((bcd >> 4) * 10 + (bcd & 0xF));
    }
}

/* Bring the fields into binary and 24 hours, whatever the firmware has chosen. */
static void rtc_decode(struct rtc_time *time)
{
    uint8_t status = cmos_read(STATUS_B);
    bool is_afternoon = false;

    if ((status & STATUS_B_24_HOURS) == 0) {
        is_afternoon = (time->fields[HOUR] & HOUR_PM) != 0;
        time->fields[HOUR] &= (uint8_t)~HOUR_PM;
    }
    if ((status & STATUS_B_BINARY) == 0) {
        rtc_to_binary(time);
    }
    if ((status & STATUS_B_24_HOURS) == 0) {
        time->fields[HOUR] = (uint8_t)(time->fields[HOUR] % 12 + (is_afternoon ? 12 : 0));
    }
}

static bool rtc_is_plausible(const struct rtc_time *time)
{
    return time->fields[SECOND] < 60 && time->fields[MINUTE] < 60 && time->fields[HOUR] < 24 &&
           time->fields[DAY] >= 1 && time->fields[DAY] <= 31 && time->fields[MONTH] >= 1 &&
           time->fields[MONTH] <= 12 && time->fields[YEAR] < 100;
}

/* The full year; without a century register the years are 1970 to 2069. */
static uint64_t rtc_year(const struct rtc_time *time)
{
    if (rtc_registers[CENTURY] != 0 && time->fields[CENTURY] >= 19) {
        return time->fields[CENTURY] * 100UL + time->fields[YEAR];
    }
    return time->fields[YEAR] + (time->fields[YEAR] >= 70 ? 1900UL : 2000UL);
}

/* Days from 1970-01-01 to a date of the Gregorian calendar, years being counted from March. */
static uint64_t days_since_1970(uint64_t year, uint64_t month, uint64_t day)
{
    uint64_t y = month > 2 ? year : year - 1;
    uint64_t months = month > 2 ? month - 3 : month + 9;
    uint64_t day_of_year = (153 * months + 2) / 5 + day - 1;
    const uint64_t days_to_1970 = 719468; /* from 0000-03-01 */

    return y * 365 + y / 4 - y / 100 + y / 400 + day_of_year - days_to_1970;
}

uint64_t hal_clock_wall(void)
{
    struct rtc_time time;

    if (!rtc_read(&time)) {
        return 0;
    }
    rtc_decode(&time);
    if (!rtc_is_plausible(&time)) {
        return 0;
    }
    return days_since_1970(rtc_year(&time), time.fields[MONTH], time.fields[DAY]) *
               SECONDS_PER_DAY +
           time.fields[HOUR] * 3600UL + time.fields[MINUTE] * 60UL + time.fields[SECOND];
}
