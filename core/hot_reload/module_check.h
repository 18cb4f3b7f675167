/*
 * What can be said about a module file without loading it: is it one, was it made for this kernel.
 *
 * Rules:
 * - The same code answers in the kernel, before it takes any memory for an instance, and in the
 *   program helix-module-check on a developer's machine.
 * - Nothing is allocated; the file's bytes are not changed and must stay.
 */
#ifndef CORE_HOT_RELOAD_MODULE_CHECK_H
#define CORE_HOT_RELOAD_MODULE_CHECK_H

#include <core/gate/callout.h>
#include <core/gate/category.h>
#include <core/hot_reload/elf_module.h>
#include <helix/attributes.h>
#include <helix/error.h>
#include <helix/module.h>
#include <stddef.h>
#include <stdint.h>

#define MODULE_WHY_MAX 200 /* bytes of a sentence that says why a file is refused */

/* A file that has passed. */
struct module_binary {
    struct elf_module elf;
    struct hx_module_descriptor descriptor; /* its numbers are good, its addresses not yet any */
    uint64_t descriptor_offset;             /* from the start of the image */
    const struct category *category;
};

/*
 * Check size bytes of a file: its form, its descriptor, and that everything it shares with the
 * kernel has the same types on both sides. On error why says in one sentence of printable
 * characters what is wrong, and *module is not to be used.
 * Context: any.
 * Errors: what elf_module_read gives; HX_EFORMAT no descriptor, one that makes no sense, or no
 * signatures; HX_EVERSION made for another module interface, category or type; HX_EIMPORT an
 * unknown import; HX_ERANGE it asks for too much.
 */
HX_MUST_USE hx_err module_check(const void *file, size_t size, struct module_binary *module,
                                char why[MODULE_WHY_MAX]);

/*
 * As module_check, but not whether the kernel has what the file asks for: its form and descriptor
 * alone, as much as it takes to name it in a list.
 */
HX_MUST_USE hx_err module_identify(const void *file, size_t size, struct module_binary *module,
                                   char why[MODULE_WHY_MAX]);

/* Set why to "WHAT: NAME", or WHAT alone when name is "", and give the error back.  Context: any.
 */
hx_err module_complain(char why[MODULE_WHY_MAX], hx_err error, const char *what, const char *name);

#endif
