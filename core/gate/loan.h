/*
 * Loans, the kernel's side: bytes that one call into a module may reach (helix/loan.h).
 *
 * Rules:
 * - Opened by the caller just before the call and closed just after it, in the same thread, the
 *   last one first; struct loan is the caller's, on its stack.
 * - A loan is for the calls made at the depth of nesting at which it was opened: what that call
 *   calls in turn does not see it.
 */
#ifndef CORE_GATE_LOAN_H
#define CORE_GATE_LOAN_H

#include <helix/attributes.h>
#include <helix/error.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct hal_activation;

struct loan {
    struct loan *next;                  /* the thread's others, opened before it */
    const struct hal_activation *place; /* where the record of its call is */
    void *bytes;
    size_t size;
    bool is_writable;
};

/* Lend bytes; answers the handle to pass on, never 0.  Context: thread. */
uint64_t loan_open(struct loan *loan, void *bytes, size_t size);
/* Bytes that the module is to fill: they become zeros first, so that it finds nothing of the
 * kernel's there, and what it does not write is nothing either. */
uint64_t loan_open_to_fill(struct loan *loan, void *bytes, size_t size);
uint64_t loan_open_read_only(struct loan *loan, const void *bytes, size_t size);

/*
 * The loan that the call with these arguments, about to be made at this depth, was given; NULL:
 * none. *argument says which of them is its handle.  Context: thread.
 */
const struct loan *loan_of_call(const uint64_t arguments[4], unsigned *argument);

/* The running thread's loan of that handle for the call whose record is, or will be, at a place;
 * NULL: there is none. The handle may be any number.  Context: thread. */
const struct loan *loan_find(const struct hal_activation *place, uint64_t handle);

/*
 * Bytes of the loan that loan_find finds.  Context: thread.
 * Errors: HX_EINVAL there is none, HX_ERANGE not all of them are within it, HX_EPERM they are to be
 * written and are lent to be read.
 */
HX_MUST_USE hx_err loan_bytes(const struct hal_activation *place, uint64_t handle, uint64_t offset,
                              uint64_t size, bool is_written, void **bytes);

/* A digest of the bytes of all loans that a call about to be made at this depth may write; they are
 * the same as another time if this is.  Context: thread. */
uint32_t loans_digest(void);

/* The thread's last loan ends.  Context: thread. */
void loan_close(const struct loan *loan);

#endif
