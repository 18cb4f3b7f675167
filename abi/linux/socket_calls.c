/* Calls on sockets. */
#include <abi/linux/call.h>
#include <abi/linux/calls.h>
#include <abi/linux/socket_address.h>
#include <abi/linux/socket_message.h>
#include <abi/linux/vector.h>
#include <base/memory.h>
#include <hal/clock.h>
#include <hal/user.h>
#include <subsys/socket/flight.h>

enum linux_socket_flags {
    TYPE_MASK = 0xf,
    TYPE_END = 11, /* SOCK_MAX */
    DOMAIN_END = 46,
    MESSAGE_WAIT_FOR_ONE = 0x10000,
    MESSAGE_CLOSE_ON_EXEC = 0x40000000,
};

#define MESSAGES_MAX 1024U /* of one sendmmsg (UIO_MAXIOV) */

/* The calling program, as sockets see it. */
struct caller {
    struct path_walk walk;
    struct socket_caller socket;
};

static void init_caller(struct caller *caller)
{
    const struct process *self = process_current();

    caller->walk = (struct path_walk){self->paths, &self->credentials, NULL};
    caller->socket = (struct socket_caller){
        .walk = &caller->walk,
        .credentials = {self->id, self->credentials.effective_user,
                        self->credentials.effective_group},
        .owner = self->owner,
    };
}

/* A descriptor's socket for the length of a call.  Errors: HX_EBADF, HX_ENOTSOCK; nothing is to be
 * given back then. */
static hx_err use_socket(uint64_t descriptor, struct file_use *use, struct socket **socket)
{
    hx_err error = HX_EBADF;

    *use = linux_use_file(descriptor);
    if (use->file == NULL) {
        return HX_EBADF;
    }
    *socket = socket_of(use->file);
    if (HX_LIKELY(*socket != NULL)) {
        return HX_OK;
    }
    if ((atomic_load_explicit(&use->file->flags, memory_order_relaxed) & FILE_PATH) == 0) {
        error = HX_ENOTSOCK;
    }
    file_use_end(*use);
    return error;
}

/* --- making ----------------------------------------------------------------------------------- */

static hx_err check_type(uint64_t domain, uint64_t type)
{
    uint32_t known = TYPE_MASK | FILE_CLOSE_ON_EXEC | FILE_NON_BLOCKING;

    if (((uint32_t)type & ~known) != 0) {
        return HX_EINVAL;
    }
    if ((uint32_t)domain >= DOMAIN_END) {
        return HX_EAFNOSUPPORT;
    }
    return (type & TYPE_MASK) >= TYPE_END ? HX_EINVAL : HX_OK;
}

int64_t linux_socket(uint64_t domain, uint64_t type, uint64_t protocol)
{
    struct file *file;
    hx_err error = check_type(domain, type);

    if (error == HX_OK) {
        error = socket_create((unsigned)domain, type & TYPE_MASK, (unsigned)protocol,
                              (uint32_t)type, process_current()->owner, &file);
    }
    return error == HX_OK ? linux_add_file(file, (uint32_t)type) : linux_result(error);
}

/* Both under descriptors, which the program is told, or none. */
static hx_err add_pair(struct file *files[2], uint32_t flags, uint64_t address)
{
    struct file_table *table = process_current()->files;
    int64_t first = linux_add_file(files[0], flags);
    int64_t second = first >= 0 ? linux_add_file(files[1], flags) : first;
    const int32_t descriptors[2] = {(int32_t)first, (int32_t)second};
    hx_err error =
        second >= 0 ? hal_user_copy_out(address, descriptors, sizeof(descriptors)) : HX_EMFILE;

    if (first < 0) {
        file_put(files[1]);
    }
    if (error != HX_OK && first >= 0) {
        (void)!file_table_close(table, (int)first);
    }
    if (error != HX_OK && second >= 0) {
        (void)!file_table_close(table, (int)second);
    }
    return error;
}

int64_t linux_socketpair(uint64_t domain, uint64_t type, uint64_t protocol, uint64_t address)
{
    struct caller caller;
    struct file *files[2];
    hx_err error = check_type(domain, type);

    init_caller(&caller);
    if (error == HX_OK) {
        error = socket_create_pair((unsigned)domain, type & TYPE_MASK, (unsigned)protocol,
                                   (uint32_t)type, &caller.socket, files);
    }
    return linux_result(error == HX_OK ? add_pair(files, (uint32_t)type, address) : error);
}

