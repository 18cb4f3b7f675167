/*
 * Numbered fail points: every fallible step of start and stop can be made to fail (SPEC O9).
 *
 * Rules:
 * - Steps are numbered from 1 in the order in which they are taken, from arming on.
 * - A step has a name too, OPERATION:SUBJECT, as in init:block: whoever means one of many need not
 * count.
 */
#ifndef CORE_ORCHESTRATOR_FAILPOINT_H
#define CORE_ORCHESTRATOR_FAILPOINT_H

#include <helix/attributes.h>
#include <helix/error.h>
#include <stdint.h>

/* Make the n-th step from now fail, once; 0: none. Counting starts again.  Context: boot or thread.
 */
void failpoint_arm(uint64_t n);

#define FAILPOINT_NAMES_MAX 4U

/* Make the next step of a name fail, of several with commas between them each once, and none by
 * number. Counting starts again.  Context: boot or thread.
 * Errors: HX_EINVAL not OPERATION:SUBJECT, too long for one, or more than FAILPOINT_NAMES_MAX. */
HX_MUST_USE hx_err failpoint_arm_named(const char *names);

/* Take a step: HX_EIO when its turn has come, which is logged with these words.  Context: thread.
 */
HX_MUST_USE hx_err failpoint_step(const char *operation, const char *subject);

/* The same for what goes on by itself, by time: its steps have no numbers, only a name makes one
 * fail.  Context: thread. */
HX_MUST_USE hx_err failpoint_step_by_name(const char *operation, const char *subject);

/* Steps taken since the last arming.  Context: any. */
uint64_t failpoint_steps(void);

#endif
