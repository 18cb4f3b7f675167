#include <core/capability/capability.h>
#include <core/syscall/hooks.h>
#include <core/syscall/registry.h>
#include <hal/clock.h>
#include <hal/entry.h>
#include <hal/memory.h>
#include <kern/read_section.h>
#include <kern/thread.h>

static _Atomic(struct syscall_identity (*)(const struct thread *self)) identity_source;

/* --- who calls -------------------------------------------------------------------------------- */

void syscall_set_identity_source(struct syscall_identity (*identify)(const struct thread *self))
{
    /* Release: pairs with syscall_identity. */
    atomic_store_explicit(&identity_source, identify, memory_order_release);
}

struct syscall_identity syscall_identity(void)
{
    const struct thread *self = thread_current();
    struct syscall_identity (*identify)(const struct thread *) =
        atomic_load_explicit(&identity_source, memory_order_acquire);

    if (HX_LIKELY(self->process != NULL && identify != NULL)) {
        return identify(self);
    }
    return (struct syscall_identity){.subject = SUBJECT_KERNEL, .thread = self->id};
}

struct syscall_caller syscall_caller(void)
{
    struct thread *self = thread_current();

    return (struct syscall_caller){
        .process = self->process,
        .thread = self,
        .subject = syscall_identity().subject,
        /* A call that nothing is recorded of has come straight from the gateway. */
        .is_from_user =
            self->call != NULL ? self->call->call.is_from_user : self->space != hal_space_kernel(),
    };
}

/* --- one call --------------------------------------------------------------------------------- */

/* Any number: one that is absent, one with validation, or neither. */
static HX_ALWAYS_INLINE int64_t call_handler(const struct syscall_call *call)
{
    const struct syscall_entry *entry = syscall_lookup(call->number);
    const uint64_t *arguments = call->arguments;
    int64_t refusal = 0;

    if (HX_UNLIKELY(entry == NULL)) {
        return syscall_absent(call->number);
    }
    if (HX_UNLIKELY(entry->validate != NULL)) {
        refusal = entry->validate(call);
    }
    return HX_UNLIKELY(refusal != 0) ? refusal
                                     : entry->handler(arguments[0], arguments[1], arguments[2],
                                                      arguments[3], arguments[4], arguments[5]);
}

/* Only its own CPU writes the counter, in a read section.  Release: pairs with has_calls. */
static HX_ALWAYS_INLINE void count(_Atomic uint64_t *counter)
{
    atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + 1,
                          memory_order_release);
}

/* Call pre-hooks until one refuses; answers with what it did, or 0. */
static HX_ALWAYS_INLINE int64_t call_pres(struct syscall_record *record)
{
    const struct hook_pre *pre = record->list->pres;

    for (; pre->function != NULL; pre++) {
        record->due = pre->due;

        int64_t refusal = pre->function(&record->call, pre->argument);

        if (HX_UNLIKELY(refusal != 0)) {
            return refusal;
        }
    }
    record->due = record->list->last;
    return 0;
}

static HX_ALWAYS_INLINE int64_t begin(struct syscall_record *record)
{
    struct thread *self = thread_current();
    int64_t refusal;

    record->outer = self->call;
    self->call = record;
    read_enter();
    /* Acquire: pairs with the release in publish_locked. */
    record->list = atomic_load_explicit(&hook_list_published, memory_order_acquire);
    count(&record->list->counts[hal_cpu_id()].entered);
    record->call.started = hal_clock_cycles();
    refusal = call_pres(record);
    read_leave();
    return refusal;
}

/* Who waits for calls to end has said so before a grace period: either that is seen here, or this
 * read section ends before, and its count is seen there. */
static HX_ALWAYS_INLINE void end(struct syscall_record *record, int64_t result)
{
    record->call.result = result;
    record->call.duration = hal_clock_cycles() - record->call.started;
    read_enter();
    for (const struct hook_post *post = record->due; post->function != NULL; post--) {
        post->function(&record->call, post->argument);
    }
    count(&record->list->counts[hal_cpu_id()].left);
    if (HX_UNLIKELY(atomic_load_explicit(&hook_removers, memory_order_relaxed) != 0)) {
        hook_list_left();
    }
    thread_current()->call = record->outer;
    read_leave();
}

static HX_ALWAYS_INLINE int64_t call_recorded(struct syscall_record *record)
{
    int64_t result = begin(record);

    if (HX_LIKELY(result == 0)) {
        result = call_handler(&record->call);
    }
    end(record, result);
    return result;
}

int64_t syscall_invoke(uint32_t number, const uint64_t arguments[SYSCALL_ARGUMENTS])
{
    struct syscall_record record = {.call.number = number};

    for (unsigned i = 0; i < SYSCALL_ARGUMENTS; i++) {
        record.call.arguments[i] = arguments[i];
    }
    return call_recorded(&record);
}

void syscall_abandon(void)
{
    const struct thread *self = thread_current();

    while (self->call != NULL) {
        end(self->call, -(int64_t)hx_error_errno(HX_EINTR));
    }
}

/* --- the gateway's ---------------------------------------------------------------------------- */

/* There is no handler to jump to at once: hooks, validation, or nobody has the number. */
static HX_NOINLINE int64_t call_slow(uint64_t a0, uint64_t a1, uint64_t a2, uint64_t a3,
                                     uint64_t a4, uint64_t a5, uint64_t number)
{
    struct syscall_record record;

    record.call.number = (uint32_t)number;
    record.call.is_from_user = true;
    record.call.arguments[0] = a0;
    record.call.arguments[1] = a1;
    record.call.arguments[2] = a2;
    record.call.arguments[3] = a3;
    record.call.arguments[4] = a4;
    record.call.arguments[5] = a5;
    return call_recorded(&record);
}

/*
 * As on Linux, the number is 32 bits: what a program leaves above them does not matter. Both ways
 * on are tail calls, so the arguments stay where the gateway has them.
 */
int64_t kernel_syscall(uint64_t a0, uint64_t a1, uint64_t a2, uint64_t a3, uint64_t a4, uint64_t a5,
                       uint64_t number)
{
    syscall_handler handler = syscall_fast_handler((uint32_t)number);

    if (HX_UNLIKELY(handler == NULL)) {
        HX_TAIL_CALL return call_slow(a0, a1, a2, a3, a4, a5, number);
    }
    return handler(a0, a1, a2, a3, a4, a5);
}
