/* What audit and metrics know of calls. */
#include <base/memory.h>
#include <core/capability/capability.h>
#include <core/ipc/event_bus.h>
#include <core/syscall/syscall.h>
#include <hal/clock.h>
#include <kern/cpu.h>
#include <modules/latency_histogram.h>
#include <subsys/hooks/audit.h>
#include <subsys/hooks/hooks.h>
#include <subsys/hooks/metrics.h>
#include <tests/self/crew.h>
#include <tests/self/suites.h>

#define NUMBER  509U /* nobody's */
#define EINVAL  22
#define ENOSYS  38
#define RECORDS 20U
#define CALLERS 4U

static struct crew crew;

/* The second argument says how long it takes, ns; the first what it answers. */
static int64_t answer(uint64_t result, uint64_t time)
{
    uint64_t start = hal_clock_now();

    while (hal_clock_now() - start < time) {
        hal_cpu_relax();
    }
    return (int64_t)result;
}

static const struct syscall_entry entry = {
    .name = "test_recorded", .handler = SYSCALL_HANDLER(answer), .arguments = 2};

static int64_t call(int64_t result, uint64_t time)
{
    const uint64_t arguments[SYSCALL_ARGUMENTS] = {(uint64_t)result, time, 3, 4, 5, UINT64_MAX};

    return syscall_invoke(NUMBER, arguments);
}

static void begin(const char *hook)
{
    EXPECT_EQUAL(syscall_register(NUMBER, &entry), HX_OK);
    EXPECT_EQUAL(hooks_set(hook, true), HX_OK);
}

static void end(const char *hook)
{
    EXPECT_EQUAL(hooks_set(hook, false), HX_OK);
    EXPECT_EQUAL(syscall_unregister(NUMBER), HX_OK);
}

/* --- audit ------------------------------------------------------------------------------------ */

static void expect_record(struct audit_reader *reader, int64_t result, uint64_t since)
{
    struct audit_record record = {0};

    EXPECT_EQUAL(audit_read(reader, &record), HX_OK);
    EXPECT_EQUAL(record.number, NUMBER);
    EXPECT_EQUAL(record.result, result);
    EXPECT_EQUAL(record.arguments[0], (uint64_t)result);
    EXPECT_EQUAL(record.arguments[5], UINT64_MAX);
    EXPECT_EQUAL(record.subject, SUBJECT_KERNEL);
    EXPECT_EQUAL(record.process, 0);
    /* The counter's rate is known to a few in a thousand. */
    EXPECT(record.started_ns + HAL_NS_PER_MS >= since);
    EXPECT(record.started_ns + record.duration_ns <= hal_clock_now() + HAL_NS_PER_MS);
}

/* SPEC: Y5 */
static void every_call_is_recorded_for_every_reader(void)
{
    struct audit_reader readers[2];
    struct audit_record record;
    uint64_t since = hal_clock_now();

    begin("audit");
    audit_open(&readers[0], false, 0);
    audit_open(&readers[1], false, 0);
    for (int64_t i = 0; i < RECORDS; i++) {
        EXPECT_EQUAL(call(i % 2 == 0 ? i : -EINVAL, 0), i % 2 == 0 ? i : -EINVAL);
    }
    for (unsigned reader = 0; reader < 2; reader++) {
        for (int64_t i = 0; i < RECORDS; i++) {
            expect_record(&readers[reader], i % 2 == 0 ? i : -EINVAL, since);
        }
        EXPECT_EQUAL(audit_read(&readers[reader], &record), HX_EAGAIN);
        EXPECT_EQUAL(readers[reader].dropped, 0);
    }
    end("audit");
}

/* SPEC: Y5 */
static void what_is_overwritten_unread_is_counted(void)
{
    uint64_t wanted = 3 * AUDIT_RING_SIZE;
    uint64_t overwritten = audit_overwritten();
    struct audit_reader reader;
    struct audit_record record = {0};
    uint64_t read = 0;

    begin("audit");
    audit_open(&reader, false, 0);
    for (uint64_t i = 0; i < wanted; i++) {
        EXPECT_EQUAL(call((int64_t)i, 0), i);
    }
    while (audit_read(&reader, &record) == HX_OK) {
        read++;
    }
    EXPECT_EQUAL(record.result, wanted - 1); /* the newest are what is left */
    EXPECT(reader.dropped > 0);
    EXPECT_EQUAL(reader.dropped + read, wanted);
    EXPECT(audit_overwritten() - overwritten >= reader.dropped - AUDIT_RING_SIZE);
    end("audit");
}

