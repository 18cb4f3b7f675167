/*
 * Messages of sockets as programs write them (struct msghdr), with what they carry beside bytes:
 * descriptors and credentials.
 */
#ifndef ABI_LINUX_SOCKET_MESSAGE_H
#define ABI_LINUX_SOCKET_MESSAGE_H

#include <helix/attributes.h>
#include <helix/error.h>
#include <stddef.h>
#include <stdint.h>
#include <subsys/socket/socket.h>

struct linux_message {
    uint64_t name;
    int32_t name_size;
    int32_t padding;
    uint64_t parts;
    uint64_t part_count;
    uint64_t control;
    uint64_t control_size;
    uint32_t flags;
    uint32_t padding_too;
};
_Static_assert(sizeof(struct linux_message) == 56, "the kernel's ABI");

/*
 * What a message carries, into files and credentials of `message`.
 * Errors: HX_EFAULT, HX_EINVAL, HX_EBADF, HX_EPERM, HX_ENOBUFS, HX_ENOMEM.
 */
HX_MUST_USE hx_err linux_control_in(const struct socket *socket, const struct linux_message *from,
                                    struct socket_message *message);

/*
 * Tell what a received message carries: its files become the program's. control_size of `to` is
 * then what was used; what found no room is closed, and told as SOCKET_CONTROL_CUT.
 * Errors: HX_EFAULT.
 */
HX_MUST_USE hx_err linux_control_out(struct socket_message *message, bool closes_on_exec,
                                     struct linux_message *to);

/* What a call answers that ended with an error: a signal for who writes to nobody. */
int64_t linux_not_sent(const struct socket *socket, hx_err error, uint64_t flags);

#endif
