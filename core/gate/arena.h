/*
 * The memory of one module instance: a range of addresses, frames of its own, guards around.
 *
 * Rules:
 * - An open arena lies in the module window of the kernel's space; a user arena is the only thing
 * in the user half of a space of its own.
 * - Pages are mapped with their final protection, their contents written through the direct map: no
 * page is ever writable and executable.
 * - Created, filled and destroyed by one thread at a time; pages not mapped are guards.
 */
#ifndef CORE_GATE_ARENA_H
#define CORE_GATE_ARENA_H

#include <hal/memory.h>
#include <helix/error.h>
#include <kern/owner.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct arena {
    struct hal_space *space;
    uintptr_t base;
    size_t pages; /* reserved addresses, guards included */
    owner_tag owner;
    bool is_user;
};

/*
 * Reserve addresses for pages pages, nothing mapped.
 * Context: thread.  Errors: HX_EINVAL, HX_ENOSPC the window is full, HX_ENOMEM, HX_ENOSYS there is
 * no unprivileged mode here.
 */
HX_MUST_USE hx_err arena_create(struct arena *arena, size_t pages, bool is_user, owner_tag owner);

/*
 * Map pages fresh pages from page number first on; they hold size bytes of contents, the rest is
 * zero. Context: thread.  Errors: HX_EINVAL outside the arena, HX_ENOMEM (what was mapped stays
 * until destroy).
 */
HX_MUST_USE hx_err arena_map(struct arena *arena, size_t first, size_t pages, unsigned protection,
                             const void *contents, size_t size);

/*
 * Unmap what is mapped of pages pages from page number first on, on all CPUs, and free the frames.
 * Nobody uses them.  Context: thread.
 */
void arena_unmap(struct arena *arena, size_t first, size_t pages);

/*
 * A byte of the arena through the direct map, whatever its protection; NULL: no page of it is
 * mapped there. It is good while the page is.  Context: any.
 */
uint8_t *arena_byte(const struct arena *arena, uintptr_t address);

/* Unmap everywhere, free the frames and the addresses. No thread is inside.  Context: thread. */
void arena_destroy(struct arena *arena);

#endif
