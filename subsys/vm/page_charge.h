/*
 * What the resource broker counts of somebody's pages, in one handle that grows by some pages at a
 * time: most pages are charged by an addition.
 *
 * Rules:
 * - At most PAGE_CHARGE_SLACK more pages are charged than used; near the limit, exactly those used.
 * - An owner whose account is closed is not charged any more: its pages last a little longer.
 * - No locking: the mutex of who uses it covers it.
 */
#ifndef SUBSYS_VM_PAGE_CHARGE_H
#define SUBSYS_VM_PAGE_CHARGE_H

#include <core/resource/resource.h>
#include <helix/attributes.h>
#include <helix/error.h>
#include <kern/owner.h>
#include <stdint.h>

#define PAGE_CHARGE_STEP  16U
#define PAGE_CHARGE_SLACK (2U * PAGE_CHARGE_STEP)

struct page_charge {
    owner_tag owner;
    resource_handle handle; /* RESOURCE_HANDLE_NONE: nothing is charged */
    uint64_t used;          /* pages */
    uint64_t charged;       /* pages, at least used */
};

/* The rest of page_charge_add and _remove. */
HX_MUST_USE hx_err page_charge_grow(struct page_charge *charge, uint64_t pages);
void page_charge_shrink(struct page_charge *charge);

/* Errors: HX_ENOMEM the owner's limit, or no place for a handle. */
HX_MUST_USE static inline hx_err page_charge_add(struct page_charge *charge, uint64_t pages)
{
    if (HX_UNLIKELY(charge->charged - charge->used < pages)) {
        return page_charge_grow(charge, pages);
    }
    charge->used += pages;
    return HX_OK;
}

static inline void page_charge_remove(struct page_charge *charge, uint64_t pages)
{
    charge->used -= pages;
    if (HX_UNLIKELY(charge->charged - charge->used > PAGE_CHARGE_SLACK || charge->used == 0)) {
        page_charge_shrink(charge);
    }
}

#endif
