/* The bus against a plain reference, and its limits, in a fresh machine for each. */
#include <core/ipc/event_bus.h>
#include <tests/host/core/machine.h>
#include <tests/host/random.h>

#define STEPS 20000U

/* --- the reference ---------------------------------------------------------------------------- */

struct record {
    event_subscription id; /* 0: none */
    event_topics topics;
    int32_t priority;
    enum event_answer answer;
    uint64_t number; /* of subscribing */
};

static struct record records[EVENT_SUBSCRIPTION_MAX];
static uint64_t numbers;

static const struct record *called[EVENT_SUBSCRIPTION_MAX];
static size_t calls;

static enum event_answer note(void *argument, const struct kernel_event *event)
{
    const struct record *record = argument;

    (void)event;
    called[calls++] = record;
    return record->answer;
}

static bool comes_before(const struct record *a, const struct record *b)
{
    return a->priority != b->priority ? a->priority > b->priority : a->number < b->number;
}

/* The next one after `last` in the order of calling that wants the topic. */
static const struct record *next_of(event_topic topic, const struct record *last)
{
    const struct record *best = NULL;

    for (size_t i = 0; i < EVENT_SUBSCRIPTION_MAX; i++) {
        const struct record *record = &records[i];

        if (record->id != 0 && (record->topics >> topic & 1) != 0 &&
            (last == NULL || comes_before(last, record)) &&
            (best == NULL || comes_before(record, best))) {
            best = record;
        }
    }
    return best;
}

/* --- random operations ------------------------------------------------------------------------ */

static void subscribe_any(event_topic topics)
{
    struct record *record = &records[random_below(EVENT_SUBSCRIPTION_MAX)];
    event_topics existing = topics == EVENT_TOPIC_MAX ? UINT64_MAX : (1ULL << topics) - 1;
    struct event_subscriber subscriber = {
        .callback = note, .argument = record, .contexts = EVENT_IN_ANY};

    if (record->id != 0) {
        CHECK(event_unsubscribe(record->id) == HX_OK);
        CHECK(event_unsubscribe(record->id) == HX_ESTALE);
        record->id = 0;
        return;
    }
    record->topics =
        random_below(8) == 0 ? EVENT_ALL_TOPICS : random_u64() & random_u64() & existing;
    record->priority = (int32_t)random_below(5) - 2;
    record->answer = random_below(20) == 0 ? EVENT_STOP : (enum event_answer)random_below(2);
    record->number = ++numbers;
    subscriber.topics = record->topics;
    subscriber.priority = record->priority;
    if (record->topics == 0) {
        CHECK(event_subscribe(&subscriber, &record->id) == HX_EINVAL);
        return;
    }
    CHECK(event_subscribe(&subscriber, &record->id) == HX_OK);
}

static void publish_any(event_topic topics)
{
    struct kernel_event event = {.kind = EVENT_TIMER_TICK,
                                 .topic = (event_topic)random_below(topics)};
    const struct record *expected = NULL;
    struct event_result result;
    bool stopped = false;
    size_t handled = 0;

    calls = 0;
    result = event_publish(&event);
    for (size_t i = 0; i < calls; i++) {
        expected = next_of(event.topic, expected);
        CHECK(called[i] == expected);
        handled += expected->answer != EVENT_CONTINUE;
        stopped = expected->answer == EVENT_STOP;
        CHECK(!stopped || i == calls - 1);
    }
    CHECK(stopped || next_of(event.topic, expected) == NULL);
    CHECK(result.delivered == calls && result.handled == handled && result.stopped == stopped);
}

static void intern_one(event_topic *topics)
{
    char name[EVENT_TOPIC_NAME_MAX];
    event_topic topic;

    snprintf(name, sizeof(name), "topic.%u", (unsigned)*topics);
    if (*topics == EVENT_TOPIC_MAX) {
        CHECK(event_topic_intern(name, &topic) == HX_ENOSPC);
        return;
    }
    CHECK(event_topic_intern(name, &topic) == HX_OK);
    CHECK(topic == *topics);
    ++*topics;
}

static void run_random(void)
{
    event_topic topics = EVENT_TOPIC_FIXED_COUNT;
    struct heap_statistics before;
    struct heap_statistics after;

    heap_statistics(&before);
    for (unsigned step = 0; step < STEPS; step++) {
        unsigned dice = (unsigned)random_below(1000);

        if (dice < 5) {
            intern_one(&topics);
        } else if (dice < 500) {
            subscribe_any(topics);
        } else {
            publish_any(topics);
        }
    }
    for (size_t i = 0; i < EVENT_SUBSCRIPTION_MAX; i++) {
        CHECK(records[i].id == 0 || event_unsubscribe(records[i].id) == HX_OK);
    }
    heap_statistics(&after);
    CHECK(after.objects == before.objects);
    CHECK(event_bus_statistics().subscriptions == 0);
}

