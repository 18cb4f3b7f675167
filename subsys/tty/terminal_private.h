/*
 * What the files of this folder share.
 *
 * Rules:
 * - A terminal's mutex guards its settings and both directions; it is held while bytes go to the
 * device, at most TERMINAL_OUTPUT_SIZE at a time. process_mutex is never taken under it: signals
 * are noted (terminal_note_signal) and sent once it is released (terminal_unlock).
 * - `_locked` means that mutex.
 */
#ifndef SUBSYS_TTY_TERMINAL_PRIVATE_H
#define SUBSYS_TTY_TERMINAL_PRIVATE_H

#include <helix/attributes.h>
#include <helix/error.h>
#include <kern/mutex.h>
#include <kern/wait_queue.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <subsys/tty/terminal.h>
#include <subsys/tty/terminal_settings.h>
#include <subsys/vfs/file.h>

#define TERMINAL_OUTPUT_SIZE 256U

/* What a byte of the input buffer is. */
enum input_mark {
    INPUT_PLAIN,
    INPUT_LINE_END, /* the last byte of a line */
    INPUT_FILE_END, /* no byte: ^D at the beginning of a line */
};

/*
 * Bytes that wait to be read. Positions only grow; modulo TERMINAL_LINE_MAX they are indices.
 * [tail, lines) are whole lines, [lines, head) is the line being edited; in raw mode all of it can
 * be read.
 */
struct terminal_input {
    uint32_t tail;
    uint32_t lines;
    uint32_t head;
    char bytes[TERMINAL_LINE_MAX];
    uint8_t marks[TERMINAL_LINE_MAX]; /* enum input_mark */
};

/*
 * Keys: I = immutable, M = mutex, P = process_mutex, A = atomic
 */
struct terminal {
    const struct terminal_device *device; /* I */
    uint64_t number;                      /* I */
    struct mutex mutex;
    struct terminal_settings settings; /* M */
    struct terminal_window window;     /* M */
    struct terminal_input input;       /* M */
    bool takes_next_literally;         /* M  after VLNEXT */
    uint32_t line_column;              /* M  where the line being edited begins */
    uint32_t column;                   /* M  of the cursor */
    bool is_stopped;                   /* M  by ^S or TCOOFF: output is held */
    uint32_t output_used;              /* M */
    char output[TERMINAL_OUTPUT_SIZE]; /* M  on its way to the device */
    uint32_t openings;                 /* M */
    uint64_t signals;                  /* M  to be sent, by number */
    _Atomic uint32_t hang_ups;         /* A  so often; an opening remembers the number */
    _Atomic uint32_t foreground;       /* A  its process group, 0: none; written under P */
    struct session *session;           /* P  whose controlling terminal it is */
    struct wait_queue readable;        /* woken for input and hang-ups */
    struct wait_queue writable;        /* woken when output goes on, and for hang-ups */
    struct wait_queue room;            /* woken when input was taken */
};

/* The context of an open file. */
struct terminal_opening {
    struct terminal *terminal;
    uint32_t hang_ups; /* the terminal's at the time of opening */
    bool outlives_hang_up;
};

static inline struct terminal_opening *terminal_opening_of(const struct file *file)
{
    return file->context;
}

static inline bool terminal_opening_is_dead(const struct terminal_opening *opening)
{
    /* acquire: pairs with terminal_cut_off */
    return !opening->outlives_hang_up &&
           atomic_load_explicit(&opening->terminal->hang_ups, memory_order_acquire) !=
               opening->hang_ups;
}

static inline bool terminal_has_locked(const struct terminal *terminal, uint32_t local_flags)
{
    return (terminal->settings.local & local_flags) != 0;
}

/* --- terminal.c ------------------------------------------------------------------------------- */

void terminal_lock(struct terminal *terminal);
/* Output goes out, noted signals are sent. */
void terminal_unlock(struct terminal *terminal);
/* Whoever has it open is cut off. */
void terminal_cut_off(struct terminal *terminal);

/* --- terminal_output.c ------------------------------------------------------------------------ */

/* A program's byte, or an echo: with c_oflag's processing. */
void terminal_put_locked(struct terminal *terminal, char byte);
/* Straight to the device. */
void terminal_put_raw_locked(struct terminal *terminal, char byte);
void terminal_push_output_locked(struct terminal *terminal);
void terminal_echo_locked(struct terminal *terminal, char byte);
void terminal_stop_locked(struct terminal *terminal);
void terminal_go_on_locked(struct terminal *terminal);
void terminal_flush_output_locked(struct terminal *terminal);
/* Cells that the echo of a byte takes when it begins at a column. */
uint32_t terminal_echo_width_locked(const struct terminal *terminal, char byte, uint32_t column);
hx_err terminal_write(struct file *file, struct transfer *transfer, uint64_t offset, size_t *done);

/* --- terminal_input.c, terminal_edit.c -------------------------------------------------------- */

static inline uint32_t terminal_index(uint32_t position)
{
    return position % TERMINAL_LINE_MAX;
}

/* A byte that came after the edited line's others; the caller has seen that there is room. */
void terminal_append_locked(struct terminal *terminal, char byte, enum input_mark mark);
void terminal_flush_input_locked(struct terminal *terminal);
/* Lines become bytes, or bytes a line. */
void terminal_change_mode_locked(struct terminal *terminal, bool is_canonical);

void terminal_erase_character_locked(struct terminal *terminal);
void terminal_erase_word_locked(struct terminal *terminal);
void terminal_kill_line_locked(struct terminal *terminal);
void terminal_reprint_locked(struct terminal *terminal);

/* --- terminal_read.c -------------------------------------------------------------------------- */

hx_err terminal_read(struct file *file, struct transfer *transfer, uint64_t offset, size_t *done);
/* Bytes that a read could get now. */
uint32_t terminal_readable_locked(const struct terminal *terminal);
/* Whether a read with these settings would return: what poll tells. */
bool terminal_is_readable_locked(const struct terminal *terminal);

/* --- terminal_control.c ----------------------------------------------------------------------- */

hx_err terminal_control(struct file *file, uint32_t request, uintptr_t argument, int64_t *result);

/* --- terminal_jobs.c: processes -----------------------------------------------------------------
 */

/*
 * A process in the background wants to read (SIGTTIN) or to write or change something (SIGTTOU):
 * its group gets the signal.  Errors: HX_EINTR it has been sent, HX_EIO it would be of no use.
 */
HX_MUST_USE hx_err terminal_check_job(struct terminal *terminal, unsigned number);
void terminal_signal_foreground(const struct terminal *terminal, unsigned number);
/* The calling process opened it. */
void terminal_adopt_at_open(struct terminal *terminal, const struct file *file);
/* The ioctls about sessions. */
HX_MUST_USE hx_err terminal_become_controlling(struct terminal *terminal, const struct file *file,
                                               bool steals);
HX_MUST_USE hx_err terminal_give_up(struct terminal *terminal);
HX_MUST_USE hx_err terminal_get_foreground(const struct terminal *terminal, uint32_t *group);
HX_MUST_USE hx_err terminal_set_foreground(struct terminal *terminal, uint32_t group);
HX_MUST_USE hx_err terminal_get_session(const struct terminal *terminal, uint32_t *session);
/* The calling process's, NULL.  It is valid for ever. */
struct terminal *terminal_of_caller(void);

#endif
