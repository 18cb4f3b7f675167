/* Files that are counters, and those that signals are read from. */
#include <abi/linux/call.h>
#include <abi/linux/calls.h>
#include <hal/user.h>
#include <subsys/process/signal_file.h>
#include <subsys/vfs/event_counter.h>

#define EFD_SEMAPHORE 1U

int64_t linux_eventfd2(uint64_t first, uint64_t flags)
{
    const uint32_t file_flags = FILE_CLOSE_ON_EXEC | FILE_NON_BLOCKING;
    struct file *file;
    hx_err error;

    if (((uint32_t)flags & ~(file_flags | EFD_SEMAPHORE)) != 0) {
        return linux_result(HX_EINVAL);
    }
    error =
        event_counter_create((uint32_t)first, (flags & EFD_SEMAPHORE) != 0,
                             (uint32_t)flags & FILE_NON_BLOCKING, process_current()->owner, &file);
    return error == HX_OK ? linux_add_file(file, (uint32_t)flags) : linux_result(error);
}

int64_t linux_eventfd(uint64_t first)
{
    return linux_eventfd2(first, 0);
}

/* --- signalfd --------------------------------------------------------------------------------- */

static int64_t new_signal_file(uint64_t mask, uint32_t flags)
{
    struct file *file;
    hx_err error =
        signal_file_create(mask, flags & FILE_NON_BLOCKING, process_current()->owner, &file);

    return error == HX_OK ? linux_add_file(file, flags) : linux_result(error);
}

static int64_t change_signal_file(uint64_t descriptor, uint64_t mask)
{
    struct file *file = linux_file(descriptor);
    bool is_one = file != NULL && signal_file_is(file);

    if (file == NULL) {
        return linux_result(HX_EBADF);
    }
    if (is_one) {
        signal_file_set_mask(file, mask);
    }
    file_put(file);
    return is_one ? (int64_t)(int32_t)descriptor : linux_result(HX_EINVAL);
}

int64_t linux_signalfd4(uint64_t descriptor, uint64_t address, uint64_t size, uint64_t flags)
{
    const uint32_t known = FILE_CLOSE_ON_EXEC | FILE_NON_BLOCKING;
    uint64_t mask;
    hx_err error =
        size == sizeof(mask) ? hal_user_copy_in(&mask, address, sizeof(mask)) : HX_EINVAL;

    if (error == HX_OK && ((uint32_t)flags & ~known) != 0) {
        error = HX_EINVAL;
    }
    if (error != HX_OK) {
        return linux_result(error);
    }
    return (int32_t)descriptor == -1 ? new_signal_file(mask, (uint32_t)flags)
                                     : change_signal_file(descriptor, mask);
}

int64_t linux_signalfd(uint64_t descriptor, uint64_t address, uint64_t size)
{
    return linux_signalfd4(descriptor, address, size, 0);
}
