/* Calls on processes and threads. */
#include <abi/linux/call.h>
#include <abi/linux/calls.h>
#include <abi/linux/exec.h>
#include <abi/linux/exec_strings.h>
#include <base/string.h>
#include <hal/user.h>
#include <kern/recorder.h>
#include <kern/spare.h>
#include <subsys/process/futex.h>
#include <subsys/process/process_file.h>

/* --- new ones --------------------------------------------------------------------------------- */

static int64_t clone(const struct clone_request *request)
{
    uint32_t id;
    hx_err error = process_clone(request, &id);

    return error == HX_EINTR ? SYSCALL_RESTART_ALWAYS : linux_count(error, id);
}

/* The child as a file too: its descriptor is stored at an address of the parent's. */
static int64_t clone_with_file(struct clone_request *request, uint64_t address)
{
    const int32_t none = -1;
    struct file *file;
    int64_t id;
    int64_t descriptor;
    hx_err error = hal_user_copy_out(address, &none, sizeof(none));

    if (error != HX_OK) {
        return linux_result(error);
    }
    request->flags &= ~(uint64_t)CLONE_PIDFD;
    id = clone(request);
    if (id <= 0) {
        return id;
    }
    /* The child is there: without a descriptor it is known by its id alone. */
    error = process_file_create((uint32_t)id, 0, process_current()->owner, &file);
    if (error == HX_OK) {
        descriptor = linux_add_file(file, FILE_CLOSE_ON_EXEC);
        (void)!hal_user_copy_out(address, &descriptor, sizeof(none));
    }
    return id;
}

#define EXIT_SIGNAL 0xffU

int64_t linux_clone(uint64_t flags, uint64_t stack, uint64_t parent_id, uint64_t child_id,
                    uint64_t thread_pointer)
{
    struct clone_request request = {
        .flags = flags & ~(uint64_t)EXIT_SIGNAL,
        .exit_signal = (uint32_t)(flags & EXIT_SIGNAL),
        .stack_pointer = stack,
        .parent_id = parent_id,
        .child_id = child_id,
        .thread_pointer = thread_pointer,
    };

    if ((flags & CLONE_PIDFD) == 0) {
        return clone(&request);
    }
    /* One address for two things. */
    return (flags & (CLONE_PARENT_SETTID | CLONE_DETACHED | CLONE_THREAD)) != 0
               ? linux_result(HX_EINVAL)
               : clone_with_file(&request, parent_id);
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
    struct clone_request request;
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
    request = (struct clone_request){
        .flags = arguments.flags,
        .exit_signal = (uint32_t)arguments.exit_signal,
        .stack_pointer = arguments.stack + arguments.stack_size,
        .parent_id = arguments.parent_id,
        .child_id = arguments.child_id,
        .thread_pointer = arguments.thread_pointer,
    };
    if ((arguments.flags & CLONE_PIDFD) == 0) {
        return clone(&request);
    }
    return (arguments.flags & (CLONE_DETACHED | CLONE_THREAD)) != 0
               ? linux_result(HX_EINVAL)
               : clone_with_file(&request, arguments.pid_descriptor);
}

/* --- exec ------------------------------------------------------------------------------------- */

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

/* --- the end ---------------------------------------------------------------------------------- */

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

hx_err linux_tell_usage(uint64_t address, const struct process_usage *usage)
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
        error = linux_tell_usage(usage, &outcome.usage);
    }
    return linux_restartable(error, outcome.id);
}

enum linux_id_type { P_ALL = 0, P_PID = 1, P_PGID = 2, P_PIDFD = 3 };

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
        info->code = (status & SIGNAL_STATUS_DUMPED) != 0 ? 3 : 2; /* CLD_DUMPED, CLD_KILLED */
        value = status & 0x7f;
    }
    info->fields[0] = outcome->id | (uint64_t)outcome->user << 32;
    info->fields[1] = (uint32_t)value;
}

/* The child that a descriptor is of; without blocking if it is such a file.  Errors: HX_EBADF. */
static hx_err wait_file(uint64_t descriptor, struct wait_request *request,
                        struct wait_outcome *outcome)
{
    struct file *file = linux_file(descriptor);
    bool does_not_block;
    hx_err error;

    if (file == NULL || !process_file_is(file)) {
        file_put(file);
        return HX_EBADF;
    }
    request->id = process_file_id(file);
    does_not_block = file_does_not_block(file) && (request->options & WAIT_NO_HANG) == 0;
    request->options |= does_not_block ? (unsigned)WAIT_NO_HANG : 0U;
    error = process_wait(request, outcome);
    file_put(file);
    return error == HX_OK && outcome->id == 0 && does_not_block ? HX_EAGAIN : error;
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
    case P_PIDFD:
        return (int32_t)id < 0 ? HX_EINVAL : wait_file(id, &request, outcome);
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
        error = linux_tell_usage(usage, &outcome.usage);
    }
    if (error == HX_OK && address != 0) {
        error = hal_user_copy_out(address, &info, sizeof(info));
    }
    return linux_restartable(error, 0);
}

/* --- names ------------------------------------------------------------------------------------ */

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
        recorder_note_name(RECORDER_NAME, name);
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
