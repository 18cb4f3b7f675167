/*
 * The registry's tables, as the dispatcher reads them. Private to core/syscall.
 *
 * Rules:
 * - Beside the entries there is a table of handlers to jump to at once. It is empty for a number
 *   that nobody has, for an entry that validates, and for a number that a hook looks at: so the way
 *   from the gateway is one load, a test and a jump, and only who needs more pays for more.
 */
#ifndef CORE_SYSCALL_REGISTRY_H
#define CORE_SYSCALL_REGISTRY_H

#include <core/syscall/syscall.h>
#include <stdatomic.h>
#include <stddef.h>

extern _Atomic(syscall_handler) syscall_fast_handlers[SYSCALL_MAX];

/* The handler that may be called without looking further, NULL: there is none.  Context: any. */
static inline syscall_handler syscall_fast_handler(uint32_t number)
{
    /* Acquire: pairs with publish_handler. */
    return number < SYSCALL_MAX
               ? atomic_load_explicit(&syscall_fast_handlers[number], memory_order_acquire)
               : NULL;
}

/* Have calls of these numbers, and no others, take the slow way whatever their entries say: hooks
 * look at them.  Context: thread. */
void syscall_set_slow(const uint64_t numbers[SYSCALL_SET_WORDS]);

/* Count a call of a number that nobody has; its result.  Context: any. */
int64_t syscall_absent(uint32_t number);

#endif
