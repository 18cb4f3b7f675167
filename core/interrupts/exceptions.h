/*
 * Exception dispatcher: who deals with a fault of the processor (SPEC I3).
 *
 * Rules:
 * - The handlers of an exception are asked in their order; the first that does not answer "not
 * mine" ends it. When nobody does, the kernel panics with the frame.
 * - Dispatch takes no lock; handlers run in the context of what faulted, interrupts off.
 * - Double fault, stack overflow and NMI arrive on stacks of their own where the machine has them.
 */
#ifndef CORE_INTERRUPTS_EXCEPTIONS_H
#define CORE_INTERRUPTS_EXCEPTIONS_H

#include <hal/frame.h>
#include <helix/attributes.h>
#include <helix/error.h>
#include <stdint.h>

/* Not the processor's exception number: the non-maskable interrupt, in the same table. */
#define EXCEPTION_NMI   HAL_EXCEPTION_COUNT
#define EXCEPTION_KINDS (HAL_EXCEPTION_COUNT + 1)

enum exception_action {
    EXCEPTION_NOT_MINE,
    EXCEPTION_RESUME, /* go on with what the frame now says */
};

/* Lower is asked first; among equals, who came first. */
enum exception_order {
    EXCEPTION_ORDER_DEBUGGER,
    EXCEPTION_ORDER_MEMORY, /* brings in the page that is missing */
    EXCEPTION_ORDER_FIXUP,  /* a checked copy answers HX_EFAULT */
    EXCEPTION_ORDER_OWNER,  /* ends the module or process whose fault it is */
};

typedef enum exception_action (*exception_handler)(struct hal_frame *frame, void *argument);

/* Register the fix-up of checked copies.  Context: boot, once. */
void exceptions_init(void);

/*
 * Add a handler for an exception (or EXCEPTION_NMI).
 * Context: boot or thread.
 * Errors: HX_EINVAL, HX_EEXIST the name is there, HX_ENOSPC.
 */
HX_MUST_USE hx_err exception_register(unsigned kind, const char *name, enum exception_order order,
                                      exception_handler handler, void *argument);

/*
 * Remove a handler. When it returns, it is not running and never runs again.
 * Context: thread, may block.  Errors: HX_ENOENT.
 */
HX_MUST_USE hx_err exception_unregister(unsigned kind, const char *name);

/* "page fault" and so on.  Context: any. */
const char *exception_name(unsigned kind);

/* How often it happened, all CPUs; 0 for a number that is no kind.  Context: any. */
uint64_t exception_count(unsigned kind);

#endif
