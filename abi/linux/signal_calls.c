/* Calls on signals. */
#include <abi/linux/call.h>
#include <abi/linux/calls.h>
#include <hal/clock.h>
#include <hal/user.h>

#define MASK_SIZE 8U

/* --- sending ---------------------------------------------------------------------------------- */

/* What kill(2) finds on its way through many processes. */
struct mass_send {
    const struct hal_signal_info *info;
    uint32_t group; /* 0: all but process 1 and the caller */
    unsigned sent;
    unsigned refused;
};

static bool send_if_meant(struct process *process, void *argument)
{
    struct mass_send *send = argument;
    bool is_meant = send->group != 0 ? process->group != NULL && process->group->id == send->group
                                     : process->id != 1 && process != process_current();

    if (!is_meant) {
        return true;
    }
    if (signal_may_send_locked(process, (unsigned)send->info->number) == HX_OK &&
        signal_send(process, send->info) == HX_OK) {
        send->sent++;
    } else {
        send->refused++;
    }
    process_note_mass_signal_locked();
    return true;
}

static hx_err send_to_many(uint32_t group, const struct hal_signal_info *info)
{
    struct mass_send send = {.info = info, .group = group};

    process_for_each(send_if_meant, &send);
    if (send.sent > 0) {
        return HX_OK;
    }
    return send.refused > 0 ? HX_EPERM : HX_ESRCH;
}

static hx_err send_to_own_group(const struct hal_signal_info *info)
{
    uint32_t group = 0;
    uint32_t session;
    hx_err error = process_get_group(0, &group, &session);

    return error == HX_OK ? send_to_many(group, info) : error;
}

int64_t linux_kill(uint64_t id, uint64_t number)
{
    const struct hal_signal_info info = signal_info_user((unsigned)number);
    int32_t target = (int32_t)id;

    if (number > SIGNAL_COUNT) {
        return linux_result(HX_EINVAL);
    }
    if ((uint32_t)target == process_current()->id && signal_raise(&info)) {
        return 0;
    }
    if (target > 0) {
        return linux_result(signal_send_by_id((uint32_t)target, &info));
    }
    if (target == 0) {
        return linux_result(send_to_own_group(&info));
    }
    return linux_result(send_to_many(target == -1 ? 0 : 0U - (uint32_t)target, &info));
}

#define SI_TKILL (-6)

/* What comes with the signal is the sender's; but nobody may seem to be the kernel, or kill. */
int64_t linux_rt_sigqueueinfo(uint64_t id, uint64_t number, uint64_t address)
{
    struct hal_signal_info info;
    hx_err error = hal_user_copy_in(&info, address, sizeof(info));

    if (error != HX_OK) {
        return linux_result(error);
    }
    if ((info.code >= 0 || info.code == SI_TKILL) && (uint32_t)id != process_current()->id) {
        return linux_result(HX_EPERM);
    }
    if (number > SIGNAL_COUNT) {
        return linux_result(HX_EINVAL);
    }
    info.number = (int32_t)number;
    return linux_result(signal_send_by_id((uint32_t)id, &info));
}

/* As pthread_sigqueue has it. */
int64_t linux_rt_tgsigqueueinfo(uint64_t process, uint64_t id, uint64_t number, uint64_t address)
{
    struct hal_signal_info info;
    hx_err error = hal_user_copy_in(&info, address, sizeof(info));

    if (error != HX_OK) {
        return linux_result(error);
    }
    if ((int32_t)id <= 0 || (int32_t)process <= 0 || number > SIGNAL_COUNT) {
        return linux_result(HX_EINVAL);
    }
    if ((info.code >= 0 || info.code == SI_TKILL) && (uint32_t)process != process_current()->id) {
        return linux_result(HX_EPERM);
    }
    info.number = (int32_t)number;
    return linux_result(signal_send_by_thread_id((uint32_t)process, (uint32_t)id, &info));
}

static int64_t send_thread(uint64_t process, uint64_t id, uint64_t number)
{
    struct hal_signal_info info = signal_info_user((unsigned)number);

    if (number > SIGNAL_COUNT || (int32_t)id <= 0) {
        return linux_result(HX_EINVAL);
    }
    info.code = SI_TKILL;
    if ((uint32_t)id == user_thread_current()->id &&
        (process == 0 || (uint32_t)process == process_current()->id) && signal_raise(&info)) {
        return 0;
    }
    return linux_result(signal_send_by_thread_id((uint32_t)process, (uint32_t)id, &info));
}

int64_t linux_tgkill(uint64_t process, uint64_t id, uint64_t number)
{
    return (int32_t)process <= 0 ? linux_result(HX_EINVAL) : send_thread(process, id, number);
}

int64_t linux_tkill(uint64_t id, uint64_t number)
{
    return send_thread(0, id, number);
}

/* --- actions ---------------------------------------------------------------------------------- */

int64_t linux_rt_sigaction(uint64_t number, uint64_t address, uint64_t old_address, uint64_t size)
{
    struct signal_action action;
    struct signal_action old;
    hx_err error = size == MASK_SIZE ? HX_OK : HX_EINVAL;

    if (error == HX_OK && address != 0) {
        error = hal_user_copy_in(&action, address, sizeof(action));
    }
    if (error == HX_OK) {
        error = signal_act((unsigned)number, address != 0 ? &action : NULL, &old);
    }
    if (error == HX_OK && old_address != 0) {
        error = hal_user_copy_out(old_address, &old, sizeof(old));
    }
    return linux_result(error);
}

