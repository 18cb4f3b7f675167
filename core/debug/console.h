/*
 * Consoles: where log lines become visible (SPEC D1, D3).
 *
 * Rules:
 * - Every registered writer gets every line whose level is shown, once and whole, in order.
 * - One context prints at a time: in turn the caller of the log (before console_start_thread and in
 *   a panic), and the console thread. Who cannot print at once leaves its line to the one who does.
 * - A writer's functions are called with interrupts off, for at most CONSOLE_CHUNK bytes at a time;
 *   they take no lock. Bytes of a writer with an outlet (console_outlet.h) are offered to that
 * first, where the printer may block; the turn to print is kept meanwhile, and is no lock.
 * - Programs' bytes (console_write_bytes) take turns with lines: neither cuts into the other.
 * - A line on the console: kprintln's text as it stands; others as "[  seconds.micros] level:
 * text", where info lines bear no level.
 */
#ifndef CORE_DEBUG_CONSOLE_H
#define CORE_DEBUG_CONSOLE_H

#include <core/debug/log.h>
#include <helix/attributes.h>
#include <helix/error.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CONSOLE_WRITER_MAX 4
#define CONSOLE_CHUNK      16

struct console_writer {
    const char *name;
    void (*write_byte)(char byte);
    void (*write_string)(const char *text, size_t length);
    /* A terminal's bytes, as they are. NULL: they are not shown here. */
    void (*write_bytes)(const char *bytes, size_t size);
    void (*flush)(void);
    void (*set_level)(enum log_level level); /* before each line: colour; may do nothing */
    bool has_outlet;                         /* core/debug/console_outlet.h may send its bytes */
    bool works_in_panic;                     /* may be called with the machine half dead */
};

/* The machine's byte device, \n as \r\n; and the one that shows nothing. */
extern const struct console_writer console_serial;
extern const struct console_writer console_null;

/* Add a writer: it gets the lines from now on.  Context: boot or thread.  Errors: HX_EEXIST,
 * HX_ENOSPC. */
HX_MUST_USE hx_err console_register(const struct console_writer *writer);

/* The same, and at once those that the ring still has: for a device that is found late.  Context:
 * boot. Errors: as above. */
HX_MUST_USE hx_err console_register_late(const struct console_writer *writer);

/*
 * Take a writer out. When it returns, the writer is not being called and never will be.
 * Context: boot or thread.  Errors: HX_ENOENT.
 */
HX_MUST_USE hx_err console_unregister(const struct console_writer *writer);

/* From here on a thread of its own prints.  Context: thread.  Errors: HX_ENOMEM, HX_ESTATE it does.
 */
HX_MUST_USE hx_err console_start_thread(void);

/*
 * Wait until all lines written so far are printed and flushed. While another CPU panics, which
 * stops this one, it does not return. Context: boot or thread, may block.
 */
void console_flush(void);

/*
 * Bytes that are no lines of the log (a terminal's output), to the writers that show such, at once
 * and past the log. What is left of them when a panic begins is dropped.
 * Context: thread, may block until the lines before it are out.
 */
void console_write_bytes(const char *bytes, size_t size);

/*
 * For ever: print at once, in the caller's context, to the writers that work in a panic. A printer
 * in the middle of a line gets a bounded time to finish it; past that its line is continued where
 * it was. Nothing is lost or printed twice.  Context: panic, interrupts off.
 */
void console_enter_panic(void);

/* Register a writer past all locks if there is none yet.  Context: panic, before
 * console_enter_panic. */
void console_open_for_panic(const struct console_writer *writer);

/* Who prints. */
enum console_mode {
    CONSOLE_BOOT,   /* the log's caller */
    CONSOLE_THREAD, /* the console thread */
    CONSOLE_PANIC,  /* the panicking CPU */
};

/* Of console.c alone, and here for the questions that each log line asks. */
extern _Atomic uint32_t console_mode;
extern _Atomic bool console_asleep; /* the thread parks, or is about to */

/* Whether console_enter_panic has been called.  Context: any. */
static inline bool console_in_panic(void)
{
    return atomic_load_explicit(&console_mode, memory_order_acquire) == CONSOLE_PANIC;
}

/*
 * Last words, straight to the writers that work in a panic, byte by byte and past log and lock: for
 * when printing itself has failed.  Context: panic.
 */
void console_emergency(const char *text);

/* Print, or wake who does. */
void console_attend(void);

/*
 * A record has been written: see to its printing. The console thread needs no word while it is
 * awake: it says that it sleeps, then looks once more (console_main).  Called by log.c.  Context:
 * any.
 */
static inline void console_notify(void)
{
    if (HX_UNLIKELY(atomic_load_explicit(&console_mode, memory_order_acquire) != CONSOLE_THREAD ||
                    atomic_load_explicit(&console_asleep, memory_order_seq_cst))) {
        console_attend();
    }
}

/* Woken by the console thread, once it runs, behind the lines written lately: for who waits for
 * more of them. */
struct wait_queue *console_attended(void);

/* Wake the console thread for lines that came from an NMI.  Context: irq (the timer's). */
void console_deferred(void);

#endif
