/*
 * Futexes (futex(2)): threads wait at words of user memory.
 *
 * Rules:
 * - A word is named by its place (address_space_place), so processes that share memory meet; a
 * private futex is named by its space and address, which costs no look-up.
 * - Waiting compares the word and queues as one step against wake.
 * - Context: thread of a process, may block.
 */
#ifndef SUBSYS_PROCESS_FUTEX_H
#define SUBSYS_PROCESS_FUTEX_H

#include <helix/attributes.h>
#include <helix/error.h>
#include <stdbool.h>
#include <stdint.h>

#define FUTEX_ANY 0xffffffffU

struct futex_word {
    uintptr_t address; /* 4-aligned: HX_EINVAL */
    bool is_private;
};

/* Errors: HX_EAGAIN the word is not `expected`, HX_ETIMEDOUT, HX_EINTR, HX_EFAULT, HX_EINVAL bits
 * 0. */
HX_MUST_USE hx_err futex_wait(struct futex_word word, uint32_t expected, uint32_t bits,
                              uint64_t deadline_ns);
/* Wake at most `most` waiters whose bits meet these. */
HX_MUST_USE hx_err futex_wake(struct futex_word word, uint32_t most, uint32_t bits,
                              uint32_t *woken);
/* Wake some, move others to the second word; *moved counts both. with_compare: HX_EAGAIN unless the
 * first word is `expected`. */
HX_MUST_USE hx_err futex_requeue(struct futex_word from, struct futex_word to, uint32_t wake_most,
                                 uint32_t move_most, bool with_compare, uint32_t expected,
                                 uint32_t *woken_and_moved);
/* FUTEX_WAKE_OP. */
HX_MUST_USE hx_err futex_wake_operation(struct futex_word first, struct futex_word second,
                                        uint32_t wake_first, uint32_t wake_second,
                                        uint32_t operation, uint32_t *woken);

/* The calling thread ends: mark the robust mutexes it holds (FUTEX_OWNER_DIED) and wake who waits.
 */
void futex_exit_robust_list(uintptr_t head);

void futex_init(void);

#endif
