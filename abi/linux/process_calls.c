/* Calls on processes and threads. */
#include <abi/linux/call.h>
#include <abi/linux/calls.h>
#include <abi/linux/exec.h>
#include <abi/linux/exec_strings.h>
#include <base/memory.h>
#include <base/string.h>
#include <core/config/kernel_configuration.h>
#include <core/lifecycle/lifecycle.h>
#include <hal/clock.h>
#include <hal/user.h>
#include <kern/cpu.h>
#include <kern/heap.h>
#include <kern/spare.h>
#include <subsys/process/futex.h>
#include <subsys/process/priority.h>

/* --- new ones
 * -------------------------------------------------------------------------------------- */

static int64_t clone(const struct clone_request *request)
{
    uint32_t id;
    hx_err error = process_clone(request, &id);

    return error == HX_EINTR ? SYSCALL_RESTART_ALWAYS : linux_count(error, id);
}

#define EXIT_SIGNAL 0xffU

int64_t linux_clone(uint64_t flags, uint64_t stack, uint64_t parent_id, uint64_t child_id,
                    uint64_t thread_pointer)
{
    const struct clone_request request = {
        .flags = flags & ~(uint64_t)EXIT_SIGNAL,
        .exit_signal = (uint32_t)(flags & EXIT_SIGNAL),
        .stack_pointer = stack,
        .parent_id = parent_id,
        .child_id = child_id,
        .thread_pointer = thread_pointer,
    };

    return clone(&request);
}

int64_t linux_fork(void)
{
    return clone(&(struct clone_request){.exit_signal = SIGNAL_CHILD});
}

int64_t linux_vfork(void)
{
    return clone(
        &(struct clone_request){.flags = CLONE_VM | CLONE_VFORK, .exit_signal = SIGNAL_CHILD});
}

/* struct clone_args, its first version. */
struct linux_clone_arguments {
    uint64_t flags;
    uint64_t pid_descriptor;
    uint64_t child_id;
    uint64_t parent_id;
    uint64_t exit_signal;
    uint64_t stack;
    uint64_t stack_size;
    uint64_t thread_pointer;
};

int64_t linux_clone3(uint64_t address, uint64_t size)
{
    struct linux_clone_arguments arguments;
    hx_err error;

    if (size < sizeof(arguments) || size > HAL_PAGE_SIZE) {
        return linux_result(size < sizeof(arguments) ? HX_EINVAL : HX_E2BIG);
    }
    error = hal_user_copy_in(&arguments, address, sizeof(arguments));
    if (error != HX_OK) {
        return linux_result(error);
    }
    if ((arguments.flags & EXIT_SIGNAL) != 0 || arguments.exit_signal > SIGNAL_COUNT ||
        (arguments.stack == 0) != (arguments.stack_size == 0)) {
        return linux_result(HX_EINVAL);
    }
    return clone(&(struct clone_request){
        .flags = arguments.flags,
        .exit_signal = (uint32_t)arguments.exit_signal,
        .stack_pointer = arguments.stack + arguments.stack_size,
        .parent_id = arguments.parent_id,
        .child_id = arguments.child_id,
        .thread_pointer = arguments.thread_pointer,
    });
}

/* --- exec
 * ------------------------------------------------------------------------------------------ */

static hx_err exec_with(struct linux_path *path, uint64_t at_flags, uint64_t arguments,
                        uint64_t environment)
{
    struct exec_strings strings;
    hx_err error;

    exec_strings_init(&strings, process_current()->limits[LIMIT_STACK].soft);
    error = exec_strings_add_user(&strings, arguments, &strings.argument_count);
    if (error == HX_OK && strings.argument_count == 0) {
        error = exec_strings_add(&strings, ""); /* every program has its name, as Linux sees to */
        strings.argument_count = 1;
    }
    strings.environment_start = strings.used;
    if (error == HX_OK) {
        error = exec_strings_add_user(&strings, environment, &strings.environment_count);
    }
    if (error == HX_OK) {
        error = linux_exec(path, at_flags, &strings);
    }
    exec_strings_fini(&strings);
    return error;
}

