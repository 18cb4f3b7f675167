/* Calls on processes as files. */
#include <abi/linux/call.h>
#include <abi/linux/calls.h>
#include <hal/user.h>
#include <subsys/process/process_file.h>

#define SI_TKILL (-6)

int64_t linux_pidfd_open(uint64_t id, uint64_t flags)
{
    struct file *file;
    hx_err error;

    if (((uint32_t)flags & ~(uint32_t)FILE_NON_BLOCKING) != 0 || (int32_t)id <= 0) {
        return linux_result(HX_EINVAL);
    }
    error = process_file_create((uint32_t)id, (uint32_t)flags, process_current()->owner, &file);
    return error == HX_OK ? linux_add_file(file, FILE_CLOSE_ON_EXEC) : linux_result(error);
}

/* The file of a descriptor if it is a process's, with a reference.  Errors: HX_EBADF. */
static hx_err get_process_file(uint64_t descriptor, struct file **file)
{
    *file = linux_file(descriptor);
    if (*file != NULL && !process_file_is(*file)) {
        file_put(*file);
        *file = NULL;
    }
    return *file != NULL ? HX_OK : HX_EBADF;
}

/* What comes with the signal is the sender's; but nobody may seem to be the kernel, or kill. */
static hx_err read_info(uint64_t address, const struct file *file, struct hal_signal_info *info)
{
    uint32_t number = (uint32_t)info->number;
    hx_err error = hal_user_copy_in(info, address, sizeof(*info));

    if (error == HX_OK && (uint32_t)info->number != number) {
        error = HX_EINVAL;
    }
    if (error == HX_OK && (info->code >= 0 || info->code == SI_TKILL) &&
        process_file_id(file) != process_current()->id) {
        error = HX_EPERM;
    }
    return error;
}

int64_t linux_pidfd_send_signal(uint64_t descriptor, uint64_t number, uint64_t address,
                                uint64_t flags)
{
    struct hal_signal_info info = signal_info_user((unsigned)number);
    struct file *file;
    hx_err error = (uint32_t)flags != 0 ? HX_EINVAL : get_process_file(descriptor, &file);

    if (error != HX_OK) {
        return linux_result(error);
    }
    if (address != 0) {
        error = read_info(address, file, &info);
    }
    if (error == HX_OK) {
        error = (uint32_t)number <= SIGNAL_COUNT ? process_file_signal(file, &info) : HX_EINVAL;
    }
    file_put(file);
    return linux_result(error);
}

int64_t linux_pidfd_getfd(uint64_t descriptor, uint64_t target, uint64_t flags)
{
    struct file *taken;
    struct file *file;
    hx_err error = (uint32_t)flags != 0 ? HX_EINVAL : get_process_file(descriptor, &file);

    if (error != HX_OK) {
        return linux_result(error);
    }
    error = process_file_take(file, (int)target, &taken);
    file_put(file);
    return error == HX_OK ? linux_add_file(taken, FILE_CLOSE_ON_EXEC) : linux_result(error);
}
