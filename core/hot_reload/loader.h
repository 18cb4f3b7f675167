/*
 * The loader: from the bytes of a module file to an instance that can be called.
 *
 * Rules:
 * - Decode first, commit second: the file is checked, relocated in a scratch buffer and its
 *   descriptor and operations verified before any memory of the instance exists.
 * - An error changes nothing and leaves nothing behind; *why then says in one sentence what was
 * wrong.
 */
#ifndef CORE_HOT_RELOAD_LOADER_H
#define CORE_HOT_RELOAD_LOADER_H

#include <core/gate/instance.h>
#include <helix/attributes.h>
#include <helix/error.h>
#include <stddef.h>

#define LOADER_WHY_MAX 128

/* Unless set otherwise; the window of addresses for all modules together is 512 MiB. */
#define LOADER_MEMORY_SOFT (8UL << 20)
#define LOADER_MEMORY_HARD (16UL << 20)

/*
 * Load a module file for a backend.
 * Context: thread.
 * Errors: what elf_module_read gives, HX_EIMPORT an unknown import, HX_EVERSION another module ABI,
 * HX_EFORMAT a descriptor that makes no sense, HX_ENOMEM, HX_ENOSPC, HX_ENOSYS (no unprivileged
 * mode here; a relocation type that does not exist), HX_ERANGE a relocation that does not reach,
 * HX_ELIMIT too large for a module, or too many modules.
 */
HX_MUST_USE hx_err loader_load(const void *file, size_t size, enum hal_gate_backend backend,
                               struct module_instance **instance, char why[LOADER_WHY_MAX]);

/*
 * What a module file says of itself: its descriptor, of which only what is a number or a text is
 * good. Context: any.  Errors: what elf_module_read gives, HX_EFORMAT no descriptor, or one that
 * makes no sense.
 */
HX_MUST_USE hx_err loader_identify(const void *file, size_t size,
                                   struct hx_module_descriptor *descriptor,
                                   char why[LOADER_WHY_MAX]);

/*
 * The memory limits of every instance loaded from now on: of its image, stacks and thunks.
 * Context: any.
 */
void loader_set_memory_limits(struct resource_limits limits);

/* Give everything back. No slot names the instance and no thread is inside it.  Context: thread. */
void loader_unload(struct module_instance *instance);

#endif
