#include <subsys/hooks/audit.h>

#include <base/memory.h>
#include <core/capability/capability.h>
#include <core/ipc/event_bus.h>
#include <hal/clock.h>
#include <kern/heap.h>
#include <kern/read_section.h>
#include <kern/wait_queue.h>
#include <stdatomic.h>
#include <subsys/hooks/cycles.h>

/*
 * One record. Written by its CPU in a read section, read by anybody at any time; who reads looks
 * afterwards how far the CPU has come. All stores and loads of the words are release and acquire,
 * so that none passes that of the count before it (Boehm 2012, "Can seqlocks get along with
 * programming language memory models?").
 */
enum slot_word {
    SLOT_STARTED,
    SLOT_DURATION,
    SLOT_RESULT,
    SLOT_NUMBER, /* of the call */
    SLOT_SUBJECT,
    SLOT_WHO, /* process, thread */
    SLOT_ARGUMENTS,
    SLOT_WORDS = SLOT_ARGUMENTS + SYSCALL_ARGUMENTS
};

struct slot {
    _Atomic uint64_t words[SLOT_WORDS];
} HX_ALIGNED(128);

/* Keys: A = atomic, written by the CPU itself; I = immutable once there */
struct ring {
    _Atomic(struct slot *) slots;   /* I  NULL: none yet */
    _Atomic uint64_t written;       /* A  records so far: the next is being written */
    _Atomic uint64_t events;        /* A */
    _Atomic uint64_t event_dropped; /* A */
} HX_ALIGNED(HX_CACHE_LINE);

static struct {
    struct ring rings[HAL_CPU_MAX];
    _Atomic uint32_t waiting; /* A  readers that wait, or are about to */
    struct wait_queue arrived;
} audit = {
    .arrived = WAIT_QUEUE_INIT(audit.arrived, "audit records"),
};

/* --- the hook --------------------------------------------------------------------------------- */

static void count(_Atomic uint64_t *counter, uint64_t amount)
{
    atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + amount,
                          memory_order_relaxed);
}

static HX_NOINLINE void publish(struct ring *here, const struct syscall_call *call)
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
    count(&here->events, 1);
    count(&here->event_dropped, event_publish(&event).dropped);
}

static HX_NOINLINE void tell(const struct syscall_call *call)
{
    if (atomic_load_explicit(&audit.waiting, memory_order_relaxed) != 0) {
        (void)wait_queue_wake_all(&audit.arrived);
    }
    if (event_is_wanted(EVENT_TOPIC_SYSCALL_AUDIT) != 0) {
        publish(&audit.rings[hal_cpu_id()], call);
    }
}

static HX_ALWAYS_INLINE void put(struct slot *slot, unsigned word, uint64_t value)
{
    atomic_store_explicit(&slot->words[word], value, memory_order_release);
}

/* The identity as it stands in the thread: of a kernel thread it is filled in by who reads. */
static void note(const struct syscall_call *call, void *argument)
{
    const struct thread *who = thread_current();
    struct ring *here = &audit.rings[hal_cpu_id()];
    uint64_t number = atomic_load_explicit(&here->written, memory_order_relaxed);
    struct slot *slot =
        &atomic_load_explicit(&here->slots, memory_order_relaxed)[number % AUDIT_RING_SIZE];

    (void)argument;
    put(slot, SLOT_STARTED, call->started);
    put(slot, SLOT_DURATION, call->duration);
    put(slot, SLOT_RESULT, (uint64_t)call->result);
    put(slot, SLOT_NUMBER, call->number);
    put(slot, SLOT_SUBJECT, atomic_load_explicit(&who->subject, memory_order_relaxed));
    put(slot, SLOT_WHO, who->process_number | (uint64_t)who->thread_number << 32);
    for (unsigned i = 0; i < SYSCALL_ARGUMENTS; i++) {
        put(slot, SLOT_ARGUMENTS + i, call->arguments[i]);
    }
    /* Release: pairs with written_in. Relaxed, the loads: see audit_watch_begin. */
    atomic_store_explicit(&here->written, number + 1, memory_order_release);
    if (HX_UNLIKELY((atomic_load_explicit(&audit.waiting, memory_order_relaxed) |
                     event_is_wanted(EVENT_TOPIC_SYSCALL_AUDIT)) != 0)) {
        tell(call);
    }
}

/* --- start ------------------------------------------------------------------------------------ */

static hx_err make_rings(void)
{
    for (uint32_t cpu = 0; cpu < hal_cpu_count(); cpu++) {
        struct ring *ring = &audit.rings[cpu];
        struct slot *slots;

        if (atomic_load_explicit(&ring->slots, memory_order_relaxed) != NULL) {
            continue;
        }
        slots = heap_allocate_zeroed(AUDIT_RING_SIZE * sizeof(*slots), OWNER_CORE);
        if (slots == NULL) {
            return HX_ENOMEM; /* those that are there serve the next try */
        }
        /* Release: pairs with read_slot. */
        atomic_store_explicit(&ring->slots, slots, memory_order_release);
    }
    return HX_OK;
}

hx_err audit_start(int32_t order)
{
    hx_err error = make_rings();

    return error == HX_OK ? syscall_hook_add(&(struct syscall_hook){
                                .name = AUDIT_HOOK, .order = order, .post = note})
                          : error;
}

/* --- reading ---------------------------------------------------------------------------------- */

