#include <core/capability/capability.h>
#include <core/syscall/hooks.h>
#include <core/syscall/registry.h>
#include <hal/clock.h>
#include <hal/entry.h>
#include <hal/memory.h>
#include <kern/thread.h>

static _Atomic(uint64_t (*)(const struct process *process)) subject_source;

/* --- who calls -------------------------------------------------------------------------------- */

void syscall_set_subject_source(uint64_t (*subject_of)(const struct process *process))
{
    /* Release: pairs with subject_of_process. */
    atomic_store_explicit(&subject_source, subject_of, memory_order_release);
}

static uint64_t subject_of_process(const struct process *process)
{
    uint64_t (*subject_of)(const struct process *) =
        atomic_load_explicit(&subject_source, memory_order_acquire);

    return process != NULL && subject_of != NULL ? subject_of(process) : SUBJECT_KERNEL;
}

struct syscall_caller syscall_caller(void)
{
    struct thread *self = thread_current();

    return (struct syscall_caller){
        .process = self->process,
        .thread = self,
        .subject = subject_of_process(self->process),
        /* A call that nothing is recorded of has come straight from the gateway. */
        .is_from_user =
            self->call != NULL ? self->call->is_from_user : self->space != hal_space_kernel(),
    };
}

/* Relaxed: syscall_hook_add returns when every CPU has seen it. */
static bool has_hooks(void)
{
    return atomic_load_explicit(&syscall_has_hooks, memory_order_relaxed);
}

/* --- one call --------------------------------------------------------------------------------- */

/* What validation says, 0 without any. */
static int64_t validate(const struct syscall_entry *entry, uint32_t number,
                        const uint64_t arguments[SYSCALL_ARGUMENTS])
{
    struct syscall_call call = {.number = number};

    if (entry->validate == NULL) {
        return 0;
    }
    for (unsigned i = 0; i < SYSCALL_ARGUMENTS; i++) {
        call.arguments[i] = arguments[i];
    }
    call.caller = syscall_caller();
    call.started_ns = hal_clock_now();
    return entry->validate(&call);
}

/* Any number: one that is absent, one with validation, or neither. */
static int64_t call_any(uint32_t number, const uint64_t arguments[SYSCALL_ARGUMENTS])
{
    const struct syscall_entry *entry = syscall_lookup(number);
    int64_t refusal;

    if (entry == NULL) {
        return syscall_absent(number);
    }
    refusal = validate(entry, number, arguments);
    return refusal != 0 ? refusal
                        : entry->handler(arguments[0], arguments[1], arguments[2], arguments[3],
                                         arguments[4], arguments[5]);
}

/* --- calls that are recorded ------------------------------------------------------------------ */

static void begin(struct syscall_record *record)
{
    struct thread *self = thread_current();

    record->outer = self->call;
    self->call = record;
    record->call.caller = syscall_caller();
    record->call.started_ns = hal_clock_now();
    syscall_hooks_take(record);
}

static void end(struct syscall_record *record, int64_t result)
{
    syscall_hooks_after(record, result);
    thread_current()->call = record->outer;
}

static int64_t call_recorded(uint32_t number, const uint64_t *arguments, bool is_from_user)
{
    struct syscall_record record = {.is_from_user = is_from_user, .call.number = number};
    uint64_t *kept = record.call.arguments;
    int64_t result;

    for (unsigned i = 0; i < SYSCALL_ARGUMENTS; i++) {
        kept[i] = arguments[i];
    }
    begin(&record);
    result = syscall_hooks_before(&record);
    if (result == 0) {
        result = call_any(number, kept);
    }
    end(&record, result);
    return result;
}

int64_t syscall_invoke(uint32_t number, const uint64_t arguments[SYSCALL_ARGUMENTS])
{
    return call_recorded(number, arguments, false);
}

void syscall_abandon(void)
{
    const struct thread *self = thread_current();

    while (self->call != NULL) {
        end(self->call, -(int64_t)hx_error_errno(HX_EINTR));
    }
}

/* --- the gateway's ---------------------------------------------------------------------------- */

static HX_NOINLINE int64_t call_hooked(uint64_t a0, uint64_t a1, uint64_t a2, uint64_t a3,
                                       uint64_t a4, uint64_t a5, uint64_t number)
{
    const uint64_t arguments[SYSCALL_ARGUMENTS] = {a0, a1, a2, a3, a4, a5};

    return call_recorded((uint32_t)number, arguments, true);
}

/* There is no handler to jump to at once. */
static HX_NOINLINE int64_t call_slow(uint64_t a0, uint64_t a1, uint64_t a2, uint64_t a3,
                                     uint64_t a4, uint64_t a5, uint64_t number)
{
    const uint64_t arguments[SYSCALL_ARGUMENTS] = {a0, a1, a2, a3, a4, a5};

    return call_any((uint32_t)number, arguments);
}

/*
 * As on Linux, the number is 32 bits: what a program leaves above them does not matter. All three
 * ways on are tail calls, so the arguments stay where the gateway has them.
 */
int64_t kernel_syscall(uint64_t a0, uint64_t a1, uint64_t a2, uint64_t a3, uint64_t a4, uint64_t a5,
                       uint64_t number)
{
    if (HX_UNLIKELY(has_hooks())) {
        HX_TAIL_CALL return call_hooked(a0, a1, a2, a3, a4, a5, number);
    }

    syscall_handler handler = syscall_fast_handler((uint32_t)number);

    if (HX_UNLIKELY(handler == NULL)) {
        HX_TAIL_CALL return call_slow(a0, a1, a2, a3, a4, a5, number);
    }
    return handler(a0, a1, a2, a3, a4, a5);
}
