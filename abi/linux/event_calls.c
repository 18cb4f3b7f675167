/* Files that are counters. */
#include <abi/linux/call.h>
#include <abi/linux/calls.h>
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