static struct spare spare_path;

static int64_t exec_at(int64_t base, uint64_t address, uint64_t arguments, uint64_t environment,
                       uint64_t flags)
{
    struct linux_path *path = spare_take(&spare_path, sizeof(*path));
    hx_err error = HX_ENOMEM;

    if (path == NULL) {
        return linux_result(HX_ENOMEM);
    }
    error = linux_path_get(path, base, address);
    if (error == HX_OK) {
        error = exec_with(path, flags, arguments, environment);
        linux_path_put(path);
    }
    spare_put(&spare_path, path);
    return linux_result(error);
}

int64_t linux_execve(uint64_t address, uint64_t arguments, uint64_t environment)
{
    return exec_at(LINUX_AT_FDCWD, address, arguments, environment, 0);
}

int64_t linux_execveat(uint64_t base, uint64_t address, uint64_t arguments, uint64_t environment,
                       uint64_t flags)
{
    if ((flags & ~(uint64_t)(LINUX_AT_EMPTY_PATH | LINUX_AT_SYMLINK_NOFOLLOW)) != 0) {
        return linux_result(HX_EINVAL);
    }
    return exec_at((int64_t)base, address, arguments, environment, flags);
}

/* --- the end
 * --------------------------------------------------------------------------------------- */

int64_t linux_exit(uint64_t code)
{
    thread_exit_user(exit_code_status((unsigned)code));
}

int64_t linux_exit_group(uint64_t code)
{
    process_exit(exit_code_status((unsigned)code));
}

/* struct rusage. */
struct linux_usage {
    struct linux_timeval user, system;
    int64_t peak_kilobytes;
    int64_t unused[3];
    int64_t minor_faults, major_faults;
    int64_t unused_too[8];
};
_Static_assert(sizeof(struct linux_usage) == 144, "the kernel's ABI");

static struct linux_timeval timeval_of(uint64_t ns)
{
    return (struct linux_timeval){(int64_t)(ns / 1000000000U), (int64_t)(ns % 1000000000U / 1000)};
}

static hx_err tell_usage(uint64_t address, const struct process_usage *usage)
{
    const struct linux_usage result = {
        .user = timeval_of(usage->user_ns),
        .system = timeval_of(usage->system_ns),
        .peak_kilobytes = (int64_t)usage->peak_pages * 4,
        .minor_faults = (int64_t)usage->faults,
    };

    return address == 0 ? HX_OK : hal_user_copy_out(address, &result, sizeof(result));
}

int64_t linux_wait4(uint64_t id, uint64_t status, uint64_t options, uint64_t usage)
{
    const struct wait_request request = {(int32_t)id, (unsigned)options | WAIT_EXITED};
    const uint64_t known = WAIT_NO_HANG | WAIT_STOPPED | WAIT_CONTINUED | 0xe0000000U;
    struct wait_outcome outcome;
    hx_err error;

    if ((options & ~known) != 0) {
        return linux_result(HX_EINVAL);
    }
    if ((int32_t)id == INT32_MIN) {
        return linux_result(HX_ESRCH); /* no group has the opposite number */
    }
    error = process_wait(&request, &outcome);
    if (error == HX_OK && outcome.id != 0 && status != 0) {
        error = hal_user_copy_out(status, &outcome.status, sizeof(outcome.status));
    }
    if (error == HX_OK && outcome.id != 0) {
        error = tell_usage(usage, &outcome.usage);
    }
    return linux_restartable(error, outcome.id);
}

enum linux_id_type { P_ALL = 0, P_PID = 1, P_PGID = 2 };

