/* Publishing, and the worker that delivers copies. Who subscribed to what: event_table.c. */
#include <core/ipc/event_ring.h>
#include <core/ipc/event_table.h>
#include <hal/clock.h>
#include <kern/read_section.h>
#include <kern/recorder.h>
#include <kern/thread.h>
#include <kern/wait_queue.h>

/* Keys: A = atomic, W = the worker's */
static struct {
    _Atomic(struct thread *) thread;       /* A  NULL: not started */
    _Atomic(struct event_entry *) running; /* A  whose callback the worker is in */
    struct wait_queue idle;                /* woken when it has returned */
    _Atomic bool held;                     /* A  delivers nothing */
    _Atomic bool busy;                     /* A  takes a copy and delivers it; not while held */
    _Atomic uint64_t copied;               /* A  written by the worker */
    _Atomic uint64_t dropped;              /* A */
    struct event_ring ring;
} worker = {
    .idle = WAIT_QUEUE_INIT(worker.idle, "event worker"),
};

/* What keeps publications from the short way: 0 nearly always. */
#define UNUSUAL_PANIC    1U
#define UNUSUAL_RECORDED 2U
static _Atomic uint32_t unusual;
_Atomic uint32_t event_tick_attention;

/* --- copies for the worker ---------------------------------------------------------------------
 */

void event_worker_wake(void)
{
    struct thread *thread = atomic_load_explicit(&worker.thread, memory_order_acquire);

    if (thread == NULL) {
        return;
    }
    if (thread_current()->nmi_depth != 0) {
        atomic_fetch_or_explicit(&event_tick_attention, EVENT_TICK_WAKE, memory_order_relaxed);
    } else {
        thread_unpark(thread);
    }
}

/*
 * A result as one number, so that it is counted in one register: delivered in the lowest 16 bits,
 * then handled, dropped, stopped.
 */
union tally {
    struct event_result result;
    uint64_t number;
};

#define TALLY_DELIVERED 1ULL
#define TALLY_HANDLED   (1ULL << 16)
#define TALLY_DROPPED   (1ULL << 32)
#define TALLY_STOPPED   (1ULL << 48)

_Static_assert(sizeof(struct event_result) == sizeof(uint64_t) &&
                   offsetof(struct event_result, handled) == 2 &&
                   offsetof(struct event_result, dropped) == 4 &&
                   offsetof(struct event_result, stopped) == 6 &&
                   __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__,
               "a tally is a result");

/* What to do about a subscriber that cannot be called here. Returns the tally with it. */
static HX_NOINLINE uint64_t pass_on(uint64_t tally, const struct event_node *node,
                                    const struct kernel_event *event, uint32_t context)
{
    struct event_entry *entry = node->entry;
    struct event_copy copy;

    if ((atomic_load_explicit(&node->accepts, memory_order_relaxed) & EVENT_ALIVE) == 0 ||
        context == EVENT_IN_PANIC) {
        return tally;
    }
    copy.index = (uint32_t)(entry - event_entries);
    copy.generation = atomic_load_explicit(&entry->generation, memory_order_relaxed);
    copy.event = *event;
    if (!event_ring_push(&worker.ring, &copy)) {
        atomic_fetch_add_explicit(&entry->dropped, 1, memory_order_relaxed);
        atomic_fetch_add_explicit(&worker.dropped, 1, memory_order_relaxed);
        return tally + TALLY_DROPPED;
    }
    event_worker_wake();
    return tally + TALLY_DELIVERED;
}

/* Out of line, like pass_on, for the sake of the loop that calls them. */
static HX_NOINLINE uint64_t note_answer(uint64_t tally, enum event_answer answer)
{
    return tally + TALLY_HANDLED + (answer == EVENT_STOP ? TALLY_STOPPED : 0);
}

/* --- publishing --------------------------------------------------------------------------------
 */

void event_bus_enter_panic(void)
{
    atomic_fetch_or_explicit(&unusual, UNUSUAL_PANIC, memory_order_relaxed);
}

void event_bus_set_recorded(bool is_recorded)
{
    if (is_recorded) {
        atomic_fetch_or_explicit(&unusual, UNUSUAL_RECORDED, memory_order_relaxed);
    } else {
        atomic_fetch_and_explicit(&unusual, ~UNUSUAL_RECORDED, memory_order_relaxed);
    }
}

bool event_bus_is_panicking(void)
{
    return (atomic_load_explicit(&unusual, memory_order_relaxed) & UNUSUAL_PANIC) != 0;
}

static uint32_t context_now(void)
{
    const struct thread *self = thread_current();

    if (event_bus_is_panicking()) {
        return EVENT_IN_PANIC;
    }
    if (self->interruptions == 0) {
        return EVENT_IN_THREAD;
    }
    return self->nmi_depth != 0 ? EVENT_IN_NMI : EVENT_IN_INTERRUPT;
}