/* --- names and connections -------------------------------------------------------------------- */

/* What bind and connect have in common: a socket, an address, a caller. */
static hx_err with_address(uint64_t descriptor, uint64_t address, uint64_t size,
                           hx_err (*call)(struct socket *socket,
                                          const struct socket_address *address,
                                          const struct socket_caller *caller))
{
    struct socket_address copy;
    struct caller caller;
    struct file_use use;
    struct socket *socket;
    hx_err error = use_socket(descriptor, &use, &socket);

    if (error != HX_OK) {
        return error;
    }
    init_caller(&caller);
    error = linux_address_in(address, (uint32_t)size, &copy);
    if (error == HX_OK && (uint32_t)size < sizeof(uint16_t)) {
        error = HX_EINVAL;
    }
    if (error == HX_OK) {
        error = call(socket, &copy, &caller.socket);
    }
    file_use_end(use);
    return error;
}

int64_t linux_bind(uint64_t descriptor, uint64_t address, uint64_t size)
{
    return linux_result(with_address(descriptor, address, size, socket_bind));
}

int64_t linux_connect(uint64_t descriptor, uint64_t address, uint64_t size)
{
    return linux_restartable(with_address(descriptor, address, size, socket_connect), 0);
}

int64_t linux_listen(uint64_t descriptor, uint64_t backlog)
{
    struct caller caller;
    struct file_use use;
    struct socket *socket;
    hx_err error = use_socket(descriptor, &use, &socket);

    if (error != HX_OK) {
        return linux_result(error);
    }
    init_caller(&caller);
    error = socket_listen(socket, (uint32_t)backlog, &caller.socket);
    file_use_end(use);
    return linux_result(error);
}

/* Tell whom an accepted connection is with; address 0: nobody asks. */
static hx_err tell_peer(const struct file *file, uint64_t address, uint64_t size_address)
{
    struct socket_address peer;

    if (address == 0) {
        return HX_OK;
    }
    if (socket_name(socket_of(file), true, &peer) != HX_OK) {
        peer = (struct socket_address){.family = socket_domain(socket_of(file))};
    }
    return linux_address_tell(&peer, address, size_address);
}

static int64_t accept_from(struct socket *socket, uint64_t address, uint64_t size_address,
                           uint32_t flags)
{
    struct file *file;
    hx_err error = socket_accept(socket, flags, process_current()->owner, &file);

    if (error != HX_OK) {
        return socket_has_time_out(socket, false) ? linux_result(error)
                                                  : linux_restartable(error, 0);
    }
    error = tell_peer(file, address, size_address);
    if (error != HX_OK) {
        file_put(file);
        return linux_result(error);
    }
    return linux_add_file(file, flags);
}

int64_t linux_accept4(uint64_t descriptor, uint64_t address, uint64_t size_address, uint64_t flags)
{
    struct file_use use;
    struct socket *socket;
    int64_t result;
    hx_err error;

    if (((uint32_t)flags & ~(uint32_t)(FILE_CLOSE_ON_EXEC | FILE_NON_BLOCKING)) != 0) {
        return linux_result(HX_EINVAL);
    }
    error = use_socket(descriptor, &use, &socket);
    if (error != HX_OK) {
        return linux_result(error);
    }
    result = accept_from(socket, address, size_address, (uint32_t)flags);
    file_use_end(use);
    return result;
}

int64_t linux_accept(uint64_t descriptor, uint64_t address, uint64_t size_address)
{
    return linux_accept4(descriptor, address, size_address, 0);
}

int64_t linux_shutdown(uint64_t descriptor, uint64_t how)
{
    struct file_use use;
    struct socket *socket;
    hx_err error = use_socket(descriptor, &use, &socket);

    if (error != HX_OK) {
        return linux_result(error);
    }
    /* SHUT_RD, SHUT_WR, SHUT_RDWR are 0, 1, 2 */
    error = (uint32_t)how <= 2 ? socket_shut_down(socket, (unsigned)how + 1) : HX_EINVAL;
    file_use_end(use);
    return linux_result(error);
}

static int64_t tell_name(uint64_t descriptor, uint64_t address, uint64_t size_address, bool of_peer)
{
    struct socket_address name;
    struct file_use use;
    struct socket *socket;
    hx_err error = use_socket(descriptor, &use, &socket);

    if (error != HX_OK) {
        return linux_result(error);
    }
    error = socket_name(socket, of_peer, &name);
    file_use_end(use);
    return linux_result(error == HX_OK ? linux_address_tell(&name, address, size_address) : error);
}

