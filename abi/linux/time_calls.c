/* Calls on time. */
#include <abi/linux/call.h>
#include <abi/linux/calls.h>
#include <hal/clock.h>
#include <hal/user.h>
#include <subsys/access/access.h>
#include <subsys/process/interval.h>
#include <subsys/time/wall_clock.h>

enum linux_clock {
    CLOCK_REALTIME = 0,
    CLOCK_MONOTONIC = 1,
    CLOCK_PROCESS_CPUTIME_ID = 2,
    CLOCK_THREAD_CPUTIME_ID = 3,
    CLOCK_MONOTONIC_RAW = 4,
    CLOCK_REALTIME_COARSE = 5,
    CLOCK_MONOTONIC_COARSE = 6,
    CLOCK_BOOTTIME = 7,
};

uint64_t linux_from_wall(uint64_t ns)
{
    uint64_t offset = wall_clock_offset();

    return ns > offset ? ns - offset : 1; /* 0 would mean not to wait at all */
}

static hx_err read_clock(uint64_t clock, uint64_t *ns)
{
    struct process_usage usage;

    switch (clock) {
    case CLOCK_REALTIME:
    case CLOCK_REALTIME_COARSE:
        *ns = wall_clock_now();
        return HX_OK;
    case CLOCK_MONOTONIC:
    case CLOCK_MONOTONIC_RAW:
    case CLOCK_MONOTONIC_COARSE:
    case CLOCK_BOOTTIME:
        *ns = hal_clock_now();
        return HX_OK;
    case CLOCK_PROCESS_CPUTIME_ID:
        process_usage(process_current(), &usage);
        *ns = usage.user_ns + usage.system_ns;
        return HX_OK;
    case CLOCK_THREAD_CPUTIME_ID:
        *ns = thread_run_time(thread_current());
        return HX_OK;
    default:
        return HX_EINVAL;
    }
}

int64_t linux_clock_gettime(uint64_t clock, uint64_t address)
{
    struct linux_timespec time;
    uint64_t ns;
    hx_err error = read_clock(clock, &ns);

    if (error == HX_OK) {
        time = linux_timespec_of(ns);
        error = hal_user_copy_out(address, &time, sizeof(time));
    }
    return linux_result(error);
}

int64_t linux_clock_getres(uint64_t clock, uint64_t address)
{
    const struct linux_timespec resolution = {0, 1};
    uint64_t ns;
    hx_err error = read_clock(clock, &ns);

    if (error == HX_OK && address != 0) {
        error = hal_user_copy_out(address, &resolution, sizeof(resolution));
    }
    return linux_result(error);
}

static hx_err set_clock(uint64_t ns)
{
    hx_err error = access_require_privilege(PRIVILEGE_CLOCK);

    if (error == HX_OK) {
        wall_clock_set(ns);
    }
    return error;
}

int64_t linux_clock_settime(uint64_t clock, uint64_t address)
{
    struct linux_timespec time;
    uint64_t ns;
    hx_err error =
        clock == CLOCK_REALTIME ? hal_user_copy_in(&time, address, sizeof(time)) : HX_EINVAL;

    if (error == HX_OK) {
        error = linux_timespec_to_ns(time, &ns);
    }
    return linux_result(error == HX_OK ? set_clock(ns) : error);
}

int64_t linux_gettimeofday(uint64_t address, uint64_t zone)
{
    const int32_t no_zone[2] = {0, 0};
    uint64_t now = wall_clock_now();
    const struct linux_timeval time = {(int64_t)(now / 1000000000U),
                                       (int64_t)(now % 1000000000U / 1000)};
    hx_err error = address != 0 ? hal_user_copy_out(address, &time, sizeof(time)) : HX_OK;

    if (error == HX_OK && zone != 0) {
        error = hal_user_copy_out(zone, no_zone, sizeof(no_zone));
    }
    return linux_result(error);
}

