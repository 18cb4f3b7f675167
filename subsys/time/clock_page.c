#include <hal/clock.h>
#include <hal/cpu.h>
#include <hal/memory.h>
#include <helix/clock_page.h>
#include <kern/spinlock.h>
#include <subsys/time/clock_page.h>
#include <subsys/time/wall_clock.h>
#include <subsys/vm/memory_object.h>
#include <subsys/vm/shared_frame.h>

static struct spinlock lock = SPINLOCK_INIT(LOCK_RANK_CORE, "clock page");
static struct hx_clock_page *page;   /* written under lock; NULL: there is none */
static struct memory_object *object; /* whose only page it is */
static uint32_t changes;             /* under way; under lock */

/* The second half of a change; the page is odd. */
static void publish_locked(const struct hal_clock_scale *scale)
{
    uint32_t sequence = atomic_load_explicit(&page->sequence, memory_order_relaxed);

    atomic_store_explicit(&page->multiplier, scale->multiplier, memory_order_relaxed);
    atomic_store_explicit(&page->offset, scale->offset, memory_order_relaxed);
    atomic_store_explicit(&page->wall_offset, wall_clock_offset(), memory_order_relaxed);
    /* release: pairs with the acquire of hx_clock_read */
    atomic_store_explicit(&page->sequence, sequence + 1, memory_order_release);
}

void clock_page_begin(void)
{
    hal_interrupt_state state = spinlock_acquire(&lock);
    uint32_t sequence;

    changes++;
    if (page != NULL) {
        sequence = atomic_load_explicit(&page->sequence, memory_order_relaxed);
        atomic_store_explicit(&page->sequence, sequence | 1U, memory_order_relaxed);
        /* seq_cst: who sees anything of the change sees the page odd; pairs with the acquire fence
         * of hx_clock_read */
        atomic_thread_fence(memory_order_seq_cst);
    }
    spinlock_release(&lock, state);
}

void clock_page_end(void)
{
    struct hal_clock_scale scale;
    hal_interrupt_state state = spinlock_acquire(&lock);

    changes--;
    if (page != NULL && changes == 0 && hal_clock_scale(&scale)) {
        publish_locked(&scale);
    }
    spinlock_release(&lock, state);
}

/* From now on the page is the one; it is odd. */
static void install(struct hx_clock_page *new)
{
    hal_interrupt_state state = spinlock_acquire(&lock);

    page = new;
    spinlock_release(&lock, state);
}

hx_err clock_page_init(void)
{
    struct hx_clock_page *new;
    uint64_t physical;
    hx_err error = memory_object_create(NULL, NULL, HAL_PAGE_SIZE, OWNER_CORE, &object);

    if (error != HX_OK) {
        return error;
    }
    error = memory_object_page(object, 0, &physical);
    if (error != HX_OK) {
        memory_object_put(object);
        object = NULL;
        return error;
    }
    shared_frame_put(physical); /* the object has one of its own, for as long as it is there */
    new = hal_direct_map(physical);
    atomic_init(&new->sequence, 1);
    atomic_init(&new->flags, hal_cpu_id_is_readable() ? HX_CLOCK_HAS_CPU_NUMBER : 0U);
    clock_page_begin();
    install(new);
    clock_page_end();
    return HX_OK;
}

void clock_page_fini(void)
{
    clock_page_begin(); /* for good, on this page */
    install(NULL);
    clock_page_end();
    memory_object_put(object);
    object = NULL;
}

struct memory_object *clock_page_object(void)
{
    return object;
}
