/*
 * The registry's tables, as the dispatcher reads them. Private to core/syscall.
 *
 * Rules:
 * - Beside the entries there is a table of where the gateway goes on: straight to the handler, or
 * to syscall_slow for a number that nobody has, for an entry that validates, and for a number that
 * a hook looks at. So the way from the gateway is one load and a jump, and only who needs more pays
 *   for more.
 */
#ifndef CORE_SYSCALL_REGISTRY_H
#define CORE_SYSCALL_REGISTRY_H

#include <core/syscall/syscall.h>
#include <stdatomic.h>
#include <stddef.h>

/* What kernel_syscall is; a handler is cast to it, as SYSCALL_HANDLER does. */
typedef int64_t (*syscall_target)(uint64_t a0, uint64_t a1, uint64_t a2, uint64_t a3, uint64_t a4,
                                  uint64_t a5, uint64_t number);

extern _Atomic(syscall_target) syscall_targets[SYSCALL_MAX];
/* Handlers of entries that do not validate; NULL for other numbers. */
extern _Atomic(syscall_handler) syscall_handlers[SYSCALL_MAX];

/* A call with its hooks and validation: of a number in the table, and of one beyond it.
 * Context: thread, may block. */
int64_t syscall_slow(uint64_t a0, uint64_t a1, uint64_t a2, uint64_t a3, uint64_t a4, uint64_t a5,
                     uint64_t number);
int64_t syscall_beyond(uint64_t a0, uint64_t a1, uint64_t a2, uint64_t a3, uint64_t a4, uint64_t a5,
                       uint64_t number);

/* Where a call goes on.  Context: any. */
static inline syscall_target syscall_target_of(uint32_t number)
{
    /* Acquire: pairs with publish_locked. */
    return HX_LIKELY(number < SYSCALL_MAX)
               ? atomic_load_explicit(&syscall_targets[number], memory_order_acquire)
               : syscall_beyond;
}

/* The handler of a number in the table that may be called as it is, NULL.  Context: any. */
static inline syscall_handler syscall_handler_of(uint32_t number)
{
    /* Acquire: pairs with publish_locked. The bound is for nobody but costs less than a doubt. */
    return atomic_load_explicit(&syscall_handlers[number % SYSCALL_MAX], memory_order_acquire);
}

/* Have calls of these numbers, and no others, take the slow way whatever their entries say: hooks
 * look at them.  Context: thread. */
void syscall_set_slow(const uint64_t numbers[SYSCALL_SET_WORDS]);

/* Count a call of a number that nobody has; its result.  Context: any. */
int64_t syscall_absent(uint32_t number);

#endif
