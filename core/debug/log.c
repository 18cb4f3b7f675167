#include <base/format.h>
#include <base/memory.h>
#include <base/string.h>
#include <base/text.h>
#include <core/debug/console.h>
#include <core/debug/log.h>
#include <core/debug/log_ring_write.h>
#include <hal/clock.h>
#include <hal/cpu.h>
#include <hal/interrupt.h>
#include <kern/thread.h>
#include <stdarg.h>

#define CUT_MARK "..."

static struct log_ring ring;
static _Atomic uint32_t shown_level = LOG_INFO;

/* A text that does not fit is cut and marked. Returns the length it then has. */
static inline size_t cut(char text[LOG_TEXT_MAX + 1], size_t length)
{
    if (HX_UNLIKELY(length > LOG_TEXT_MAX)) {
        memcpy(text + LOG_TEXT_MAX - (sizeof CUT_MARK - 1), CUT_MARK, sizeof CUT_MARK - 1);
        length = LOG_TEXT_MAX;
    }
    return length;
}

uint64_t log_write(enum log_level level, const char *format, ...)
{
    char text[LOG_TEXT_MAX + 1];
    hal_interrupt_state state;
    uint64_t number;
    uint64_t origin;
    size_t length;
    va_list args;

    va_start(args, format);
    length = cut(text, format_text_va(text, sizeof text, format, args));
    va_end(args);
    /* Interrupts off, so that no record stays half written while its writer waits for its turn. */
    state = hal_interrupts_save();
    origin = log_origin((uint8_t)level, (uint8_t)hal_cpu_id(), thread_current()->id);
    number = log_ring_write(&ring, hal_clock_now(), origin, text, length, console_in_panic());
    hal_interrupts_restore(state);
    console_notify();
    return number;
}

enum log_read log_read(uint64_t from, bool skip, struct log_entry *entry)
{
    return log_ring_read(&ring, from, skip, entry);
}

void log_describe(const struct log_entry *entry, struct text *text)
{
    text_add(text, "%6llu %5llu.%06llu %s\n", (unsigned long long)entry->number,
             (unsigned long long)(entry->time_ns / HAL_NS_PER_S),
             (unsigned long long)(entry->time_ns % HAL_NS_PER_S / 1000), entry->text);
}

bool log_is_complete(uint64_t number)
{
    return log_ring_is_complete(&ring, number);
}

struct log_statistics log_statistics(void)
{
    return (struct log_statistics){
        .written = log_ring_head(&ring),
        .dropped = atomic_load_explicit(&ring.dropped, memory_order_relaxed),
    };
}

/* --- levels ----------------------------------------------------------------------------------- */

static const char *const level_names[LOG_LEVEL_COUNT] = {
    [LOG_PLAIN] = "plain", [LOG_ERROR] = "error", [LOG_WARN] = "warn",
    [LOG_INFO] = "info",   [LOG_DEBUG] = "debug",
};

void log_set_level(enum log_level level)
{
    atomic_store_explicit(&shown_level, (uint32_t)level, memory_order_relaxed);
}

enum log_level log_level(void)
{
    return (enum log_level)atomic_load_explicit(&shown_level, memory_order_relaxed);
}

const char *log_level_name(enum log_level level)
{
    return (unsigned)level < LOG_LEVEL_COUNT ? level_names[level] : "?";
}

bool log_level_parse(const char *text, enum log_level *level)
{
    for (unsigned i = LOG_ERROR; i < LOG_LEVEL_COUNT; i++) {
        if (string_equal(text, level_names[i])) {
            *level = (enum log_level)i;
            return true;
        }
    }
    return false;
}
