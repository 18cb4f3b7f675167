/*
 * Putting a fault into the module in a slot, while it serves.
 *
 * Rules:
 * - Off until fault_injection_allow: the option inject on the command line. While it is off, a
 *   module's breakpoint is an exception like others.
 * - One fault at a time. A fault of code waits behind a trap, a single byte; whoever reaches it
 *   gets the fault instead, and is known to have. A fault of memory is there at once.
 * - What is changed is the instance's own memory and the registers of who runs in it, nothing else:
 *   another instance of the same file knows nothing of it.
 */
#ifndef CORE_FAULT_INJECTION_FAULT_INJECTION_H
#define CORE_FAULT_INJECTION_FAULT_INJECTION_H

#include <core/fault_injection/fault.h>
#include <core/gate/slot.h>
#include <helix/attributes.h>
#include <helix/error.h>
#include <stdbool.h>
#include <stdint.h>

/* X(enumerator, text) */
#define FAULT_STAGE_LIST(X)                                                                        \
    X(FAULT_NONE, "none")       /* there is none, or it was taken back */                          \
    X(FAULT_PLANTED, "planted") /* nobody has come to it yet */                                    \
    X(FAULT_TAKING, "taking")   /* somebody has just come to it */                                 \
    X(FAULT_REACHED, "reached") /* somebody has come to it, or it was there at once */

#define FAULT_STAGE_ENUM(name, text) name,
enum fault_stage { FAULT_STAGE_LIST(FAULT_STAGE_ENUM) FAULT_STAGE_COUNT };
#undef FAULT_STAGE_ENUM

const char *fault_stage_name(enum fault_stage stage);

#define FAULT_WHERE_MAX 64U

/* The fault that was put last. */
struct fault_injection {
    const char *slot; /* NULL: there was none */
    char module[HX_MODULE_NAME_MAX];
    uint64_t seed;
    enum fault_stage stage;
    char where[FAULT_WHERE_MAX]; /* for people: the function, or the byte of which memory */
    struct fault fault;
};

/* From now on faults may be put.  Context: boot or thread. */
void fault_injection_allow(void);
bool fault_injection_is_allowed(void);

/*
 * Put a fault of class, chosen by seed, into what is in the slot; the one before is taken back.
 * Context: thread, may block.
 * Errors: HX_EPERM it is not allowed, HX_ENOENT the slot is empty, or nothing in the instance can
 * have such a fault; HX_ENOMEM, HX_ELIMIT.
 */
HX_MUST_USE hx_err fault_inject(struct slot *slot, enum fault_class class, uint64_t seed);

/* Take back the last fault if nobody has come to it.  Context: thread, may block. */
void fault_withdraw(void);

/* Context: thread, may block. */
struct fault_injection fault_injection_last(void);

#endif
