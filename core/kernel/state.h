/*
 * The kernel's state machine (SPEC K1, K2).
 *
 * Rules:
 * - The table in state.c is the only place that knows which transitions exist.
 * - Everybody may read the state; only the orchestrator can move it: the state and the function
 * that moves it are private to core/orchestrator/orchestrator.c (SPEC K3).
 */
#ifndef CORE_KERNEL_STATE_H
#define CORE_KERNEL_STATE_H

#include <stdbool.h>
#include <stddef.h>

/* X(enumerator, number, name); the numbers are stable */
#define KERNEL_STATE_LIST(X)                                                                       \
    X(KERNEL_EARLY_BOOT, 0, "EarlyBoot")                                                           \
    X(KERNEL_INITIALIZING, 1, "Initializing")                                                      \
    X(KERNEL_RUNNING, 2, "Running")                                                                \
    X(KERNEL_SHUTTING_DOWN, 3, "ShuttingDown")                                                     \
    X(KERNEL_PANIC, 4, "Panic")                                                                    \
    X(KERNEL_SUSPENDED, 5, "Suspended")

#define KERNEL_STATE_ENUM(name, number, text) name = (number),
enum kernel_state { KERNEL_STATE_LIST(KERNEL_STATE_ENUM) KERNEL_STATE_COUNT };
#undef KERNEL_STATE_ENUM

/* The present state. Defined by the orchestrator, who owns it.  Context: any. */
enum kernel_state kernel_state_current(void);

/* Whether the table has an edge; false for numbers that are no state.  Context: any. */
bool kernel_state_allows(enum kernel_state from, enum kernel_state to);

/* "Running" and so on; "?" for a number that is no state.  Context: any. */
const char *kernel_state_name(enum kernel_state state);

/*
 * The table as a Graphviz graph. Returns the bytes of the whole text without the NUL, as
 * format_text() does.  Context: any.
 */
size_t kernel_state_dot(char *buffer, size_t size);

#endif
