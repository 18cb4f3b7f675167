#include <kern/heap.h>
#include <subsys/vfs/path.h>

#define STANDARD_UMASK 022U

static void lend(struct lent_location *lent, const struct location *location)
{
    bool is_kept = location->vnode->ops->are_retired;

    /* release, both: pair with path_context_borrow */
    atomic_store_explicit(&lent->mount, is_kept ? location->mount : NULL, memory_order_release);
    atomic_store_explicit(&lent->vnode, location->vnode, memory_order_release);
}

static struct path_context *make(struct location root, struct location current, uint32_t umask)
{
    struct path_context *context = heap_allocate_zeroed(sizeof(*context), OWNER_CORE);

    if (context == NULL) {
        location_put(&root);
        location_put(&current);
        return NULL;
    }
    atomic_init(&context->references, 1);
    spinlock_init(&context->lock, LOCK_RANK_PROCESS, "paths");
    context->root = root;
    context->current = current;
    lend(&context->lent_root, &root);
    lend(&context->lent_current, &current);
    atomic_init(&context->umask, umask);
    return context;
}

hx_err path_context_create(struct path_context **context)
{
    *context = make(mount_root_location(), mount_root_location(), STANDARD_UMASK);
    return *context != NULL ? HX_OK : HX_ENOMEM;
}

hx_err path_context_copy(struct path_context *from, struct path_context **to)
{
    *to = make(path_context_root(from), path_context_current(from),
               atomic_load_explicit(&from->umask, memory_order_relaxed));
    return *to != NULL ? HX_OK : HX_ENOMEM;
}

struct path_context *path_context_get(struct path_context *context)
{
    atomic_fetch_add_explicit(&context->references, 1, memory_order_relaxed);
    return context;
}

void path_context_put(struct path_context *context)
{
    /* acq_rel: the last one sees what all others did */
    if (context != NULL &&
        atomic_fetch_sub_explicit(&context->references, 1, memory_order_acq_rel) == 1) {
        location_put(&context->root);
        location_put(&context->current);
        heap_free(context);
    }
}

static void set(struct path_context *context, struct location *place, struct lent_location *lent,
                struct location location)
{
    struct location old;
    hal_interrupt_state state = spinlock_acquire(&context->lock);
    uint32_t sequence = atomic_load_explicit(&context->sequence, memory_order_relaxed);

    old = *place;
    *place = location;
    atomic_store_explicit(&context->sequence, sequence + 1, memory_order_relaxed);
    lend(lent, &location);
    /* release: pairs with path_context_borrow */
    atomic_store_explicit(&context->sequence, sequence + 2, memory_order_release);
    spinlock_release(&context->lock, state);
    location_put(&old);
}

void path_context_set_root(struct path_context *context, struct location location)
{
    set(context, &context->root, &context->lent_root, location);
}

void path_context_set_current(struct path_context *context, struct location location)
{
    set(context, &context->current, &context->lent_current, location);
}

static struct location copy(struct path_context *context, const struct location *place)
{
    struct location location;
    hal_interrupt_state state = spinlock_acquire(&context->lock);

    location = *place;
    location_get(&location);
    spinlock_release(&context->lock, state);
    return location;
}

struct location path_context_root(struct path_context *context)
{
    return copy(context, &context->root);
}

struct location path_context_current(struct path_context *context)
{
    return copy(context, &context->current);
}
