/*
 * Timers that send signals (timer_create(2)): any number of a process, each with a signal of its
 * own and a value that comes with it.
 *
 * Rules:
 * - A timer has one signal pending at most. Times that come while it is are counted, and told with
 *   the signal and afterwards (overrun).
 * - They are not inherited by fork, and end with exec and with the process.
 * - Times are the kernel's own clock's (hal_clock_now).
 */
#ifndef SUBSYS_PROCESS_SIGNAL_TIMER_H
#define SUBSYS_PROCESS_SIGNAL_TIMER_H

#include <helix/attributes.h>
#include <helix/error.h>
#include <stdbool.h>
#include <stdint.h>

struct process;

#define SIGNAL_TIMERS_MAX 1024U /* of a process */

struct signal_timer_making {
    uint32_t clock;   /* the personality's, kept for it */
    uint32_t signal;  /* 0: none is sent */
    uint32_t thread;  /* id of the thread of the calling process that gets it; 0: the process */
    uint64_t value;   /* comes with the signal */
    bool value_is_id; /* value is the timer's id instead */
};

struct signal_timer_setting {
    uint64_t due_ns;    /* 0: it does not run */
    uint64_t period_ns; /* 0: once */
};

/*
 * Of the calling process.  Context: thread.  Errors: HX_EINVAL no such thread or signal, HX_EAGAIN
 * too many, HX_ENOMEM.
 */
HX_MUST_USE hx_err signal_timer_create(const struct signal_timer_making *making, int32_t *id);
/* The others: HX_EINVAL there is no such timer. */
HX_MUST_USE hx_err signal_timer_delete(int32_t id);
HX_MUST_USE hx_err signal_timer_clock(int32_t id, uint32_t *clock);
/* wanted NULL: only tell what is set; due_ns is the next time, 0: none. */
HX_MUST_USE hx_err signal_timer_exchange(int32_t id, const struct signal_timer_setting *wanted,
                                         struct signal_timer_setting *old);
HX_MUST_USE hx_err signal_timer_overrun(int32_t id, int32_t *count);

/* The process ends, or runs another program.  Context: thread; not under process_mutex. */
void signal_timers_end(struct process *process);

#endif
