/* The event bus in the running kernel: order, contexts, ends of subscriptions, load; and who
 * publishes. */
#include <base/string.h>
#include <core/config/kernel_configuration.h>
#include <core/gate/slot.h>
#include <core/gate/watchdog.h>
#include <core/interrupts/dispatcher.h>
#include <core/interrupts/exceptions.h>
#include <core/ipc/event_bus.h>
#include <core/orchestrator/orchestrator.h>
#include <hal/clock.h>
#include <hal/cpu.h>
#include <kern/cpu.h>
#include <kern/heap.h>
#include <subsys/modules/modules.h>
#include <subsys/processors/processors.h>
#include <tests/self/crew.h>
#include <tests/self/suites.h>

#define TEST(function) "core_events." #function, function

#define TOPIC     EVENT_TOPIC_PROCESS
#define TOPIC_SET EVENT_TOPIC_SET(TOPIC)
#define HEARD_MAX 64U

static const struct kernel_event process_event = {
    .kind = EVENT_CUSTOM, .topic = TOPIC, .custom = {.id = 7, .length = 2, .data = {1, 2}}};

/* --- helpers ---------------------------------------------------------------------------------- */

/* What callbacks note: who was called, in order. */
static struct {
    _Atomic uint32_t next;
    _Atomic uint32_t count; /* after `who` is written */
    const void *who[HEARD_MAX];
} heard;

static enum event_answer note(void *argument, const struct kernel_event *event)
{
    if (event->topic == TOPIC) {
        uint32_t at = atomic_fetch_add_explicit(&heard.next, 1, memory_order_relaxed);

        heard.who[at % HEARD_MAX] = argument;
        atomic_fetch_add_explicit(&heard.count, 1, memory_order_acq_rel);
    }
    return EVENT_CONTINUE;
}

static enum event_answer note_handled(void *argument, const struct kernel_event *event)
{
    (void)note(argument, event);
    return EVENT_HANDLED;
}

static enum event_answer note_stop(void *argument, const struct kernel_event *event)
{
    (void)note(argument, event);
    return EVENT_STOP;
}

static event_subscription subscribe(event_topics topics, event_callback callback, void *argument,
                                    int32_t priority, uint32_t contexts)
{
    const struct event_subscriber subscriber = {.topics = topics,
                                                .callback = callback,
                                                .argument = argument,
                                                .priority = priority,
                                                .contexts = contexts};
    event_subscription id = 0;

    EXPECT_EQUAL(event_subscribe(&subscriber, &id), HX_OK);
    return id;
}

static void unsubscribe(event_subscription id)
{
    EXPECT_EQUAL(event_unsubscribe(id), HX_OK);
}

static void forget_heard(void)
{
    atomic_store_explicit(&heard.next, 0, memory_order_relaxed);
    atomic_store_explicit(&heard.count, 0, memory_order_release);
}

static void *name(uintptr_t number)
{
    return (void *)number;
}

static void expect_heard(const uintptr_t *names, uint32_t count)
{
    EXPECT_EQUAL(atomic_load_explicit(&heard.count, memory_order_acquire), count);
    for (uint32_t i = 0; i < count; i++) {
        EXPECT_EQUAL((uintptr_t)heard.who[i], names[i]);
    }
}

/* The worker frees what was ended inside of callbacks a little later. */
static void wait_for_heap(uint64_t objects)
{
    uint64_t deadline = hal_clock_now() + CREW_PATIENCE_NS;
    struct heap_statistics now;

    do {
        thread_sleep(HAL_NS_PER_MS);
        heap_statistics(&now);
    } while (now.objects > objects && hal_clock_now() < deadline);
    EXPECT(now.objects <= objects);
}

static uint64_t heap_objects(void)
{
    struct heap_statistics now;

    heap_statistics(&now);
    return now.objects;
}

/* --- order and answers ------------------------------------------------------------------------ */

/* SPEC: P5 */
static void higher_priorities_hear_first_and_equal_ones_in_order(void)
{
    static const uintptr_t order[] = {4, 2, 5, 1, 3, 6};
    event_subscription ids[] = {
        subscribe(TOPIC_SET, note, name(1), 0, EVENT_IN_ANY),
        subscribe(TOPIC_SET, note, name(2), 5, EVENT_IN_ANY),
        subscribe(EVENT_ALL_TOPICS, note, name(3), 0, EVENT_IN_THREAD),
        subscribe(TOPIC_SET, note, name(4), INT32_MAX, EVENT_IN_ANY),
        subscribe(TOPIC_SET, note, name(5), 5, EVENT_IN_ANY),
        subscribe(TOPIC_SET, note, name(6), INT32_MIN, EVENT_IN_ANY),
    };
    struct event_result result;

    forget_heard();
    result = event_publish(&process_event);
    EXPECT(result.delivered == 6 && result.handled == 0 && !result.stopped && result.dropped == 0);
    expect_heard(order, HX_ARRAY_SIZE(order));
    for (size_t i = 0; i < HX_ARRAY_SIZE(ids); i++) {
        unsubscribe(ids[i]);
    }
    EXPECT_EQUAL(event_publish(&process_event).delivered, 0);
}