/* si_code and si_status of a status. */
static void explain(const struct wait_outcome *outcome, struct hal_signal_info *info)
{
    int status = outcome->status;
    int value = status >> 8 & 0xff;

    info->number = SIGNAL_CHILD;
    if (status == 0xffff) {
        info->code = 6; /* CLD_CONTINUED */
        value = SIGNAL_CONTINUE;
    } else if ((status & 0xff) == 0x7f) {
        info->code = 5; /* CLD_STOPPED */
    } else if ((status & 0x7f) == 0) {
        info->code = 1; /* CLD_EXITED */
    } else {
        info->code = 2; /* CLD_KILLED */
        value = status & 0x7f;
    }
    info->fields[0] = outcome->id | (uint64_t)outcome->user << 32;
    info->fields[1] = (uint32_t)value;
}

static hx_err wait_id(uint64_t type, uint64_t id, uint64_t options, struct wait_outcome *outcome)
{
    struct wait_request request = {-1, (unsigned)options};

    if ((options & (WAIT_EXITED | WAIT_STOPPED | WAIT_CONTINUED)) == 0 ||
        (options & ~(uint64_t)(WAIT_EXITED | WAIT_STOPPED | WAIT_CONTINUED | WAIT_NO_HANG |
                               WAIT_NO_REAP)) != 0) {
        return HX_EINVAL;
    }
    if ((type == P_PID && (int32_t)id <= 0) || (type == P_PGID && (int32_t)id < 0)) {
        return HX_EINVAL;
    }
    switch (type) {
    case P_ALL:
        break;
    case P_PID:
        if ((int32_t)id <= 0) {
            return HX_EINVAL;
        }
        request.id = (int64_t)id;
        break;
    case P_PGID:
        request.id = id == 0 ? 0 : -(int64_t)id;
        break;
    default:
        return HX_EINVAL;
    }
    return process_wait(&request, outcome);
}

int64_t linux_waitid(uint64_t type, uint64_t id, uint64_t address, uint64_t options, uint64_t usage)
{
    struct hal_signal_info info = {0};
    struct wait_outcome outcome;
    hx_err error = wait_id(type, (uint32_t)id, options, &outcome);

    if (error == HX_OK && outcome.id != 0) {
        explain(&outcome, &info);
        error = tell_usage(usage, &outcome.usage);
    }
    if (error == HX_OK && address != 0) {
        error = hal_user_copy_out(address, &info, sizeof(info));
    }
    return linux_restartable(error, 0);
}

/* --- who one is
 * ------------------------------------------------------------------------------------ */

int64_t linux_getpid(void)
{
    return process_current()->id;
}

/* Without the mutex: a parent that changes this very moment may be told either way. */
int64_t linux_getppid(void)
{
    return atomic_load_explicit(&process_current()->parent_id, memory_order_relaxed);
}

int64_t linux_gettid(void)
{
    return user_thread_current()->id;
}

int64_t linux_set_tid_address(uint64_t address)
{
    user_thread_current()->clear_child_id = address;
    return user_thread_current()->id;
}

hx_err linux_check_thread(uint64_t id)
{
    struct process *process;

    if ((int32_t)id < 0) {
        return HX_EINVAL;
    }
    if (id == 0 || id == user_thread_current()->id) {
        return HX_OK;
    }
    process = process_find_by_thread((uint32_t)id);
    if (process == NULL) {
        return HX_ESRCH;
    }
    process_put(process);
    return HX_OK;
}

#define ROBUST_LIST_HEAD_SIZE 24U

int64_t linux_set_robust_list(uint64_t head, uint64_t size)
{
    if (size != ROBUST_LIST_HEAD_SIZE) {
        return linux_result(HX_EINVAL);
    }
    user_thread_current()->robust_list = head;
    return 0;
}

/* The caller's own, which is what a library asks for to learn whether there are such lists. */
int64_t linux_get_robust_list(uint64_t id, uint64_t head_address, uint64_t size_address)
{
    const struct user_thread *self = user_thread_current();
    const uint64_t head = self->robust_list;
    const uint64_t size = ROBUST_LIST_HEAD_SIZE;
    hx_err error = linux_check_thread(id);

    if (error == HX_OK && id != 0 && id != self->id) {
        error = HX_EPERM;
    }
    if (error == HX_OK) {
        error = hal_user_copy_out(size_address, &size, sizeof(size));
    }
    if (error == HX_OK) {
        error = hal_user_copy_out(head_address, &head, sizeof(head));
    }
    return linux_result(error);
}

