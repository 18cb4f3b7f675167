/* Calls on how threads are scheduled: there is one policy, SCHED_OTHER, with nice values. */
#include <abi/linux/call.h>
#include <abi/linux/calls.h>
#include <hal/user.h>
#include <kern/scheduler.h>

enum linux_policy {
    SCHED_OTHER = 0,
    SCHED_FIFO = 1,
    SCHED_RR = 2,
    SCHED_BATCH = 3,
    SCHED_IDLE = 5,
    SCHED_DEADLINE = 6,
};

#define REAL_TIME_MOST 99

static bool is_real_time(uint32_t policy)
{
    return policy == SCHED_FIFO || policy == SCHED_RR;
}

static bool is_policy(uint32_t policy)
{
    return policy <= SCHED_BATCH || policy == SCHED_IDLE || policy == SCHED_DEADLINE;
}

int64_t linux_sched_get_priority_max(uint64_t policy)
{
    if (!is_policy((uint32_t)policy)) {
        return linux_result(HX_EINVAL);
    }
    return is_real_time((uint32_t)policy) ? REAL_TIME_MOST : 0;
}

int64_t linux_sched_get_priority_min(uint64_t policy)
{
    if (!is_policy((uint32_t)policy)) {
        return linux_result(HX_EINVAL);
    }
    return is_real_time((uint32_t)policy) ? 1 : 0;
}

int64_t linux_sched_getscheduler(uint64_t id)
{
    return linux_result(linux_check_thread(id)); /* 0 is SCHED_OTHER */
}

int64_t linux_sched_getparam(uint64_t id, uint64_t address)
{
    const int32_t priority = 0;
    hx_err error = address != 0 ? linux_check_thread(id) : HX_EINVAL;

    return linux_result(error == HX_OK ? hal_user_copy_out(address, &priority, sizeof(priority))
                                       : error);
}

static hx_err check_priority(uint32_t policy, int32_t priority)
{
    bool fits = is_real_time(policy) ? priority >= 1 && priority <= REAL_TIME_MOST : priority == 0;

    return fits ? HX_OK : HX_EINVAL;
}

/* Errors: HX_EPERM a policy that there is not. */
static hx_err set_policy(uint64_t id, uint32_t policy, uint64_t address)
{
    int32_t priority;
    hx_err error = address != 0 && (int32_t)id >= 0 ? HX_OK : HX_EINVAL;

    if (error == HX_OK) {
        error = hal_user_copy_in(&priority, address, sizeof(priority));
    }
    if (error == HX_OK) {
        error = linux_check_thread(id);
    }
    if (error == HX_OK) {
        error = is_policy(policy) ? check_priority(policy, priority) : HX_EINVAL;
    }
    return error == HX_OK && policy != SCHED_OTHER ? HX_EPERM : error;
}

int64_t linux_sched_setscheduler(uint64_t id, uint64_t policy, uint64_t address)
{
    return linux_result(set_policy(id, (uint32_t)policy, address));
}

int64_t linux_sched_setparam(uint64_t id, uint64_t address)
{
    return linux_result(set_policy(id, SCHED_OTHER, address));
}

int64_t linux_sched_rr_get_interval(uint64_t id, uint64_t address)
{
    const struct linux_timespec slice = linux_timespec_of(SCHEDULER_SLICE_NS);
    hx_err error = linux_check_thread(id);

    return linux_result(error == HX_OK ? hal_user_copy_out(address, &slice, sizeof(slice)) : error);
}