/* SPEC: P5 */
static void stop_keeps_the_event_from_those_behind(void)
{
    static const uintptr_t order[] = {1, 2, 3};
    event_subscription ids[] = {
        subscribe(TOPIC_SET, note_handled, name(1), 3, EVENT_IN_ANY),
        subscribe(TOPIC_SET, note, name(2), 2, EVENT_IN_ANY),
        subscribe(TOPIC_SET, note_stop, name(3), 1, EVENT_IN_ANY),
        subscribe(TOPIC_SET, note, name(4), 0, EVENT_IN_ANY),
        subscribe(TOPIC_SET, note, name(5), 0, EVENT_IN_WORKER),
    };
    struct event_result result;

    forget_heard();
    result = event_publish(&process_event);
    EXPECT(result.delivered == 3 && result.handled == 2 && result.stopped);
    thread_sleep(HAL_NS_PER_MS);
    expect_heard(order, HX_ARRAY_SIZE(order));
    for (size_t i = 0; i < HX_ARRAY_SIZE(ids); i++) {
        unsubscribe(ids[i]);
    }
}

static enum event_answer compare(void *argument, const struct kernel_event *event)
{
    uint32_t *same = argument;

    if (event->kind == EVENT_CUSTOM && event->custom.id == 7 && event->custom.length == 2 &&
        event->custom.data[0] == 1 && event->custom.data[1] == 2) {
        ++*same;
    }
    return EVENT_CONTINUE;
}

/* SPEC: P5 */
static void who_subscribed_to_all_hears_topics_that_come_later(void)
{
    uint32_t same = 0;
    event_subscription id = subscribe(EVENT_ALL_TOPICS, compare, &same, 0, EVENT_IN_THREAD);
    struct kernel_event event = process_event;
    event_topic again;

    EXPECT_EQUAL(event_topic_intern("test.later", &event.topic), HX_OK);
    EXPECT_EQUAL(event_topic_intern("test.later", &again), HX_OK);
    EXPECT_EQUAL(event.topic, again);
    EXPECT_EQUAL(event_publish(&event).delivered, 1);
    EXPECT_EQUAL(same, 1);
    unsubscribe(id);
    EXPECT_EQUAL(event_publish(&event).delivered, 0);
}

/* SPEC: P5 P10 */
static void nonsense_is_refused_and_changes_nothing(void)
{
    static const char *const bad[] = {"", "a b", "k\xc3\xa9", "0123456789abcdef0123456789abcdef",
                                      NULL};
    struct event_bus_statistics before = event_bus_statistics();
    struct event_subscriber subscriber = {.topics = TOPIC_SET, .callback = note};
    struct kernel_event event = process_event;
    event_subscription id = 0;
    event_topic topic;

    for (size_t i = 0; i < HX_ARRAY_SIZE(bad); i++) {
        EXPECT_EQUAL(event_topic_intern(bad[i], &topic), HX_EINVAL);
    }
    subscriber.callback = NULL;
    EXPECT_EQUAL(event_subscribe(&subscriber, &id), HX_EINVAL);
    subscriber = (struct event_subscriber){.topics = 0, .callback = note};
    EXPECT_EQUAL(event_subscribe(&subscriber, &id), HX_EINVAL);
    subscriber.topics = EVENT_TOPIC_SET(EVENT_TOPIC_MAX - 1);
    EXPECT_EQUAL(event_subscribe(&subscriber, &id), HX_EINVAL);
    subscriber = (struct event_subscriber){.topics = TOPIC_SET, .callback = note, .contexts = 16};
    EXPECT_EQUAL(event_subscribe(&subscriber, &id), HX_EINVAL);
    EXPECT_EQUAL(event_unsubscribe(0), HX_ESTALE);
    EXPECT_EQUAL(event_unsubscribe(UINT64_MAX), HX_ESTALE);
    event.custom.length = EVENT_CUSTOM_DATA_MAX + 1;
    EXPECT_EQUAL(event_publish(&event).delivered, 0);
    event = (struct kernel_event){.kind = EVENT_KIND_COUNT, .topic = TOPIC};
    (void)event_publish(&event);
    event = (struct kernel_event){.kind = EVENT_CUSTOM, .topic = EVENT_TOPIC_MAX};
    (void)event_publish(&event);
    EXPECT_EQUAL(event_bus_statistics().refused, before.refused + 3);
    EXPECT_EQUAL(event_bus_statistics().subscriptions, before.subscriptions);
}

/* SPEC: P10 */
static void an_id_is_stale_once_its_subscription_has_ended(void)
{
    event_subscription first = subscribe(TOPIC_SET, note, NULL, 0, EVENT_IN_ANY);

    unsubscribe(first);
    EXPECT_EQUAL(event_unsubscribe(first), HX_ESTALE);

    event_subscription second = subscribe(TOPIC_SET, note, NULL, 0, EVENT_IN_ANY);

    EXPECT_EQUAL((uint32_t)first, (uint32_t)second);
    EXPECT_EQUAL(event_unsubscribe(first), HX_ESTALE);
    EXPECT_EQUAL(event_publish(&process_event).delivered, 1);
    unsubscribe(second);
}