static HX_ALWAYS_INLINE bool is_valid(const struct kernel_event *event)
{
    return event->topic < EVENT_TOPIC_MAX &&
           ((unsigned)event->kind < EVENT_CUSTOM ||
            (event->kind == EVENT_CUSTOM && event->custom.length <= EVENT_CUSTOM_DATA_MAX));
}

/* Only its own CPU writes the counter; a publication of an interrupt's that comes between may not
 * be counted. */
static HX_ALWAYS_INLINE void count(_Atomic uint64_t *counter)
{
    atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + 1,
                          memory_order_relaxed);
}

/*
 * Call everybody on the topic's list; *current says whose callback runs.
 *
 * Release there: what a callback did is seen by who waits for its end (is_in in event_table.c).
 * That one has made every CPU pass a barrier between ending the subscription and looking, so here,
 * between saying whose turn it is and asking whether it is still wanted, the order of the
 * instructions is enough.
 */
static HX_ALWAYS_INLINE uint64_t tell(const struct kernel_event *event, uint32_t context,
                                      _Atomic(struct event_node *) *current)
{
    /* Acquire, here and below, pairs with the release that links a node in (event_table.c). */
    struct event_node *node =
        atomic_load_explicit(&event_first[event->topic], memory_order_acquire);
    uint64_t tally = 0;

    while (HX_LIKELY(node != NULL)) {
        atomic_store_explicit(current, node, memory_order_release);
        atomic_signal_fence(memory_order_seq_cst);
        if (HX_LIKELY((atomic_load_explicit(&node->accepts, memory_order_relaxed) & context) !=
                      0)) {
            enum event_answer answer = node->callback(node->argument, event);

            tally += TALLY_DELIVERED;
            if (HX_UNLIKELY(answer != EVENT_CONTINUE)) {
                tally = note_answer(tally, answer);
                if (tally >= TALLY_STOPPED) {
                    break;
                }
            }
        } else {
            tally = pass_on(tally, node, event, context);
        }
        node = atomic_load_explicit(&node->next, memory_order_acquire);
    }
    atomic_store_explicit(current, NULL, memory_order_release);
    return tally;
}

static bool is_free(const _Atomic(struct event_node *) *current)
{
    return atomic_load_explicit(current, memory_order_relaxed) == NULL;
}

/* Publish from wherever, however deep. */
static HX_NOINLINE uint64_t publish_anywhere(struct event_cpu *here,
                                             const struct kernel_event *event)
{
    size_t level = 0;

    while (level < EVENT_DEPTH_MAX && !is_free(&here->current[level])) {
        level++;
    }
    if (level == EVENT_DEPTH_MAX || !is_valid(event)) {
        count(&here->refused);
        return 0;
    }
    recorder_note(RECORDER_EVENT, 0, event->topic, event->kind);
    count(&here->published[event->topic]);
    return tell(event, context_now(), &here->current[level]);
}

/* The common case, a thread outside of callbacks, has its own copy of the loop. */
struct event_result event_publish(const struct kernel_event *event)
{
    union tally tally;

    preempt_disable();

    struct event_cpu *here = &event_cpus[hal_cpu_id()];

    if (HX_LIKELY(is_free(&here->current[0]) && is_valid(event) &&
                  atomic_load_explicit(&unusual, memory_order_relaxed) == 0 &&
                  thread_current()->interruptions == 0)) {
        count(&here->published[event->topic]);
        tally.number = tell(event, EVENT_IN_THREAD, &here->current[0]);
    } else {
        tally.number = publish_anywhere(here, event);
    }
    preempt_enable();
    return tally.result;
}

/* --- the tick ----------------------------------------------------------------------------------
 */

/* Timers interrupt too: only a tick that has not been told is told. */
static void tell_tick(void)
{
    struct event_cpu *here = &event_cpus[hal_cpu_id()];
    uint64_t ticks = thread_tick_count(hal_cpu_id());

    if (here->ticks != ticks) {
        here->ticks = ticks;
        (void)event_publish(&(struct kernel_event){
            .kind = EVENT_TIMER_TICK, .topic = EVENT_TOPIC_TICK, .timer_tick = {hal_clock_now()}});
    }
}

void event_tick_attend(void)
{
    uint32_t bits =
        atomic_fetch_and_explicit(&event_tick_attention, ~EVENT_TICK_WAKE, memory_order_relaxed);

    if ((bits & EVENT_TICK_WAKE) != 0) {
        event_worker_wake();
    }
    if ((bits & EVENT_TICK_WANTED) != 0) {
        tell_tick();
    }
}

/* --- the worker --------------------------------------------------------------------------------
 */

bool event_worker_is_in(const struct event_entry *entry)
{
    /* Pairs with the store in deliver: either it is seen here, or the end of the entry there. */
    return atomic_load_explicit(&worker.running, memory_order_seq_cst) == entry;
}

