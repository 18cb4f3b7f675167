/*
 * The keeper: a thread that ends trials when they are due, and buries instances that have died.
 */
#ifndef SUBSYS_MODULES_KEEPER_H
#define SUBSYS_MODULES_KEEPER_H

#include <core/hot_reload/hot_reload.h>
#include <helix/error.h>

/* Context: boot or thread.  Errors: those of thread_create. */
HX_MUST_USE hx_err keeper_start(void);

/* The thread has ended when it returns.  Context: thread, may block. */
void keeper_stop(void);

/* A trial has begun.  Context: any but nmi. */
void keeper_wake(void);

/* What was done in a slot, for history, log and events.  Context: thread.  (modules.c) */
void modules_note(struct slot *slot, const char *what, const struct swap_report *report);

#endif