int64_t linux_getsockname(uint64_t descriptor, uint64_t address, uint64_t size_address)
{
    return tell_name(descriptor, address, size_address, false);
}

int64_t linux_getpeername(uint64_t descriptor, uint64_t address, uint64_t size_address)
{
    return tell_name(descriptor, address, size_address, true);
}

/* --- options ---------------------------------------------------------------------------------- */

static hx_err set_option(struct socket *socket, uint64_t level, uint64_t name, uint64_t address,
                         uint64_t size)
{
    uint64_t value[SOCKET_OPTION_MAX / sizeof(uint64_t)];
    size_t taken = (size_t)(size < sizeof(value) ? size : sizeof(value));
    hx_err error;

    if ((int32_t)size < 0) {
        return HX_EINVAL;
    }
    error = taken > 0 ? hal_user_copy_in(value, address, taken) : HX_OK;
    return error == HX_OK ? socket_set_option(socket, (int32_t)level, (int32_t)name, value, taken)
                          : error;
}

int64_t linux_setsockopt(uint64_t descriptor, uint64_t level, uint64_t name, uint64_t address,
                         uint64_t size)
{
    struct file_use use;
    struct socket *socket;
    hx_err error = use_socket(descriptor, &use, &socket);

    if (error != HX_OK) {
        return linux_result(error);
    }
    error = set_option(socket, level, name, address, (uint32_t)size);
    file_use_end(use);
    return linux_result(error);
}

static hx_err get_option(struct socket *socket, uint64_t level, uint64_t name, uint64_t address,
                         uint64_t size_address)
{
    uint64_t value[SOCKET_OPTION_MAX / sizeof(uint64_t)];
    int32_t room;
    size_t size;
    hx_err error = hal_user_copy_in(&room, size_address, sizeof(room));

    if (error == HX_OK && room < 0) {
        error = HX_EINVAL;
    }
    if (error != HX_OK) {
        return error;
    }
    size = (size_t)room < sizeof(value) ? (size_t)room : sizeof(value);
    error = socket_get_option(socket, (int32_t)level, (int32_t)name, value, &size);
    if (error == HX_OK && size > 0) {
        error = hal_user_copy_out(address, value, size);
    }
    room = (int32_t)size;
    return error == HX_OK ? hal_user_copy_out(size_address, &room, sizeof(room)) : error;
}

int64_t linux_getsockopt(uint64_t descriptor, uint64_t level, uint64_t name, uint64_t address,
                         uint64_t size_address)
{
    struct file_use use;
    struct socket *socket;
    hx_err error = use_socket(descriptor, &use, &socket);

    if (error != HX_OK) {
        return linux_result(error);
    }
    error = get_option(socket, level, name, address, size_address);
    file_use_end(use);
    return linux_result(error);
}

/* --- sending ---------------------------------------------------------------------------------- */

static int64_t send_message(struct socket *socket, struct socket_message *message, uint64_t flags)
{
    struct caller caller;
    size_t done;
    hx_err error;

    init_caller(&caller);
    message->flags = (unsigned)flags;
    error = socket_send(socket, message, &caller.socket, &done);
    if (HX_LIKELY(error == HX_OK)) {
        return (int64_t)done;
    }
    passed_files_free(message->files);
    return linux_not_sent(socket, error, flags);
}

int64_t linux_sendto(uint64_t descriptor, uint64_t buffer, uint64_t size, uint64_t flags,
                     uint64_t address, uint64_t address_size)
{
    struct socket_message message = {.files = NULL};
    struct file_use use;
    struct socket *socket;
    int64_t result;
    hx_err error;

    if (!hal_user_is_range(buffer, size)) {
        return linux_result(HX_EFAULT);
    }
    error = use_socket(descriptor, &use, &socket);
    if (error != HX_OK) {
        return linux_result(error);
    }
    transfer_init_user(&message.transfer, buffer, linux_at_most(size));
    error = linux_address_in(address, (uint32_t)address_size, &message.address);
    result = error == HX_OK ? send_message(socket, &message, (uint32_t)flags) : linux_result(error);
    file_use_end(use);
    return result;
}

