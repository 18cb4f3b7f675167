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

/*
 * Copy from the module's memory: an unprivileged module may name its own arena only.
 * Errors: HX_EFAULT.
 */
HX_MUST_USE hx_err callout_copy_in(const struct hal_activation *activation, void *to,
                                   uintptr_t from, size_t size);

#endif