int64_t linux_settimeofday(uint64_t address, uint64_t zone)
{
    struct linux_timeval time;
    uint64_t ns;
    hx_err error;

    (void)zone;
    if (address == 0) {
        return 0;
    }
    error = hal_user_copy_in(&time, address, sizeof(time));
    if (error == HX_OK) {
        error = linux_timespec_to_ns(
            (struct linux_timespec){time.seconds, time.microseconds * 1000}, &ns);
    }
    return linux_result(error == HX_OK ? set_clock(ns) : error);
}

int64_t linux_time(uint64_t address)
{
    int64_t seconds = (int64_t)(wall_clock_now() / 1000000000U);
    hx_err error = address != 0 ? hal_user_copy_out(address, &seconds, sizeof(seconds)) : HX_OK;

    return error == HX_OK ? seconds : linux_result(error);
}

/* --- sleeping --------------------------------------------------------------------------------- */

static hx_err sleep_until(uint64_t deadline_ns)
{
    hx_err error = HX_OK;

    while (error == HX_OK) {
        error = thread_is_interrupted() ? HX_EINTR : thread_park(deadline_ns);
    }
    return error == HX_ETIMEDOUT ? HX_OK : error;
}

/* What is left of a relative sleep. */
static void tell_rest(uint64_t address, uint64_t deadline_ns)
{
    uint64_t now = hal_clock_now();
    const struct linux_timespec rest = linux_timespec_of(deadline_ns > now ? deadline_ns - now : 0);

    if (address != 0) {
        (void)!hal_user_copy_out(address, &rest, sizeof(rest));
    }
}

/* A stop, or a signal without a handler, does not end a sleep. */
static int64_t sleep_with_rest(uint64_t deadline_ns, uint64_t rest)
{
    struct user_thread *self = user_thread_current();

    if (sleep_until(deadline_ns) == HX_OK) {
        return 0;
    }
    tell_rest(rest, deadline_ns);
    self->sleeps_until = deadline_ns;
    self->sleep_rest = rest;
    return SYSCALL_RESTART_REST;
}

static int64_t sleep_for(uint64_t ns, uint64_t rest)
{
    return ns == 0 ? 0 : sleep_with_rest(hal_clock_now() + ns, rest);
}

/* Made by the kernel in a program's name, when a sleep goes on. */
int64_t linux_restart_syscall(void)
{
    const struct user_thread *self = user_thread_current();

    return self->sleeps_until != 0 ? sleep_with_rest(self->sleeps_until, self->sleep_rest)
                                   : linux_result(HX_EINTR);
}

int64_t linux_nanosleep(uint64_t address, uint64_t rest)
{
    struct linux_timespec time;
    uint64_t ns;
    hx_err error = hal_user_copy_in(&time, address, sizeof(time));

    if (error == HX_OK) {
        error = linux_timespec_to_ns(time, &ns);
    }
    return error == HX_OK ? sleep_for(ns, rest) : linux_result(error);
}

#define TIMER_ABSTIME 1U

int64_t linux_clock_nanosleep(uint64_t clock, uint64_t flags, uint64_t address, uint64_t rest)
{
    struct linux_timespec time;
    uint64_t ns;
    hx_err error = clock == CLOCK_REALTIME || clock == CLOCK_MONOTONIC || clock == CLOCK_BOOTTIME
                       ? hal_user_copy_in(&time, address, sizeof(time))
                       : HX_EINVAL;

    if (error == HX_OK) {
        error = linux_timespec_to_ns(time, &ns);
    }
    if (error != HX_OK) {
        return linux_result(error);
    }
    if ((flags & TIMER_ABSTIME) == 0) {
        return sleep_for(ns, rest);
    }
    error = sleep_until(clock == CLOCK_REALTIME ? linux_from_wall(ns) : ns);
    return error == HX_EINTR ? SYSCALL_RESTART_NO_HANDLER : linux_result(error);
}