static int64_t send_described(struct socket *socket, const struct linux_message *from,
                              uint64_t flags)
{
    struct socket_message message = {.files = NULL};
    struct linux_vector vector;
    int64_t result;
    hx_err error = from->part_count > LINUX_PARTS_MAX
                       ? HX_EMSGSIZE
                       : linux_address_in(from->name, (uint32_t)from->name_size, &message.address);

    if (error == HX_OK) {
        error = linux_vector_get(&vector, from->parts, from->part_count);
    }
    if (error != HX_OK) {
        return linux_result(error);
    }
    message.transfer = vector.transfer;
    error = linux_control_in(socket, from, &message);
    if (error == HX_OK) {
        result = send_message(socket, &message, flags);
    } else {
        passed_files_free(message.files);
        result = linux_result(error);
    }
    linux_vector_put(&vector);
    return result;
}

static int64_t send_at(struct socket *socket, uint64_t address, uint64_t flags)
{
    struct linux_message from;
    hx_err error = hal_user_copy_in(&from, address, sizeof(from));

    return error == HX_OK ? send_described(socket, &from, (uint32_t)flags) : linux_result(error);
}

int64_t linux_sendmsg(uint64_t descriptor, uint64_t address, uint64_t flags)
{
    struct file_use use;
    struct socket *socket;
    int64_t result;
    hx_err error = use_socket(descriptor, &use, &socket);

    if (error != HX_OK) {
        return linux_result(error);
    }
    result = send_at(socket, address, flags);
    file_use_end(use);
    return result;
}

/* --- receiving -------------------------------------------------------------------------------- */

/* What a receiving call answers: of a message that was cut, its size for who wants to know. */
static int64_t receive_message(struct socket *socket, struct socket_message *message,
                               uint64_t flags)
{
    size_t done;
    hx_err error;

    message->flags = (unsigned)flags;
    error = socket_receive(socket, message, &done);
    if (error != HX_OK) {
        return socket_has_time_out(socket, false) ? linux_result(error)
                                                  : linux_restartable(error, 0);
    }
    if (done > 0 && socket_domain(socket) == SOCKET_UNIX && socket_type(socket) == SOCKET_STREAM &&
        socket_name(socket, true, &message->address) != HX_OK) {
        message->address.family = SOCKET_NO_DOMAIN;
    }
    if (message->address.family == SOCKET_UNIX && message->address.length == 0) {
        message->address.family = SOCKET_NO_DOMAIN;
    }
    return (flags & SOCKET_CUT) != 0 && socket_type(socket) != SOCKET_STREAM
               ? (int64_t)message->whole
               : (int64_t)done;
}

static int64_t receive_from(struct socket *socket, struct socket_message *message, uint64_t flags,
                            uint64_t address, uint64_t size_address)
{
    int64_t result = receive_message(socket, message, flags);
    hx_err error = HX_OK;

    passed_files_free(message->files);
    if (result >= 0 && address != 0) {
        error = linux_address_tell(&message->address, address, size_address);
    }
    return error == HX_OK ? result : linux_result(error);
}

int64_t linux_recvfrom(uint64_t descriptor, uint64_t buffer, uint64_t size, uint64_t flags,
                       uint64_t address, uint64_t size_address)
{
    struct socket_message message = {.files = NULL};
    struct file_use use;
    struct socket *socket;
    int64_t result;
    hx_err error;

    if (!hal_user_is_range(buffer, size)) {
        return linux_result(HX_EFAULT);
    }
    error = use_socket(descriptor, &use, &socket);
    if (error != HX_OK) {
        return linux_result(error);
    }
    transfer_init_user(&message.transfer, buffer, linux_at_most(size));
    result = receive_from(socket, &message, (uint32_t)flags, address, size_address);
    file_use_end(use);
    return result;
}

/* Tell the program what came beside the bytes. */
static hx_err tell_message(struct socket_message *message, struct linux_message *to, uint64_t flags,
                           uint64_t address)
{
    hx_err error = HX_OK;

    if (to->name != 0) {
        error = linux_address_out(&message->address, to->name, &to->name_size);
    }
    if (error == HX_OK) {
        error = linux_control_out(message, (flags & MESSAGE_CLOSE_ON_EXEC) != 0, to);
    }
    if (error != HX_OK) {
        return error;
    }
    to->flags = message->told | (uint32_t)(flags & MESSAGE_CLOSE_ON_EXEC);
    return hal_user_copy_out(address, to, sizeof(*to));
}