/* SPEC: P5 */
static void without_memory_or_a_place_nobody_is_subscribed(void)
{
    static event_subscription ids[EVENT_SUBSCRIPTION_MAX + 1];
    const struct event_subscriber subscriber = {.topics = TOPIC_SET, .callback = note};
    uint32_t before = event_bus_statistics().subscriptions;
    hx_err error = HX_OK;
    uint32_t count = 0;

    heap_fail_nth(1);
    EXPECT_EQUAL(event_subscribe(&subscriber, &ids[0]), HX_ENOMEM);
    heap_fail_nth(0);
    EXPECT_EQUAL(event_bus_statistics().subscriptions, before);
    while (error == HX_OK && count <= EVENT_SUBSCRIPTION_MAX) {
        error = event_subscribe(&subscriber, &ids[count]);
        count += error == HX_OK;
    }
    EXPECT_EQUAL(error, HX_ENOSPC);
    EXPECT_EQUAL(before + count, EVENT_SUBSCRIPTION_MAX);
    while (count > 0) {
        unsubscribe(ids[--count]);
    }
    EXPECT_EQUAL(event_bus_statistics().subscriptions, before);
}

/* --- callbacks that change what is around them ------------------------------------------------ */

struct changer {
    event_subscription self;
    event_subscription other;
    event_subscription made;
    hx_err errors[4];
    uint32_t calls;
};

static enum event_answer change(void *argument, const struct kernel_event *event)
{
    struct changer *changer = argument;
    const struct event_subscriber subscriber = {
        .topics = TOPIC_SET, .callback = note, .priority = -1, .contexts = EVENT_IN_ANY};

    (void)event;
    changer->calls++;
    changer->errors[0] = event_subscribe(&subscriber, &changer->made);
    changer->errors[1] = event_unsubscribe(changer->other);
    changer->errors[2] = event_unsubscribe(changer->self);
    changer->errors[3] = event_unsubscribe(changer->self);
    return EVENT_CONTINUE;
}

/* SPEC: P6 */
static void a_callback_subscribes_and_unsubscribes_others_and_itself(void)
{
    uint64_t objects = heap_objects();
    struct changer changer = {0};

    changer.self = subscribe(TOPIC_SET, change, &changer, 1, EVENT_IN_ANY);
    changer.other = subscribe(TOPIC_SET, note, NULL, 0, EVENT_IN_ANY);
    forget_heard();
    (void)event_publish(&process_event);
    EXPECT_EQUAL(changer.errors[0], HX_OK);
    EXPECT_EQUAL(changer.errors[1], HX_OK);
    EXPECT_EQUAL(changer.errors[2], HX_OK);
    EXPECT_EQUAL(changer.errors[3], HX_ESTALE);
    forget_heard();
    EXPECT_EQUAL(event_publish(&process_event).delivered, 1);
    EXPECT_EQUAL(changer.calls, 1);
    EXPECT_EQUAL(atomic_load_explicit(&heard.count, memory_order_acquire), 1);
    unsubscribe(changer.made);
    wait_for_heap(objects);
}

static enum event_answer publish_again(void *argument, const struct kernel_event *event)
{
    uint32_t *calls = argument;

    ++*calls;
    (void)event_publish(event);
    return EVENT_CONTINUE;
}

/* SPEC: P6 */
static void a_callback_that_publishes_its_own_topic_ends_at_the_bound(void)
{
    uint64_t refused = event_bus_statistics().refused;
    uint32_t calls = 0;
    event_subscription id = subscribe(TOPIC_SET, publish_again, &calls, 0, EVENT_IN_THREAD);

    (void)event_publish(&process_event);
    unsubscribe(id);
    EXPECT_EQUAL(calls, EVENT_DEPTH_MAX);
    EXPECT_EQUAL(event_bus_statistics().refused, refused + 1);
}

/* --- the end of a subscription ---------------------------------------------------------------- */

static struct {
    _Atomic uint32_t inside;
    _Atomic uint32_t go;
    _Atomic uint32_t ended;
    _Atomic uint32_t late; /* calls after the end */
    _Atomic uint32_t stop;
    event_subscription id;
    hx_err error;
} gate;

static void reset_gate(void)
{
    atomic_store_explicit(&gate.inside, 0, memory_order_relaxed);
    atomic_store_explicit(&gate.go, 0, memory_order_relaxed);
    atomic_store_explicit(&gate.ended, 0, memory_order_relaxed);
    atomic_store_explicit(&gate.late, 0, memory_order_relaxed);
    atomic_store_explicit(&gate.stop, 0, memory_order_relaxed);
}

static enum event_answer stay(void *argument, const struct kernel_event *event)
{
    (void)argument;
    (void)event;
    atomic_fetch_add_explicit(&gate.inside, 1, memory_order_acq_rel);
    (void)crew_spin_until(&gate.go, 1);
    return EVENT_CONTINUE;
}

/* The worker may block. */
static enum event_answer stay_asleep(void *argument, const struct kernel_event *event)
{
    (void)argument;
    (void)event;
    atomic_fetch_add_explicit(&gate.inside, 1, memory_order_acq_rel);
    (void)crew_sleep_until(&gate.go, 1);
    return EVENT_CONTINUE;
}

static void publish_once(void *argument)
{
    (void)argument;
    (void)event_publish(&process_event);
}

static void end_it(void *argument)
{
    (void)argument;
    gate.error = event_unsubscribe(gate.id);
    atomic_store_explicit(&gate.ended, 1, memory_order_release);
}

static struct crew crew;