/* Acquire: pairs with note. */
static uint64_t written_in(const struct ring *ring)
{
    return atomic_load_explicit(&ring->written, memory_order_acquire);
}

void audit_open(struct audit_reader *reader, bool from_oldest, uint32_t excluded)
{
    *reader = (struct audit_reader){.excluded = excluded};
    for (uint32_t cpu = 0; cpu < HAL_CPU_MAX; cpu++) {
        uint64_t written = written_in(&audit.rings[cpu]);
        uint64_t oldest = written >= AUDIT_RING_SIZE ? written - AUDIT_RING_SIZE + 1 : 0;

        reader->next[cpu] = from_oldest ? oldest : written;
    }
}

/*
 * Copy a record's words; whether it was still that one when that was done. Relaxed, the last load:
 * the acquires before it keep it behind them, and whoever has seen a word of the record that
 * overwrites this one has seen the count before it.
 */
static bool read_slot(const struct ring *ring, uint64_t number, uint64_t words[SLOT_WORDS])
{
    const struct slot *slot =
        &atomic_load_explicit(&ring->slots, memory_order_acquire)[number % AUDIT_RING_SIZE];

    for (unsigned word = 0; word < SLOT_WORDS; word++) {
        words[word] = atomic_load_explicit(&slot->words[word], memory_order_acquire);
    }
    return atomic_load_explicit(&ring->written, memory_order_relaxed) - number < AUDIT_RING_SIZE;
}

/* Pass over what was overwritten, and over what is being overwritten. */
static void catch_up(struct audit_reader *reader, uint32_t cpu)
{
    uint64_t oldest = written_in(&audit.rings[cpu]) - AUDIT_RING_SIZE + 1;

    reader->dropped += oldest - reader->next[cpu];
    reader->next[cpu] = oldest;
}

/* The reader's next record of a CPU; false: there is none. */
static bool peek(struct audit_reader *reader, uint32_t cpu, uint64_t words[SLOT_WORDS])
{
    const struct ring *ring = &audit.rings[cpu];

    while (reader->next[cpu] != written_in(ring)) {
        if (!read_slot(ring, reader->next[cpu], words)) {
            catch_up(reader, cpu);
        } else if (reader->excluded != 0 && (uint32_t)words[SLOT_WHO] == reader->excluded) {
            reader->next[cpu]++;
        } else {
            return true;
        }
    }
    return false;
}

static void fill(struct audit_record *record, const uint64_t words[SLOT_WORDS], uint32_t cpu)
{
    uint64_t ago = hal_clock_cycles() - words[SLOT_STARTED];
    bool is_kernels = (uint32_t)words[SLOT_WHO] == 0;

    *record = (struct audit_record){
        .started_ns = hal_clock_now() - cycles_to_ns(ago),
        .duration_ns = cycles_to_ns(words[SLOT_DURATION]),
        .result = (int64_t)words[SLOT_RESULT],
        .subject = is_kernels ? SUBJECT_KERNEL : words[SLOT_SUBJECT],
        .process = (uint32_t)words[SLOT_WHO],
        .thread = (uint32_t)(words[SLOT_WHO] >> 32),
        .number = (uint32_t)words[SLOT_NUMBER],
        .cpu = cpu,
    };
    for (unsigned i = 0; i < SYSCALL_ARGUMENTS; i++) {
        record->arguments[i] = words[SLOT_ARGUMENTS + i];
    }
}

hx_err audit_read(struct audit_reader *reader, struct audit_record *record)
{
    uint64_t words[2][SLOT_WORDS];
    unsigned best = 0; /* which of the two has the earliest so far; the other is for the next try */
    uint32_t found = HAL_CPU_MAX;

    for (uint32_t cpu = 0; cpu < hal_cpu_count(); cpu++) {
        const uint64_t *earliest = words[best];
        const uint64_t *here = words[1 - best];

        if (peek(reader, cpu, words[1 - best]) &&
            (found == HAL_CPU_MAX || here[SLOT_STARTED] + here[SLOT_DURATION] <
                                         earliest[SLOT_STARTED] + earliest[SLOT_DURATION])) {
            best = 1 - best;
            found = cpu;
        }
    }
    if (found == HAL_CPU_MAX) {
        return HX_EAGAIN;
    }
    reader->next[found]++;
    fill(record, words[best], found);
    return HX_OK;
}

/* --- waiting ---------------------------------------------------------------------------------- */

/* Passes over the same records as the reader will. */
static bool find(struct audit_reader *ahead)
{
    uint64_t words[SLOT_WORDS];

    for (uint32_t cpu = 0; cpu < hal_cpu_count(); cpu++) {
        if (peek(ahead, cpu, words)) {
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

struct audit_statistics audit_statistics(void)
{
    struct audit_statistics sum = {0};

    for (uint32_t cpu = 0; cpu < HAL_CPU_MAX; cpu++) {
        const struct ring *ring = &audit.rings[cpu];
        uint64_t written = written_in(ring);

        sum.written += written;
        sum.memory_bytes += atomic_load_explicit(&ring->slots, memory_order_relaxed) != NULL
                                ? AUDIT_RING_SIZE * sizeof(struct slot)
                                : 0;
        sum.overwritten += written >= AUDIT_RING_SIZE ? written - AUDIT_RING_SIZE + 1 : 0;
        sum.events += atomic_load_explicit(&ring->events, memory_order_relaxed);
        sum.event_dropped += atomic_load_explicit(&ring->event_dropped, memory_order_relaxed);
    }
    return sum;
}
