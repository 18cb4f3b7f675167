/*
 * Extended attributes (xattr(7)). No file system here keeps any: each is refused as Linux refuses
 * it on a file system that does not know its kind.
 */
#include <abi/linux/call.h>
#include <abi/linux/calls.h>
#include <base/string.h>
#include <hal/user.h>
#include <subsys/access/access.h>

#define NAME_SIZE_MAX 256U /* with the NUL */
#define VALUE_MAX     65536U

enum set_flags { SET_MUST_BE_NEW = 1, SET_MUST_BE_THERE = 2 };

#define NO_DATA (-61) /* ENODATA: there is no such attribute */

/* --- names -------------------------------------------------------------------------------------
 */

static hx_err get_name(uint64_t address, char name[NAME_SIZE_MAX])
{
    size_t length;
    hx_err error = hal_user_copy_text(name, address, NAME_SIZE_MAX, &length);

    return error == HX_OK && length == 0 ? HX_ERANGE : error;
}

/* Attributes of programs are for files and directories, those of administration need a privilege.
 */
static bool is_refused(const struct vnode *vnode, const char *name)
{
    bool is_users = string_has_prefix(name, "user.");

    return (is_users && vnode->type != VNODE_FILE && vnode->type != VNODE_DIRECTORY) ||
           (string_has_prefix(name, "trusted.") &&
            access_require_privilege(PRIVILEGE_FILES) != HX_OK);
}

static hx_err may_use(const struct vnode *vnode, const char *name, unsigned access)
{
    return string_has_prefix(name, "user.")
               ? vnode_may(vnode, &process_current()->credentials, access)
               : HX_OK;
}

/* Kinds that tmpfs knows on Linux, even if no file has such an attribute. */
static bool is_known(const struct vnode *vnode, const char *name)
{
    return vnode->ops->are_retired &&
           (string_has_prefix(name, "security.") || string_has_prefix(name, "trusted.") ||
            string_equal(name, "system.posix_acl_access") ||
            string_equal(name, "system.posix_acl_default"));
}

/* These answer what the call answers. */
typedef int64_t (*attribute_answer)(const struct location *location, const char *name);

static int64_t refuse_reading(const struct location *location, const char *name)
{
    hx_err error = may_use(location->vnode, name, ACCESS_READ);

    if (is_refused(location->vnode, name)) {
        return NO_DATA;
    }
    if (error != HX_OK) {
        return linux_result(error);
    }
    return is_known(location->vnode, name) ? NO_DATA : linux_result(HX_EOPNOTSUPP);
}

static int64_t refuse_writing(const struct location *location, const char *name)
{
    hx_err error = may_use(location->vnode, name, ACCESS_WRITE);

    if (location_is_read_only(location)) {
        return linux_result(HX_EROFS);
    }
    if (is_refused(location->vnode, name)) {
        return linux_result(HX_EPERM);
    }
    return linux_result(error != HX_OK ? error : HX_EOPNOTSUPP);
}

static int64_t refuse_removing(const struct location *location, const char *name)
{
    int64_t result = refuse_writing(location, name);

    return result == linux_result(HX_EOPNOTSUPP) && is_known(location->vnode, name) ? NO_DATA
                                                                                    : result;
}

static int64_t list_none(const struct location *location, const char *name)
{
    (void)location;
    (void)name;
    return 0;
}

/* --- places ------------------------------------------------------------------------------------
 */

static int64_t at_path(uint64_t path, bool follows, attribute_answer answer, const char *name)
{
    struct location location;
    int64_t result;
    hx_err error = linux_find(LINUX_AT_FDCWD, path, 0, follows, &location);

    if (error != HX_OK) {
        return linux_result(error);
    }
    result = answer(&location, name);
    location_put(&location);
    return result;
}

static int64_t at_file(uint64_t descriptor, attribute_answer answer, const char *name)
{
    struct file *file = linux_file(descriptor);
    int64_t result = linux_result(HX_EBADF);

    if (file != NULL &&
        (atomic_load_explicit(&file->flags, memory_order_relaxed) & FILE_PATH) == 0) {
        result = file->location.vnode != NULL ? answer(&file->location, name)
                                              : linux_result(HX_EOPNOTSUPP);
    }
    file_put(file);
    return result;
}