static void expect_end_waits(event_callback callback, uint32_t contexts)
{
    reset_gate();
    crew_open(&crew);
    gate.id = subscribe(TOPIC_SET, callback, NULL, 0, contexts);
    (void)crew_start(&crew, publish_once, NULL, 1ULL << crew_cpu(1));
    EXPECT(crew_sleep_until(&gate.inside, 1));
    (void)crew_start(&crew, end_it, NULL, 1ULL << crew_cpu(0));
    thread_sleep(5 * HAL_NS_PER_MS);
    EXPECT_EQUAL(atomic_load_explicit(&gate.ended, memory_order_acquire), 0);
    EXPECT_EQUAL(event_unsubscribe(gate.id), HX_ESTALE);
    atomic_store_explicit(&gate.go, 1, memory_order_release);
    (void)crew_join(&crew);
    EXPECT_EQUAL(gate.error, HX_OK);
    EXPECT_EQUAL(atomic_load_explicit(&gate.ended, memory_order_acquire), 1);
}

/* SPEC: P6 */
static void the_end_waits_for_a_callback_on_another_cpu(void)
{
    if (cpu_online_count() < 2) {
        selftest_skip("needs two processors");
        return;
    }
    expect_end_waits(stay, EVENT_IN_ANY);
}

/* SPEC: P6 */
static void the_end_waits_for_the_worker(void)
{
    if (cpu_online_count() < 2) {
        selftest_skip("needs two processors");
        return;
    }
    expect_end_waits(stay_asleep, EVENT_IN_WORKER);
}

static enum event_answer end_named(void *argument, const struct kernel_event *event)
{
    (void)event;
    gate.error = event_unsubscribe(*(event_subscription *)argument);
    return EVENT_CONTINUE;
}

/* SPEC: P6 */
static void a_copy_on_its_way_is_not_delivered_after_the_end(void)
{
    uint64_t objects = heap_objects();
    struct kernel_event event = process_event;
    event_subscription copied;
    event_subscription ender;

    event.topic = EVENT_TOPIC_INTERRUPT;
    reset_gate();
    forget_heard();
    gate.id = subscribe(TOPIC_SET, stay_asleep, NULL, 1, EVENT_IN_WORKER);
    copied = subscribe(TOPIC_SET, note, NULL, 0, EVENT_IN_WORKER);
    ender = subscribe(EVENT_TOPIC_SET(event.topic), end_named, &copied, 0, EVENT_IN_THREAD);
    EXPECT_EQUAL(event_publish(&process_event).delivered, 2);
    EXPECT(crew_sleep_until(&gate.inside, 1)); /* the worker is here, the other copy behind */
    EXPECT_EQUAL(event_publish(&event).delivered, 1);
    EXPECT_EQUAL(gate.error, HX_OK);
    atomic_store_explicit(&gate.go, 1, memory_order_release);
    unsubscribe(gate.id);
    unsubscribe(ender);
    wait_for_heap(objects);
    EXPECT_EQUAL(atomic_load_explicit(&heard.count, memory_order_acquire), 0);
}

/* What a subscription of the storm works on; ended means: it must not be called any more. */
struct victim {
    _Atomic uint32_t ended;
    _Atomic uint32_t calls;
};

static enum event_answer visit(void *argument, const struct kernel_event *event)
{
    struct victim *victim = argument;

    (void)event;
    if (atomic_load_explicit(&victim->ended, memory_order_relaxed) != 0) {
        atomic_fetch_add_explicit(&gate.late, 1, memory_order_relaxed);
    }
    atomic_fetch_add_explicit(&victim->calls, 1, memory_order_relaxed);
    return EVENT_CONTINUE;
}

static void publish_until_stopped(void *argument)
{
    (void)argument;
    while (atomic_load_explicit(&gate.stop, memory_order_relaxed) == 0) {
        (void)event_publish(&process_event);
        hal_cpu_relax(); /* the hosted port lets interrupts in here */
    }
}

#define STORM_ROUNDS 200U

/* SPEC: P6 */
static void nobody_is_called_after_the_end_however_many_publish(void)
{
    static struct victim victims[STORM_ROUNDS];

    reset_gate();
    crew_open(&crew);
    for (uint32_t cpu = 0; cpu < cpu_online_count() && cpu < 4; cpu++) {
        (void)crew_start(&crew, publish_until_stopped, NULL, 0);
    }
    for (uint32_t i = 0; i < STORM_ROUNDS; i++) {
        uint32_t contexts = i % 4 == 3 ? EVENT_IN_WORKER : EVENT_IN_ANY;

        atomic_store_explicit(&victims[i].ended, 0, memory_order_relaxed);
        event_subscription id =
            subscribe(TOPIC_SET, visit, &victims[i], (int32_t)(i % 3), contexts);

        unsubscribe(id);
        atomic_store_explicit(&victims[i].ended, 1, memory_order_relaxed);
    }
    atomic_store_explicit(&gate.stop, 1, memory_order_relaxed);
    (void)crew_join(&crew);
    EXPECT_EQUAL(atomic_load_explicit(&gate.late, memory_order_relaxed), 0);
}

/* Stays for a while by itself: both CPUs there may be are taken by callbacks. */
static enum event_answer stay_a_while(void *argument, const struct kernel_event *event)
{
    uint64_t until = hal_clock_now() + 5 * HAL_NS_PER_MS;

