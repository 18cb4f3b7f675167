#include <base/string.h>
#include <core/interrupts/handler_chain.h>
#include <kern/read_section.h>
#include <kern/spinlock.h>
#include <stddef.h>

static struct spinlock lock = SPINLOCK_INIT(LOCK_RANK_CORE, "handler chains");
static struct handler pool[HANDLER_POOL_SIZE]; /* under lock, but for what is published */

/* The link that leads to the handler of that name, or the last one of the chain. */
static _Atomic(struct handler *) *find_link_locked(struct handler_chain *chain, const char *name)
{
    _Atomic(struct handler *) *link = &chain->first;

    for (struct handler *at = handler_load(link); at != NULL && !string_equal(at->name, name);
         at = handler_load(link)) {
        link = &at->next;
    }
    return link;
}

static struct handler *free_place_locked(void)
{
    for (size_t i = 0; i < HANDLER_POOL_SIZE; i++) {
        if (pool[i].name == NULL) {
            return &pool[i];
        }
    }
    return NULL;
}

/* Publish a handler behind all of its order and below. */
static void insert_locked(struct handler_chain *chain, struct handler *handler)
{
    _Atomic(struct handler *) *link = &chain->first;
    struct handler *at = handler_load(link);

    while (at != NULL && at->order <= handler->order) {
        link = &at->next;
        at = handler_load(link);
    }
    atomic_store_explicit(&handler->next, at, memory_order_relaxed);
    /* Release: pairs with handler_load. */
    atomic_store_explicit(link, handler, memory_order_release);
}

static hx_err add_locked(struct handler_chain *chain, const struct handler *wanted)
{
    const struct handler *first = handler_load(&chain->first);
    struct handler *place = free_place_locked();

    if (handler_load(find_link_locked(chain, wanted->name)) != NULL) {
        return HX_EEXIST;
    }
    if (first != NULL && !(first->shared && wanted->shared)) {
        return HX_EBUSY;
    }
    if (place == NULL) {
        return HX_ENOSPC;
    }
    *place = *wanted;
    insert_locked(chain, place);
    return HX_OK;
}

hx_err handler_chain_add(struct handler_chain *chain, const struct handler *wanted)
{
    hal_interrupt_state state = spinlock_acquire(&lock);
    hx_err error = add_locked(chain, wanted);

    spinlock_release(&lock, state);
    return error;
}

/* Take a handler out of the chain; those who are in it find their way on. */
static struct handler *unlink_handler(struct handler_chain *chain, const char *name)
{
    hal_interrupt_state state = spinlock_acquire(&lock);
    _Atomic(struct handler *) *link = find_link_locked(chain, name);
    struct handler *handler = handler_load(link);

    if (handler != NULL) {
        atomic_store_explicit(link, handler_load(&handler->next), memory_order_release);
    }
    spinlock_release(&lock, state);
    return handler;
}

static void free_place(struct handler *handler)
{
    hal_interrupt_state state = spinlock_acquire(&lock);

    handler->name = NULL;
    spinlock_release(&lock, state);
}

hx_err handler_chain_remove(struct handler_chain *chain, const char *name)
{
    struct handler *handler = unlink_handler(chain, name);

    if (handler == NULL) {
        return HX_ENOENT;
    }
    read_synchronize();
    free_place(handler);
    return HX_OK;
}
