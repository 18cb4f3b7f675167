/* Timers in files, and files without names. */
#include <abi/linux/call.h>
#include <abi/linux/calls.h>
#include <hal/clock.h>
#include <hal/user.h>
#include <subsys/tmpfs/memory_file.h>
#include <subsys/vfs/timer_file.h>

/* --- timerfd ---------------------------------------------------------------------------------- */

enum timer_clock { CLOCK_REALTIME = 0, CLOCK_MONOTONIC = 1, CLOCK_BOOTTIME = 7 };
enum timer_flags { TIMER_ABSOLUTE = 1, TIMER_CANCEL_ON_SET = 2 };

struct linux_timer_setting {
    struct linux_timespec period;
    struct linux_timespec value;
};

int64_t linux_timerfd_create(uint64_t clock, uint64_t flags)
{
    const uint32_t file_flags = FILE_CLOSE_ON_EXEC | FILE_NON_BLOCKING;
    uint32_t number = (uint32_t)clock;
    struct file *file;
    hx_err error;

    if (((uint32_t)flags & ~file_flags) != 0 ||
        (number != CLOCK_REALTIME && number != CLOCK_MONOTONIC && number != CLOCK_BOOTTIME)) {
        return linux_result(HX_EINVAL);
    }
    error = timer_file_create(number, (uint32_t)flags & FILE_NON_BLOCKING, process_current()->owner,
                              &file);
    return error == HX_OK ? linux_add_file(file, (uint32_t)flags) : linux_result(error);
}

/* When that is, as the kernel's own clock has it; 0: the timer is to stop. */
static uint64_t time_of(uint64_t ns, uint32_t clock, bool is_absolute)
{
    if (ns == 0) {
        return 0;
    }
    if (!is_absolute) {
        return ns < UINT64_MAX / 2 ? hal_clock_now() + ns : UINT64_MAX;
    }
    return clock == CLOCK_REALTIME ? linux_from_wall(ns) : ns;
}

static hx_err read_setting(uint64_t address, struct timer_setting *wanted)
{
    struct linux_timer_setting setting;
    hx_err error = hal_user_copy_in(&setting, address, sizeof(setting));

    if (error == HX_OK) {
        error = linux_timespec_to_ns(setting.period, &wanted->period_ns);
    }
    return error == HX_OK ? linux_timespec_to_ns(setting.value, &wanted->next_ns) : error;
}

static hx_err give_setting(uint64_t address, const struct timer_setting *setting)
{
    const struct linux_timer_setting told = {linux_timespec_of(setting->period_ns),
                                             linux_timespec_of(setting->next_ns)};

    return address != 0 ? hal_user_copy_out(address, &told, sizeof(told)) : HX_OK;
}

/* The descriptor's file, a reference.  Errors: HX_EBADF, HX_EINVAL it is no timer. */
static hx_err find_timer(uint64_t descriptor, struct file **file)
{
    *file = linux_file(descriptor);
    if (*file == NULL) {
        return HX_EBADF;
    }
    if (!timer_file_is(*file)) {
        file_put(*file);
        return HX_EINVAL;
    }
    return HX_OK;
}

int64_t linux_timerfd_settime(uint64_t descriptor, uint64_t flags, uint64_t wanted, uint64_t old)
{
    const uint32_t known = TIMER_ABSOLUTE | TIMER_CANCEL_ON_SET;
    struct timer_setting setting;
    struct timer_setting before;
    struct file *file;
    hx_err error = read_setting(wanted, &setting);

    if (error == HX_OK && ((uint32_t)flags & ~known) != 0) {
        error = HX_EINVAL;
    }
    if (error == HX_OK) {
        error = find_timer(descriptor, &file);
    }
    if (error != HX_OK) {
        return linux_result(error);
    }
    setting.next_ns =
        time_of(setting.next_ns, timer_file_clock(file), (flags & TIMER_ABSOLUTE) != 0);
    timer_file_exchange(file, &setting, &before);
    file_put(file);
    return linux_result(give_setting(old, &before));
}

int64_t linux_timerfd_gettime(uint64_t descriptor, uint64_t address)
{
    struct timer_setting setting;
    struct file *file;
    hx_err error = find_timer(descriptor, &file);

    if (error != HX_OK) {
        return linux_result(error);
    }
    timer_file_exchange(file, NULL, &setting);
    file_put(file);
    return linux_result(address != 0 ? give_setting(address, &setting) : HX_EFAULT);
}

/* --- memfd ------------------------------------------------------------------------------------ */

#define MEMFD_CLOSE_ON_EXEC 1U
#define MEMFD_LABEL_MOST    249U

int64_t linux_memfd_create(uint64_t label, uint64_t flags)
{
    const struct process *self = process_current();
    char text[MEMFD_LABEL_MOST + 1];
    struct file *file;
    size_t length;
    hx_err error;

    if (((uint32_t)flags & ~MEMFD_CLOSE_ON_EXEC) != 0) {
        return linux_result(HX_EINVAL);
    }
    error = hal_user_copy_text(text, label, sizeof(text), &length);
    if (error != HX_OK) {
        return linux_result(error == HX_ERANGE ? HX_EINVAL : error);
    }
    error = memory_file_create(text, 0, &self->credentials, self->owner, &file);
    return error == HX_OK ? linux_add_file(file, flags != 0 ? (uint32_t)FILE_CLOSE_ON_EXEC : 0U)
                          : linux_result(error);
}
