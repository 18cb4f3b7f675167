/*
 * Page tables of the port, and the memory it needs before kern's allocators work.
 *
 * Rules:
 * - Top-level entries of the kernel half are all made here, at boot, so that every space shares
 *   them and a kernel mapping made later is seen in all of them.
 * - Before kern gives a table source, frames come from a boot supply: the usable memory after the
 *   image, without modules. Up to where it came is reported as reserved (hal_memory_reserved).
 */
#ifndef PORTS_X86_64_PAGING_H
#define PORTS_X86_64_PAGING_H

#include <helix/attributes.h>
#include <helix/error.h>
#include <ports/x86_64/layout.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct boot_configuration;

extern const char kernel_image_start[];

/* The physical address of what lies in the image. */
static inline uint64_t x86_image_physical(const void *pointer)
{
    return (uint64_t)pointer - (uint64_t)kernel_image_start + KERNEL_LOAD;
}

/*
 * Final page tables: narrow the direct map to memory that is RAM or firmware tables, extend it
 * above 4 GiB, make its alias of the image's text and rodata read only, drop the identity map and
 * the boot stack's guard page. Context: boot.  Errors: HX_ENOMEM.
 */
HX_MUST_USE hx_err paging_init(const struct boot_configuration *config);

/* Where physically the last of the memory ends that the direct map is to cover. */
uint64_t paging_direct_map_end(const struct boot_configuration *config);

/* Whether all of it is memory that anybody may use.  Context: boot, after paging_init. */
bool x86_range_is_usable(uint64_t base, uint64_t size);

/*
 * Map device registers, uncached, for ever; the pointer is to the exact byte. NULL: there can be no
 * device, since the address is one of memory or beyond those that the processor has; or the window
 * or memory is exhausted.  Context: boot.
 */
volatile void *x86_map_device(uint64_t physical, size_t size);

/*
 * Map `pages` fresh zeroed frames with an unmapped page below and above, for ever; NULL: no memory.
 * Context: boot, or thread before CPUs are started.
 */
void *x86_map_stack(size_t pages);

/* A table of zeros, and its end.  NULL: no memory. */
uint64_t *x86_table_allocate(void);
void x86_table_release(uint64_t physical);

/* A table of a space's user window, which an entry of the next higher one leads to from now on.
 * Context: as hal_space_entry.  NULL: no memory. */
struct hal_space;
uint64_t *x86_user_table_make(struct hal_space *space, uint64_t *entry);

/* The kernel space's CR3. */
uint64_t x86_kernel_cr3(void);

/* Map (or unmap) one page below 1 MiB at its own address, readable and executable, for the AP
 * trampoline. */
HX_MUST_USE hx_err x86_identity_page(uint64_t physical, bool on);

#endif
