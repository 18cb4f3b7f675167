/*
 * Memory: physical frames, the direct map, page tables, address spaces.
 *
 * Rules:
 * - A physical address is a uint64_t; frame n is [n * 4096, (n + 1) * 4096).
 * - All RAM given to the frame allocator is readable and writable through the direct map.
 * - The direct map keeps alignment up to 1 GiB: what is aligned in physical memory is aligned
 * there.
 * - The kernel half is the same in every space. Mapping functions do not flush other CPUs: the
 *   caller does, with hal_tlb_flush() (page tables gain entries without a flush).
 * - No page is ever writable and executable: HX_EINVAL.
 */
#ifndef HAL_MEMORY_H
#define HAL_MEMORY_H

#include <helix/attributes.h>
#include <helix/error.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HAL_PAGE_SHIFT 12
#define HAL_PAGE_SIZE  4096UL

enum hal_protection {
    HAL_READ = 1U << 0,
    HAL_WRITE = 1U << 1,
    HAL_EXECUTE = 1U << 2,
    HAL_USER = 1U << 3,   /* reachable from unprivileged mode */
    HAL_DEVICE = 1U << 4, /* uncached */
    HAL_MARK = 1U << 5,   /* nothing to the machine: kept with a user page for who mapped it */
};

/* Physical <-> direct map.  Context: any.  (inline in the port) */
static inline void *hal_direct_map(uint64_t physical);
static inline uint64_t hal_direct_physical(const void *pointer);

/* Whether a range that a program named neither wraps nor reaches addresses that can never be a
 * program's; nothing else is known of it.  Context: any.  (inline in the port) */
static inline bool hal_user_is_range(uintptr_t address, size_t size);

/* Fill a page, through its address in the direct map, with zeros.  (inline in the port) */
static inline void hal_page_clear(void *page);

/* A range of addresses. */
struct hal_range {
    uintptr_t base;
    size_t size;
};

/* Where kern may place virtual areas; and where module images live, the latter within 2 GiB of the
 * kernel's own text, so that -mcmodel=kernel code reaches both. */
struct hal_range hal_area_window(void);
struct hal_range hal_module_window(void);

/* Module images that run unprivileged, mapped in their own spaces only; size 0: not supported. */
struct hal_range hal_user_module_window(void);

/* Addresses of user programs: [base, base + size). */
static inline struct hal_range hal_user_window(void);

/*
 * The kernel image's sections, for the memory report and for checks of protection.
 */
struct hal_image {
    struct hal_range text;
    struct hal_range rodata;
    struct hal_range data; /* .data and .bss */
};
struct hal_image hal_kernel_image(void);

/* The image's functions by address, for stack traces; count 0 where the port has no such table. */
struct hal_symbols {
    uintptr_t base; /* what offsets count from */
    uintptr_t end;  /* first address past the last function */
    uint32_t count;
    const uint32_t *addresses;    /* offsets from base, ascending */
    const uint32_t *name_offsets; /* into names */
    const char *names;            /* NUL-terminated, one after the other */
};
struct hal_symbols hal_kernel_symbols(void);

/* How far this boot's image and direct map are from where they would be without a slide, bytes.
 * Context: any. */
struct hal_slide {
    uint64_t image;
    uint64_t direct;
};
struct hal_slide hal_kernel_slide(void);

/* An address space: opaque, the port's. */
struct hal_space;

/* The space every kernel thread uses. */
struct hal_space *hal_space_kernel(void);

/*
 * Create a space whose kernel half is the kernel's and whose user half is empty; destroy returns
 * its tables (not the frames mapped in the module window). When it is destroyed, it is current on
 * no CPU, and nothing is mapped in its user window any more.
 */
HX_MUST_USE hx_err hal_space_create(struct hal_space **space);
void hal_space_destroy(struct hal_space *space);

/*
 * Map pages frames from `physical` on at address, both page aligned.
 * Context: thread or boot; serialised per space by the caller.
 * Errors: HX_EINVAL alignment, a range outside the windows, write with execute; HX_EEXIST a page is
 * mapped already; HX_ENOMEM no table. On error nothing is mapped.
 */
HX_MUST_USE hx_err hal_space_map(struct hal_space *space, uintptr_t address, uint64_t physical,
                                 size_t pages, unsigned protection);

