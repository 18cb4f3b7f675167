/*
 * Stacks of threads: areas of the usual size, of which a few that threads have left are kept, so
 * that a new thread as a rule finds its stack mapped.
 *
 * Rules:
 * - A stack's pages are its owner's; those of a stack that is kept are the kernel's.
 * - A stack that was kept holds what its last thread left on it.
 */
#ifndef KERN_STACK_H
#define KERN_STACK_H

#include <helix/attributes.h>
#include <helix/error.h>
#include <kern/area.h>
#include <kern/owner.h>
#include <stdbool.h>
#include <stddef.h>

/* As many are kept at most. */
#define STACKS_KEPT 16U

/* None is kept.  Context: boot, before there are threads. */
void stack_init(void);

/* Context: thread.  Errors: HX_ENOMEM. */
HX_MUST_USE hx_err stack_take(size_t pages, owner_tag owner, struct area **stack);

/* NULL is allowed. Nobody runs on it.  Context: thread, interrupts on.  Blocks: spins. */
void stack_put(struct area *stack);

/*
 * Free those that are kept, for who needs their memory. Returns whether there were any.
 * Context: thread, interrupts on.  Blocks: spins.
 */
bool stack_free_kept(void);

#endif