/* In hundredths of a second, as sysconf(_SC_CLK_TCK) says. */
int64_t linux_times(uint64_t address)
{
    struct process_usage usage;
    uint64_t ticks[4];
    hx_err error = HX_OK;

    process_usage(process_current(), &usage);
    ticks[0] = usage.user_ns / 10000000U;
    ticks[1] = usage.system_ns / 10000000U;
    ticks[2] = process_current()->children_usage.user_ns / 10000000U;
    ticks[3] = process_current()->children_usage.system_ns / 10000000U;
    if (address != 0) {
        error = hal_user_copy_out(address, ticks, sizeof(ticks));
    }
    return error == HX_OK ? (int64_t)(hal_clock_now() / 10000000U) : linux_result(error);
}

/* --- interval timers -------------------------------------------------------------------------- */

/* struct itimerval. */
struct linux_interval {
    struct linux_timeval period;
    struct linux_timeval left;
};

/* Errors: HX_EINVAL. */
static hx_err ns_of_timeval(struct linux_timeval time, uint64_t *ns)
{
    if (time.microseconds < 0 || time.microseconds >= 1000000) {
        return HX_EINVAL;
    }
    return linux_timespec_to_ns((struct linux_timespec){time.seconds, time.microseconds * 1000},
                                ns);
}

/* A timer that runs does not seem to be at its end. */
static struct linux_timeval timeval_left(uint64_t ns)
{
    uint64_t microseconds = ns > 0 && ns < 1000 ? 1 : ns / 1000;

    return (struct linux_timeval){(int64_t)(microseconds / 1000000),
                                  (int64_t)(microseconds % 1000000)};
}

/* NULL: it is not wanted to be told. */
static hx_err tell_interval(uint64_t address, const struct interval *interval)
{
    const struct linux_interval told = {timeval_left(interval->period_ns),
                                        timeval_left(interval->left_ns)};

    return hal_user_copy_out(address, &told, sizeof(told));
}

int64_t linux_getitimer(uint64_t which, uint64_t address)
{
    struct interval now;
    hx_err error = (uint32_t)which < INTERVAL_KINDS ? HX_OK : HX_EINVAL;

    if (error == HX_OK) {
        error = interval_exchange((enum interval_kind)(uint32_t)which, NULL, &now);
    }
    return linux_result(error == HX_OK ? tell_interval(address, &now) : error);
}

/* Address 0 stops the timer. */
static hx_err read_interval(uint64_t address, struct interval *interval)
{
    struct linux_interval wanted = {{0, 0}, {0, 0}};
    hx_err error = address != 0 ? hal_user_copy_in(&wanted, address, sizeof(wanted)) : HX_OK;

    if (error == HX_OK) {
        error = ns_of_timeval(wanted.period, &interval->period_ns);
    }
    return error == HX_OK ? ns_of_timeval(wanted.left, &interval->left_ns) : error;
}

int64_t linux_setitimer(uint64_t which, uint64_t address, uint64_t old_address)
{
    struct interval wanted;
    struct interval old;
    hx_err error = read_interval(address, &wanted);

    if (error == HX_OK && (uint32_t)which >= INTERVAL_KINDS) {
        error = HX_EINVAL;
    }
    if (error == HX_OK) {
        error = interval_exchange((enum interval_kind)(uint32_t)which, &wanted, &old);
    }
    if (error == HX_OK && old_address != 0) {
        error = tell_interval(old_address, &old);
    }
    return linux_result(error);
}

/* Answers the seconds that were left, rounded, but not to 0. */
int64_t linux_alarm(uint64_t seconds)
{
    const struct interval wanted = {(uint64_t)(uint32_t)seconds * HAL_NS_PER_S, 0};
    struct interval old;
    hx_err error = interval_exchange(INTERVAL_REAL, &wanted, &old);
    uint64_t left = (old.left_ns + HAL_NS_PER_S / 2) / HAL_NS_PER_S;

    return linux_count(error, old.left_ns > 0 && left == 0 ? 1 : (size_t)left);
}
