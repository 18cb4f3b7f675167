/* Acting on signals: what a thread does on its way to user mode. */
#include <base/assert.h>
#include <core/debug/log.h>
#include <core/interrupts/exceptions.h>
#include <hal/entry.h>
#include <hal/signal.h>
#include <hal/user.h>
#include <subsys/process/process_private.h>
#include <subsys/process/signal_private.h>

/* --- system calls that were interrupted ----------------------------------------------------------
 */

/* No handler runs: the call is done again. */
static void restart_call(struct hal_frame *frame)
{
    uint64_t number;
    int64_t result;

    if (!hal_frame_is_syscall(frame, &number, &result)) {
        return;
    }
    if (result == SYSCALL_RESTART || result == SYSCALL_RESTART_ALWAYS ||
        result == SYSCALL_RESTART_NO_HANDLER) {
        hal_syscall_restart(frame, number);
    } else if (result == SYSCALL_RESTART_REST) {
        hal_syscall_restart(frame, SYSCALL_RESTART_NUMBER);
    }
}

/* Before a handler runs. */
static void end_or_restart_call(struct hal_frame *frame, const struct signal_action *action)
{
    uint64_t number;
    int64_t result;

    if (!hal_frame_is_syscall(frame, &number, &result)) {
        return;
    }
    if (result == SYSCALL_RESTART_ALWAYS ||
        (result == SYSCALL_RESTART && (action->flags & SIGNAL_RESTART) != 0)) {
        hal_syscall_restart(frame, number);
    } else if (result == SYSCALL_RESTART || result == SYSCALL_RESTART_NO_HANDLER ||
               result == SYSCALL_RESTART_REST) {
        hal_syscall_set_result(frame, -(int64_t)hx_error_errno(HX_EINTR));
    }
}

/* --- stopping -----------------------------------------------------------------------------------
 */

/* Have all threads come here. Answers whether the process has stopped by this: only then is the
 * parent told. A SIGCONT that came since the signal was taken has the last word. */
static bool stop(struct process *process)
{
    hal_interrupt_state state = spinlock_acquire(&process->lock);
    bool is_first = process->may_stop && !process->is_stopped && !process->is_ending;

    process->may_stop = false;
    if (is_first) {
        process->is_stopped = true;
        process->has_continued = false;
        for (struct list *node = process->threads.next; node != &process->threads;
             node = node->next) {
            thread_interrupt(LIST_ENTRY(node, struct user_thread, link)->thread,
                             THREAD_WORK_SIGNAL);
        }
    }
    spinlock_release(&process->lock, state);
    return is_first;
}

enum child_code { CLD_STOPPED = 5, CLD_CONTINUED = 6 };

static void tell_parent_locked(struct process *process, int status, int32_t code)
{
    const struct process *parent = process->parent;
    bool wants_none = parent != NULL && (signal_action_of(&parent->signals, SIGNAL_CHILD).flags &
                                         SIGNAL_NO_CHILD_STOP) != 0;

    process_notify_parent_locked(process, wants_none ? 0 : SIGNAL_CHILD, status, code);
}

static void begin_stop(struct process *process, unsigned number)
{
    if (!stop(process)) {
        return;
    }
    mutex_lock(&process_mutex);
    process->stop_status = (int)number;
    process->stop_reported = false;
    tell_parent_locked(process, (int)number << 8 | 0x7f, CLD_STOPPED);
    mutex_unlock(&process_mutex);
}

/* The first thread that goes on tells the parent. */
static void tell_of_continuing(struct process *process)
{
    hal_interrupt_state state = spinlock_acquire(&process->lock);
    bool is_first = process->tells_continued;

    process->tells_continued = false;
    spinlock_release(&process->lock, state);
    if (is_first) {
        mutex_lock(&process_mutex);
        tell_parent_locked(process, PROCESS_CONTINUED, CLD_CONTINUED);
        mutex_unlock(&process_mutex);
    }
}

static bool is_stopped(struct process *process)
{
    hal_interrupt_state state = spinlock_acquire(&process->lock);
    bool answer = (process->is_stopped || process->dumper != NULL) && !process->is_ending &&
                  !process->is_executing;

    spinlock_release(&process->lock, state);
    return answer;
}

/* One more thread that does nothing, or one less; who dumps the process may wait for it. */
static void note_halt(struct process *process, uint32_t change)
{
    hal_interrupt_state state = spinlock_acquire(&process->lock);
    bool is_awaited = process->dumper != NULL;

    process->halted += change;
    spinlock_release(&process->lock, state);
    if (is_awaited) {
        wait_queue_wake_all(&process->stopped);
    }
}

