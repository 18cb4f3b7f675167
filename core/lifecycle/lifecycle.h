/*
 * Phases of the kernel's life, and the request to end it (SPEC L1, L2, L3, L5).
 *
 * Rules:
 * - Phases are entered strictly in order, each once, by one thread of control at a time.
 * - At a change, on_phase_exit(old) runs for all callbacks, then on_phase_enter(new) for all, both
 * in registration order, with no lock held. On entering ShuttingDown, on_shutdown(reason) follows.
 * - A callback may register and remove callbacks (itself too) and request a shutdown. One that is
 *   registered during a change is first called at the next.
 * - A request to shut down is kept until the kernel is Running, and acted upon then.
 */
#ifndef CORE_LIFECYCLE_LIFECYCLE_H
#define CORE_LIFECYCLE_LIFECYCLE_H

#include <base/list.h>
#include <core/kernel/state.h>
#include <helix/attributes.h>
#include <helix/error.h>
#include <stdbool.h>
#include <stdint.h>

/* X(enumerator, name), in the order in which they are lived through */
#define LIFECYCLE_PHASE_LIST(X)                                                                    \
    X(PHASE_BOOT, "Boot")                                                                          \
    X(PHASE_EARLY_INIT, "EarlyInit") /* before the heap */                                         \
    X(PHASE_CORE_INIT, "CoreInit")   /* orchestrator, interrupts, subsystems */                    \
    X(PHASE_LATE_INIT, "LateInit")   /* drivers, file systems */                                   \
    X(PHASE_RUNNING, "Running")                                                                    \
    X(PHASE_SHUTTING_DOWN, "ShuttingDown")                                                         \
    X(PHASE_HALTED, "Halted")

#define LIFECYCLE_PHASE_ENUM(name, text) name,
enum lifecycle_phase { LIFECYCLE_PHASE_LIST(LIFECYCLE_PHASE_ENUM) PHASE_COUNT };
#undef LIFECYCLE_PHASE_ENUM

#define SHUTDOWN_REASON_LIST(X)                                                                    \
    X(SHUTDOWN_NONE, "none")                                                                       \
    X(SHUTDOWN_USER_REQUEST, "user request")                                                       \
    X(SHUTDOWN_POWER_OFF, "power off")                                                             \
    X(SHUTDOWN_REBOOT, "reboot")                                                                   \
    X(SHUTDOWN_PANIC, "panic")                                                                     \
    X(SHUTDOWN_WATCHDOG_TIMEOUT, "watchdog timeout")

#define SHUTDOWN_REASON_ENUM(name, text) name,
enum shutdown_reason { SHUTDOWN_REASON_LIST(SHUTDOWN_REASON_ENUM) SHUTDOWN_REASON_COUNT };
#undef SHUTDOWN_REASON_ENUM

/* What a callback wants to hear; NULL: nothing.  Context of all: thread or boot. */
struct lifecycle_ops {
    void (*on_phase_exit)(void *argument, enum lifecycle_phase old);
    void (*on_phase_enter)(void *argument, enum lifecycle_phase new_phase);
    void (*on_shutdown)(void *argument, enum shutdown_reason reason);
};

/* Caller's memory, valid while registered. Keys: I = set by the caller, L = lifecycle.c's lock */
struct lifecycle_callback {
    const struct lifecycle_ops *ops; /* I */
    void *argument;                  /* I */
    struct list link;                /* L */
    uint64_t number;                 /* L  of registration; 0: not registered */
};

/* Append a callback.  Context: thread or boot.  Errors: HX_EINVAL no ops, HX_EEXIST registered. */
HX_MUST_USE hx_err lifecycle_register(struct lifecycle_callback *callback);

/*
 * Take a callback out. When it returns, the callback is not running (unless called from it) and
 * never runs again.  Context: thread or boot, may block.  Errors: HX_ENOENT not registered.
 */
HX_MUST_USE hx_err lifecycle_remove(struct lifecycle_callback *callback);

/* The present phase.  Context: any. */
enum lifecycle_phase lifecycle_phase(void);

/*
 * Go to the next phase and run the callbacks.
 * Context: thread or boot.
 * Errors: HX_ESTATE not the next phase, one that the present kernel state does not have, or a
 * change is under way; nothing has changed then, and it is logged.
 */
HX_MUST_USE hx_err lifecycle_advance(enum lifecycle_phase next);

/* Whether the state may be in the phase: the one table of SPEC L5.  Context: any. */
bool lifecycle_phase_fits(enum kernel_state state, enum lifecycle_phase phase);

/*
 * Ask for the kernel's end. The first reason wins; returns whether this was the first.
 * Context: any, nmi included.
 */
bool lifecycle_request_shutdown(enum shutdown_reason reason);

/* The reason that won, SHUTDOWN_NONE before.  Context: any. */
enum shutdown_reason lifecycle_shutdown_reason(void);

/*
 * Wait until a shutdown is requested and the kernel is Running.  One thread at a time.
 * Context: thread, may block.
 */
enum shutdown_reason lifecycle_wait_shutdown(void);

/* The kernel has become Running: let the waiter look again.  Called by the orchestrator. */
void lifecycle_state_changed(void);

/* Wake the waiter for a request that came from an NMI.  Context: irq (the timer's). */
void lifecycle_deferred(void);

const char *lifecycle_phase_name(enum lifecycle_phase phase);
const char *shutdown_reason_name(enum shutdown_reason reason);

#endif