    (void)argument;
    (void)event;
    atomic_fetch_add_explicit(&gate.inside, 1, memory_order_acq_rel);
    while (hal_clock_now() < until) {
        hal_cpu_relax();
    }
    atomic_store_explicit(&gate.go, 1, memory_order_relaxed);
    return EVENT_CONTINUE;
}

/* Ends the subscription that another CPU is in, from inside a callback. */
static enum event_answer end_other(void *argument, const struct kernel_event *event)
{
    hx_err *error = argument;

    (void)event;
    (void)crew_spin_until(&gate.inside, 1);
    *error = event_unsubscribe(gate.id);
    atomic_store_explicit(&gate.ended, atomic_load_explicit(&gate.go, memory_order_relaxed),
                          memory_order_release);
    return EVENT_CONTINUE;
}

static void publish_elsewhere(void *argument)
{
    struct kernel_event event = process_event;

    (void)argument;
    event.topic = EVENT_TOPIC_INTERRUPT;
    (void)event_publish(&event);
}

/* SPEC: P6 */
static void a_callback_waits_for_the_other_it_ends(void)
{
    static hx_err error;
    uint64_t objects = heap_objects();
    event_subscription ender;

    if (cpu_online_count() < 2) {
        selftest_skip("needs two processors");
        return;
    }
    reset_gate();
    error = HX_EINVAL;
    crew_open(&crew);
    gate.id = subscribe(TOPIC_SET, stay_a_while, NULL, 0, EVENT_IN_ANY);
    ender = subscribe(EVENT_TOPIC_SET(EVENT_TOPIC_INTERRUPT), end_other, &error, 0, EVENT_IN_ANY);
    (void)crew_start(&crew, publish_once, NULL, 1ULL << crew_cpu(1));
    (void)crew_start(&crew, publish_elsewhere, NULL, 1ULL << crew_cpu(0));
    (void)crew_join(&crew);
    EXPECT_EQUAL(error, HX_OK);
    EXPECT_EQUAL(atomic_load_explicit(&gate.ended, memory_order_acquire), 1);
    unsubscribe(ender);
    wait_for_heap(objects);
}

static struct {
    event_subscription ids[2];
    hx_err errors[2];
    _Atomic uint32_t inside;
} duel;

static enum event_answer end_opponent(void *argument, const struct kernel_event *event)
{
    size_t self = (size_t)(uintptr_t)argument;

    (void)event;
    atomic_fetch_add_explicit(&duel.inside, 1, memory_order_acq_rel);
    (void)crew_spin_until(&duel.inside, 2);
    duel.errors[self] = event_unsubscribe(duel.ids[1 - self]);
    return EVENT_CONTINUE;
}

/* SPEC: P6 */
static void two_callbacks_that_end_each_other_both_go_on(void)
{
    uint64_t objects = heap_objects();

    if (cpu_online_count() < 2) {
        selftest_skip("needs two processors");
        return;
    }
    atomic_store_explicit(&duel.inside, 0, memory_order_relaxed);
    crew_open(&crew);
    duel.ids[0] = subscribe(TOPIC_SET, end_opponent, name(0), 0, EVENT_IN_ANY);
    duel.ids[1] =
        subscribe(EVENT_TOPIC_SET(EVENT_TOPIC_INTERRUPT), end_opponent, name(1), 0, EVENT_IN_ANY);
    (void)crew_start(&crew, publish_once, NULL, 1ULL << crew_cpu(1));
    (void)crew_start(&crew, publish_elsewhere, NULL, 1ULL << crew_cpu(0));
    (void)crew_join(&crew);
    EXPECT(duel.errors[0] == HX_EBUSY || duel.errors[1] == HX_EBUSY);
    EXPECT(duel.errors[0] == HX_EBUSY || duel.errors[0] == HX_OK);
    EXPECT(duel.errors[1] == HX_EBUSY || duel.errors[1] == HX_OK);
    EXPECT_EQUAL(event_unsubscribe(duel.ids[0]), HX_ESTALE);
    EXPECT_EQUAL(event_unsubscribe(duel.ids[1]), HX_ESTALE);
    wait_for_heap(objects);
}

/* --- contexts --------------------------------------------------------------------------------- */

static struct {
    struct event_result result;
    hx_err subscribed;
    hx_err other_ended;
    hx_err self_ended;
    event_subscription self;
    event_subscription other;
} irq;

static enum event_answer act_in_interrupt(void *argument, const struct kernel_event *event)
{
    const struct event_subscriber subscriber = {.topics = TOPIC_SET, .callback = note};
    event_subscription id;

    (void)note(argument, event);
    irq.subscribed = event_subscribe(&subscriber, &id);
    irq.other_ended = event_unsubscribe(irq.other);
    irq.self_ended = event_unsubscribe(irq.self);
    return EVENT_CONTINUE;
}

static enum interrupt_action publish_in_interrupt(void *argument, struct hal_frame *frame)
{
    (void)argument;
    (void)frame;
    irq.result = event_publish(&process_event);
    return INTERRUPT_HANDLED;
}

static void raise(interrupt_handler handler)
{
    uint8_t vector = interrupt_free_vector();

    EXPECT_EQUAL(interrupt_register(vector, "events", handler, NULL, false), HX_OK);
    hal_interrupt_send(hal_cpu_id(), vector);
    crew_settle_cpus();
    EXPECT_EQUAL(interrupt_unregister(vector, "events"), HX_OK);
}