int64_t linux_getpgid(uint64_t id)
{
    uint32_t group = 0;
    uint32_t session;
    hx_err error = process_get_group((uint32_t)id, &group, &session);

    return linux_count(error, group);
}

int64_t linux_getpgrp(void)
{
    return linux_getpgid(0);
}

int64_t linux_getsid(uint64_t id)
{
    uint32_t group;
    uint32_t session = 0;
    hx_err error = process_get_group((uint32_t)id, &group, &session);

    return linux_count(error, session);
}

int64_t linux_setpgid(uint64_t id, uint64_t group)
{
    if ((int32_t)(group != 0 ? group : id) < 0) {
        return linux_result(HX_EINVAL);
    }
    return linux_result(process_set_group((uint32_t)id, (uint32_t)group));
}

int64_t linux_setsid(void)
{
    uint32_t id;
    hx_err error = process_new_session(&id);

    return linux_count(error, id);
}

/* --- user and groups
 * --------------------------------------------------------------------------------- */

#define KEEP UINT32_MAX

int64_t linux_getuid(void)
{
    return process_current()->credentials.user;
}

int64_t linux_geteuid(void)
{
    return process_current()->credentials.effective_user;
}

int64_t linux_getgid(void)
{
    return process_current()->credentials.group;
}

int64_t linux_getegid(void)
{
    return process_current()->credentials.effective_group;
}

/* Real, effective and saved id, of user or group. */
struct identities {
    uint32_t *real, *effective, *saved;
};

static struct identities users_of(struct process *self)
{
    struct credentials *who = &self->credentials;

    return (struct identities){&who->user, &who->effective_user, &who->saved_user};
}

static struct identities groups_of(struct process *self)
{
    struct credentials *who = &self->credentials;

    return (struct identities){&who->group, &who->effective_group, &who->saved_group};
}

static bool is_one_of(const struct identities *ids, uint32_t id)
{
    return id == KEEP || id == *ids->real || id == *ids->effective || id == *ids->saved;
}

/* As setresuid: root sets anything, others exchange what they have. */
static hx_err set_identities(struct identities ids, uint32_t real, uint32_t effective,
                             uint32_t saved)
{
    hx_err error = HX_OK;

    mutex_lock(&process_mutex);
    if (!credentials_are_root(&process_current()->credentials) &&
        (!is_one_of(&ids, real) || !is_one_of(&ids, effective) || !is_one_of(&ids, saved))) {
        error = HX_EPERM;
    } else {
        *ids.real = real != KEEP ? real : *ids.real;
        *ids.effective = effective != KEEP ? effective : *ids.effective;
        *ids.saved = saved != KEEP ? saved : *ids.saved;
    }
    mutex_unlock(&process_mutex);
    return error;
}

static int64_t set_one(struct identities ids, uint32_t id)
{
    bool is_root = credentials_are_root(&process_current()->credentials);

    if (id == KEEP) {
        return linux_result(HX_EINVAL);
    }
    return linux_result(set_identities(ids, is_root ? id : KEEP, id, is_root ? id : KEEP));
}

int64_t linux_setuid(uint64_t user)
{
    return set_one(users_of(process_current()), (uint32_t)user);
}

int64_t linux_setgid(uint64_t group)
{
    return set_one(groups_of(process_current()), (uint32_t)group);
}

static int64_t set_two(struct identities ids, uint32_t real, uint32_t effective)
{
    uint32_t old_real = *ids.real;
    uint32_t next = effective != KEEP ? effective : *ids.effective;
    uint32_t saved = real != KEEP || (effective != KEEP && effective != old_real) ? next : KEEP;

    return linux_result(set_identities(ids, real, effective, saved));
}

