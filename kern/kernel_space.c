#include <kern/kernel_space.h>
#include <kern/spinlock.h>

/* Pages unmapped with interrupts off at a time. */
#define UNMAP_BATCH 64U

static struct spinlock lock = SPINLOCK_INIT(LOCK_RANK_PAGE_TABLE, "kernel space");

hx_err kernel_space_map(uintptr_t address, uint64_t physical, size_t pages, unsigned protection)
{
    hal_interrupt_state state = spinlock_acquire(&lock);
    hx_err error = hal_space_map(hal_space_kernel(), address, physical, pages, protection);

    spinlock_release(&lock, state);
    return error;
}

void kernel_space_unmap(uintptr_t address, size_t pages)
{
    while (pages > 0) {
        size_t batch = pages < UNMAP_BATCH ? pages : UNMAP_BATCH;
        hal_interrupt_state state = spinlock_acquire(&lock);

        hal_space_unmap(hal_space_kernel(), address, batch);
        spinlock_release(&lock, state);
        address += batch * HAL_PAGE_SIZE;
        pages -= batch;
    }
}

hx_err kernel_space_protect(uintptr_t address, size_t pages, unsigned protection)
{
    hal_interrupt_state state = spinlock_acquire(&lock);
    hx_err error = hal_space_protect(hal_space_kernel(), address, pages, protection);

    spinlock_release(&lock, state);
    return error;
}
