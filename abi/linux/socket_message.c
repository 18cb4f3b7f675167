#include <abi/linux/call.h>
#include <abi/linux/socket_message.h>
#include <base/memory.h>
#include <hal/user.h>
#include <kern/heap.h>
#include <subsys/access/access.h>
#include <subsys/socket/flight.h>

#define CONTROL_MAX    20480U /* bytes (net.core.optmem_max) */
#define LEVEL_SOCKET   1
#define FLAG_NO_SIGNAL 0x4000U

enum control_type { CONTROL_FILES = 1, CONTROL_CREDENTIALS = 2 };

struct control_head { /* struct cmsghdr */
    uint64_t size;    /* with the head */
    int32_t level;
    int32_t type;
};

static size_t aligned(size_t size)
{
    return (size + 7) & ~(size_t)7;
}

/* --- in --------------------------------------------------------------------------------------- */

static hx_err add_files(struct socket_message *message, const int32_t *descriptors, size_t count)
{
    if (message->files == NULL) {
        message->files = passed_files_create(PASSED_FILES_MAX, process_current()->owner);
    }
    if (message->files == NULL) {
        return HX_ENOMEM;
    }
    if (count > PASSED_FILES_MAX - message->files->count) {
        return HX_EINVAL;
    }
    for (size_t i = 0; i < count; i++) {
        struct file *file = linux_file((uint64_t)(int64_t)descriptors[i]);

        if (file == NULL) {
            return HX_EBADF;
        }
        message->files->files[message->files->count++] = file;
    }
    return HX_OK;
}

/* Who may not be anybody says of himself what is so. */
static hx_err check_credentials(const struct socket_credentials *told)
{
    const struct process *self = process_current();
    const struct credentials *who = &self->credentials;
    bool is_own_user = told->user == who->user || told->user == who->effective_user ||
                       told->user == who->saved_user;
    bool is_own_group = told->group == who->group || told->group == who->effective_group ||
                        told->group == who->saved_group;

    return told->process == self->id && is_own_user && is_own_group
               ? HX_OK
               : access_require_privilege(PRIVILEGE_IDENTITY);
}

static hx_err set_credentials(struct socket_message *message, const void *data, size_t size)
{
    if (size != sizeof(message->credentials)) {
        return HX_EINVAL;
    }
    memcpy(&message->credentials, data, size);
    message->has_credentials = true;
    return check_credentials(&message->credentials);
}

static hx_err read_one(const struct socket *socket, const struct control_head *head,
                       struct socket_message *message)
{
    size_t size = (size_t)head->size - sizeof(*head);
    bool is_unix = socket_domain(socket) == SOCKET_UNIX;

    if (head->level != LEVEL_SOCKET) {
        return is_unix ? HX_OK : HX_EINVAL;
    }
    switch (head->type) {
    case CONTROL_FILES:
        return is_unix ? add_files(message, (const int32_t *)(head + 1), size / sizeof(int32_t))
                       : HX_OK;
    case CONTROL_CREDENTIALS:
        return is_unix ? set_credentials(message, head + 1, size) : HX_OK;
    default:
        return HX_EINVAL;
    }
}

/* control is aligned as struct control_head is. */
static hx_err read_all(const struct socket *socket, const char *control, size_t size,
                       struct socket_message *message)
{
    hx_err error = HX_OK;
    size_t at = 0;

    while (error == HX_OK && at + sizeof(struct control_head) <= size) {
        const struct control_head *head = (const void *)(control + at);

        if (head->size < sizeof(*head) || head->size > size - at) {
            return HX_EINVAL;
        }
        error = read_one(socket, head, message);
        at += aligned((size_t)head->size);
    }
    if (error == HX_OK && message->files != NULL && message->files->count == 0) {
        passed_files_free(message->files);
        message->files = NULL;
    }
    return error;
}

hx_err linux_control_in(const struct socket *socket, const struct linux_message *from,
                        struct socket_message *message)
{
    size_t size = (size_t)from->control_size;
    char *control;
    hx_err error;