/* Answers whether it has waited: then signals may have come. */
static bool wait_while_stopped(struct process *process)
{
    struct waiter waiter;

    if (!is_stopped(process)) {
        tell_of_continuing(process);
        return false;
    }
    note_halt(process, 1);
    wait_queue_prepare(&process->stopped, &waiter);
    while (is_stopped(process)) {
        (void)!wait_queue_wait(&process->stopped, &waiter, THREAD_NO_DEADLINE);
    }
    wait_queue_finish(&process->stopped, &waiter);
    note_halt(process, UINT32_MAX);
    tell_of_continuing(process);
    return true;
}

/* SIGTSTP and its kin do not stop a group that nobody could continue. */
static bool may_stop(const struct process *process, unsigned number)
{
    return number == SIGNAL_STOP || !process_is_in_orphaned_group(process);
}

/* --- handlers ------------------------------------------------------------------------------------
 */

static bool is_on_signal_stack(const struct user_thread *self, const struct hal_frame *frame)
{
    return hal_frame_sp(frame) - self->signal_stack.base < self->signal_stack.size;
}

#define STACK_DISABLED 2
#define STACK_IN_USE   1

static struct hal_signal_stack stack_as_told(const struct user_thread *self,
                                             const struct hal_frame *frame)
{
    struct hal_signal_stack stack = self->signal_stack;

    if (stack.flags != STACK_DISABLED && is_on_signal_stack(self, frame)) {
        stack.flags |= STACK_IN_USE;
    }
    return stack;
}

static uintptr_t stack_to_use(const struct user_thread *self, const struct hal_frame *frame,
                              const struct signal_action *action)
{
    bool wants =
        (action->flags & SIGNAL_ON_STACK) != 0 && (self->signal_stack.flags & STACK_DISABLED) == 0;

    return wants && !is_on_signal_stack(self, frame)
               ? self->signal_stack.base + self->signal_stack.size
               : 0;
}

/* There is no room for a frame, or it is malformed: a fault of the program's. A handler for that
 * which cannot be called either is none. */
static void note_bad_stack(unsigned number)
{
    struct process *process = process_current();
    hal_interrupt_state state = spinlock_acquire(&process->lock);

    if (number == SIGNAL_SEGMENT) {
        signal_own_action(&process->signals, SIGNAL_SEGMENT)->handler = SIGNAL_DEFAULT;
    }
    spinlock_release(&process->lock, state);
    signal_force(SIGNAL_SEGMENT, SIGNAL_BY_KERNEL, 0);
}

/* What it blocks is blocked already. */
static void call_handler(struct hal_frame *frame, const struct signal_taken *taken)
{
    const struct user_thread *self = user_thread_current();
    const struct hal_signal_delivery delivery = {
        .info = &taken->info,
        .wants_info = (taken->action.flags & SIGNAL_INFO) != 0,
        .handler = taken->action.handler,
        .restorer = taken->action.restorer,
        .old_mask = taken->blocked_before,
        .fault_address = self->fault_address,
        .stack = stack_as_told(self, frame),
        .switch_to = stack_to_use(self, frame, &taken->action),
    };

    if (hal_signal_deliver(frame, &delivery) != HX_OK) {
        note_bad_stack((unsigned)taken->info.number);
    }
}

bool signal_raise(const struct hal_signal_info *info)
{
    struct hal_frame *frame = hal_user_frame();
    struct signal_taken taken;

    if (!signal_take_at_once(&taken, info)) {
        return false;
    }
    hal_syscall_set_result(frame, 0);
    call_handler(frame, &taken);
    return true;
}

/* --- one signal ----------------------------------------------------------------------------------
 */

static void act_by_default(struct process *process, const struct hal_signal_info *info)
{
    unsigned number = (unsigned)info->number;

    switch (signal_default_of(number)) {
    case SIGNAL_STOPS:
        if (may_stop(process, number)) {
            begin_stop(process, number);
        }
        break;
    case SIGNAL_CONTINUES:
    case SIGNAL_NOTHING:
        break;
    case SIGNAL_DUMPS:
        process_exit(signal_status(number) | (signal_dump(info) ? SIGNAL_STATUS_DUMPED : 0));
    default:
        process_exit(signal_status(number));
    }
}

/* What comes of a signal. */
enum outcome { IS_DONE, HANDLER_RUNS, MAY_HAVE_STOPPED };

static enum outcome act_on(struct hal_frame *frame, const struct signal_taken *taken)
{
    if (HX_LIKELY(taken->action.handler > SIGNAL_IGNORE)) {
        end_or_restart_call(frame, &taken->action);
        call_handler(frame, taken);
        return HANDLER_RUNS;
    }
    if (taken->action.handler == SIGNAL_DEFAULT) {
        act_by_default(process_current(), &taken->info);
        return MAY_HAVE_STOPPED;
    }
    return IS_DONE;
}