/* SPEC: P5 P6 */
static void in_an_interrupt_only_those_who_accept_it_are_called(void)
{
    uint64_t objects = heap_objects();

    forget_heard();
    irq.self = subscribe(TOPIC_SET, act_in_interrupt, name(1), 1, EVENT_IN_INTERRUPT);
    irq.other = subscribe(TOPIC_SET, note, name(2), 0, EVENT_IN_THREAD);
    raise(publish_in_interrupt);
    EXPECT(irq.result.delivered == 2 && irq.result.dropped == 0);
    EXPECT_EQUAL(irq.subscribed, HX_ECONTEXT);
    EXPECT_EQUAL(irq.other_ended, HX_ECONTEXT);
    EXPECT_EQUAL(irq.self_ended, HX_OK);
    EXPECT(crew_sleep_until(&heard.count, 2)); /* the copy, from the worker */
    EXPECT_EQUAL((uintptr_t)heard.who[0], 1);
    EXPECT_EQUAL((uintptr_t)heard.who[1], 2);
    unsubscribe(irq.other);
    EXPECT_EQUAL(event_unsubscribe(irq.self), HX_ESTALE);
    wait_for_heap(objects);
}

static enum exception_action publish_in_nmi(struct hal_frame *frame, void *argument)
{
    (void)frame;
    (void)argument;
    irq.result = event_publish(&process_event);
    irq.self_ended = event_unsubscribe(irq.self);
    return EXCEPTION_RESUME;
}

/* SPEC: P5 P6 */
static void in_an_nmi_copies_wait_for_the_tick(void)
{
    forget_heard();
    irq.self = subscribe(TOPIC_SET, note, name(1), 1, EVENT_IN_NMI);
    irq.other = subscribe(TOPIC_SET, note, name(2), 0, EVENT_IN_INTERRUPT);
    watchdog_stop(); /* one publishes, and no more */
    EXPECT_EQUAL(exception_register(EXCEPTION_NMI, "core_events", EXCEPTION_ORDER_DEBUGGER,
                                    publish_in_nmi, NULL),
                 HX_OK);
    if (hal_interrupt_send_nmi(hal_cpu_id()) == HX_OK) {
        EXPECT(crew_spin_until(&heard.count, 2));
        EXPECT(irq.result.delivered == 2 && irq.self_ended == HX_ECONTEXT);
        EXPECT((uintptr_t)heard.who[0] == 1 && (uintptr_t)heard.who[1] == 2);
    }
    EXPECT_EQUAL(exception_unregister(EXCEPTION_NMI, "core_events"), HX_OK);
    watchdog_start();
    unsubscribe(irq.self);
    unsubscribe(irq.other);
}

/* SPEC: P5 */
static void copies_without_room_are_dropped_and_counted(void)
{
    struct event_subscription_info info = {0};
    uint32_t delivered = 0;
    uint32_t dropped = 0;

    reset_gate();
    gate.id = subscribe(TOPIC_SET, stay_asleep, NULL, 0, EVENT_IN_WORKER);
    for (uint32_t i = 0; i < EVENT_RING_SIZE + 50; i++) {
        struct event_result result = event_publish(&process_event);

        EXPECT_EQUAL(result.delivered + result.dropped, 1);
        delivered += result.delivered;
        dropped += result.dropped;
    }
    EXPECT(dropped > 0);
    EXPECT(event_subscription_info((uint32_t)gate.id - 1, &info));
    EXPECT_EQUAL(info.id, gate.id);
    EXPECT_EQUAL(info.dropped, dropped);
    atomic_store_explicit(&gate.go, 1, memory_order_release);
    EXPECT(crew_sleep_until(&gate.inside, delivered));
    unsubscribe(gate.id);
    EXPECT_EQUAL(atomic_load_explicit(&gate.inside, memory_order_acquire), delivered);
}

/* --- load ------------------------------------------------------------------------------------- */

#define PUBLISHERS 4U

struct load {
    uint64_t next[PUBLISHERS]; /* least number of each publisher's that may come */
    _Atomic uint64_t sum;
    _Atomic uint32_t count;
    _Atomic uint32_t bad;
};

static struct load direct_load;
static struct load worker_load;
static uint64_t load_size;
static _Atomic uint32_t load_dropped;

/* The data: the number, and a checksum of it and its publisher. */
static uint64_t check_of(uint64_t publisher, uint64_t number)
{
    return (publisher << 56 ^ number) * 0x9e3779b97f4a7c15ULL;
}

static uint64_t word_of(const struct kernel_event *event, size_t at)
{
    uint64_t word = 0;

    for (size_t i = 0; i < 8; i++) {
        word |= (uint64_t)event->custom.data[at * 8 + i] << (8 * i);
    }
    return word;
}

static void put_word(struct kernel_event *event, size_t at, uint64_t word)
{
    for (size_t i = 0; i < 8; i++) {
        event->custom.data[at * 8 + i] = (uint8_t)(word >> (8 * i));
    }
}

/* In order for each publisher, none doubled. Publishers do not share entries of `next`. */
static enum event_answer weigh(void *argument, const struct kernel_event *event)
{
    struct load *load = argument;
    uint32_t publisher = event->custom.id;
    uint64_t number = word_of(event, 0);

