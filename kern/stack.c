#include <kern/spinlock.h>
#include <kern/stack.h>
#include <kern/thread.h>

#define USUAL_PAGES (THREAD_STACK_SIZE / HAL_PAGE_SIZE)

/* Keys: L = lock */
static struct {
    struct spinlock lock;
    uint32_t count;                   /* L */
    struct area *stacks[STACKS_KEPT]; /* L  the last one is the warmest */
} kept;

void stack_init(void)
{
    spinlock_init(&kept.lock, LOCK_RANK_AREA, "stacks");
    kept.count = 0;
}

/* One that was kept; NULL: there is none. */
static struct area *take_kept(void)
{
    hal_interrupt_state state = spinlock_acquire(&kept.lock);
    struct area *stack = kept.count != 0 ? kept.stacks[--kept.count] : NULL;

    spinlock_release(&kept.lock, state);
    return stack;
}

/* False: there are enough. */
static bool keep(struct area *stack)
{
    hal_interrupt_state state = spinlock_acquire(&kept.lock);
    bool has_room = kept.count < STACKS_KEPT;

    if (has_room) {
        kept.stacks[kept.count++] = stack;
    }
    spinlock_release(&kept.lock, state);
    return has_room;
}

bool stack_free_kept(void)
{
    struct area *stack = take_kept();
    bool has_freed = stack != NULL;

    while (stack != NULL) {
        area_free(stack);
        stack = take_kept();
    }
    return has_freed;
}

hx_err stack_take(size_t pages, owner_tag owner, struct area **stack)
{
    struct area *found = pages == USUAL_PAGES ? take_kept() : NULL;

    if (found == NULL) {
        return area_allocate(pages, HAL_READ | HAL_WRITE, owner, stack);
    }
    area_give(found, owner);
    *stack = found;
    return HX_OK;
}

void stack_put(struct area *stack)
{
    if (stack == NULL || stack->pages != USUAL_PAGES) {
        area_free(stack);
        return;
    }
    area_give(stack, OWNER_CORE);
    if (!keep(stack)) {
        area_free(stack);
    }
}
