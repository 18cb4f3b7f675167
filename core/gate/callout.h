/*
 * Callouts: the functions of the kernel that modules may call.
 *
 * Rules:
 * - One table (callout_list.h). In the open backend an import is the address of a C function here;
 * in the user backend it is a small thunk that traps with the function's number. Both end in the
 * same handler.
 * - A handler runs as core code: it completes, whatever happens to the module meanwhile.
 * - Handlers copy what they are pointed to, once, through callout_copy_in.
 */
#ifndef CORE_GATE_CALLOUT_H
#define CORE_GATE_CALLOUT_H

#include <core/gate/callout_list.h>
#include <core/gate/instance.h>
#include <hal/gate.h>
#include <helix/error.h>
#include <stddef.h>
#include <stdint.h>

/* What an import resolves to. */
struct callout {
    const char *name;
    uint32_t number;    /* for the user backend */
    uintptr_t function; /* for the open backend */
};

/* Errors: HX_EIMPORT the kernel exports no such function. */
HX_MUST_USE hx_err callout_find(const char *name, struct callout *callout);

/* How many there are; numbers are 1..count. */
uint32_t callout_count(void);

/* --- for handlers ----------------------------------------------------------------------------- */

/*
 * What stands behind an import: it gets the module's arguments as they are, and gives the result.
 * Context: that of the call; activation is the running thread's innermost.
 */
typedef uint64_t callout_handler(struct hal_activation *activation, const uint64_t arguments[4]);

/* Whose call it is. */
static inline struct module_instance *callout_instance(const struct hal_activation *activation)
{
    return instance_of(atomic_load_explicit(&activation->instance, memory_order_relaxed));
}

/*
 * Copy from, or to, the module's memory: an unprivileged module may name its own arena only.
 * Errors: HX_EFAULT.
 */
HX_MUST_USE hx_err callout_copy_in(const struct hal_activation *activation, void *to,
                                   uintptr_t from, size_t size);
HX_MUST_USE hx_err callout_copy_out(const struct hal_activation *activation, uintptr_t to,
                                    const void *from, size_t size);

#define CALLOUT_HANDLER(number, name, handler, effects) callout_handler handler;
CALLOUT_LIST(CALLOUT_HANDLER)
#undef CALLOUT_HANDLER

#endif
