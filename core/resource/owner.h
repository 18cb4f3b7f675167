/*
 * Owners: who resources and memory are charged to. Tags (kern/owner.h) are given out here.
 *
 * Rules:
 * - The kernel, OWNER_CORE, is always there. Others are opened and closed.
 * - A tag is never given out twice: an index is used again with its next generation, and retired
 *   after the last one.
 * - Closing an owner returns everything it holds at the broker, whoever has the handles.
 */
#ifndef CORE_RESOURCE_OWNER_H
#define CORE_RESOURCE_OWNER_H

#include <core/resource/resource.h>
#include <helix/attributes.h>
#include <helix/error.h>
#include <kern/owner.h>
#include <stdbool.h>
#include <stdint.h>

#define RESOURCE_OWNER_NAME_MAX 32

/*
 * Open an owner, without limits. The name is for people: copied, cut to RESOURCE_OWNER_NAME_MAX - 1
 * bytes, need not be unique.
 * Context: thread, may block.  Errors: HX_EINVAL no name, HX_ENOSPC all indices are in use,
 * HX_ENOMEM; *owner is OWNER_NONE then.
 */
HX_MUST_USE hx_err resource_owner_open(const char *name, owner_tag *owner);

/* What an owner held, by class. */
struct resource_totals {
    uint64_t handles[RESOURCE_CLASS_COUNT];
    uint64_t amount[RESOURCE_CLASS_COUNT];
};

/*
 * The owner is gone: its handles are void from now on, all it held is returned and its tag names
 * nobody. *returned (may be NULL) tells what that was; nothing on an error.
 * Context: thread, may block.  Errors: HX_ESTALE there is no such owner, HX_EPERM the kernel.
 */
HX_MUST_USE hx_err resource_owner_close(owner_tag owner, struct resource_totals *returned);

/*
 * The sum of the owner's handles, by a walk over the table: its usage at every quiet moment.
 * Context: thread.
 */
void resource_owner_held(owner_tag owner, struct resource_totals *totals);

/* For a walk: the owner with the lowest index above that of `after` (OWNER_NONE: from the start),
 * OWNER_NONE at the end.  Context: any but nmi. */
owner_tag resource_owner_next(owner_tag after);

/* Copy an owner's name. Returns whether there is such an owner; name is "" if not.  Context: any
 * but nmi. */
bool resource_owner_name(owner_tag owner, char name[RESOURCE_OWNER_NAME_MAX]);

#endif