static void call_many(void *argument)
{
    for (unsigned i = 0; i < AUDIT_RING_SIZE / 8; i++) {
        (void)call((int64_t)(uintptr_t)argument * 1000 + i, 0);
    }
}

/* SPEC: Y5 */
static void records_of_all_cpus_are_read_by_their_end(void)
{
    struct audit_reader reader;
    struct audit_record record;
    uint64_t last = 0;
    uint64_t read = 0;

    begin("audit");
    audit_open(&reader, false, 0);
    crew_open(&crew);
    for (uintptr_t i = 0; i < CALLERS; i++) {
        (void)crew_start(&crew, call_many, (void *)i, 0);
    }
    EXPECT(crew_join(&crew));
    while (audit_read(&reader, &record) == HX_OK) {
        uint64_t ended = record.started_ns + record.duration_ns;

        /* Each is turned into time by itself. */
        EXPECT(ended + HAL_NS_PER_MS >= last);
        last = ended;
        read++;
    }
    EXPECT_EQUAL(read + reader.dropped, CALLERS * (AUDIT_RING_SIZE / 8));
    end("audit");
}

static _Atomic uint32_t waiting_is_over;

static void wait_for_a_record(void *argument)
{
    struct audit_reader *reader = argument;
    struct audit_record record = {0};

    EXPECT_EQUAL(audit_read_wait(reader, &record, hal_clock_now() + CREW_PATIENCE_NS), HX_OK);
    EXPECT_EQUAL(record.result, 77);
    atomic_store_explicit(&waiting_is_over, 1, memory_order_release);
}

/* SPEC: Y5 */
static void a_reader_waits_for_the_next_record(void)
{
    struct audit_reader reader;
    struct audit_record record;

    begin("audit");
    audit_open(&reader, false, 0);
    EXPECT_EQUAL(audit_read_wait(&reader, &record, hal_clock_now() + HAL_NS_PER_MS), HX_ETIMEDOUT);
    atomic_store_explicit(&waiting_is_over, 0, memory_order_relaxed);
    crew_open(&crew);
    (void)crew_start(&crew, wait_for_a_record, &reader, 0);
    thread_sleep(HAL_NS_PER_MS);
    EXPECT_EQUAL(call(77, 0), 77);
    EXPECT(crew_sleep_until(&waiting_is_over, 1));
    EXPECT(crew_join(&crew));
    end("audit");
}

static _Atomic uint32_t events_heard;

static enum event_answer hear(void *argument, const struct kernel_event *event)
{
    struct audit_event data;

    (void)argument;
    memcpy(&data, event->custom.data, sizeof(data));
    if (event->custom.id == NUMBER && data.number == NUMBER && data.result == -EINVAL) {
        atomic_fetch_add_explicit(&events_heard, 1, memory_order_relaxed);
    }
    return EVENT_CONTINUE;
}

/* SPEC: Y5 */
static void a_subscriber_hears_of_every_call_and_drops_are_counted(void)
{
    struct event_subscriber subscriber = {.topics = EVENT_TOPIC_SET(EVENT_TOPIC_SYSCALL_AUDIT),
                                          .callback = hear,
                                          .contexts = EVENT_IN_ANY};
    struct audit_statistics before = audit_statistics();
    event_subscription id;

    begin("audit");
    atomic_store_explicit(&events_heard, 0, memory_order_relaxed);
    EXPECT_EQUAL(call(-EINVAL, 0), -EINVAL); /* nobody hears that */
    EXPECT_EQUAL(event_subscribe(&subscriber, &id), HX_OK);
    for (unsigned i = 0; i < RECORDS; i++) {
        EXPECT_EQUAL(call(-EINVAL, 0), -EINVAL);
    }
    EXPECT_EQUAL(event_unsubscribe(id), HX_OK);
    EXPECT_EQUAL(atomic_load_explicit(&events_heard, memory_order_relaxed), RECORDS);
    EXPECT_EQUAL(audit_statistics().events - before.events, RECORDS);
    subscriber.contexts = EVENT_IN_WORKER;
    EXPECT_EQUAL(event_bus_hold(), HX_OK);
    EXPECT_EQUAL(event_subscribe(&subscriber, &id), HX_OK);
    for (unsigned i = 0; i < EVENT_RING_SIZE + RECORDS; i++) {
        EXPECT_EQUAL(call(-EINVAL, 0), -EINVAL);
    }
    event_bus_release();
    EXPECT_EQUAL(audit_statistics().event_dropped - before.event_dropped, RECORDS);
    EXPECT_EQUAL(event_unsubscribe(id), HX_OK);
    end("audit");
}