/* --- the calls ---------------------------------------------------------------------------------
 */

static hx_err check_setting(uint64_t name_address, uint64_t value, uint64_t size, uint64_t flags,
                            char name[NAME_SIZE_MAX])
{
    char last;
    hx_err error = (flags & ~(uint64_t)(SET_MUST_BE_NEW | SET_MUST_BE_THERE)) != 0
                       ? HX_EINVAL
                       : get_name(name_address, name);

    if (error == HX_OK && size > VALUE_MAX) {
        error = HX_E2BIG;
    }
    return error == HX_OK && size > 0 ? hal_user_copy_in(&last, value + size - 1, 1) : error;
}

int64_t linux_setxattr(uint64_t path, uint64_t name_address, uint64_t value, uint64_t size,
                       uint64_t flags)
{
    char name[NAME_SIZE_MAX];
    hx_err error = check_setting(name_address, value, size, flags, name);

    return error == HX_OK ? at_path(path, true, refuse_writing, name) : linux_result(error);
}

int64_t linux_lsetxattr(uint64_t path, uint64_t name_address, uint64_t value, uint64_t size,
                        uint64_t flags)
{
    char name[NAME_SIZE_MAX];
    hx_err error = check_setting(name_address, value, size, flags, name);

    return error == HX_OK ? at_path(path, false, refuse_writing, name) : linux_result(error);
}

int64_t linux_fsetxattr(uint64_t descriptor, uint64_t name_address, uint64_t value, uint64_t size,
                        uint64_t flags)
{
    char name[NAME_SIZE_MAX];
    hx_err error = check_setting(name_address, value, size, flags, name);

    return error == HX_OK ? at_file(descriptor, refuse_writing, name) : linux_result(error);
}

static int64_t name_and_path(uint64_t path, bool follows, uint64_t name_address,
                             attribute_answer refuse)
{
    char name[NAME_SIZE_MAX];
    hx_err error = get_name(name_address, name);

    return error == HX_OK ? at_path(path, follows, refuse, name) : linux_result(error);
}

static int64_t name_and_file(uint64_t descriptor, uint64_t name_address, attribute_answer refuse)
{
    char name[NAME_SIZE_MAX];
    hx_err error = get_name(name_address, name);

    return error == HX_OK ? at_file(descriptor, refuse, name) : linux_result(error);
}

int64_t linux_getxattr(uint64_t path, uint64_t name, uint64_t value, uint64_t size)
{
    (void)value;
    (void)size;
    return name_and_path(path, true, name, refuse_reading);
}

int64_t linux_lgetxattr(uint64_t path, uint64_t name, uint64_t value, uint64_t size)
{
    (void)value;
    (void)size;
    return name_and_path(path, false, name, refuse_reading);
}

int64_t linux_fgetxattr(uint64_t descriptor, uint64_t name, uint64_t value, uint64_t size)
{
    (void)value;
    (void)size;
    return name_and_file(descriptor, name, refuse_reading);
}

int64_t linux_removexattr(uint64_t path, uint64_t name)
{
    return name_and_path(path, true, name, refuse_removing);
}

int64_t linux_lremovexattr(uint64_t path, uint64_t name)
{
    return name_and_path(path, false, name, refuse_removing);
}

int64_t linux_fremovexattr(uint64_t descriptor, uint64_t name)
{
    return name_and_file(descriptor, name, refuse_removing);
}

int64_t linux_listxattr(uint64_t path, uint64_t list, uint64_t size)
{
    (void)list;
    (void)size;
    return at_path(path, true, list_none, NULL);
}

int64_t linux_llistxattr(uint64_t path, uint64_t list, uint64_t size)
{
    (void)list;
    (void)size;
    return at_path(path, false, list_none, NULL);
}

int64_t linux_flistxattr(uint64_t descriptor, uint64_t list, uint64_t size)
{
    (void)list;
    (void)size;
    return at_file(descriptor, list_none, NULL);
}