static int64_t receive_described(struct socket *socket, struct linux_message *to, uint64_t flags,
                                 uint64_t address)
{
    struct socket_message message = {.files = NULL};
    struct linux_vector vector;
    int64_t result;
    hx_err error = to->part_count > LINUX_PARTS_MAX
                       ? HX_EMSGSIZE
                       : linux_vector_get(&vector, to->parts, to->part_count);

    if (error != HX_OK) {
        return linux_result(error);
    }
    message.transfer = vector.transfer;
    result = receive_message(socket, &message, flags);
    if (result >= 0) {
        error = tell_message(&message, to, flags, address);
        result = error == HX_OK ? result : linux_result(error);
    }
    passed_files_free(message.files);
    linux_vector_put(&vector);
    return result;
}

static int64_t receive_at(struct socket *socket, uint64_t address, uint64_t flags)
{
    struct linux_message to;
    hx_err error = hal_user_copy_in(&to, address, sizeof(to));

    if (error == HX_OK && to.name_size < 0) {
        error = HX_EINVAL;
    }
    return error == HX_OK ? receive_described(socket, &to, (uint32_t)flags, address)
                          : linux_result(error);
}

int64_t linux_recvmsg(uint64_t descriptor, uint64_t address, uint64_t flags)
{
    struct file_use use;
    struct socket *socket;
    int64_t result;
    hx_err error = use_socket(descriptor, &use, &socket);

    if (error != HX_OK) {
        return linux_result(error);
    }
    result = receive_at(socket, address, flags);
    file_use_end(use);
    return result;
}

/* --- several messages ------------------------------------------------------------------------- */

struct linux_messages { /* struct mmsghdr, of which the size is at its end */
    struct linux_message message;
    uint32_t size;
    uint32_t padding;
};

/* Move one; its size is told.  A result as the calls have it. */
static int64_t move_one(struct socket *socket, uint64_t address, uint64_t flags, bool is_send)
{
    int64_t result = is_send ? send_at(socket, address, flags) : receive_at(socket, address, flags);
    uint32_t size = (uint32_t)result;
    hx_err error = HX_OK;

    if (result >= 0) {
        error =
            hal_user_copy_out(address + offsetof(struct linux_messages, size), &size, sizeof(size));
    }
    return error == HX_OK ? result : linux_result(error);
}

/* As many as can be moved: an error is told when it is the first one's. */
static int64_t move_several(struct socket *socket, uint64_t address, uint64_t count, uint64_t flags,
                            uint64_t deadline_ns, bool is_send)
{
    int64_t result = 0;
    uint64_t moved = 0;

    while (moved < count && result >= 0 && (moved == 0 || hal_clock_now() < deadline_ns)) {
        result = move_one(socket, address + moved * sizeof(struct linux_messages), flags, is_send);
        moved += result >= 0 ? 1U : 0U;
        if (!is_send && (flags & MESSAGE_WAIT_FOR_ONE) != 0) {
            flags |= SOCKET_DONT_WAIT;
        }
    }
    return moved > 0 ? (int64_t)moved : result;
}

static int64_t move_messages(uint64_t descriptor, uint64_t address, uint64_t count, uint64_t flags,
                             uint64_t deadline_ns, bool is_send)
{
    struct file_use use;
    struct socket *socket;
    int64_t result;
    hx_err error = use_socket(descriptor, &use, &socket);

    if (error != HX_OK) {
        return linux_result(error);
    }
    result = move_several(socket, address, count < MESSAGES_MAX ? count : MESSAGES_MAX, flags,
                          deadline_ns, is_send);
    file_use_end(use);
    return result;
}

int64_t linux_sendmmsg(uint64_t descriptor, uint64_t address, uint64_t count, uint64_t flags)
{
    return move_messages(descriptor, address, (uint32_t)count, (uint32_t)flags, THREAD_NO_DEADLINE,
                         true);
}

int64_t linux_recvmmsg(uint64_t descriptor, uint64_t address, uint64_t count, uint64_t flags,
                       uint64_t time_out)
{
    uint64_t deadline;
    hx_err error = linux_deadline(time_out, &deadline);

    return error == HX_OK ? move_messages(descriptor, address, (uint32_t)count, (uint32_t)flags,
                                          deadline, false)
                          : linux_result(error);
}
