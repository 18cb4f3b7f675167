#include <hal/memory.h>
#include <subsys/vm/page_charge.h>

/* Charge for so many pages in all, more or fewer than before. */
static hx_err set(struct page_charge *charge, uint64_t pages)
{
    uint64_t bytes = pages * HAL_PAGE_SIZE;
    hx_err error;

    if (pages == 0) {
        error = charge->handle != RESOURCE_HANDLE_NONE
                    ? resource_release(charge->handle, charge->owner)
                    : HX_OK;
        charge->handle = RESOURCE_HANDLE_NONE;
    } else if (charge->handle == RESOURCE_HANDLE_NONE) {
        error = resource_allocate(charge->owner, RESOURCE_MEMORY, bytes, &charge->handle);
    } else {
        error = resource_adjust(charge->handle, charge->owner, bytes);
    }
    /* HX_EPERM: its owner is just being closed. */
    if (error != HX_OK && error != HX_ESTALE && error != HX_EPERM) {
        return HX_ENOMEM;
    }
    charge->charged = pages;
    return HX_OK;
}

hx_err page_charge_grow(struct page_charge *charge, uint64_t pages)
{
    uint64_t wanted = charge->used + pages;
    hx_err error = set(charge, wanted + PAGE_CHARGE_STEP);

    if (error != HX_OK) {
        error = set(charge, wanted);
    }
    if (error == HX_OK) {
        charge->used = wanted;
    }
    return error;
}

/* Charging for less does not fail. */
void page_charge_shrink(struct page_charge *charge)
{
    (void)!set(charge, charge->used != 0 ? charge->used + PAGE_CHARGE_STEP : 0);
}