    if (publisher >= PUBLISHERS || number < load->next[publisher] ||
        word_of(event, 1) != check_of(publisher, number)) {
        atomic_fetch_add_explicit(&load->bad, 1, memory_order_relaxed);
    } else {
        load->next[publisher] = number + 1;
    }
    atomic_fetch_add_explicit(&load->sum, word_of(event, 1), memory_order_relaxed);
    atomic_fetch_add_explicit(&load->count, 1, memory_order_release);
    return EVENT_CONTINUE;
}

static void publish_load(void *argument)
{
    uint32_t publisher = (uint32_t)(uintptr_t)argument;
    struct kernel_event event = process_event;

    event.custom.id = publisher;
    event.custom.length = 16;
    for (uint64_t number = 0; number < load_size; number++) {
        put_word(&event, 0, number);
        put_word(&event, 1, check_of(publisher, number));
        atomic_fetch_add_explicit(&load_dropped, event_publish(&event).dropped,
                                  memory_order_relaxed);
        hal_cpu_relax();
    }
}

/* SPEC: P5 P6 */
static void under_load_nothing_is_lost_doubled_or_out_of_order(void)
{
    bool is_soak = command_line_has(kernel_command_line(), "soak");
    event_subscription direct = subscribe(TOPIC_SET, weigh, &direct_load, 0, EVENT_IN_ANY);
    event_subscription worker = subscribe(TOPIC_SET, weigh, &worker_load, 0, EVENT_IN_WORKER);
    uint64_t sum = 0;

    direct_load = (struct load){0};
    worker_load = (struct load){0};
    atomic_store_explicit(&load_dropped, 0, memory_order_relaxed);
    load_size = (is_soak ? 10000000U : 4000U) / PUBLISHERS;
    crew_open(&crew);
    for (uint64_t i = 0; i < PUBLISHERS; i++) {
        (void)crew_start(&crew, publish_load, name(i), 0);
        for (uint64_t number = 0; number < load_size; number++) {
            sum += check_of(i, number);
        }
    }
    (void)crew_join(&crew);

    uint32_t published = (uint32_t)(load_size * PUBLISHERS);

    EXPECT_EQUAL(atomic_load_explicit(&direct_load.count, memory_order_acquire), published);
    EXPECT_EQUAL(atomic_load_explicit(&direct_load.sum, memory_order_relaxed), sum);
    EXPECT_EQUAL(atomic_load_explicit(&direct_load.bad, memory_order_relaxed), 0);
    EXPECT(crew_sleep_until(&worker_load.count, published - load_dropped));
    unsubscribe(direct);
    unsubscribe(worker);
    EXPECT_EQUAL(atomic_load_explicit(&worker_load.count, memory_order_acquire) +
                     atomic_load_explicit(&load_dropped, memory_order_relaxed),
                 published);
    EXPECT_EQUAL(atomic_load_explicit(&worker_load.bad, memory_order_relaxed), 0);
}

/* --- what the kernel publishes ---------------------------------------------------------------- */

static struct kernel_event seen[4];
static enum kernel_state state_at[4];
static _Atomic uint32_t seen_count;

static enum event_answer keep(void *argument, const struct kernel_event *event)
{
    uint32_t at = atomic_fetch_add_explicit(&seen_count, 1, memory_order_acq_rel);

    (void)argument;
    if (at < HX_ARRAY_SIZE(seen)) {
        seen[at] = *event;
        state_at[at] = kernel_state_current();
    }
    return EVENT_CONTINUE;
}

static event_subscription keep_topic(event_topic topic)
{
    atomic_store_explicit(&seen_count, 0, memory_order_release);
    return subscribe(EVENT_TOPIC_SET(topic), keep, NULL, 0, EVENT_IN_ANY);
}

/* SPEC: K4 K7 P7 */
static void each_change_of_state_is_an_event_after_the_state_is_visible(void)
{
    static struct subsystem_failure failure;
    event_subscription id = keep_topic(EVENT_TOPIC_KERNEL_STATE);

    EXPECT_EQUAL(orchestrator_suspend(&failure), HX_OK);
    EXPECT_EQUAL(orchestrator_suspend(&failure), HX_ESTATE);
    EXPECT_EQUAL(orchestrator_resume(&failure), HX_OK);
    unsubscribe(id);
    EXPECT_EQUAL(atomic_load_explicit(&seen_count, memory_order_acquire), 2);
    EXPECT(seen[0].kind == EVENT_STATE_CHANGED && seen[1].kind == EVENT_STATE_CHANGED);
    EXPECT_EQUAL(seen[0].state_changed.old_state, KERNEL_RUNNING);
    EXPECT_EQUAL(seen[0].state_changed.new_state, KERNEL_SUSPENDED);
    EXPECT_EQUAL(seen[1].state_changed.old_state, KERNEL_SUSPENDED);
    EXPECT_EQUAL(seen[1].state_changed.new_state, KERNEL_RUNNING);
    EXPECT(state_at[0] == KERNEL_SUSPENDED && state_at[1] == KERNEL_RUNNING);
}

