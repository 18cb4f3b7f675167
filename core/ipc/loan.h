/*
 * Loans: bytes lent with a request, in memory that outlives whoever lets go of it first.
 *
 * Rules:
 * - Who asks makes the loan, fills it, and reads it after the reply. The server holds a reference
 *   while it has the request, so that who asks may leave before the reply.
 */
#ifndef CORE_IPC_LOAN_H
#define CORE_IPC_LOAN_H

#include <helix/attributes.h>
#include <helix/error.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#define ROUTER_LOAN_MAX (64U * 1024U) /* bytes */

/* Keys: I = immutable, A = atomic */
struct router_loan {
    _Atomic uint32_t references; /* A */
    size_t size;                 /* I */
    HX_ALIGNED(8) unsigned char bytes[];
};

/*
 * A loan of undefined contents, with one reference.
 * Context: thread.  Errors: HX_EINVAL no bytes, or more than ROUTER_LOAN_MAX; HX_ENOMEM.
 */
HX_MUST_USE hx_err router_loan_create(size_t size, struct router_loan **loan);

/* Context: any. */
static inline struct router_loan *router_loan_get(struct router_loan *loan)
{
    atomic_fetch_add_explicit(&loan->references, 1, memory_order_relaxed);
    return loan;
}

void router_loan_put(struct router_loan *loan); /* NULL is allowed.  Context: thread. */

#endif
