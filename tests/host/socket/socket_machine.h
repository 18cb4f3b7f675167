/* A machine with sockets, and short forms of what a program does with them. */
#ifndef TESTS_HOST_SOCKET_SOCKET_MACHINE_H
#define TESTS_HOST_SOCKET_SOCKET_MACHINE_H

/* First: the C library's names for codes of a signal are those of poll's bits here. */
#include <tests/host/vfs/vfs_machine.h>

#include <core/resource/owner.h>
#include <subsys/socket/flight.h>
#include <subsys/socket/socket.h>

#define LOOPBACK 0x7f000001U

static struct socket_caller caller;
static struct file *a, *b; /* most often a pair */

HX_UNUSED static void sockets_start(void)
{
    CHECK(socket_init() == HX_OK);
    caller = (struct socket_caller){&walk, {1, 0, 0}, vfs_owner};
}

/* A test of VFS_TEST's kind, with sockets. */
#define SOCKET_TEST(name)                                                                          \
    static void name##_sockets(void);                                                              \
    VFS_TEST(name)                                                                                 \
    {                                                                                              \
        sockets_start();                                                                           \
        name##_sockets();                                                                          \
    }                                                                                              \
    static void name##_sockets(void)

HX_UNUSED static hx_err try_pair(unsigned type)
{
    struct file *files[2];
    hx_err error = socket_create_pair(SOCKET_UNIX, type, 0, 0, &caller, files);

    if (error == HX_OK) {
        a = files[0];
        b = files[1];
    }
    return error;
}

HX_UNUSED static void make_pair(unsigned type)
{
    CHECK(try_pair(type) == HX_OK);
}

HX_UNUSED static void close_pair(void)
{
    file_put(a);
    file_put(b);
}

HX_UNUSED static struct file *new_socket(unsigned domain, unsigned type, uint32_t flags)
{
    struct file *file = NULL;

    CHECK(socket_create(domain, type, 0, flags, vfs_owner, &file) == HX_OK);
    return file;
}

HX_UNUSED static struct socket_address at_port(uint16_t port)
{
    return (struct socket_address){.family = SOCKET_INET, .ip = LOOPBACK, .port = port};
}

HX_UNUSED static struct socket_address named(const char *name)
{
    struct socket_address address = {.family = SOCKET_UNIX, .length = (uint16_t)strlen(name)};

    memcpy(address.name, name, address.length);
    return address;
}

HX_UNUSED static hx_err bind_to(struct file *file, struct socket_address address)
{
    return socket_bind(socket_of(file), &address, &caller);
}

HX_UNUSED static hx_err connect_to(struct file *file, struct socket_address address)
{
    return socket_connect(socket_of(file), &address, &caller);
}

HX_UNUSED static hx_err accept_from(struct file *server, struct file **taken)
{
    return socket_accept(socket_of(server), 0, vfs_owner, taken);
}

HX_UNUSED static uint16_t port_of(struct file *file)
{
    struct socket_address address;

    CHECK(socket_name(socket_of(file), false, &address) == HX_OK);
    return address.port;
}

HX_UNUSED static struct file *listening_at(struct socket_address address, unsigned backlog)
{
    struct file *server = new_socket(address.family, SOCKET_STREAM, 0);

    CHECK(bind_to(server, address) == HX_OK);
    CHECK(socket_listen(socket_of(server), backlog, &caller) == HX_OK);
    return server;
}

/* Send text, with files or NULL. */
HX_UNUSED static hx_err send_with(struct file *to, const char *text, struct passed_files *files)
{
    struct socket_message message = {.files = files};
    size_t done;
    hx_err error;

    transfer_init_kernel(&message.transfer, (void *)(uintptr_t)text, strlen(text));
    error = socket_send(socket_of(to), &message, &caller, &done);
    if (error != HX_OK) {
        passed_files_free(files);
    }
    return error;
}

/* One file, of which a reference is taken; NULL: no memory. */
HX_UNUSED static struct passed_files *passing(struct file *file)
{
    struct passed_files *files = passed_files_create(1, vfs_owner);

    if (files != NULL) {
        files->files[files->count++] = file_get(file);
    }
    return files;
}

/* files NULL: what comes is given back. */
HX_UNUSED static hx_err receive_into(struct file *from, char *buffer, size_t size, unsigned flags,
                                     struct passed_files **files, size_t *done)
{
    struct socket_message message = {.flags = flags};
    hx_err error;

    transfer_init_kernel(&message.transfer, buffer, size);
    error = socket_receive(socket_of(from), &message, done);
    if (files != NULL) {
        *files = message.files;
    } else {
        passed_files_free(message.files);
    }
    return error;
}

HX_UNUSED static uint64_t used_of(enum resource_class class)
{
    struct resource_usage usage;

    CHECK(resource_get_usage(vfs_owner, class, &usage) == HX_OK);
    return usage.used;
}

HX_UNUSED static void limit_to(enum resource_class class, uint64_t most)
{
    CHECK(resource_set_limit(vfs_owner, class, (struct resource_limits){most, most}) == HX_OK);
}

/* Nobody holds anything of the owner's buffers and ports. */
HX_UNUSED static void check_ledger(void)
{
    CHECK(used_of(RESOURCE_MEMORY) == 0 && used_of(RESOURCE_NETWORK_PORTS) == 0);
}

#endif
