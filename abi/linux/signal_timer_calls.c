/* Timers that send signals. */
#include <abi/linux/call.h>
#include <abi/linux/calls.h>
#include <hal/clock.h>
#include <hal/user.h>
#include <subsys/process/signal_timer.h>

enum timer_clock { CLOCK_REALTIME = 0, CLOCK_MONOTONIC = 1, CLOCK_BOOTTIME = 7 };
enum timer_notification { NOTIFY_SIGNAL = 0, NOTIFY_NONE = 1, NOTIFY_THREAD = 2, NOTIFY_ID = 4 };

#define TIMER_ABSOLUTE 1

/* struct sigevent, as far as it is read. */
struct linux_signal_event {
    uint64_t value;
    int32_t signal;
    int32_t notification;
    uint32_t thread;
    uint32_t padding;
};

struct linux_timer_setting {
    struct linux_timespec period;
    struct linux_timespec value;
};

/* --- making -------------------------------------------------------------------------------------
 */

static bool is_signal(int32_t number)
{
    return number > 0 && number <= (int32_t)SIGNAL_COUNT;
}

static hx_err read_event(uint64_t address, struct signal_timer_making *making)
{
    struct linux_signal_event event;
    hx_err error = hal_user_copy_in(&event, address, sizeof(event));

    if (error != HX_OK) {
        return error;
    }
    making->value = event.value;
    making->signal = event.notification == NOTIFY_NONE ? 0 : (uint32_t)event.signal;
    switch (event.notification) {
    case NOTIFY_NONE:
        return HX_OK;
    case NOTIFY_SIGNAL | NOTIFY_ID:
        making->thread = event.thread;
        return is_signal(event.signal) && event.thread != 0 ? HX_OK : HX_EINVAL;
    case NOTIFY_SIGNAL:
    case NOTIFY_THREAD: /* a library's matter; the kernel sends the signal */
        return is_signal(event.signal) ? HX_OK : HX_EINVAL;
    default:
        return HX_EINVAL;
    }
}

int64_t linux_timer_create(uint64_t clock, uint64_t event, uint64_t id_address)
{
    uint32_t number = (uint32_t)clock;
    struct signal_timer_making making = {
        .clock = number, .signal = SIGNAL_ALARM, .value_is_id = event == 0};
    int32_t id;
    hx_err error = number == CLOCK_REALTIME || number == CLOCK_MONOTONIC || number == CLOCK_BOOTTIME
                       ? HX_OK
                       : HX_EINVAL;

    if (error == HX_OK && event != 0) {
        error = read_event(event, &making);
    }
    if (error == HX_OK) {
        error = signal_timer_create(&making, &id);
    }
    if (error == HX_OK) {
        error = hal_user_copy_out(id_address, &id, sizeof(id));
        if (error != HX_OK) {
            (void)!signal_timer_delete(id);
        }
    }
    return linux_result(error);
}

int64_t linux_timer_delete(uint64_t id)
{
    return linux_result(signal_timer_delete((int32_t)id));
}

int64_t linux_timer_getoverrun(uint64_t id)
{
    int32_t count;
    hx_err error = signal_timer_overrun((int32_t)id, &count);

    return linux_count(error, (size_t)count);
}

/* --- setting ------------------------------------------------------------------------------------
 */

static hx_err read_setting(uint64_t address, struct signal_timer_setting *wanted)
{
    struct linux_timer_setting setting;
    hx_err error = address != 0 ? hal_user_copy_in(&setting, address, sizeof(setting)) : HX_EINVAL;

    if (error == HX_OK) {
        error = linux_timespec_to_ns(setting.period, &wanted->period_ns);
    }
    return error == HX_OK ? linux_timespec_to_ns(setting.value, &wanted->due_ns) : error;
}

/* A time from now on, or one of the timer's clock, as the kernel's own clock has it. */
static hx_err make_absolute(int32_t id, bool is_absolute, struct signal_timer_setting *wanted)
{
    uint32_t clock;
    hx_err error = signal_timer_clock(id, &clock);

    if (error != HX_OK || wanted->due_ns == 0) {
        return error;
    }
    if (!is_absolute) {
        wanted->due_ns =
            wanted->due_ns < UINT64_MAX / 2 ? hal_clock_now() + wanted->due_ns : UINT64_MAX;
    } else if (clock == CLOCK_REALTIME) {
        wanted->due_ns = linux_from_wall(wanted->due_ns);
    }
    return HX_OK;
}

static hx_err give_setting(uint64_t address, const struct signal_timer_setting *setting)
{
    uint64_t now = hal_clock_now();
    /* One that is due and has not rung yet still runs: its value is not 0. */
    uint64_t left = setting->due_ns > now ? setting->due_ns - now : setting->due_ns != 0;
    const struct linux_timer_setting told = {linux_timespec_of(setting->period_ns),
                                             linux_timespec_of(left)};

    return hal_user_copy_out(address, &told, sizeof(told));
}

int64_t linux_timer_settime(uint64_t id, uint64_t flags, uint64_t wanted_address,
                            uint64_t old_address)
{
    struct signal_timer_setting wanted;
    struct signal_timer_setting old;
    hx_err error = read_setting(wanted_address, &wanted);

    if (error == HX_OK) {
        error = make_absolute((int32_t)id, (flags & TIMER_ABSOLUTE) != 0, &wanted);
    }
    if (error == HX_OK) {
        error = signal_timer_exchange((int32_t)id, &wanted, &old);
    }
    if (error == HX_OK && old_address != 0) {
        error = give_setting(old_address, &old);
    }
    return linux_result(error);
}

int64_t linux_timer_gettime(uint64_t id, uint64_t address)
{
    struct signal_timer_setting setting;
    hx_err error = signal_timer_exchange((int32_t)id, NULL, &setting);

    return linux_result(error == HX_OK ? give_setting(address, &setting) : error);
}
