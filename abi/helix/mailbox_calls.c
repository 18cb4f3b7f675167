/* Making and opening mailboxes. */
#include <abi/helix/calls.h>
#include <abi/helix/mailbox_file.h>
#include <core/ipc/name.h>

/* Errors: HX_EFAULT, HX_ENAMETOOLONG, HX_EINVAL. */
static hx_err copy_name(char name[HELIX_NAME_MAX], uint64_t address)
{
    size_t length;
    hx_err error = hal_user_copy_text(name, address, HELIX_NAME_MAX, &length);

    if (error != HX_OK) {
        return error == HX_ERANGE ? HX_ENAMETOOLONG : error;
    }
    return ipc_name_is_valid(name) ? HX_OK : HX_EINVAL;
}

/* --- servers ---------------------------------------------------------------------------------- */

/* A name that nobody has had yet can be made by who may make every one. */
static hx_err check_may_create(const char *name)
{
    struct helix_right right;

    helix_right_init(&right, RESOURCE_TYPE_MAILBOX, router_number_of(name), PERMISSION_CONTROL);
    return helix_may(&right) ? HX_OK : HX_EACCES;
}

/* Who has made a mailbox holds it, once. */
static hx_err give_to_creator(resource_id resource)
{
    const uint64_t rights =
        PERMISSION_READ | PERMISSION_WRITE | PERMISSION_CONTROL | PERMISSION_DELEGATE;

    return capability_find(helix_subject(), resource, rights) != CAPABILITY_NONE
               ? HX_OK
               : capability_grant(helix_subject(), resource, rights, NULL);
}

static hx_err make_server(const char *name, uint32_t capacity, uint32_t flags, struct file **file)
{
    struct router_service *service;
    resource_id resource;
    hx_err error = router_serve(name, capacity, process_current()->owner, &service);

    if (error != HX_OK) {
        return error;
    }
    resource = resource_make(RESOURCE_TYPE_MAILBOX, router_number_of(name));
    error = give_to_creator(resource);
    if (error == HX_OK) {
        error = mailbox_server_file(service, resource, flags, file);
    }
    if (error != HX_OK) {
        router_service_close(service);
    }
    return error;
}

int64_t helix_mailbox_create(uint64_t name_address, uint64_t capacity, uint64_t flags)
{
    char name[HELIX_NAME_MAX];
    struct file *file;
    hx_err error =
        ((uint32_t)flags & ~HELIX_FILE_FLAGS) == 0 ? copy_name(name, name_address) : HX_EINVAL;

    if (error == HX_OK) {
        error = check_may_create(name);
    }
    if (error == HX_OK) {
        error = make_server(name, (uint32_t)capacity, (uint32_t)flags, &file);
    }
    return error == HX_OK ? linux_add_file(file, (uint32_t)flags) : linux_result(error);
}

/* --- clients ---------------------------------------------------------------------------------- */

static hx_err open_client(const char *name, uint32_t flags, struct file **file)
{
    const uint32_t number = router_number_of(name);
    struct helix_right right;
    router_mailbox to;
    hx_err error;

    helix_right_init(&right, RESOURCE_TYPE_MAILBOX, number, PERMISSION_WRITE);
    error = helix_may(&right) ? router_open(name, &to) : HX_EACCES;
    if (error != HX_OK) {
        return error;
    }
    error = mailbox_client_file(to, number, flags, file);
    if (error != HX_OK) {
        router_close(to);
    }
    return error;
}

int64_t helix_mailbox_open(uint64_t name_address, uint64_t flags)
{
    char name[HELIX_NAME_MAX];
    struct file *file;
    hx_err error =
        ((uint32_t)flags & ~HELIX_FILE_FLAGS) == 0 ? copy_name(name, name_address) : HX_EINVAL;

    if (error == HX_OK) {
        error = open_client(name, (uint32_t)flags, &file);
    }
    return error == HX_OK ? linux_add_file(file, (uint32_t)flags) : linux_result(error);
}
