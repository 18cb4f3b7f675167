/*
 * A module as it will stand in memory, built in a buffer beside: relocated, its tables of functions
 * read.
 *
 * Rules:
 * - Whoever owns the buffer says where the image will be and what imports become; nothing else is
 *   needed, so helix-module-check builds images too.
 * - Nothing of the module is run.
 */
#ifndef CORE_HOT_RELOAD_MODULE_IMAGE_H
#define CORE_HOT_RELOAD_MODULE_IMAGE_H

#include <core/gate/callout.h>
#include <core/gate/instance.h>
#include <core/hot_reload/module_check.h>
#include <helix/attributes.h>
#include <helix/error.h>

struct module_image {
    const struct module_binary *file; /* has passed module_check */
    char *bytes;                      /* file->elf.image_size of them, zero at first */
    uintptr_t base;                   /* where the image will be */
    /* What a call of an import becomes. */
    uintptr_t (*import_address)(const void *context, const struct callout *callout);
    const void *context;
};

/* The functions that the gate calls, as addresses; 0: there is none. */
struct module_tables {
    uintptr_t operations[HAL_GATE_OPERATIONS];
    uint32_t operation_count; /* of the category's, that the module knows */
};

/*
 * Copy the sections, apply the relocations, and read the tables that the descriptor leads to.
 * why: as for module_check.
 * Context: any.
 * Errors: HX_ENOSYS a type of relocation that does not exist here, HX_ERANGE one that does not
 * reach, HX_EINVAL one that is wider than what it is in; HX_EFORMAT tables that are outside the
 * module, or not of functions; HX_EVERSION operations that are not known here.
 */
HX_MUST_USE hx_err module_image_build(const struct module_image *image,
                                      struct module_tables *tables, char why[MODULE_WHY_MAX]);

#endif
