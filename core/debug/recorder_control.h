/*
 * Switching the flight recorder: kinds by the names of their groups, and the points that do not
 * look at kern's word of kinds but are switched themselves.
 *
 * Rules:
 * - The kinds of a group are on or off together.
 * - Groups that are on are what the command line's trace= says, else the usual ones: what comes
 *   seldom, and tells most in the report of a panic.
 */
#ifndef CORE_DEBUG_RECORDER_CONTROL_H
#define CORE_DEBUG_RECORDER_CONTROL_H

#include <helix/error.h>
#include <kern/recorder.h>
#include <stddef.h>
#include <stdint.h>

/* "call"; "?" for none.  Context: any. */
const char *recorder_kind_name(enum recorder_kind kind);

/* Group 0.. ; NULL: there are no more.  Context: any. */
const char *recorder_group_name(unsigned group);

/* The kinds of a group, by number and by name; "all" and "usual" are names too. 0: no such group.
 * Context: any. */
uint32_t recorder_group_kinds(unsigned group);
uint32_t recorder_group_find(const char *name, size_t length);

/* The kinds of groups in a text, parted by commas; *unknown is where a word begins that is none,
 * NULL: all are. "off" or "" is none.  Context: any. */
uint32_t recorder_groups_parse(const char *text, const char **unknown);

/*
 * Record the kinds of these groups from now on, and no others.
 * Context: thread, may block.  Errors: those of syscall_hook_add; nothing has changed then.
 */
HX_MUST_USE hx_err recorder_switch(uint32_t kinds);

/* The same, on top of what is on, and without. */
HX_MUST_USE hx_err recorder_switch_on(uint32_t kinds);
HX_MUST_USE hx_err recorder_switch_off(uint32_t kinds);

#endif
