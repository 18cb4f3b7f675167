/*
 * Spaces of their own: page tables that nobody walks but the functions of hal/memory.h. No address
 * of the host is mapped for them; who wants a page's bytes looks it up and uses the direct map.
 *
 * Rules:
 * - The space and its tables lie in frames of the table source, so that running out of frames is
 *   met here as on metal.
 */
#ifndef PORTS_HOSTED_SPACE_H
#define PORTS_HOSTED_SPACE_H

#include <hal/memory.h>
#include <stdatomic.h>

/* A page table entry: the frame's address | the protection | this bit. Zero: not mapped. */
#define ENTRY_PRESENT 0x800UL
#define ENTRY_FLAGS   0xfffUL

/*
 * The entry of an address in the user window; NULL: there is no table for it, or none could be
 * made.
 */
_Atomic uint64_t *hosted_space_entry(const struct hal_space *space, uintptr_t address);
_Atomic uint64_t *hosted_space_make_entry(struct hal_space *space, uintptr_t address);

#endif