static void run_machine(void)
{
    machine_run(1, run_random);
}

/* SPEC: P5 P6 */
static void the_bus_does_what_the_reference_does(void **state)
{
    uint64_t seed = random_start();

    (void)state;
    in_child(run_machine);
    if (child.status != 0) {
        fail_msg("seed %llu: status %d", (unsigned long long)seed, child.status);
    }
}

/* --- panic ------------------------------------------------------------------------------------ */

static struct record in_panic;
static struct record elsewhere;
static struct record in_worker;

static void listen(struct record *record, event_topics topics, uint32_t contexts)
{
    CHECK(event_subscribe(
              &(struct event_subscriber){
                  .topics = topics, .callback = note, .argument = record, .contexts = contexts},
              &record->id) == HX_OK);
}

static void publish_in_panic(void)
{
    struct kernel_event event = {.kind = EVENT_STATE_CHANGED, .topic = EVENT_TOPIC_KERNEL_STATE};
    event_subscription id;

    machine_boot(1);
    listen(&elsewhere, EVENT_ALL_TOPICS, EVENT_IN_ANY & ~(uint32_t)EVENT_IN_PANIC);
    listen(&in_worker, EVENT_ALL_TOPICS, EVENT_IN_WORKER);
    listen(&in_panic, EVENT_ALL_TOPICS, EVENT_IN_PANIC);
    event_bus_enter_panic();
    CHECK(event_publish(&event).delivered == 1);
    CHECK(calls == 1 && called[0] == &in_panic);
    CHECK(event_bus_statistics().dropped == 0);
    CHECK(event_subscribe(&(struct event_subscriber){.topics = 1, .callback = note}, &id) ==
          HX_ECONTEXT);
    CHECK(event_unsubscribe(in_panic.id) == HX_ECONTEXT);
}

/* SPEC: K4 P5 */
static void in_panic_only_those_who_declare_it_hear(void **state)
{
    (void)state;
    passes_in_child(publish_in_panic);
}

/* --- before the worker is there --------------------------------------------------------------- */

static enum event_answer end_oneself(void *argument, const struct kernel_event *event)
{
    struct record *record = argument;

    (void)event;
    CHECK(event_unsubscribe(record->id) == HX_OK);
    return EVENT_CONTINUE;
}

static void start_late(void)
{
    /* Not the tick's topic: the machine publishes on that too, and how often is up to the host. */
    struct kernel_event event = {.kind = EVENT_TIMER_TICK, .topic = EVENT_TOPIC_PROCESS};
    const event_topics topics = EVENT_TOPIC_SET(EVENT_TOPIC_PROCESS);
    struct heap_statistics before;
    struct heap_statistics after;
    struct record oneself;

    heap_statistics(&before);
    listen(&in_worker, topics, EVENT_IN_WORKER);
    CHECK(event_subscribe(&(struct event_subscriber){.topics = topics,
                                                     .callback = end_oneself,
                                                     .argument = &oneself,
                                                     .contexts = EVENT_IN_ANY},
                          &oneself.id) == HX_OK);
    CHECK(event_publish(&event).delivered == 2);
    CHECK(calls == 0);
    CHECK(event_bus_start() == HX_OK);
    while (event_bus_statistics().copied == 0) {
        thread_sleep(HAL_NS_PER_MS);
    }
    CHECK(calls == 1 && called[0] == &in_worker);
    CHECK(event_unsubscribe(in_worker.id) == HX_OK);
    do { /* what ended is freed a little later; the worker itself stays */
        thread_sleep(HAL_NS_PER_MS);
        heap_statistics(&after);
    } while (after.objects > before.objects + 1);
    CHECK(after.objects == before.objects + 1);
}

static void run_late(void)
{
    machine_run(1, start_late);
}

/* SPEC: P5 P6 */
static void what_was_left_before_the_worker_is_there_is_not_lost(void **state)
{
    (void)state;
    passes_in_child(run_late);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_bus_does_what_the_reference_does),
        cmocka_unit_test(in_panic_only_those_who_declare_it_hear),
        cmocka_unit_test(what_was_left_before_the_worker_is_there_is_not_lost),
    };

    return cmocka_run_group_tests_name("event_bus", tests, NULL, NULL);
}