int64_t linux_setreuid(uint64_t real, uint64_t effective)
{
    return set_two(users_of(process_current()), (uint32_t)real, (uint32_t)effective);
}

int64_t linux_setregid(uint64_t real, uint64_t effective)
{
    return set_two(groups_of(process_current()), (uint32_t)real, (uint32_t)effective);
}

int64_t linux_setresuid(uint64_t real, uint64_t effective, uint64_t saved)
{
    return linux_result(set_identities(users_of(process_current()), (uint32_t)real,
                                       (uint32_t)effective, (uint32_t)saved));
}

int64_t linux_setresgid(uint64_t real, uint64_t effective, uint64_t saved)
{
    return linux_result(set_identities(groups_of(process_current()), (uint32_t)real,
                                       (uint32_t)effective, (uint32_t)saved));
}

static int64_t tell_identities(struct identities ids, const uint64_t addresses[3])
{
    const uint32_t values[3] = {*ids.real, *ids.effective, *ids.saved};
    hx_err error = HX_OK;

    for (unsigned i = 0; i < 3 && error == HX_OK; i++) {
        error = hal_user_copy_out(addresses[i], &values[i], sizeof(values[i]));
    }
    return linux_result(error);
}

int64_t linux_getresuid(uint64_t real, uint64_t effective, uint64_t saved)
{
    return tell_identities(users_of(process_current()), (const uint64_t[]){real, effective, saved});
}

int64_t linux_getresgid(uint64_t real, uint64_t effective, uint64_t saved)
{
    return tell_identities(groups_of(process_current()),
                           (const uint64_t[]){real, effective, saved});
}

int64_t linux_getgroups(uint64_t count, uint64_t address)
{
    const struct credentials *who = &process_current()->credentials;
    hx_err error;

    if (count == 0) {
        return who->group_count;
    }
    if ((int32_t)count < (int32_t)who->group_count) {
        return linux_result(HX_EINVAL);
    }
    error = hal_user_copy_out(address, who->groups, who->group_count * sizeof(uint32_t));
    return linux_count(error, who->group_count);
}

int64_t linux_setgroups(uint64_t count, uint64_t address)
{
    struct credentials *who = &process_current()->credentials;
    uint32_t groups[CREDENTIALS_GROUPS_MAX];
    hx_err error;

    if (!credentials_are_root(who)) {
        return linux_result(HX_EPERM);
    }
    if (count > CREDENTIALS_GROUPS_MAX) {
        return linux_result(HX_EINVAL);
    }
    error = count > 0 ? hal_user_copy_in(groups, address, (size_t)count * sizeof(uint32_t)) : HX_OK;
    if (error == HX_OK) {
        mutex_lock(&process_mutex);
        memcpy(who->groups, groups, (size_t)count * sizeof(uint32_t));
        who->group_count = (uint32_t)count;
        mutex_unlock(&process_mutex);
    }
    return linux_result(error);
}

/* --- limits and usage
 * ------------------------------------------------------------------------------- */

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
    if ((wanted.hard > old->hard && !credentials_are_root(&process_current()->credentials)) ||
        (number == LIMIT_FILES && wanted.hard > FILES_LIMIT_MAX)) {
        return HX_EPERM;
    }
    process->limits[number] = wanted;
    apply_limit_locked(process, number);
    return HX_OK;
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
    error = process == process_current() ? HX_OK : signal_may_send_locked(process, 0);
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
    return linux_result(tell_usage(address, &usage));
}

/* --- scheduling
 * ----------------------------------------------------------------------------------- */

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
        mask &= thread_current()->affinity != 0 ? thread_current()->affinity : UINT64_MAX;
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

/* --- names
 * ------------------------------------------------------------------------------------------ */

