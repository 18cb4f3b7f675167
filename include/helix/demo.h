/* The operations of modules/demo: what a module can do well, and every way it can go wrong. */
#ifndef HELIX_DEMO_H
#define HELIX_DEMO_H

#include <helix/error.h>
#include <helix/operation.h>
#include <stdint.h>

/*
 * nothing         0: what a call through the gate costs
 * add             a + b
 * count           a number that grows by one each time: the instance has state
 * say             a callout, one line in the log
 * wild_*          to, from, into any address
 * divide          a / b, also by 0
 * interrupts_off  cli, then return
 * uninterruptible cli, then endless_loop
 * deep            recurse so many levels, 512 bytes each
 * illegal         an instruction that does not exist
 * give_up         hx_fail
 * log_from        a callout with a bad address
 * sleep           a callout that parks the thread
 * clock           the difference between two readings of the clock
 * spin            does not return before so many ns have passed
 * reverse         put so many bytes at an offset of a loan into the opposite order, 64 at most
 * lock_*          (demo_locks) the functions of helix/lock.h; what was acquired is kept when the
 *                 call returns
 * lock_create     a handle; 0: refused
 * lock_count      count, with so many ns between looking at the number and setting it
 */
#define HX_DEMO_OPERATION_LIST(X)                                                                  \
    X(DEMO_NOTHING, nothing, uint64_t, (void), HX_OPERATION_READS)                                 \
    X(DEMO_ADD, add, uint64_t, (uint64_t a, uint64_t b), HX_OPERATION_READS)                       \
    X(DEMO_COUNT, count, uint64_t, (void), HX_OPERATION_MUTATES)                                   \
    X(DEMO_SAY, say, hx_err, (void), HX_OPERATION_READS)                                           \
    X(DEMO_WILD_WRITE, wild_write, uint64_t, (uint64_t address), HX_OPERATION_READS)               \
    X(DEMO_WILD_READ, wild_read, uint64_t, (uint64_t address), HX_OPERATION_READS)                 \
    X(DEMO_WILD_JUMP, wild_jump, uint64_t, (uint64_t address), HX_OPERATION_READS)                 \
    X(DEMO_DIVIDE, divide, uint64_t, (uint64_t a, uint64_t b), HX_OPERATION_READS)                 \
    X(DEMO_INTERRUPTS_OFF, interrupts_off, uint64_t, (void), HX_OPERATION_READS)                   \
    X(DEMO_ENDLESS_LOOP, endless_loop, uint64_t, (void), HX_OPERATION_READS)                       \
    X(DEMO_DEEP, deep, uint64_t, (uint64_t level), HX_OPERATION_READS)                             \
    X(DEMO_ILLEGAL, illegal, uint64_t, (void), HX_OPERATION_READS)                                 \
    X(DEMO_GIVE_UP, give_up, uint64_t, (void), HX_OPERATION_READS)                                 \
    X(DEMO_LOG_FROM, log_from, hx_err, (uint64_t address), HX_OPERATION_READS)                     \
    X(DEMO_CLOCK, clock, uint64_t, (void), HX_OPERATION_READS)                                     \
    X(DEMO_SLEEP, sleep, hx_err, (uint64_t ns), HX_OPERATION_READS)                                \
    X(DEMO_REVERSE, reverse, hx_err, (uint64_t loan, uint64_t offset, uint64_t size),              \
      HX_OPERATION_READS)                                                                          \
    X(DEMO_SPIN, spin, uint64_t, (uint64_t ns), HX_OPERATION_READS)                                \
    X(DEMO_UNINTERRUPTIBLE, uninterruptible, uint64_t, (void), HX_OPERATION_READS)                 \
    X(DEMO_LOCK_CREATE, lock_create, uint64_t, (void), HX_OPERATION_READS)                         \
    X(DEMO_LOCK_ACQUIRE, lock_acquire, hx_err, (uint64_t lock, uint64_t limit_ns),                 \
      HX_OPERATION_READS)                                                                          \
    X(DEMO_LOCK_RELEASE, lock_release, hx_err, (uint64_t lock), HX_OPERATION_READS)                \
    X(DEMO_LOCK_DESTROY, lock_destroy, hx_err, (uint64_t lock), HX_OPERATION_READS)                \
    X(DEMO_LOCK_COUNT, lock_count, hx_err, (uint64_t lock, uint64_t ns), HX_OPERATION_READS)

enum demo_operation { HX_DEMO_OPERATION_LIST(HX_OPERATION_ENUM) DEMO_OPERATION_COUNT };

struct hx_demo_operations {
    HX_DEMO_OPERATION_LIST(HX_OPERATION_MEMBER)
};

/* What modules/demo_fragile is told through add. */
#define DEMO_FRAGILE_FUSE   0x66757365U
#define DEMO_FRAGILE_HEALTH 0x6865616cU
#define DEMO_FRAGILE_LIFE   0x6c696665U

/* When all counts were its own, counting to this it dies: with a state that has the number before
 * it, in the first call. */
#define DEMO_FRAGILE_POISON 1313U

/* What it answers to the last: the digits of what it has been through, in order. */
enum demo_life {
    DEMO_LIFE_INIT = 1,
    DEMO_LIFE_IMPORT_STATE = 2,
    DEMO_LIFE_ACTIVATE = 3,
    DEMO_LIFE_PREPARE_UNLOAD = 4,
    DEMO_LIFE_CANCEL_UNLOAD = 5,
    DEMO_LIFE_EXPORT_STATE = 6,
    DEMO_LIFE_CAN_UNLOAD = 7,
};

#endif