void event_worker_wait(const struct event_entry *entry)
{
    struct waiter waiter;
    hx_err error = HX_OK;

    if (!event_worker_is_in(entry) ||
        atomic_load_explicit(&worker.thread, memory_order_relaxed) == thread_current()) {
        return;
    }
    wait_queue_prepare(&worker.idle, &waiter);
    while (event_worker_is_in(entry) && error == HX_OK) {
        error = wait_queue_wait(&worker.idle, &waiter, THREAD_NO_DEADLINE);
    }
    wait_queue_finish(&worker.idle, &waiter);
}

static void deliver(const struct event_copy *copy)
{
    struct event_entry *entry = &event_entries[copy->index];

    atomic_store_explicit(&worker.running, entry, memory_order_seq_cst);
    if ((atomic_load_explicit(&entry->accepts, memory_order_seq_cst) & EVENT_ALIVE) != 0 &&
        atomic_load_explicit(&entry->generation, memory_order_relaxed) == copy->generation) {
        (void)entry->callback(entry->argument, &copy->event);
        count(&worker.copied);
    }
    atomic_store_explicit(&worker.running, NULL, memory_order_seq_cst);
    wait_queue_wake_all(&worker.idle);
}

/* Deliver the oldest copy, unless the worker is held. Returns whether there was one. */
static bool deliver_next(void)
{
    struct event_copy copy;
    bool taken;

    /* Both pairs, here and below, are with event_bus_hold: each side writes its own word, then
     * looks at the other's. */
    atomic_store_explicit(&worker.busy, true, memory_order_seq_cst);
    taken = !atomic_load_explicit(&worker.held, memory_order_seq_cst) &&
            event_ring_pop(&worker.ring, &copy);
    if (taken) {
        deliver(&copy);
    }
    atomic_store_explicit(&worker.busy, false, memory_order_seq_cst);
    if (atomic_load_explicit(&worker.held, memory_order_seq_cst)) {
        wait_queue_wake_all(&worker.idle);
    }
    return taken;
}

static void work(void *argument)
{
    (void)argument;
    for (;;) {
        if (!deliver_next() && event_table_reclaim() == 0) {
            thread_wait();
        }
    }
}

static bool worker_is_busy(void)
{
    return atomic_load_explicit(&worker.busy, memory_order_seq_cst);
}

hx_err event_bus_hold(void)
{
    struct waiter waiter;
    hx_err error = HX_OK;

    if (atomic_load_explicit(&worker.thread, memory_order_relaxed) == thread_current()) {
        return HX_ECONTEXT;
    }
    atomic_store_explicit(&worker.held, true, memory_order_seq_cst);
    wait_queue_prepare(&worker.idle, &waiter);
    while (worker_is_busy() && error == HX_OK) {
        error = wait_queue_wait(&worker.idle, &waiter, THREAD_NO_DEADLINE);
    }
    wait_queue_finish(&worker.idle, &waiter);
    return error;
}

void event_bus_release(void)
{
    atomic_store_explicit(&worker.held, false, memory_order_seq_cst);
    event_worker_wake();
}

hx_err event_bus_start(void)
{
    struct thread *thread;
    hx_err error;

    if (atomic_load_explicit(&worker.thread, memory_order_relaxed) != NULL) {
        return HX_OK;
    }
    error = thread_create(&(struct thread_options){.name = "events",
                                                   .entry = work,
                                                   .priority = THREAD_PRIORITY_NORMAL},
                          &thread);

    if (error == HX_OK) {
        /* Release: pairs with event_worker_wake. */
        atomic_store_explicit(&worker.thread, thread, memory_order_release);
        thread_start(thread);
    }
    return error;
}

/* --- looking at it -----------------------------------------------------------------------------
 */

static uint64_t published_on(event_topic topic)
{
    uint64_t sum = 0;

    for (uint32_t cpu = 0; cpu < HAL_CPU_MAX; cpu++) {
        sum += atomic_load_explicit(&event_cpus[cpu].published[topic], memory_order_relaxed);
    }
    return sum;
}

bool event_topic_info(event_topic topic, struct event_topic_info *info)
{
    if (!event_table_topic(topic, info)) {
        return false;
    }
    info->published = published_on(topic);
    return true;
}

struct event_bus_statistics event_bus_statistics(void)
{
    struct event_bus_statistics numbers = {
        .copied = atomic_load_explicit(&worker.copied, memory_order_relaxed),
        .dropped = atomic_load_explicit(&worker.dropped, memory_order_relaxed),
        .subscriptions = event_table_subscriptions(),
        .memory_bytes = sizeof(worker) + sizeof(event_cpus) + sizeof(event_entries),
    };
    struct event_topic_info info;

    for (event_topic topic = 0; event_topic_info(topic, &info); topic++) {
        numbers.topics++;
        numbers.published += info.published;
    }
    for (uint32_t cpu = 0; cpu < HAL_CPU_MAX; cpu++) {
        numbers.refused += atomic_load_explicit(&event_cpus[cpu].refused, memory_order_relaxed);
    }
    return numbers;
}