enum linux_mask_how { SIG_BLOCK, SIG_UNBLOCK, SIG_SETMASK };

static hx_err change_mask(uint64_t how, uint64_t address)
{
    uint64_t blocked = user_thread_current()->blocked;
    uint64_t mask;
    hx_err error = hal_user_copy_in(&mask, address, sizeof(mask));

    if (error != HX_OK) {
        return error;
    }
    switch (how) {
    case SIG_BLOCK:
        signal_set_blocked(blocked | mask);
        return HX_OK;
    case SIG_UNBLOCK:
        signal_set_blocked(blocked & ~mask);
        return HX_OK;
    case SIG_SETMASK:
        signal_set_blocked(mask);
        return HX_OK;
    default:
        return HX_EINVAL;
    }
}

int64_t linux_rt_sigprocmask(uint64_t how, uint64_t address, uint64_t old_address, uint64_t size)
{
    uint64_t old = user_thread_current()->blocked;
    hx_err error = size == MASK_SIZE ? HX_OK : HX_EINVAL;

    if (error == HX_OK && address != 0) {
        error = change_mask(how, address);
    }
    if (error == HX_OK && old_address != 0) {
        error = hal_user_copy_out(old_address, &old, sizeof(old));
    }
    return linux_result(error);
}

int64_t linux_rt_sigreturn(void)
{
    return signal_return();
}

int64_t linux_rt_sigpending(uint64_t address, uint64_t size)
{
    uint64_t mask = signal_pending_mask() & user_thread_current()->blocked;

    return size != MASK_SIZE ? linux_result(HX_EINVAL)
                             : linux_result(hal_user_copy_out(address, &mask, sizeof(mask)));
}

/* --- waiting ---------------------------------------------------------------------------------- */

static int64_t wait_for_any(void)
{
    while (!thread_is_interrupted()) {
        (void)!thread_park(THREAD_NO_DEADLINE);
    }
    return SYSCALL_RESTART_NO_HANDLER;
}

int64_t linux_rt_sigsuspend(uint64_t address, uint64_t size)
{
    hx_err error = address != 0 ? linux_mask_for_call(address, size) : HX_EFAULT;

    return error == HX_OK ? wait_for_any() : linux_result(error);
}

int64_t linux_pause(void)
{
    return wait_for_any();
}

static hx_err give_info(uint64_t address, const struct hal_signal_info *info)
{
    hx_err error = hal_user_copy_out(address, info, sizeof(*info));

    return error == HX_OK
               ? hal_user_clear(address + sizeof(*info), HAL_SIGNAL_INFO_SIZE - sizeof(*info))
               : error;
}

int64_t linux_rt_sigtimedwait(uint64_t address, uint64_t info_address, uint64_t time, uint64_t size)
{
    struct hal_signal_info info = {0};
    uint64_t deadline = THREAD_NO_DEADLINE;
    uint64_t mask;
    hx_err error = size == MASK_SIZE ? hal_user_copy_in(&mask, address, sizeof(mask)) : HX_EINVAL;

    if (error == HX_OK) {
        error = linux_deadline(time, &deadline);
    }
    if (error == HX_OK) {
        error = signal_wait(mask, deadline, &info);
    }
    if (error == HX_OK && info_address != 0) {
        error = give_info(info_address, &info);
    }
    return linux_count(error, (size_t)info.number);
}

/* --- the alternate stack ---------------------------------------------------------------------- */

#define STACK_IN_USE   1
#define STACK_DISABLED 2
#define STACK_SIZE_MIN 2048U

static bool is_on_stack(const struct user_thread *self)
{
    return self->signal_stack.flags != STACK_DISABLED &&
           hal_frame_sp(hal_user_frame()) - self->signal_stack.base < self->signal_stack.size;
}

static hx_err set_stack(struct user_thread *self, uint64_t address)
{
    struct hal_signal_stack stack;
    hx_err error = hal_user_copy_in(&stack, address, sizeof(stack));

    if (error != HX_OK) {
        return error;
    }
    if (is_on_stack(self)) {
        return HX_EPERM;
    }
    if (stack.flags == STACK_DISABLED) {
        self->signal_stack = (struct hal_signal_stack){.flags = STACK_DISABLED};
        return HX_OK;
    }
    if (stack.flags != 0) {
        return HX_EINVAL;
    }
    if (stack.size < STACK_SIZE_MIN) {
        return HX_ENOMEM;
    }
    self->signal_stack = stack;
    return HX_OK;
}

int64_t linux_sigaltstack(uint64_t address, uint64_t old_address)
{
    struct user_thread *self = user_thread_current();
    struct hal_signal_stack old = self->signal_stack;
    hx_err error = HX_OK;

    old.flags |= is_on_stack(self) ? STACK_IN_USE : 0;
    if (address != 0) {
        error = set_stack(self, address);
    }
    if (error == HX_OK && old_address != 0) {
        error = hal_user_copy_out(old_address, &old, sizeof(old));
    }
    return linux_result(error);
}
