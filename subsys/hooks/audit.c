#include <subsys/hooks/audit.h>

#include <base/memory.h>
#include <core/capability/capability.h>
#include <core/gate/gate.h>
#include <core/ipc/event_bus.h>
#include <hal/clock.h>
#include <helix/hook.h>
#include <kern/read_section.h>
#include <kern/wait_queue.h>
#include <stdatomic.h>
#include <subsys/hooks/backlog.h>
#include <subsys/hooks/cycles.h>

#define ENTRY_WORDS (sizeof(struct hx_hook_record) / sizeof(uint64_t))
#define OLDEST      UINT64_MAX /* as a reader's next: whichever is there */

_Static_assert(SYSCALL_ARGUMENTS == HX_HOOK_ARGUMENTS, "modules know as many arguments");

static struct backlog backlog = {.slot_name = AUDIT_SLOT, .entry_words = ENTRY_WORDS};

/* Keys: A = atomic */
static struct {
    _Atomic uint32_t waiting; /* A  readers that wait, or are about to */
    _Atomic uint64_t events;  /* A */
    _Atomic uint64_t event_dropped;
    struct wait_queue arrived;
} audit = {
    .arrived = WAIT_QUEUE_INIT(audit.arrived, "audit records"),
};

/* --- the hook --------------------------------------------------------------------------------- */

static HX_NOINLINE void publish(const struct syscall_call *call)
{
    const struct syscall_identity who = syscall_identity();
    const struct audit_event data = {.result = call->result,
                                     .duration_ns = cycles_to_ns(call->duration),
                                     .number = call->number,
                                     .process = who.process,
                                     .thread = who.thread};
    struct kernel_event event = {
        .kind = EVENT_CUSTOM,
        .topic = EVENT_TOPIC_SYSCALL_AUDIT,
        .custom = {.id = call->number, .length = sizeof(data)},
    };

    _Static_assert(sizeof(data) <= EVENT_CUSTOM_DATA_MAX, "the data fits an event");
    memcpy(event.custom.data, &data, sizeof(data));
    atomic_fetch_add_explicit(&audit.events, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&audit.event_dropped, event_publish(&event).dropped,
                              memory_order_relaxed);
}

static HX_NOINLINE void tell(const struct syscall_call *call)
{
    if (atomic_load_explicit(&audit.waiting, memory_order_relaxed) != 0) {
        (void)wait_queue_wake_all(&audit.arrived);
    }
    if (event_is_wanted(EVENT_TOPIC_SYSCALL_AUDIT) != 0) {
        publish(call);
    }
}

/* The identity as it stands in the thread: of a kernel thread it is filled in by who reads. */
static HX_ALWAYS_INLINE void note(uint64_t *room, const struct syscall_call *call)
{
    struct hx_hook_record *record = (struct hx_hook_record *)room;
    const struct thread *who = thread_current();

    record->started = call->started;
    record->duration = call->duration;
    record->result = call->result;
    record->number = call->number;
    record->subject = atomic_load_explicit(&who->subject, memory_order_relaxed);
    record->process = who->process_number;
    record->thread = who->thread_number;
    for (unsigned i = 0; i < SYSCALL_ARGUMENTS; i++) {
        record->arguments[i] = call->arguments[i];
    }
}

static HX_NOINLINE void record_late(const struct syscall_call *call)
{
    struct backlog_lane *lane;
    uint64_t *room;

    if (backlog_late_claim(&backlog, &lane, &room)) {
        note(room, call);
        backlog_commit(lane);
    }
    tell(call);
}

static void record(const struct syscall_call *call, void *argument)
{
    struct backlog_lane *lane = backlog_here(&backlog);
    uint64_t *room;

    (void)argument;
    if (!backlog_try_claim(lane, ENTRY_WORDS, &room)) {
        record_late(call);
        return;
    }
    note(room, call);
    backlog_commit(lane);
    /* Relaxed, the loads: see audit_watch_begin. */
    if (HX_UNLIKELY((atomic_load_explicit(&audit.waiting, memory_order_relaxed) |
                     event_is_wanted(EVENT_TOPIC_SYSCALL_AUDIT)) != 0)) {
        tell(call);
    }
}

hx_err audit_start(int32_t order)
{
    hx_err error = backlog_start(&backlog);

    return error == HX_OK ? syscall_hook_add(&(struct syscall_hook){
                                .name = AUDIT_HOOK, .order = order, .post = record})
                          : error;
}

/* --- reading ---------------------------------------------------------------------------------- */

void audit_open(struct audit_reader *reader, bool from_oldest, uint32_t excluded)
{
    *reader = (struct audit_reader){.excluded = excluded};
    for (uint32_t cpu = 0; cpu < HAL_CPU_MAX; cpu++) {
        reader->next[cpu] = from_oldest ? OLDEST : backlog_written(&backlog, cpu);
    }
}

/* What is asked of the module: one record, if there is one. */
struct reading {
    struct hx_hook_reading head;
    struct hx_hook_record record;
};

/* Records come in order, and none before it was written: a reader would go round for ever else. */
static bool can_be(const struct reading *reading, uint64_t wanted, uint32_t cpu)
{
    return reading->head.count == 0 || (reading->head.count == 1 && reading->head.next >= wanted &&
                                        reading->head.next < backlog_written(&backlog, cpu));
}

