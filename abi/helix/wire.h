/*
 * Messages as programs and the router see them: the same bytes, but for what is not the other's
 * business. Private to abi/helix.
 */
#ifndef ABI_HELIX_WIRE_H
#define ABI_HELIX_WIRE_H

#include <core/ipc/mailbox.h>
#include <hal/user.h>
#include <helix/attributes.h>
#include <helix/system_calls.h>
#include <stddef.h>

union wire_message {
    struct router_message kernel;
    struct helix_message user;
};

#define WIRE_HEADER offsetof(struct helix_message, data)

_Static_assert(sizeof(struct router_message) == sizeof(struct helix_message) &&
                   offsetof(struct router_message, length) ==
                       offsetof(struct helix_message, length) &&
                   offsetof(struct router_message, data) == WIRE_HEADER &&
                   HELIX_DATA_MAX == ROUTER_DATA_MAX && HELIX_NAME_MAX == ROUTER_NAME_MAX &&
                   HELIX_LOAN_MAX == ROUTER_LOAN_MAX && HELIX_MESSAGES_MAX == ROUTER_CAPACITY_MAX &&
                   (int)HELIX_CRITICAL == (int)ROUTER_CRITICAL &&
                   (int)HELIX_REPLIED == (int)ROUTER_REPLIED,
               "programs and the router agree");

/* From the program, nothing is lent: what all messages have, and the rest of those that have more.
 * Errors: HX_EFAULT, HX_EINVAL too long. */
HX_MUST_USE static HX_ALWAYS_INLINE hx_err wire_copy_in(union wire_message *message,
                                                        uint64_t address)
{
    hx_err error = hal_user_copy_words_in(message, address, ROUTER_MESSAGE_SHORT);
    uint32_t length;

    if (HX_UNLIKELY(error != HX_OK)) {
        return error;
    }
    length = message->kernel.length;
    message->kernel.buffer = NULL;
    message->kernel.buffer_size = 0;
    if (HX_LIKELY(length <= sizeof(uint64_t))) {
        return HX_OK;
    }
    return length <= ROUTER_DATA_MAX
               ? hal_user_copy_in(message->kernel.data, address + WIRE_HEADER, length)
               : HX_EINVAL;
}

/* To the program: what counts of it.  Errors: HX_EFAULT. */
HX_MUST_USE static HX_ALWAYS_INLINE hx_err wire_copy_out(uint64_t address,
                                                         const union wire_message *message)
{
    if (HX_UNLIKELY(message->user.length != sizeof(uint64_t))) {
        return hal_user_copy_out(address, message, WIRE_HEADER + message->user.length);
    }
    return hal_user_copy_words_out(address, message, ROUTER_MESSAGE_SHORT);
}

#endif
