/*
 * Virtual areas: ranges of kernel addresses with frames behind them and guards around them.
 *
 * Rules:
 * - The window is cut into one sub-window per power-of-two size, each handed out by a bump index
 *   and a free list: allocation and release are O(1) in the number of areas, and an address names
 *   its slot. An area occupies the next power of two above its pages plus one, and starts one page
 *   in: there is an unmapped page below it and at least one above it.
 * - Frames need not be contiguous. Contents are zero.
 */
#ifndef KERN_AREA_H
#define KERN_AREA_H

#include <hal/memory.h>
#include <helix/attributes.h>
#include <helix/error.h>
#include <kern/owner.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct area {
    uintptr_t base; /* first usable byte, page aligned */
    size_t pages;
    owner_tag owner;
    uint32_t slot; /* private to area.c: class and index */
};

/*
 * Cut up hal_area_window(), and become the source of page-table frames. After frames_init.
 * Context: boot.  Errors: HX_ENOMEM the window is too small.
 */
HX_MUST_USE hx_err area_init(void);

/*
 * Allocate pages zeroed pages, mapped with protection in the kernel space.
 * Context: thread with interrupts on, or boot.
 * Errors: HX_EINVAL 0 pages or 2^18 and more, a protection that is refused, no owner; HX_ENOMEM. On
 * error nothing is held.
 */
HX_MUST_USE hx_err area_allocate(size_t pages, unsigned protection, owner_tag owner,
                                 struct area **area);

/* Its pages are another owner's from now on.  Context: any but nmi; nobody frees the area
 * meanwhile. */
void area_give(struct area *area, owner_tag owner);

/* Unmap on all CPUs and free. NULL is allowed.  Context: thread with interrupts on, or boot. */
void area_free(struct area *area);

/*
 * Map device registers: size bytes at physical, uncached; *pointer is for the exact byte. For ever.
 * Context: thread or boot.  Errors: HX_EINVAL size, HX_ENOMEM.
 */
HX_MUST_USE hx_err area_map_device(uint64_t physical, size_t size, volatile void **pointer);

/*
 * Whether an address lies in an area's slot but outside its pages, or just above them: a guard hit.
 * Takes no lock.  Context: any.
 */
bool area_is_guard(uintptr_t address);

struct area_statistics {
    uint64_t areas; /* device mappings not counted */
    uint64_t pages;
};

/* Context: any but nmi. */
void area_statistics(struct area_statistics *statistics);

#endif
