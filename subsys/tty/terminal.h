/*
 * Terminals: the line discipline between a byte device and the programs that use it (termios(3),
 * ioctl_tty(2); numbers and structures are Linux's on x86-64).
 *
 * Rules:
 * - Input bytes come in from any thread context by terminal_input; echo, erase, signals (^C, ^\,
 * ^Z) and lines are made there. Output goes through the processing of c_oflag to the device.
 * - Readers in canonical mode get whole lines, at most TERMINAL_LINE_MAX bytes each; a full line
 * refuses all but its end, with a bell if c_iflag has IMAXBEL. ^D ends a read. In raw mode a full
 * buffer takes nothing: who brings the bytes waits (terminal_await_room).
 * - Background processes that read get SIGTTIN, that write with TOSTOP SIGTTOU.
 * - A hang-up ends what is open: reads answer the end of the file, writes HX_EIO. Files opened as
 * /dev/console outlive it, as on Linux.
 * - One terminal works over any device: serial line now, screen and keyboard later.
 */
#ifndef SUBSYS_TTY_TERMINAL_H
#define SUBSYS_TTY_TERMINAL_H

#include <helix/attributes.h>
#include <helix/error.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct file;
struct file_ops;
struct session;
struct terminal;

#define TERMINAL_LINE_MAX 4096U

struct terminal_device {
    const char *name;
    /* Write bytes; may wait for the device.  Context: thread. */
    void (*write)(const char *bytes, size_t size);
    /* Now somebody has it open, now nobody. NULL: does not care.  Context: thread. */
    void (*in_use)(bool is_open);
};

/* What a new terminal is like. */
enum terminal_mode {
    TERMINAL_COOKED, /* lines, echo, signals */
    TERMINAL_RAW,    /* bytes as they come */
};

/* Make a terminal over a device, standard settings (38400 baud shown).  Errors: HX_ENOMEM. */
HX_MUST_USE hx_err terminal_create(const struct terminal_device *device, uint64_t device_number,
                                   enum terminal_mode mode, struct terminal **terminal);

/* Bytes have come in.  Returns how many were taken: fewer when the buffer of raw mode is full. What
 * comes while nobody has the terminal open is taken and dropped.
 * Context: thread, may block for the echo. */
size_t terminal_input(struct terminal *terminal, const char *bytes, size_t size);

/* The line was held at 0 for longer than a byte: BRKINT, IGNBRK.  Context: thread. */
void terminal_input_break(struct terminal *terminal);

/* Wait until terminal_input would take a byte.  Context: thread, may block. */
void terminal_await_room(struct terminal *terminal);

/* How a terminal is opened. */
enum terminal_opening_kind {
    TERMINAL_ORDINARY, /* a session's leader without a terminal gets it as controlling terminal,
                          unless the file has FILE_NO_TERMINAL */
    TERMINAL_CONSOLE,  /* never; and the file outlives hang-ups */
};

/* For a device's open hook.  Errors: HX_ENOMEM. */
HX_MUST_USE hx_err terminal_open(struct terminal *terminal, enum terminal_opening_kind kind,
                                 struct file *file);

/* The same for the calling process's controlling terminal.  Errors: HX_ENXIO there is none. */
HX_MUST_USE hx_err terminal_open_controlling(struct file *file);

/* Bytes that terminals have taken in since boot.  Context: any. */
uint64_t terminal_bytes_taken(void);

/* What an open file of the device uses. */
extern const struct file_ops terminal_file_ops;

/* What processes tell terminals (terminal_link.h): to be set once. */
struct terminal_link;
extern const struct terminal_link terminal_process_link;

void terminal_set_window(struct terminal *terminal, uint16_t rows, uint16_t columns);

/* The session leader ends, or gives its terminal up: SIGHUP and SIGCONT to the foreground group,
 * and what is open is cut off. */
void terminal_disassociate(struct session *session);

/* The number of the terminal's device, for stat(2) and /proc/PID/stat.  0: NULL. */
uint64_t terminal_device_number(const struct terminal *terminal);
uint32_t terminal_foreground_group(const struct terminal *terminal);

/*
 * Register /dev/console, /dev/tty, /dev/ttyS0 over the kernel's console and, where there is a
 * second serial line, /dev/ttyS1 over that; start the threads that read them. While somebody has
 * the console open, its keys are the programs' (subsys/console). Context: thread, once.  Errors:
 * HX_ENOMEM.
 */
HX_MUST_USE hx_err terminal_init(void);

#endif
