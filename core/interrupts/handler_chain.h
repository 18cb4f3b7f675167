/*
 * Published chain of named handlers, for vectors and exceptions: read without a lock in interrupt
 * and exception context, changed under one lock.
 *
 * Rules:
 * - Who walks a chain has interrupts off, and so is in a read section.
 * - Handlers come from one pool: registering allocates nothing, so it works before the heap does.
 */
#ifndef CORE_INTERRUPTS_HANDLER_CHAIN_H
#define CORE_INTERRUPTS_HANDLER_CHAIN_H

#include <core/interrupts/dispatcher.h>
#include <core/interrupts/exceptions.h>
#include <helix/attributes.h>
#include <helix/error.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define HANDLER_POOL_SIZE 320

/* Keys: I = immutable while published, A = atomic */
struct handler {
    _Atomic(struct handler *) next; /* A  written under the chains' lock */
    union {
        interrupt_handler interrupt;
        exception_handler exception;
    };                /* I */
    void *argument;   /* I */
    const char *name; /* I  NULL: this place of the pool is free */
    uint8_t order;    /* I  lower comes first; among equals, who registered first */
    bool shared;      /* I  may stand beside others */
};

struct handler_chain {
    _Atomic(struct handler *) first; /* NULL: none */
};

/*
 * Add a copy of *wanted (next is ignored).  Context: boot or thread.
 * Errors: HX_EEXIST the name is there, HX_EBUSY it or one that is there is not shared, HX_ENOSPC.
 */
HX_MUST_USE hx_err handler_chain_add(struct handler_chain *chain, const struct handler *wanted);

/*
 * Remove by name, and wait until no CPU is in it.
 * Context: thread, may block.  Errors: HX_ENOENT.
 */
HX_MUST_USE hx_err handler_chain_remove(struct handler_chain *chain, const char *name);

/* Acquire: pairs with the release that publishes the handler. */
static inline struct handler *handler_load(const _Atomic(struct handler *) *link)
{
    return atomic_load_explicit(link, memory_order_acquire);
}

#define HANDLER_CHAIN_FOR_EACH(handler, chain)                                                     \
    for (const struct handler *handler = handler_load(&(chain)->first); (handler) != NULL;         \
         (handler) = handler_load(&(handler)->next))

#endif
