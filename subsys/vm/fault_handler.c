/* Page faults of the processor in the user window. */
#include <core/interrupts/exceptions.h>
#include <hal/frame.h>
#include <hal/interrupt.h>
#include <hal/memory.h>
#include <kern/thread.h>
#include <stdatomic.h>
#include <subsys/vm/address_space.h>

static _Atomic(address_space_source) source;

/* Acquire and release pair with each other: what the new function needs is there. */
address_space_source address_space_set_source(address_space_source current_space)
{
    return atomic_exchange_explicit(&source, current_space, memory_order_acq_rel);
}

static struct address_space *space_of_caller(void)
{
    address_space_source current_space = atomic_load_explicit(&source, memory_order_acquire);

    return current_space != NULL ? current_space() : NULL;
}

static bool is_user_address(uintptr_t address)
{
    struct hal_range window = hal_user_window();

    return address - window.base < window.size;
}

/* Whether what faulted may wait: its thread could be switched away from right there. */
static bool may_block(const struct hal_frame *frame)
{
    return hal_frame_interrupts_enabled(frame) && !context_is_interrupt() &&
           thread_current()->preempt_depth == 0;
}

static unsigned access_of(unsigned fault)
{
    if ((fault & HAL_FAULT_WRITE) != 0) {
        return MAPPING_WRITE;
    }
    return (fault & HAL_FAULT_EXECUTE) != 0 ? MAPPING_EXECUTE : MAPPING_READ;
}

/*
 * In the kernel only checked copies may touch user memory, and they never execute it; anything else
 * is a fault of the kernel's own, which bringing in a page would hide.
 */
static bool is_expected(const struct hal_frame *frame)
{
    return hal_frame_is_user(frame) ||
           (hal_frame_may_fault(frame) && (hal_frame_fault_access(frame) & HAL_FAULT_EXECUTE) == 0);
}

static enum exception_action on_page_fault(struct hal_frame *frame, void *argument)
{
    uintptr_t address = hal_frame_fault_address(frame);
    struct address_space *space;
    hx_err error;

    (void)argument;
    if (!is_user_address(address) || !may_block(frame) || !is_expected(frame)) {
        return EXCEPTION_NOT_MINE;
    }
    space = space_of_caller();
    if (space == NULL) {
        return EXCEPTION_NOT_MINE;
    }
    hal_interrupts_enable();
    error = address_space_fault(space, address, access_of(hal_frame_fault_access(frame)));
    hal_interrupts_disable();
    return error == HX_OK ? EXCEPTION_RESUME : EXCEPTION_NOT_MINE;
}

hx_err address_space_init(address_space_source current_space)
{
    (void)address_space_set_source(current_space);
    return exception_register(HAL_EXCEPTION_PAGE, "address space", EXCEPTION_ORDER_MEMORY,
                              on_page_fault, NULL);
}
