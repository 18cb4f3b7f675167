/*
 * Translations of the kernel's own address space.
 *
 * Rules:
 * - hal leaves it to the caller to have one change at a time in a space; for the kernel's space
 * these functions see to it, so whoever maps there (areas, module images) goes through them.
 * - Translations that other CPUs may hold are the caller's to flush: cpu_tlb_shootdown.
 */
#ifndef KERN_KERNEL_SPACE_H
#define KERN_KERNEL_SPACE_H

#include <hal/memory.h>
#include <helix/attributes.h>
#include <helix/error.h>
#include <stddef.h>
#include <stdint.h>

/* As hal_space_map; pages should be few, interrupts are off meanwhile.  Context: any but nmi. */
HX_MUST_USE hx_err kernel_space_map(uintptr_t address, uint64_t physical, size_t pages,
                                    unsigned protection);

/* As hal_space_unmap, a bounded number of pages at a time.  Context: any but nmi. */
void kernel_space_unmap(uintptr_t address, size_t pages);

/* As hal_space_protect.  Context: any but nmi. */
HX_MUST_USE hx_err kernel_space_protect(uintptr_t address, size_t pages, unsigned protection);

#endif
