/*
 * Calls that lend the module buffers of kernel memory for their duration.
 *
 * Rules:
 * - The module copies from and to them with hx_buffer_read and hx_buffer_write; it never has their
 *   address. They belong to the one call: not to calls that it leads to, not to other threads.
 */
#ifndef CORE_GATE_LEND_H
#define CORE_GATE_LEND_H

#include <core/gate/gate.h>

#define GATE_BUFFER_MAX 2

struct gate_buffer {
    void *base;
    size_t size;
    bool is_writable;
};

struct gate_buffers {
    struct gate_buffer buffers[GATE_BUFFER_MAX];
    uint32_t count;
    /* Filled in by gate_call_lending. */
    const struct hal_activation *record; /* the call's */
    struct gate_buffers *outer;          /* those of a call around it */
};

/*
 * gate_call with buffers.
 * Context: thread.  Errors: those of gate_call.
 */
struct hal_gate_result gate_call_lending(struct slot *slot, uint32_t operation, uint64_t a0,
                                         uint64_t a1, uint64_t a2, uint64_t a3,
                                         struct gate_buffers *buffers);

#endif