enum linux_prctl {
    PR_SET_PDEATHSIG = 1,
    PR_GET_PDEATHSIG = 2,
    PR_GET_DUMPABLE = 3,
    PR_SET_DUMPABLE = 4,
    PR_SET_NAME = 15,
    PR_GET_NAME = 16,
    PR_SET_CHILD_SUBREAPER = 36,
    PR_GET_CHILD_SUBREAPER = 37,
    PR_SET_NO_NEW_PRIVS = 38,
    PR_GET_NO_NEW_PRIVS = 39,
};

static int64_t set_name(uint64_t address)
{
    struct user_thread *self = user_thread_current();
    char name[PROCESS_NAME_MAX];
    size_t length;
    hx_err error = hal_user_copy_text(name, address, sizeof(name), &length);

    if (error == HX_ERANGE) {
        name[sizeof(name) - 1] = '\0';
        error = HX_OK;
    }
    if (error == HX_OK) {
        (void)string_copy(self->name, sizeof(self->name), name);
        if (self->id == self->process->id) {
            (void)string_copy(self->process->name, sizeof(self->process->name), name);
        }
    }
    return linux_result(error);
}

static int64_t set_death_signal(uint64_t number)
{
    if (number > SIGNAL_COUNT) {
        return linux_result(HX_EINVAL);
    }
    mutex_lock(&process_mutex);
    process_current()->death_signal = (uint32_t)number;
    mutex_unlock(&process_mutex);
    return 0;
}

static int64_t set_dumpable(uint64_t value)
{
    if (value > 1) {
        return linux_result(HX_EINVAL);
    }
    process_current()->is_dumpable = value == 1;
    return 0;
}

/* Once and for all. */
static int64_t set_no_new_rights(uint64_t value, bool has_more)
{
    if (value != 1 || has_more) {
        return linux_result(HX_EINVAL);
    }
    mutex_lock(&process_mutex);
    process_current()->gains_no_rights = true;
    mutex_unlock(&process_mutex);
    return 0;
}

static int64_t set_subreaper(uint64_t value)
{
    mutex_lock(&process_mutex);
    process_current()->is_subreaper = value != 0;
    mutex_unlock(&process_mutex);
    return 0;
}

static int64_t tell_word(uint64_t address, uint32_t value)
{
    return linux_result(hal_user_copy_out(address, &value, sizeof(value)));
}

int64_t linux_prctl(uint64_t option, uint64_t argument, uint64_t argument3, uint64_t argument4,
                    uint64_t argument5)
{
    struct process *self = process_current();
    bool has_more = argument3 != 0 || argument4 != 0 || argument5 != 0;

    switch ((uint32_t)option) {
    case PR_SET_NAME:
        return set_name(argument);
    case PR_GET_NAME:
        return linux_result(
            hal_user_copy_out(argument, user_thread_current()->name, PROCESS_NAME_MAX));
    case PR_SET_PDEATHSIG:
        return set_death_signal(argument);
    case PR_GET_PDEATHSIG:
        return tell_word(argument, self->death_signal);
    case PR_GET_DUMPABLE:
        return self->is_dumpable ? 1 : 0;
    case PR_SET_DUMPABLE:
        return set_dumpable(argument);
    case PR_SET_NO_NEW_PRIVS:
        return set_no_new_rights(argument, has_more);
    case PR_GET_NO_NEW_PRIVS:
        return argument == 0 && !has_more ? (int64_t)self->gains_no_rights
                                          : linux_result(HX_EINVAL);
    case PR_SET_CHILD_SUBREAPER:
        return set_subreaper(argument);
    case PR_GET_CHILD_SUBREAPER:
        return tell_word(argument, self->is_subreaper ? 1 : 0);
    default:
        return linux_result(HX_EINVAL);
    }
}

enum linux_arch_prctl { ARCH_SET_FS = 0x1002, ARCH_GET_FS = 0x1003 };

