#include <core/debug/log.h>
#include <core/panic/last_panic.h>
#include <core/panic/panic.h>
#include <core/panic/record.h>
#include <hal/memory.h>

/* Records of each ring, where few CPUs leave room for so many. */
#define EVENTS_MAX 64U

/* Of the one CPU that panics: its stack may be nearly used up. */
static struct log_entry entry;
static struct panic_record_writer writer;

/* --- keeping ---------------------------------------------------------------------------------- */

/* Lines the log has lost, or whose writer was stopped, are left out. */
static bool read_line(uint64_t number)
{
    return log_read(number, true, &entry) == LOG_READ_RECORD && entry.number == number;
}

static void add_report(uint64_t first, uint64_t last)
{
    for (uint64_t number = first; number <= last; number++) {
        if (read_line(number)) {
            text_add(&writer.text, "%s\n", entry.text);
        }
    }
}

static size_t message_length(void)
{
    char nothing[1];
    struct text counted = text_into(nothing, sizeof(nothing));

    log_describe(&entry, &counted);
    return counted.length;
}

/* The oldest line from which on all up to `end`, itself not among them, fit in room. */
static uint64_t oldest_that_fits(uint64_t end, size_t room)
{
    uint64_t number = end;

    while (number > 1 && end - number < LOG_RING_RECORDS) {
        size_t length = read_line(number - 1) ? message_length() : 0;

        if (length >= room) {
            break;
        }
        room -= length;
        number--;
    }
    return number;
}

static void add_messages(uint64_t end)
{
    for (uint64_t number = oldest_that_fits(end, writer.text.size); number < end; number++) {
        if (read_line(number)) {
            log_describe(&entry, &writer.text);
        }
    }
}

void last_panic_keep(const char *message, uint64_t first)
{
    struct hal_range memory = hal_retained_memory();

    if (!panic_record_begin(&writer, (void *)memory.base, memory.size)) {
        return;
    }
    add_report(first, log_statistics().written);
    panic_record_next(&writer);
    panic_add_recent(&writer.text, EVENTS_MAX);
    panic_record_next(&writer);
    add_messages(first);
    panic_record_seal(&writer, message);
}

/* --- telling ---------------------------------------------------------------------------------- */

static bool read_record(struct panic_record *record)
{
    struct hal_range memory = hal_retained_memory();

    return panic_record_read((const void *)memory.base, memory.size, record);
}

void last_panic_announce(void)
{
    struct panic_record record;

    if (read_record(&record)) {
        kwarn("the kernel panicked before: %s; cat /helix/last_panic", record.message);
    }
}

void last_panic_show(struct text *text)
{
    struct panic_record record;

    if (read_record(&record)) {
        panic_record_show(&record, text);
    }
}

hx_err last_panic_erase(void)
{
    struct hal_range memory = hal_retained_memory();
    struct panic_record record;

    if (!read_record(&record)) {
        return HX_ENOENT;
    }
    panic_record_erase((void *)memory.base, memory.size);
    return HX_OK;
}
