/* Limits, usage and scheduling. */
#include <abi/linux/call.h>
#include <abi/linux/calls.h>
#include <hal/user.h>
#include <kern/cpu.h>
#include <subsys/access/access.h>
#include <subsys/process/priority.h>

/* --- limits and usage ------------------------------------------------------------------------- */

/* One that has ended has neither files nor memory. */
static void apply_limit_locked(struct process *process, unsigned number)
{
    const struct process_limit *limit = &process->limits[number];

    if (number == LIMIT_FILES && process->files != NULL) {
        file_table_set_limit(process->files,
                             limit->soft < UINT32_MAX ? (uint32_t)limit->soft : UINT32_MAX);
    } else if ((number == LIMIT_STACK || number == LIMIT_ADDRESS_SPACE) && process->space != NULL) {
        address_space_set_limits(process->space, process->limits[LIMIT_STACK].soft,
                                 process->limits[LIMIT_ADDRESS_SPACE].soft);
    }
}

/* As sysctl fs.nr_open on Linux. */
#define FILES_LIMIT_MAX 1048576U

static hx_err change_limit_locked(struct process *process, unsigned number,
                                  struct process_limit wanted)
{
    const struct process_limit *old = &process->limits[number];

    if (wanted.soft > wanted.hard) {
        return HX_EINVAL;
    }
    if (number == LIMIT_FILES && wanted.hard > FILES_LIMIT_MAX) {
        return HX_EPERM;
    }
    if (wanted.hard > old->hard && access_require_privilege(PRIVILEGE_LIMIT) != HX_OK) {
        return HX_EPERM;
    }
    process->limits[number] = wanted;
    apply_limit_locked(process, number);
    return HX_OK;
}

/* As prlimit(2): one's own, those of processes that are wholly one's own user's and group's. */
static hx_err may_limit_locked(const struct process *process)
{
    const struct credentials *mine = &process_current()->credentials;
    const struct credentials *its = &process->credentials;
    bool is_mine = process == process_current() ||
                   (mine->user == its->user && mine->user == its->effective_user &&
                    mine->user == its->saved_user && mine->group == its->group &&
                    mine->group == its->effective_group && mine->group == its->saved_group);

    return is_mine ? HX_OK : access_require_privilege(PRIVILEGE_LIMIT);
}

/* wanted NULL: only *old is asked for. */
static hx_err exchange_limit(uint32_t id, uint64_t number, const struct process_limit *wanted,
                             struct process_limit *old)
{
    struct process *process = process_find(id != 0 ? id : process_current()->id);
    hx_err error;

    if (process == NULL) {
        return HX_ESRCH;
    }
    mutex_lock(&process_mutex);
    error = may_limit_locked(process);
    if (error == HX_OK) {
        *old = process->limits[number];
        error = wanted != NULL ? change_limit_locked(process, (unsigned)number, *wanted) : HX_OK;
    }
    mutex_unlock(&process_mutex);
    process_put(process);
    return error;
}

int64_t linux_prlimit64(uint64_t id, uint64_t number, uint64_t new_address, uint64_t old_address)
{
    struct process_limit old;
    struct process_limit wanted;
    hx_err error = number < PROCESS_LIMITS ? HX_OK : HX_EINVAL;

    if (error == HX_OK && new_address != 0) {
        error = hal_user_copy_in(&wanted, new_address, sizeof(wanted));
    }
    if (error == HX_OK) {
        error = exchange_limit((uint32_t)id, number, new_address != 0 ? &wanted : NULL, &old);
    }
    if (error == HX_OK && old_address != 0) {
        error = hal_user_copy_out(old_address, &old, sizeof(old));
    }
    return linux_result(error);
}

int64_t linux_getrlimit(uint64_t number, uint64_t address)
{
    return linux_prlimit64(0, number, 0, address);
}

int64_t linux_setrlimit(uint64_t number, uint64_t address)
{
    return linux_prlimit64(0, number, address, 0);
}

int64_t linux_getrusage(uint64_t whose, uint64_t address)
{
    struct process_usage usage = {0};

    switch ((int32_t)whose) {
    case 0:
        process_usage(process_current(), &usage);
        break;
    case 1:
        usage.user_ns = thread_run_time(thread_current());
        break;
    case -1:
        usage = process_current()->children_usage;
        break;
    default:
        return linux_result(HX_EINVAL);
    }
    return linux_result(linux_tell_usage(address, &usage));
}

/* --- scheduling ------------------------------------------------------------------------------- */

int64_t linux_sched_yield(void)
{
    thread_yield();
    return 0;
}

/* Of the caller; that of others can be asked for, not set. */
int64_t linux_sched_getaffinity(uint64_t id, uint64_t size, uint64_t address)
{
    uint64_t mask = cpu_online_mask();
    hx_err error;

    if (size < sizeof(mask) || size % sizeof(mask) != 0) {
        return linux_result(HX_EINVAL);
    }
    error = linux_check_thread(id);
    if (error != HX_OK) {
        return linux_result(error == HX_EINVAL ? HX_ESRCH : error);
    }
    if (id == 0 || id == user_thread_current()->id) {
        mask &= thread_affinity(thread_current());
    }
    error = hal_user_copy_out(address, &mask, sizeof(mask));
    return linux_count(error, sizeof(mask));
}

int64_t linux_sched_setaffinity(uint64_t id, uint64_t size, uint64_t address)
{
    uint64_t mask = 0;
    hx_err error =
        hal_user_copy_in(&mask, address, size < sizeof(mask) ? (size_t)size : sizeof(mask));

    if (error != HX_OK) {
        return linux_result(error);
    }
    if (id != 0 && id != user_thread_current()->id) {
        return linux_result(HX_ESRCH);
    }
    return linux_result(thread_set_own_affinity(mask));
}

int64_t linux_getcpu(uint64_t cpu, uint64_t node)
{
    const uint32_t numbers[2] = {hal_cpu_id(), 0};
    hx_err error = cpu != 0 ? hal_user_copy_out(cpu, &numbers[0], sizeof(uint32_t)) : HX_OK;

    if (error == HX_OK && node != 0) {
        error = hal_user_copy_out(node, &numbers[1], sizeof(uint32_t));
    }
    return linux_result(error);
}

/* 1 to 40: what is to be told is never negative. */
int64_t linux_getpriority(uint64_t which, uint64_t who)
{
    int nice = 0;
    hx_err error = priority_get((uint32_t)which, (uint32_t)who, &nice);

    return linux_count(error, (size_t)(20 - nice));
}

int64_t linux_setpriority(uint64_t which, uint64_t who, uint64_t nice)
{
    return linux_result(priority_set((uint32_t)which, (uint32_t)who, (int32_t)nice));
}
