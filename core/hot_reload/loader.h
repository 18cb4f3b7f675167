/*
 * The loader: from the bytes of a module file to an instance that can be called.
 *
 * Rules:
 * - Decode first, commit second: the file is checked (module_check.h), then relocated in a scratch
 *   buffer and its tables of functions verified (module_image.h), before the instance gets any
 *   memory.
 * - An error changes nothing and leaves nothing behind; *why then says in one sentence what was
 * wrong.
 */
#ifndef CORE_HOT_RELOAD_LOADER_H
#define CORE_HOT_RELOAD_LOADER_H

#include <core/gate/instance.h>
#include <core/hot_reload/module_check.h>
#include <helix/attributes.h>
#include <helix/error.h>
#include <stddef.h>

#define LOADER_WHY_MAX MODULE_WHY_MAX

/* Unless set otherwise; the window of addresses for all modules together is 512 MiB. */
#define LOADER_MEMORY_SOFT (8UL << 20)
#define LOADER_MEMORY_HARD (16UL << 20)

/*
 * Load a module file for a backend. Its names are looked up in the file from now on, until the
 * instance is unloaded or module_symbols_forget is called.
 * Context: thread.
 * Errors: what module_check and module_image_build give; HX_ENOMEM, HX_ENOSPC, HX_ENOSYS no
 * unprivileged mode here, HX_ELIMIT too large for a module, or too many modules.
 */
HX_MUST_USE hx_err loader_load(const void *file, size_t size, enum hal_gate_backend backend,
                               struct module_instance **instance, char why[LOADER_WHY_MAX]);

/*
 * What a module file says of itself: its descriptor, of which only what is a number or a text is
 * good. LOADER_CHECKED: of a file that can be loaded here; LOADER_NAMED: whether it can is found
 * out when it is loaded. On error *descriptor is unchanged.
 * Context: thread.  Errors: those of module_check, HX_ENOMEM.
 */
enum loader_depth { LOADER_NAMED, LOADER_CHECKED };

HX_MUST_USE hx_err loader_identify(const void *file, size_t size, enum loader_depth depth,
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