/* --- metrics ---------------------------------------------------------------------------------- */

/* SPEC: Y5 */
static void calls_errors_and_times_are_counted_by_number(void)
{
    uint64_t slow = 2 * HAL_NS_PER_MS;
    struct call_metrics metrics;

    begin("metrics");
    metrics_reset();
    EXPECT_EQUAL(metrics_read(NUMBER, &metrics), HX_ENOENT);
    EXPECT_EQUAL(metrics_read(SYSCALL_MAX, &metrics), HX_ERANGE);
    for (unsigned i = 0; i < 98; i++) {
        EXPECT_EQUAL(call(i < 10 ? -EINVAL : 1, 0), i < 10 ? -EINVAL : 1);
    }
    EXPECT_EQUAL(call(-4096, slow), -4096); /* no error: only -4095 to -1 are */
    EXPECT_EQUAL(call(0, slow), 0);
    EXPECT_EQUAL(metrics_read(NUMBER, &metrics), HX_OK);
    EXPECT_EQUAL(metrics.count, 100);
    EXPECT_EQUAL(metrics.errors, 10);
    EXPECT(metrics.max_ns >= slow / 100 * 99 && metrics.total_ns >= 2 * (slow / 100 * 99));
    EXPECT(metrics.min_ns <= metrics.p500_ns && metrics.p500_ns <= metrics.p900_ns);
    EXPECT(metrics.p990_ns >= slow / 8 * 7 && metrics.p999_ns <= metrics.max_ns);
    EXPECT_EQUAL(hooks_set("metrics", false), HX_OK);
    EXPECT_EQUAL(call(1, 0), 1);
    EXPECT_EQUAL(metrics_read(NUMBER, &metrics), HX_OK);
    EXPECT_EQUAL(metrics.count, 100);
    metrics_reset();
    EXPECT_EQUAL(metrics_read(NUMBER, &metrics), HX_ENOENT);
    end("metrics");
}

/* SPEC: Y5 */
static void a_latency_is_told_to_within_an_eighth(void)
{
    uint64_t state = selftest_seed() | 1;

    for (unsigned i = 0; i < 10000; i++) {
        uint64_t value = crew_random(&state) >> (24 + i % 40);
        uint64_t told = latency_middle((uint32_t)latency_bucket(value));
        uint64_t off = told > value ? told - value : value - told;

        EXPECT(off * 8 <= value);
        EXPECT(latency_floor((uint32_t)latency_bucket(value)) <= value);
    }
    EXPECT_EQUAL(latency_bucket(UINT64_MAX), LATENCY_BUCKETS - 1);
    EXPECT_EQUAL(latency_bucket(0), 0);
}

/* SPEC: Y5 */
static void counts_of_all_cpus_are_summed(void)
{
    struct call_metrics metrics;

    begin("metrics");
    metrics_reset();
    crew_open(&crew);
    for (uintptr_t i = 0; i < CALLERS; i++) {
        (void)crew_start(&crew, call_many, (void *)i,
                         1ULL << crew_cpu((uint32_t)i % cpu_online_count()));
    }
    EXPECT(crew_join(&crew));
    EXPECT_EQUAL(metrics_read(NUMBER, &metrics), HX_OK);
    EXPECT_EQUAL(metrics.count, CALLERS * (AUDIT_RING_SIZE / 8));
    metrics_reset();
    end("metrics");
}

#define TEST(function)                                                                             \
    {                                                                                              \
        .name = "subsys_hooks." #function, .run = function, .flags = SELFTEST_KEEPS_MEMORY         \
    }

const struct selftest subsys_hooks_records_tests[] = {
    TEST(every_call_is_recorded_for_every_reader),
    TEST(what_is_overwritten_unread_is_counted),
    TEST(records_of_all_cpus_are_read_by_their_end),
    TEST(a_reader_waits_for_the_next_record),
    TEST(a_subscriber_hears_of_every_call_and_drops_are_counted),
    TEST(calls_errors_and_times_are_counted_by_number),
    TEST(a_latency_is_told_to_within_an_eighth),
    TEST(counts_of_all_cpus_are_summed),
    {0},
};
