/*
 * Interrupt dispatcher: 256 vectors, each with a list of handlers (SPEC I1, I2, I5).
 *
 * Rules:
 * - Dispatch takes no lock: it walks a published list, being a reader by nature (interrupts off).
 * - All handlers of a vector are called; the most urgent answer is acted upon.
 * - A vector that nobody handles is counted. When that happens INTERRUPT_STORM_LIMIT times within
 *   INTERRUPT_STORM_WINDOW_NS, its external line is masked, once, and this is logged.
 * - The timer's and the two message vectors are registered by interrupts_init().
 */
#ifndef CORE_INTERRUPTS_DISPATCHER_H
#define CORE_INTERRUPTS_DISPATCHER_H

#include <hal/interrupt.h>
#include <helix/attributes.h>
#include <helix/error.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct hal_frame;

#define INTERRUPT_STORM_LIMIT     1000U
#define INTERRUPT_STORM_WINDOW_NS 100000000ULL

/* What a handler answers; a greater number is more urgent. */
enum interrupt_action {
    INTERRUPT_NOT_HANDLED, /* not my device */
    INTERRUPT_HANDLED,
    INTERRUPT_RESCHEDULE, /* handled, and another thread may have to run */
    INTERRUPT_PANIC,      /* the machine cannot go on */
};

/* Context: irq, interrupts off. */
typedef enum interrupt_action (*interrupt_handler)(void *argument, struct hal_frame *frame);

/* Register the vectors of the port that kern handles.  Context: boot, once. */
void interrupts_init(void);

/*
 * Append a handler to a vector. shared: others may be there too, provided all of them say so. name
 * is valid while registered, unique on the vector. Context: boot or thread. Errors: HX_EINVAL no
 * name or handler, HX_EEXIST the name is there, HX_EBUSY not shared, HX_ENOSPC.
 */
HX_MUST_USE hx_err interrupt_register(uint8_t vector, const char *name, interrupt_handler handler,
                                      void *argument, bool shared);

/*
 * Remove a handler. When it returns, the handler is not running and never runs again.
 * Context: thread, may block.  Errors: HX_ENOENT, HX_ECONTEXT.
 */
HX_MUST_USE hx_err interrupt_unregister(uint8_t vector, const char *name);

/* A vector no external line uses and nobody has registered, 0: none.  Context: boot or thread. */
uint8_t interrupt_free_vector(void);

/*
 * Tell which external line raises a vector, to be masked in a storm; INTERRUPT_NO_LINE: none. A
 * vector that a storm has masked counts as unmasked again.  Called by the router.
 */
#define INTERRUPT_NO_LINE UINT32_MAX
void interrupt_bind_line(uint8_t vector, uint32_t line);

/* Numbers of one vector on one CPU; times in hal_clock_cycles() units. */
struct interrupt_statistics {
    uint64_t count;
    uint64_t unhandled;
    uint64_t longest;
    uint64_t total;
};

/* Zeroes for a CPU there is not.  Context: any. */
struct interrupt_statistics interrupt_statistics(uint8_t vector, uint32_t cpu);

/* Whether a storm has masked the vector's line, and how often that happened to any.  Context: any.
 */
bool interrupt_is_masked(uint8_t vector);
uint64_t interrupt_storms(void);

/* Cycles a CPU has spent in handlers of all vectors.  Context: any. */
uint64_t interrupt_load(uint32_t cpu);

#endif