    if (from->control == 0 || size == 0) {
        return HX_OK;
    }
    if (from->control_size > CONTROL_MAX) {
        return HX_ENOBUFS;
    }
    control = heap_allocate(size, OWNER_CORE);
    if (control == NULL) {
        return HX_ENOBUFS;
    }
    error = hal_user_copy_in(control, from->control, size);
    if (error == HX_OK) {
        error = read_all(socket, control, size, message);
    }
    heap_free(control);
    return error;
}

/* --- out -------------------------------------------------------------------------------------- */

/* The program's buffer, and how much of it is used. */
struct control {
    uint64_t address;
    size_t size;
    size_t used;
};

/* data of size bytes follows what is there already. */
static hx_err write_one(struct control *control, enum control_type type, const void *data,
                        size_t size, unsigned *told)
{
    size_t left = control->size - control->used;
    struct control_head head = {sizeof(head) + size, LEVEL_SOCKET, (int32_t)type};
    uint64_t at = control->address + control->used;
    hx_err error;

    if (left < sizeof(head)) {
        *told |= SOCKET_CONTROL_CUT;
        return HX_OK;
    }
    if (left < head.size) {
        *told |= SOCKET_CONTROL_CUT;
        head.size = left;
    }
    error = hal_user_copy_out(at, &head, sizeof(head));
    if (error == HX_OK && head.size > sizeof(head)) {
        error = hal_user_copy_out(at + sizeof(head), data, (size_t)head.size - sizeof(head));
    }
    left = left < aligned(sizeof(head) + size) ? left : aligned(sizeof(head) + size);
    control->used += error == HX_OK ? left : 0;
    return error;
}

/* As many descriptors as there is room for. */
static uint32_t room_for_files(const struct control *control)
{
    size_t left = control->size - control->used;

    return left <= sizeof(struct control_head)
               ? 0
               : (uint32_t)((left - sizeof(struct control_head)) / sizeof(int32_t));
}

static uint32_t install(const struct passed_files *files, uint32_t most, bool closes_on_exec,
                        int32_t *descriptors)
{
    struct file_table *table = process_current()->files;
    uint32_t count = 0;
    hx_err error = HX_OK;

    while (count < most && count < files->count && error == HX_OK) {
        struct file *file = file_get(files->files[count]);

        error = file_table_add(table, file, 0, closes_on_exec, &descriptors[count]);
        if (error == HX_OK) {
            count++;
        } else {
            file_put(file);
        }
    }
    return count;
}

static hx_err write_files(struct control *control, const struct passed_files *files,
                          bool closes_on_exec, unsigned *told)
{
    int32_t descriptors[PASSED_FILES_MAX];
    uint32_t count = install(files, room_for_files(control), closes_on_exec, descriptors);
    hx_err error = HX_OK;

    if (count < files->count) {
        *told |= SOCKET_CONTROL_CUT;
    }
    if (count > 0) {
        error =
            write_one(control, CONTROL_FILES, descriptors, count * sizeof(descriptors[0]), told);
    }
    for (uint32_t i = 0; error != HX_OK && i < count; i++) {
        (void)!file_table_close(process_current()->files, descriptors[i]);
    }
    return error;
}

hx_err linux_control_out(struct socket_message *message, bool closes_on_exec,
                         struct linux_message *to)
{
    struct control control = {.address = to->control, .size = (size_t)to->control_size};
    hx_err error = HX_OK;

    if (to->control == 0) {
        control.size = 0;
    }
    if (message->has_credentials) {
        error = write_one(&control, CONTROL_CREDENTIALS, &message->credentials,
                          sizeof(message->credentials), &message->told);
    }
    if (error == HX_OK && message->files != NULL) {
        error = write_files(&control, message->files, closes_on_exec, &message->told);
    }
    to->control_size = control.used;
    return error;
}

/* --- results ---------------------------------------------------------------------------------- */

int64_t linux_not_sent(const struct socket *socket, hx_err error, uint64_t flags)
{
    if (error == HX_ECLOSED && (flags & FLAG_NO_SIGNAL) == 0) {
        const struct hal_signal_info info = signal_info_kernel(SIGNAL_PIPE);

        (void)!signal_send_thread(user_thread_current(), &info);
    }
    return socket_has_time_out(socket, true) ? linux_result(error) : linux_restartable(error, 0);
}