int64_t linux_arch_prctl(uint64_t option, uint64_t argument)
{
    struct hal_range window = hal_user_window();
    uint64_t pointer;

    switch (option) {
    case ARCH_SET_FS:
        if (argument - window.base >= window.size && argument != 0) {
            return linux_result(HX_EPERM);
        }
        hal_user_set_thread_pointer(argument);
        return 0;
    case ARCH_GET_FS:
        pointer = hal_user_thread_pointer();
        return linux_result(hal_user_copy_out(argument, &pointer, sizeof(pointer)));
    default:
        return linux_result(HX_EINVAL);
    }
}

/* --- futex
 * ----------------------------------------------------------------------------------------- */

enum linux_futex {
    FUTEX_WAIT = 0,
    FUTEX_WAKE = 1,
    FUTEX_REQUEUE = 3,
    FUTEX_CMP_REQUEUE = 4,
    FUTEX_WAKE_OP = 5,
    FUTEX_WAIT_BITSET = 9,
    FUTEX_WAKE_BITSET = 10,
    FUTEX_PRIVATE = 128,
    FUTEX_CLOCK_REALTIME = 256,
};

/* FUTEX_WAIT's time is relative, FUTEX_WAIT_BITSET's absolute on either clock. */
static hx_err futex_deadline(uint64_t operation, uint64_t address, uint64_t *deadline_ns)
{
    struct linux_timespec time;
    uint64_t ns;
    hx_err error = hal_user_copy_in(&time, address, sizeof(time));

    if (error == HX_OK) {
        error = linux_timespec_to_ns(time, &ns);
    }
    if (error != HX_OK) {
        return error;
    }
    if ((operation & 127) == FUTEX_WAIT) {
        *deadline_ns = hal_clock_now() + ns;
    } else {
        *deadline_ns = (operation & FUTEX_CLOCK_REALTIME) != 0 ? linux_from_wall(ns) : ns;
    }
    return HX_OK;
}

static HX_NOINLINE int64_t wait_until(struct futex_word word, uint64_t operation, uint32_t value,
                                      uint64_t time, uint32_t bits)
{
    uint64_t deadline;
    hx_err error = futex_deadline(operation, time, &deadline);

    if (error == HX_OK) {
        error = futex_wait(word, value, bits, deadline);
    }
    if (error == HX_EINTR && (operation & 127) == FUTEX_WAIT_BITSET) {
        return SYSCALL_RESTART_NO_HANDLER; /* absolute, if at all */
    }
    return linux_result(error);
}

static int64_t wait_at(struct futex_word word, uint64_t operation, uint32_t value, uint64_t time,
                       uint32_t bits)
{
    return time != 0 ? wait_until(word, operation, value, time, bits)
                     : linux_restartable(futex_wait(word, value, bits, THREAD_NO_DEADLINE), 0);
}

int64_t linux_futex(uint64_t address, uint64_t operation, uint64_t value, uint64_t time,
                    uint64_t address2, uint64_t value3)
{
    const struct futex_word word = {address, (operation & FUTEX_PRIVATE) != 0};
    const struct futex_word word2 = {address2, word.is_private};
    uint32_t most = (uint32_t)value;
    uint32_t count = 0;
    hx_err error;

    switch (operation & 127) {
    case FUTEX_WAIT:
        return wait_at(word, operation, most, time, FUTEX_ANY);
    case FUTEX_WAIT_BITSET:
        return wait_at(word, operation, most, time, (uint32_t)value3);
    case FUTEX_WAKE:
        error = futex_wake(word, most, FUTEX_ANY, &count);
        break;
    case FUTEX_WAKE_BITSET:
        error = futex_wake(word, most, (uint32_t)value3, &count);
        break;
    case FUTEX_REQUEUE:
    case FUTEX_CMP_REQUEUE:
        error = futex_requeue(word, word2, most, (uint32_t)time,
                              (operation & 127) == FUTEX_CMP_REQUEUE, (uint32_t)value3, &count);
        break;
    case FUTEX_WAKE_OP:
        error = futex_wake_operation(word, word2, most, (uint32_t)time, (uint32_t)value3, &count);
        break;
    default:
        error = HX_ENOSYS;
    }
    return linux_count(error, count);
}
