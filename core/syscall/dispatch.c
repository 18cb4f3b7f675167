#include <core/capability/capability.h>
#include <core/syscall/hooks.h>
#include <core/syscall/registry.h>
#include <hal/clock.h>
#include <hal/entry.h>
#include <hal/memory.h>
#include <kern/read_section.h>
#include <kern/thread.h>

/* --- who calls -------------------------------------------------------------------------------- */

struct syscall_identity syscall_identity(void)
{
    const struct thread *self = thread_current();

    if (self->process_number == 0) {
        return (struct syscall_identity){.subject = SUBJECT_KERNEL, .thread = self->id};
    }
    return (struct syscall_identity){.subject =
                                         atomic_load_explicit(&self->subject, memory_order_relaxed),
                                     .process = self->process_number,
                                     .thread = self->thread_number};
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

/* A number that nobody has, or an entry with validation. */
static HX_NOINLINE int64_t call_odd(const struct syscall_call *call)
{
    const struct syscall_entry *entry = syscall_lookup(call->number);
    const uint64_t *arguments = call->arguments;
    int64_t refusal;

    if (entry == NULL) {
        return syscall_absent(call->number);
    }
    refusal = entry->validate != NULL ? entry->validate(call) : 0;
    return refusal != 0 ? refusal
                        : entry->handler(arguments[0], arguments[1], arguments[2], arguments[3],
                                         arguments[4], arguments[5]);
}

static HX_ALWAYS_INLINE int64_t call_handler(const struct syscall_call *call, bool is_in_table)
{
    syscall_handler handler = is_in_table ? syscall_handler_of(call->number) : NULL;
    const uint64_t *arguments = call->arguments;

    if (HX_UNLIKELY(handler == NULL)) {
        return call_odd(call);
    }
    return handler(arguments[0], arguments[1], arguments[2], arguments[3], arguments[4],
                   arguments[5]);
}

/* Only its own CPU writes the counter, in a read section.  Release: pairs with calls_in. */
static HX_ALWAYS_INLINE void count(_Atomic uint64_t *counter)
{
    atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + 1,
                          memory_order_release);
}

/* Begins the read section in which the pre-hooks are called. */
static HX_ALWAYS_INLINE const struct hook_list *begin(struct syscall_record *record)
{
    struct hook_list *list;

    thread_current()->call = record;
    read_enter();
    /* Acquire: pairs with the release in publish_locked. */
    list = atomic_load_explicit(&hook_list_published, memory_order_acquire);
    record->list = list;
    count(&list->counts[hal_cpu_id()].entered);
    record->call.started = hal_clock_cycles();
    return list;
}

static HX_ALWAYS_INLINE void note_result(struct syscall_record *record, int64_t result)
{
    record->call.result = result;
    record->call.duration = hal_clock_cycles() - record->call.started;
}

/*
 * Inside a read section, which it ends. Who waits for calls to end has said so before a grace
 * period: either that is seen here, or this section ends before, and its count is seen there.
 */
static HX_ALWAYS_INLINE void end(struct syscall_record *record, const struct hook_post *post,
                                 struct syscall_record *outer)
{
    for (; post->function != NULL; post++) {
        post->function(&record->call, post->argument);
    }
    count(&record->list->counts[hal_cpu_id()].left);
    if (HX_UNLIKELY(atomic_load_explicit(&hook_removers, memory_order_relaxed) != 0)) {
        hook_list_left();
    }
    thread_current()->call = outer;
    read_leave();
}

static struct syscall_record *outer_of(const struct syscall_record *record)
{
    return record->call.is_from_user ? NULL : record->outer;
}

/* A pre-hook has ended the call: the posts from `due` on are to be called. */
static HX_NOINLINE void end_refused(struct syscall_record *record, const struct hook_post *due,
                                    int64_t refusal)
{
    note_result(record, refusal);
    end(record, due, outer_of(record));
}

static HX_ALWAYS_INLINE int64_t call_recorded(struct syscall_record *record, bool is_in_table,
                                              struct syscall_record *outer)
{
    for (const struct hook_pre *pre = begin(record)->pres; pre->function != NULL; pre++) {
        int64_t refusal = pre->function(&record->call, pre->argument);

        if (HX_UNLIKELY(refusal != 0)) {
            end_refused(record, pre->due, refusal);
            return record->call.result;
        }
    }
    read_leave();
    note_result(record, call_handler(&record->call, is_in_table));
    read_enter();
    end(record, record->list->posts, outer);
    return record->call.result;
}

int64_t syscall_invoke(uint32_t number, const uint64_t arguments[SYSCALL_ARGUMENTS])
{
    struct syscall_record record = {.outer = thread_current()->call, .call.number = number};

    for (unsigned i = 0; i < SYSCALL_ARGUMENTS; i++) {
        record.call.arguments[i] = arguments[i];
    }
    return call_recorded(&record, false, record.outer);
}

/* In a handler, so the pre-hooks have all been called. */
void syscall_abandon(void)
{
    const struct thread *self = thread_current();

    while (self->call != NULL) {
        struct syscall_record *record = self->call;

        note_result(record, -(int64_t)hx_error_errno(HX_EINTR));
        read_enter();
        end(record, record->list->posts, outer_of(record));
    }
}

/* --- the gateway's ---------------------------------------------------------------------------- */

/* What arrays a record has are never indexed by what a program says: there is nothing for a canary
 * to find. */
static HX_ALWAYS_INLINE int64_t call_from_user(uint64_t a0, uint64_t a1, uint64_t a2, uint64_t a3,
                                               uint64_t a4, uint64_t a5, uint64_t number,
                                               bool is_in_table)
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
    return call_recorded(&record, is_in_table, NULL);
}

HX_NO_CANARY int64_t syscall_slow(uint64_t a0, uint64_t a1, uint64_t a2, uint64_t a3, uint64_t a4,
                                  uint64_t a5, uint64_t number)
{
    return call_from_user(a0, a1, a2, a3, a4, a5, number, true);
}

HX_NO_CANARY int64_t syscall_beyond(uint64_t a0, uint64_t a1, uint64_t a2, uint64_t a3, uint64_t a4,
                                    uint64_t a5, uint64_t number)
{
    return call_from_user(a0, a1, a2, a3, a4, a5, number, false);
}

/*
 * As on Linux, the number is 32 bits: what a program leaves above them does not matter. The way on
 * is a tail call, so the arguments stay where the gateway has them; a handler has no seventh. (Said
 * to be one, clang stores the seventh anew.)
 */
int64_t kernel_syscall(uint64_t a0, uint64_t a1, uint64_t a2, uint64_t a3, uint64_t a4, uint64_t a5,
                       uint64_t number)
{
    syscall_target target = syscall_target_of((uint32_t)number);

    return target(a0, a1, a2, a3, a4, a5, number);
}