/* SPEC: K7 P7 */
static void a_module_that_comes_and_goes_is_an_event(void)
{
    struct slot *slot = slot_find("demo");
    event_subscription id;

    if (slot == NULL || slot_instance(slot) == NULL) {
        selftest_skip("there is no module");
        return;
    }
    id = keep_topic(EVENT_TOPIC_MODULE_LIFECYCLE);
    EXPECT_EQUAL(modules_reload(SUBJECT_KERNEL, slot, slot->backend), HX_OK);
    unsubscribe(id);
    EXPECT_EQUAL(atomic_load_explicit(&seen_count, memory_order_acquire), 2);
    EXPECT(seen[0].kind == EVENT_MODULE_UNLOADED && string_equal(seen[0].module.name, "demo"));
    EXPECT(seen[1].kind == EVENT_MODULE_LOADED && string_equal(seen[1].module.name, "demo"));
}

/* SPEC: K7 */
static void ticks_are_events_while_somebody_listens(void)
{
    event_subscription id = keep_topic(EVENT_TOPIC_TICK);
    uint32_t heard_until;

    EXPECT(atomic_load_explicit(&event_tick_attention, memory_order_relaxed) != 0);
    EXPECT(crew_spin_until(&seen_count, 3));
    unsubscribe(id);
    heard_until = atomic_load_explicit(&seen_count, memory_order_acquire);
    EXPECT_EQUAL(atomic_load_explicit(&event_tick_attention, memory_order_relaxed), 0);
    EXPECT_EQUAL(seen[0].kind, EVENT_TIMER_TICK);
    EXPECT(seen[0].timer_tick.timestamp > 0 && seen[0].timer_tick.timestamp <= hal_clock_now());
    thread_sleep(3 * HAL_NS_PER_MS);
    EXPECT_EQUAL(atomic_load_explicit(&seen_count, memory_order_acquire), heard_until);
}

/* SPEC: K7 */
static void each_processor_that_came_was_an_event(void)
{
    struct event_topic_info info;

    EXPECT(event_topic_info(EVENT_TOPIC_CPU_HOTPLUG, &info));
    EXPECT(string_equal(info.name, "cpu.hotplug"));
    EXPECT(info.published >= cpu_online_count() - 1);
}

/* SPEC: K7 */
static void a_cpu_that_goes_off_line_or_comes_back_is_an_event(void)
{
    uint32_t cpu = hal_cpu_count() - 1;
    event_subscription id;

    if (cpu_online_count() < 2) {
        selftest_skip("needs a second CPU");
        return;
    }
    id = keep_topic(EVENT_TOPIC_CPU_HOTPLUG);
    EXPECT_EQUAL(processors_offline(0), HX_EBUSY);
    EXPECT_EQUAL(processors_offline(cpu), HX_OK);
    EXPECT_EQUAL(processors_offline(cpu), HX_ENOENT);
    EXPECT_EQUAL(processors_online(cpu), HX_OK);
    EXPECT_EQUAL(processors_online(cpu), HX_EEXIST);
    EXPECT(crew_sleep_until(&seen_count, 2));
    unsubscribe(id);
    EXPECT_EQUAL(atomic_load_explicit(&seen_count, memory_order_acquire), 2);
    EXPECT(seen[0].kind == EVENT_CPU_HOTPLUG && seen[1].kind == EVENT_CPU_HOTPLUG);
    EXPECT(seen[0].cpu_hotplug.cpu == cpu && !seen[0].cpu_hotplug.online);
    EXPECT(seen[1].cpu_hotplug.cpu == cpu && seen[1].cpu_hotplug.online);
}

const struct selftest core_events_tests[] = {
    {TEST(higher_priorities_hear_first_and_equal_ones_in_order), 0},
    {TEST(stop_keeps_the_event_from_those_behind), 0},
    {TEST(who_subscribed_to_all_hears_topics_that_come_later), 0},
    {TEST(nonsense_is_refused_and_changes_nothing), 0},
    {TEST(an_id_is_stale_once_its_subscription_has_ended), 0},
    {TEST(without_memory_or_a_place_nobody_is_subscribed), SELFTEST_KEEPS_MEMORY},
    {TEST(a_callback_subscribes_and_unsubscribes_others_and_itself), 0},
    {TEST(a_callback_that_publishes_its_own_topic_ends_at_the_bound), 0},
    {TEST(the_end_waits_for_a_callback_on_another_cpu), 0},
    {TEST(the_end_waits_for_the_worker), 0},
    {TEST(a_copy_on_its_way_is_not_delivered_after_the_end), 0},
    {TEST(nobody_is_called_after_the_end_however_many_publish), 0},
    {TEST(a_callback_waits_for_the_other_it_ends), 0},
    {TEST(two_callbacks_that_end_each_other_both_go_on), 0},
    {TEST(in_an_interrupt_only_those_who_accept_it_are_called), 0},
    {TEST(in_an_nmi_copies_wait_for_the_tick), 0},
    {TEST(copies_without_room_are_dropped_and_counted), 0},
    {TEST(under_load_nothing_is_lost_doubled_or_out_of_order), 0},
    {TEST(each_change_of_state_is_an_event_after_the_state_is_visible), 0},
    {TEST(a_module_that_comes_and_goes_is_an_event), 0},
    {TEST(ticks_are_events_while_somebody_listens), 0},
    {TEST(each_processor_that_came_was_an_event), 0},
    {TEST(a_cpu_that_goes_off_line_or_comes_back_is_an_event), 0},
    {0},
};
