/*
 * The module files that the kernel knows: those of the initrd's lib/modules, and those that were
 * given to it while it runs.
 *
 * Rules:
 * - A file is known by its module's name and version; there is at most one of each.
 * - Entries of the initrd stay; others can be dropped. Who uses a file holds the store's mutex, or
 * has it pinned: a pinned file is not dropped.
 */
#ifndef SUBSYS_MODULES_MODULE_STORE_H
#define SUBSYS_MODULES_MODULE_STORE_H

#include <helix/error.h>
#include <helix/module.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MODULE_STORE_MAX 64U

struct module_file {
    char name[HX_MODULE_NAME_MAX];
    struct hx_module_version version;
    uint32_t category; /* enum hx_category */
    const void *bytes;
    size_t size;
    bool is_of_initrd;
};

/* Read the initrd. What is no module is reported and left out.  Context: boot or thread. */
void module_store_init(void);

/* How many files of the initrd were no modules, and what was wrong with the last.  Context: any. */
uint32_t module_store_left_out(hx_err *why);

/* Forget all; nothing is pinned.  Context: thread. */
void module_store_fini(void);

/*
 * Add a file; its bytes, from heap_allocate, are the store's on success. *file is a copy of its
 * entry. Context: thread. Errors: HX_EEXIST that version is there, HX_ENOSPC, those of
 * loader_identify.
 */
HX_MUST_USE hx_err module_store_add(void *bytes, size_t size, struct module_file *file, char *why);

/* Drop one that was added.  Context: thread.  Errors: HX_ENOENT, HX_EPERM it is the initrd's,
 * HX_EBUSY. */
HX_MUST_USE hx_err module_store_drop(const char *name, const struct hx_module_version *version);

/*
 * Find the youngest version of a name, or just that version, and pin it.
 * Context: thread.  Errors: HX_ENOENT.
 */
HX_MUST_USE hx_err module_store_get(const char *name, const struct hx_module_version *version,
                                    struct module_file *file);

/* Find the youngest version of a name that is older than one, and pin it.
 * Context: thread.  Errors: HX_ENOENT. */
HX_MUST_USE hx_err module_store_get_older(const char *name, const struct hx_module_version *version,
                                          struct module_file *file);

/* Unpin what was got. */
void module_store_put(const struct module_file *file);

/* A copy of entry number index; false: there are not so many.  Context: thread. */
bool module_store_at(size_t index, struct module_file *file);

/* Negative, zero or positive: which of two versions is the older one.  Context: any. */
int module_version_compare(const struct hx_module_version *a, const struct hx_module_version *b);

/* "1.2.3", of that length.  Context: any.  Errors: HX_EINVAL. */
HX_MUST_USE hx_err module_version_parse(const char *text, size_t length,
                                        struct hx_module_version *version);

#endif
