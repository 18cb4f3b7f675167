/*
 * The kernel log: what everybody writes and the consoles print (SPEC D2, D4).
 *
 * Rules:
 * - Context: any, NMI and panic included; never blocks, takes no lock that others hold, allocates
 *   nothing. A line is one record: lines never tear. Text past LOG_TEXT_MAX bytes is cut and ends
 * in "...".
 * - The caller formats and stores; the console thread prints. Before that thread runs, and in a
 *   panic, the caller prints. So the format's arguments need to live only for the call.
 * - The format is a string literal without the newline.
 * - Debug builds put file and line before the text of all but kprintln. In release builds kdebug is
 *   checked by the compiler and leaves neither code nor strings.
 */
#ifndef CORE_DEBUG_LOG_H
#define CORE_DEBUG_LOG_H

#include <core/debug/log_ring.h>
#include <helix/attributes.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The least number is the most urgent. */
enum log_level {
    LOG_PLAIN, /* kprintln: always shown, as it stands */
    LOG_ERROR,
    LOG_WARN,
    LOG_INFO,
    LOG_DEBUG,
    LOG_LEVEL_COUNT
};

/* Write one line. Returns its number, 0 when it was dropped.  Context: any. */
uint64_t log_write(enum log_level level, const char *format, ...) HX_PRINTF(2, 3);

#define LOG_TEXT_OF_(x) #x
#define LOG_TEXT_OF(x)  LOG_TEXT_OF_(x)
#ifdef HX_DEBUG
#define LOG_AT(level, format, ...)                                                                 \
    ((void)log_write(level, __FILE__ ":" LOG_TEXT_OF(__LINE__) ": " format, ##__VA_ARGS__))
#define kdebug(format, ...) LOG_AT(LOG_DEBUG, format, ##__VA_ARGS__)
#else
#define LOG_AT(level, format, ...) ((void)log_write(level, format, ##__VA_ARGS__))
#define kdebug(format, ...)        ((void)sizeof(log_write(LOG_DEBUG, format, ##__VA_ARGS__)))
#endif

#define kprintln(format, ...) ((void)log_write(LOG_PLAIN, format, ##__VA_ARGS__))
#define kerror(format, ...)   LOG_AT(LOG_ERROR, format, ##__VA_ARGS__)
#define kwarn(format, ...)    LOG_AT(LOG_WARN, format, ##__VA_ARGS__)
#define kinfo(format, ...)    LOG_AT(LOG_INFO, format, ##__VA_ARGS__)

/* The least urgent level that consoles show; LOG_INFO at first. The ring keeps all.  Context: any.
 */
void log_set_level(enum log_level level);
enum log_level log_level(void);

/* "error", "warn", "info", "debug" (a console's `loglevel=`); false for anything else. */
bool log_level_parse(const char *text, enum log_level *level);
const char *log_level_name(enum log_level level);

/* Read a record as log_ring_read() does.  Context: any. */
enum log_read log_read(uint64_t from, bool skip, struct log_entry *entry);

/* The same as log_ring_is_complete().  Context: any. */
bool log_is_complete(uint64_t number);

/* Append a record as people read it: number, seconds, text, and a newline.  Context: any. */
struct text;
void log_describe(const struct log_entry *entry, struct text *text);

struct log_statistics {
    uint64_t written; /* number of the newest record */
    uint64_t dropped;
};
struct log_statistics log_statistics(void);

#endif
