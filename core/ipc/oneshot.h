/*
 * Oneshot: exactly one value, from one sender to one receiver (SPEC P4).
 *
 * Rules:
 * - Both ends start with the creator, who gives them away; each ends with its close.
 * - A second send is refused, and a second receive; the first one counts however many race.
 * - The sender gone without a value wakes the receiver with HX_ECLOSED. The receiver gone makes
 * send fail with HX_ECLOSED, and the value stays the caller's. A value sent and never received goes
 * through `destroy`, in the receiver's close.
 * - Use the typed wrappers that ONESHOT_TYPE makes.
 */
#ifndef CORE_IPC_ONESHOT_H
#define CORE_IPC_ONESHOT_H

#include <helix/attributes.h>
#include <helix/error.h>
#include <kern/owner.h>
#include <stddef.h>
#include <stdint.h>

#define ONESHOT_VALUE_MAX 4096U

struct oneshot;

/*
 * Make a oneshot for a value of size bytes, 1..ONESHOT_VALUE_MAX. destroy: NULL is nothing to do.
 * owner: of the memory, 0 is OWNER_CORE.  Context: thread.  Errors: HX_EINVAL, HX_ENOMEM.
 */
HX_MUST_USE hx_err oneshot_create(size_t size, void (*destroy)(void *value), owner_tag owner,
                                  struct oneshot **oneshot);

/*
 * Copy the value in and wake the receiver; never blocks.  Context: any but nmi.
 * Errors: HX_ECLOSED the receiver has gone; HX_ESTATE it was sent already. The value is then the
 * caller's as before.
 */
HX_MUST_USE hx_err oneshot_send(struct oneshot *oneshot, const void *value);

/*
 * Copy the value out, now.  Context: any but nmi.
 * Errors: HX_EAGAIN not yet; HX_ECLOSED the sender has gone without; HX_ESTATE it was received
 * already.
 */
HX_MUST_USE hx_err oneshot_try_receive(struct oneshot *oneshot, void *value);

/*
 * The same, waiting until the absolute time.  Context: thread, may block; one thread at a time.
 * Errors: HX_ETIMEDOUT, HX_ECLOSED, HX_ESTATE; HX_ECONTEXT the caller may not block.
 */
HX_MUST_USE hx_err oneshot_receive(struct oneshot *oneshot, void *value, uint64_t deadline_ns);

/* Give an end up, once each; the second one frees the oneshot.  Context: thread. */
void oneshot_sender_close(struct oneshot *oneshot);
void oneshot_receiver_close(struct oneshot *oneshot);

/* A oneshot of `type`: struct NAME, and NAME_create, NAME_send and so on. */
#define ONESHOT_TYPE(name, type)                                                                   \
    struct name;                                                                                   \
    _Static_assert(sizeof(type) <= ONESHOT_VALUE_MAX, "a value fits");                             \
    HX_MUST_USE HX_UNUSED static inline hx_err name##_create(                                      \
        void (*destroy)(void *value), owner_tag owner, struct name **oneshot)                      \
    {                                                                                              \
        struct oneshot *untyped = NULL;                                                            \
        hx_err error = oneshot_create(sizeof(type), destroy, owner, &untyped);                     \
                                                                                                   \
        *oneshot = (struct name *)untyped;                                                         \
        return error;                                                                              \
    }                                                                                              \
    HX_MUST_USE HX_UNUSED static inline hx_err name##_send(struct name *oneshot,                   \
                                                           const type *value)                      \
    {                                                                                              \
        return oneshot_send((struct oneshot *)oneshot, value);                                     \
    }                                                                                              \
    HX_MUST_USE HX_UNUSED static inline hx_err name##_try_receive(struct name *oneshot,            \
                                                                  type *value)                     \
    {                                                                                              \
        return oneshot_try_receive((struct oneshot *)oneshot, value);                              \
    }                                                                                              \
    HX_MUST_USE HX_UNUSED static inline hx_err name##_receive(struct name *oneshot, type *value,   \
                                                              uint64_t deadline_ns)                \
    {                                                                                              \
        return oneshot_receive((struct oneshot *)oneshot, value, deadline_ns);                     \
    }                                                                                              \
    HX_UNUSED static inline void name##_sender_close(struct name *oneshot)                         \
    {                                                                                              \
        oneshot_sender_close((struct oneshot *)oneshot);                                           \
    }                                                                                              \
    HX_UNUSED static inline void name##_receiver_close(struct name *oneshot)                       \
    {                                                                                              \
        oneshot_receiver_close((struct oneshot *)oneshot);                                         \
    }

#endif