/* Remove the mappings of pages that are there; the others are skipped. */
void hal_space_unmap(struct hal_space *space, uintptr_t address, size_t pages);

/* Change the protection of mapped pages. Errors: HX_EINVAL, HX_ENOENT a page is not mapped. */
HX_MUST_USE hx_err hal_space_protect(struct hal_space *space, uintptr_t address, size_t pages,
                                     unsigned protection);

/* Look up the page of an address. Returns whether it is mapped; *physical is its frame, page
 * aligned. Both may be NULL.  Context: any.
 */
bool hal_space_lookup(const struct hal_space *space, uintptr_t address, uint64_t *physical,
                      unsigned *protection);

/*
 * One page as a space has it; protection 0: there is none. HAL_MARK alone: the space keeps the
 * frame's address, but nobody reaches the page, and hal_space_lookup does not find it.
 */
struct hal_page {
    uint64_t physical;
    unsigned protection;
};

/*
 * The entry of one page of the user window, in a space that hal_space_create made; its tables are
 * made as needed. It is valid until the space is destroyed. NULL: no table could be had, or the
 * address is outside.
 * Context: thread; serialised per space by the caller.
 */
struct hal_entry;
struct hal_entry *hal_space_entry(struct hal_space *space, uintptr_t address);

/*
 * Entries of so many pages, from a multiple of that behind the window's base on, lie side by side:
 * the one that lies `distance` pages from another of the same run.
 */
#define HAL_ENTRY_RUN 16U
static inline struct hal_entry *hal_entry_beside(struct hal_entry *entry, ptrdiff_t distance);

/* Whether an entry has no page; read and replace it. None of them checks nor flushes; what the
 * protection is, the rules above say.  Context: as hal_space_entry. */
static inline bool hal_entry_is_empty(const struct hal_entry *entry);
static inline struct hal_page hal_entry_load(const struct hal_entry *entry);
static inline void hal_entry_store(struct hal_entry *entry, struct hal_page page);

/*
 * Call back for each entry of a range that is not empty, in rising order. The callback may change
 * the page, as hal_entry_store would; false ends the walk after it. Returns the address where a
 * next call goes on: behind the last page shown, or the end of the range. What has no tables is
 * passed over in large steps. The range lies in the user window.  Context: as hal_space_entry.
 */
typedef bool (*hal_page_visitor)(void *argument, uintptr_t address, struct hal_page *page);
uintptr_t hal_space_for_each_page(struct hal_space *space, uintptr_t address, size_t pages,
                                  hal_page_visitor visitor, void *argument);

/*
 * Take the pages of [*address, end) out of the tables, in rising order, at most `max`: pages[i] is
 * a frame's address, with HAL_MARK as a low bit if it was marked. Returns how many; *address is
 * where a next call goes on, `end` when nothing is left. Both are page aligned; the range lies in
 * the user window.  Context: as hal_space_entry.
 */
size_t hal_space_take_pages(struct hal_space *space, uintptr_t *address, uintptr_t end,
                            uint64_t *pages, size_t max);

/* Flush the calling CPU's translations of a range.  Context: any. */
void hal_tlb_flush_local(uintptr_t address, size_t pages);

/*
 * Take and give back page-table frames. The port starts with its own boot supply; kern sets this
 * once its frame allocator works. allocate returns a physical address, 0 when out of memory; the
 * frame's contents are unspecified.
 */
struct hal_table_source {
    uint64_t (*allocate)(void);
    void (*release)(uint64_t physical);
};
void hal_memory_set_table_source(const struct hal_table_source *source);

/*
 * Physical ranges that the port keeps for itself (image, boot tables): the frame allocator must not
 * get them. Fills at most max (4 is enough for every port); returns how many. To be called after
 * the port has started and before hal_memory_set_table_source.
 */
struct hal_physical_range {
    uint64_t base;
    uint64_t size;
};
size_t hal_memory_reserved(struct hal_physical_range *ranges, size_t max);

/*
 * Memory, aligned to a page and for the kernel alone, whose bytes the port never writes: after a
 * warm reset it has, at the same place, what it had before, and after a power-on anything. Size 0:
 * there is none.  Context: any, after the port has started.
 */
struct hal_range hal_retained_memory(void);

#include <hal_port.h>

#endif
