/*
 * Calling a function that may hang, with a time limit.
 *
 * Rules:
 * - Where the caller may block, the function runs on a thread of its own; where it may not (before
 *   threads run), or no thread can be had, on the caller's, and then without limit.
 * - A call that takes longer is left behind: its thread goes on by itself, its result is dropped.
 */
#ifndef CORE_ORCHESTRATOR_BOUNDED_CALL_H
#define CORE_ORCHESTRATOR_BOUNDED_CALL_H

#include <helix/attributes.h>
#include <helix/error.h>
#include <stdint.h>

/*
 * Call function(argument) and return its result. name is the thread's.
 * Context: thread, may block; boot.  Errors: HX_ETIMEDOUT, or what function returned.
 */
HX_MUST_USE hx_err bounded_call(const char *name, hx_err (*function)(const void *argument),
                                const void *argument, uint64_t limit_ns);

#endif