/* Ask for the reader's next record of a CPU, and pass over what was overwritten. */
static bool ask(struct audit_reader *reader, uint32_t cpu, struct reading *reading)
{
    bool is_first = reader->next[cpu] == OLDEST;
    uint64_t wanted = is_first ? 0 : reader->next[cpu];

    if (wanted == backlog_written(&backlog, cpu)) {
        return false; /* there is nothing, whoever is in the slot */
    }
    reading->head.next = wanted;
    if (backlog_read(&backlog, cpu, HX_HOOK_RECORDS, reading, sizeof(*reading)) != HX_OK) {
        return false;
    }
    if (!can_be(reading, wanted, cpu)) {
        slot_distrust(backlog.slot);
        return false;
    }
    if (reading->head.count != 0) {
        reader->dropped += is_first ? 0 : reading->head.next - wanted;
        reader->next[cpu] = reading->head.next;
    }
    return reading->head.count != 0;
}

/* The reader's next record of a CPU; false: there is none. */
static bool peek(struct audit_reader *reader, uint32_t cpu, struct reading *reading)
{
    while (ask(reader, cpu, reading)) {
        if (reader->excluded == 0 || reading->record.process != reader->excluded) {
            return true;
        }
        reader->next[cpu]++;
    }
    return false;
}

static void fill(struct audit_record *told, const struct hx_hook_record *record, uint32_t cpu)
{
    uint64_t ago = hal_clock_cycles() - record->started;

    *told = (struct audit_record){
        .started_ns = hal_clock_now() - cycles_to_ns(ago),
        .duration_ns = cycles_to_ns(record->duration),
        .result = record->result,
        .subject = record->process == 0 ? SUBJECT_KERNEL : record->subject,
        .process = record->process,
        .thread = record->thread,
        .number = (uint32_t)record->number,
        .cpu = cpu,
    };
    for (unsigned i = 0; i < SYSCALL_ARGUMENTS; i++) {
        told->arguments[i] = record->arguments[i];
    }
}

static uint64_t end_of(const struct hx_hook_record *record)
{
    return record->started + record->duration;
}

hx_err audit_read(struct audit_reader *reader, struct audit_record *told)
{
    struct reading readings[2];
    unsigned best = 0; /* which of the two has the earliest so far; the other is for the next try */
    uint32_t found = HAL_CPU_MAX;

    for (uint32_t cpu = 0; cpu < hal_cpu_count(); cpu++) {
        if (peek(reader, cpu, &readings[1 - best]) &&
            (found == HAL_CPU_MAX ||
             end_of(&readings[1 - best].record) < end_of(&readings[best].record))) {
            best = 1 - best;
            found = cpu;
        }
    }
    if (found == HAL_CPU_MAX) {
        return HX_EAGAIN;
    }
    reader->next[found]++;
    fill(told, &readings[best].record, found);
    return HX_OK;
}

/* --- waiting ---------------------------------------------------------------------------------- */

/* Passes over the same records as the reader will. */
static bool find(struct audit_reader *ahead)
{
    struct reading reading;

    for (uint32_t cpu = 0; cpu < hal_cpu_count(); cpu++) {
        if (peek(ahead, cpu, &reading)) {
            return true;
        }
    }
    return false;
}

bool audit_has_record(const struct audit_reader *reader)
{
    struct audit_reader ahead = *reader;

    return find(&ahead);
}

/*
 * Said that somebody waits, then every CPU passes a grace period: a call that ends either has its
 * record seen by who looks after this, or sees there that somebody waits.
 */
void audit_watch_begin(void)
{
    atomic_fetch_add_explicit(&audit.waiting, 1, memory_order_relaxed);
    read_synchronize();
}

void audit_watch_end(void)
{
    atomic_fetch_sub_explicit(&audit.waiting, 1, memory_order_relaxed);
}

struct wait_queue *audit_arrivals(void)
{
    return &audit.arrived;
}

hx_err audit_await(const struct audit_reader *reader, uint64_t deadline_ns)
{
    struct audit_reader ahead = *reader;
    struct waiter waiter;
    hx_err error = HX_OK;

    audit_watch_begin();
    wait_queue_prepare(&audit.arrived, &waiter);
    while (!find(&ahead) && error == HX_OK) {
        error = wait_queue_wait_interruptible(&audit.arrived, &waiter, deadline_ns);
    }
    wait_queue_finish(&audit.arrived, &waiter);
    audit_watch_end();
    return error;
}

hx_err audit_read_wait(struct audit_reader *reader, struct audit_record *record,
                       uint64_t deadline_ns)
{
    hx_err waited = HX_OK;
    hx_err error;

    while ((error = audit_read(reader, record)) == HX_EAGAIN && waited == HX_OK) {
        waited = audit_await(reader, deadline_ns);
    }
    return error == HX_EAGAIN ? waited : error;
}

/* --- numbers ---------------------------------------------------------------------------------- */

struct audit_statistics audit_statistics(void)
{
    struct audit_statistics sum = {
        .lost = backlog_lost(&backlog),
        .events = atomic_load_explicit(&audit.events, memory_order_relaxed),
        .event_dropped = atomic_load_explicit(&audit.event_dropped, memory_order_relaxed),
        .memory_bytes = backlog_memory(&backlog),
    };

    for (uint32_t cpu = 0; cpu < HAL_CPU_MAX; cpu++) {
        sum.written += backlog_written(&backlog, cpu);
    }
    return sum;
}

uint64_t audit_overwritten(void)
{
    struct hal_gate_result result = {.error = HX_ENOENT};

    if (backlog_memory(&backlog) != 0) {
        result = gate_call(backlog.slot, HOOK_READ, HX_HOOK_OVERWRITTEN, 0, 0, 0);
    }
    return result.error == HX_OK ? result.value : 0;
}