/* --- on the way out --------------------------------------------------------------------------- */

/* All that is pending; each handler's frame lies on top of the one before. */
static void act_on_all(struct user_thread *self, struct hal_frame *frame)
{
    struct signal_taken taken;
    bool has_handler = false;
    bool goes_on;

    do {
        enum outcome outcome = IS_DONE;

        signal_take_to_act(&taken);
        goes_on = taken.has_more;
        if (HX_LIKELY(taken.info.number != 0)) {
            outcome = act_on(frame, &taken);
            has_handler |= outcome == HANDLER_RUNS;
        }
        if (HX_UNLIKELY(taken.may_wait || outcome == MAY_HAVE_STOPPED)) {
            goes_on |= wait_while_stopped(self->process);
        }
        self->fault_address = 0;
    } while (goes_on);
    if (!has_handler) {
        restart_call(frame);
    }
}

static void restore_mask(struct user_thread *self)
{
    if (self->restores_blocked) {
        self->restores_blocked = false;
        signal_set_blocked(self->saved_blocked);
    }
}

static void tell_own_id(struct user_thread *self)
{
    if (self->set_child_id != 0) {
        (void)!hal_user_copy_out(self->set_child_id, &self->id, sizeof(self->id));
        self->set_child_id = 0;
    }
}

void kernel_return_to_user(struct hal_frame *frame)
{
    struct user_thread *self = user_thread_current();
    uint32_t work = atomic_exchange_explicit(&thread_current()->user_work, 0, memory_order_relaxed);

    if (self == NULL) { /* in user mode without a process: one of the built-in tests */
        if ((work & THREAD_WORK_EXIT) != 0) {
            thread_exit();
        }
        return;
    }
    if ((work & THREAD_WORK_EXIT) != 0) {
        thread_exit_user(self->process->exit_status);
    }
    if ((work & THREAD_WORK_CPU_TIME) != 0) {
        limits_check_cpu_time();
    }
    tell_own_id(self);
    act_on_all(self, frame);
    restore_mask(self);
}

/* --- faults -------------------------------------------------------------------------------------
 */

/* Blocked or ignored does not count: the program cannot go on. */
void signal_force(unsigned number, int32_t code, uintptr_t address)
{
    struct user_thread *self = user_thread_current();
    struct process *process = self->process;
    struct hal_signal_info info = {.number = (int32_t)number, .code = code};
    struct signal_entry *entry = NULL;
    hal_interrupt_state state = spinlock_acquire(&process->lock);
    uintptr_t handler = signal_action_of(&process->signals, number).handler;

    info.fields[0] = address;
    self->fault_address = address;
    if ((self->blocked & signal_bit(number)) != 0 || handler == SIGNAL_IGNORE) {
        signal_own_action(&process->signals, number)->handler = SIGNAL_DEFAULT;
        self->blocked &= ~signal_bit(number);
    }
    signal_pending_add_locked(&self->pending, &info, &entry);
    atomic_fetch_or_explicit(&self->thread->user_work, THREAD_WORK_SIGNAL, memory_order_relaxed);
    spinlock_release(&process->lock, state);
}

/* si_code of each (include/uapi/asm-generic/siginfo.h). */
struct fault_signal {
    uint8_t number;
    uint8_t code;
};

static const struct fault_signal fault_signals[HAL_EXCEPTION_COUNT] = {
    [HAL_EXCEPTION_DIVIDE] = {SIGNAL_FLOAT, 1},        /* FPE_INTDIV */
    [HAL_EXCEPTION_DEBUG] = {SIGNAL_TRAP, 2},          /* TRAP_TRACE */
    [HAL_EXCEPTION_BREAKPOINT] = {SIGNAL_TRAP, 1},     /* TRAP_BRKPT */
    [HAL_EXCEPTION_OVERFLOW] = {SIGNAL_SEGMENT, 0x80}, /* SIGNAL_BY_KERNEL */
    [HAL_EXCEPTION_BOUNDS] = {SIGNAL_SEGMENT, 0x80},
    [HAL_EXCEPTION_INVALID_OPCODE] = {SIGNAL_ILLEGAL, 2}, /* ILL_ILLOPN */
    [HAL_EXCEPTION_SEGMENT] = {SIGNAL_BUS, 0x80},
    [HAL_EXCEPTION_STACK] = {SIGNAL_BUS, 0x80},
    [HAL_EXCEPTION_PROTECTION] = {SIGNAL_SEGMENT, 0x80},
    [HAL_EXCEPTION_FPU] = {SIGNAL_FLOAT, 8},     /* FPE_FLTUNK in effect */
    [HAL_EXCEPTION_ALIGNMENT] = {SIGNAL_BUS, 1}, /* BUS_ADRALN */
    [HAL_EXCEPTION_SIMD] = {SIGNAL_FLOAT, 8},
};

