/*
 * The record of one call into a module: what it takes to get back if the module dies.
 *
 * Rules:
 * - It lives in gate_call's frame, on the caller's kernel stack (core memory, never the module's), and is
 *   linked from the thread's `activation`, innermost first.
 * - Touched by the calling thread and interrupts on its CPU only.
 */
#ifndef CORE_GATE_ACTIVATION_H
#define CORE_GATE_ACTIVATION_H

#include <hal/gate.h>
#include <helix/error.h>
#include <stdbool.h>
#include <stdint.h>

struct module_instance;

struct activation {
    struct hal_activation hal;
    struct activation *previous; /* the call this one is nested in, NULL: none */
    struct module_instance *instance;
    uint32_t ticks_left;      /* timer ticks of module code until the deadline */
    uint32_t callout_depth;   /* not 0: core code is running on the module's behalf */
    uint16_t interrupt_depth; /* the thread's, at entry */
    bool interrupts_enabled;  /* the caller's flag */
    bool has_effects;         /* an effectful callout was begun */
    hx_err outcome;           /* HX_EDIED once the call was abandoned */
};

#endif
