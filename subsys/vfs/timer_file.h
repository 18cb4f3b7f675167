/*
 * Timers in files (timerfd_create(2)): reading waits for the time and answers how often it has
 * come.
 *
 * Rules:
 * - Times are those of hal_clock_now().
 * - What has come and was not read is forgotten when the timer is set.
 */
#ifndef SUBSYS_VFS_TIMER_FILE_H
#define SUBSYS_VFS_TIMER_FILE_H

#include <helix/attributes.h>
#include <helix/error.h>
#include <kern/owner.h>
#include <stdbool.h>
#include <stdint.h>

struct file;

struct timer_setting {
    uint64_t next_ns;   /* to set: absolute; when told: from now; 0: it does not run */
    uint64_t period_ns; /* 0: once */
};

/* clock: the caller's name for what the timer is set by.  Context: thread.  Errors: HX_ENOMEM. */
HX_MUST_USE hx_err timer_file_create(uint32_t clock, uint32_t flags, owner_tag owner,
                                     struct file **file);
bool timer_file_is(const struct file *file);
uint32_t timer_file_clock(const struct file *file);

/* Tell the setting, and set it if wanted is not NULL.  Context: thread, may block. */
void timer_file_exchange(struct file *file, const struct timer_setting *wanted,
                         struct timer_setting *old);

#endif