/* That a program has no handler for its fault is worth a line; for process 1 it is worth a warning.
 */
static void note_fault(const struct hal_frame *frame, unsigned number, uintptr_t address)
{
    const struct process *process = process_current();
    const char *what = exception_name((unsigned)hal_frame_exception(frame));
    enum log_level level = process->id == 1 ? LOG_WARN : LOG_INFO;

    if (signal_action_of(&process->signals, number).handler <= SIGNAL_IGNORE) {
        (void)log_write(level, "process %s (%u): %s at 0x%llx, instruction 0x%llx", process->name,
                        process->id, what, (unsigned long long)address,
                        (unsigned long long)hal_frame_pc(frame));
    }
}

static enum exception_action on_fault(struct hal_frame *frame, void *argument)
{
    const struct fault_signal *signal = &fault_signals[hal_frame_exception(frame)];

    (void)argument;
    if (!hal_frame_is_user(frame) || process_current() == NULL) {
        return EXCEPTION_NOT_MINE;
    }
    note_fault(frame, signal->number, hal_frame_pc(frame));
    signal_force(signal->number, signal->code, hal_frame_pc(frame));
    return EXCEPTION_RESUME;
}

/* A checked copy of the kernel's, made where it may wait. */
static bool is_patient_copy(const struct hal_frame *frame)
{
    return !hal_frame_is_user(frame) && hal_frame_may_fault(frame) &&
           hal_frame_interrupts_enabled(frame) && !context_is_interrupt() &&
           thread_current()->preempt_depth == 0 && !mutex_is_mine(&process_mutex);
}

static unsigned wanted_access(unsigned fault)
{
    if ((fault & HAL_FAULT_WRITE) != 0) {
        return MAPPING_WRITE;
    }
    return (fault & HAL_FAULT_EXECUTE) != 0 ? MAPPING_EXECUTE : MAPPING_READ;
}

/* SEGV_MAPERR nothing is mapped there, SEGV_ACCERR not like that; BUS_ADRERR beyond the end. */
static void force_fault_signal(hx_err why, uintptr_t address)
{
    if (why == HX_ENXIO) {
        signal_force(SIGNAL_BUS, 2, address);
    } else {
        signal_force(SIGNAL_SEGMENT, why == HX_EACCES ? 2 : 1, address);
    }
}

/* What the address space could not bring in. */
static enum exception_action on_page_fault(struct hal_frame *frame, void *argument)
{
    uintptr_t address = hal_frame_fault_address(frame);
    unsigned wanted = wanted_access(hal_frame_fault_access(frame));
    struct process *process = process_current();
    bool is_user = hal_frame_is_user(frame);
    bool is_served;
    hx_err why;

    (void)argument;
    if (process == NULL || process->space == NULL || (!is_user && !is_patient_copy(frame))) {
        return EXCEPTION_NOT_MINE;
    }
    hal_interrupts_enable();
    why = address_space_fault(process->space, address, wanted);
    is_served = why == HX_OK || (why == HX_ENOMEM && shortage_handle());
    if (!is_served && is_user && why != HX_ENOMEM) {
        note_fault(frame, why == HX_ENXIO ? (unsigned)SIGNAL_BUS : (unsigned)SIGNAL_SEGMENT,
                   address);
        force_fault_signal(why, address);
    }
    hal_interrupts_disable();
    return is_user || is_served ? EXCEPTION_RESUME : EXCEPTION_NOT_MINE;
}

hx_err signal_init(void)
{
    hx_err error = exception_register(HAL_EXCEPTION_PAGE, "process", EXCEPTION_ORDER_OWNER,
                                      on_page_fault, NULL);

    for (unsigned kind = 0; kind < HAL_EXCEPTION_COUNT && error == HX_OK; kind++) {
        if (fault_signals[kind].number != 0) {
            error = exception_register(kind, "process", EXCEPTION_ORDER_OWNER, on_fault, NULL);
        }
    }
    return error;
}

/* --- sigreturn -----------------------------------------------------------------------------------
 */

int64_t signal_return(void)
{
    struct user_thread *self = user_thread_current();
    struct hal_signal_stack stack;
    uint64_t mask;

    if (hal_signal_return(hal_user_frame(), &mask, &stack) != HX_OK) {
        note_bad_stack(0);
        return 0;
    }
    if (stack.flags == 0 || stack.flags == STACK_DISABLED) {
        self->signal_stack = stack;
    }
    self->sleeps_until = 0;
    signal_set_blocked(mask);
    return 0; /* not stored: the frame has been replaced */
}
