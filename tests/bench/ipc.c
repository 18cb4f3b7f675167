/* Event bus and message router: what their users pay. */
#include <base/memory.h>
#include <core/ipc/event_bus.h>
#include <core/ipc/message_router.h>
#include <hal/cpu.h>
#include <kern/thread.h>
#include <stdatomic.h>
#include <subsys/helixfs/event_queue.h>
#include <tests/bench/bench.h>
#include <tests/bench/measure.h>

/* --- the bus ---------------------------------------------------------------------------------- */

#define CROWD 32U

struct partner {
    _Atomic bool stop; /* relaxed, both: on one CPU, and nothing is told by them but themselves */
    _Atomic bool stopped;
};

static enum event_answer hear(void *argument, const struct kernel_event *event)
{
    (void)argument;
    (void)event;
    return EVENT_CONTINUE;
}

/* Publish to so many subscribers. */
static uint64_t publish_to(uint32_t subscribers, uint32_t runs)
{
    const struct event_subscriber subscriber = {
        .topics = EVENT_TOPIC_SET(EVENT_TOPIC_PROCESS), .callback = hear, .contexts = EVENT_IN_ANY};
    const struct kernel_event event = {.kind = EVENT_CPU_HOTPLUG, .topic = EVENT_TOPIC_PROCESS};
    event_subscription ids[CROWD + 1];
    uint32_t subscribed = 0;
    uint64_t cycles;
    uint64_t start;

    while (subscribed < subscribers && event_subscribe(&subscriber, &ids[subscribed]) == HX_OK) {
        subscribed++;
    }
    start = begin();
    for (uint32_t i = 0; i < runs; i++) {
        (void)event_publish(&event);
    }
    cycles = without_loop(cycles_since(start), runs);
    for (uint32_t i = 0; i < subscribed; i++) {
        (void)!event_unsubscribe(ids[i]);
    }
    return subscribed == subscribers ? cycles : 0;
}

/* The callback, which does nothing, is included. */
static uint64_t publish_1(uint32_t runs)
{
    return publish_to(1, runs);
}

/* Each one more: its callback, which does nothing, is included. */
static uint64_t publish_each(uint32_t runs)
{
    uint64_t one = publish_to(1, runs);

    return (publish_to(CROWD + 1, runs) - one) / CROWD;
}

/* --- readers of /helix/events ----------------------------------------------------------------- */

static struct event_queue reader;
static const struct kernel_event process_event = {
    .kind = EVENT_CUSTOM, .topic = EVENT_TOPIC_PROCESS, .custom = {.id = 1, .length = 32}};

static bool open_reader(void)
{
    memset(&reader, 0, sizeof(reader));
    return event_queue_init(&reader, EVENT_TOPIC_SET(EVENT_TOPIC_PROCESS)) == HX_OK;
}

/* To one that lags: its queue is not empty before, and has room. */
static uint64_t event_publish_reader(uint32_t runs)
{
    struct event_record record;
    uint64_t cycles = 0;

    if (!open_reader()) {
        return 0;
    }
    (void)event_publish(&process_event);
    for (uint32_t i = 0; i < runs; i++) {
        uint64_t start = begin();

        (void)event_publish(&process_event);
        cycles += cycles_since(start);
        (void)event_queue_take(&reader, &record);
    }
    event_queue_fini(&reader);
    return without_readings(cycles, runs);
}

static void read_for_ever(void *argument)
{
    struct partner *partner = argument;
    struct event_record record;
    struct waiter waiter;

    wait_queue_prepare(&reader.readable, &waiter);
    while (!atomic_load_explicit(&partner->stop, memory_order_relaxed)) {
        if (!event_queue_take(&reader, &record)) {
            (void)!wait_queue_wait(&reader.readable, &waiter, THREAD_NO_DEADLINE);
        }
    }
    wait_queue_finish(&reader.readable, &waiter);
    atomic_store_explicit(&partner->stopped, true, memory_order_relaxed);
}

/* To one that waits: made runnable, which is included; that it runs is not. */
static uint64_t event_publish_reader_wakes(uint32_t runs)
{
    struct partner partner = {0};
    struct thread *thread;
    uint64_t cycles = 0;

    if (!open_reader() ||
        thread_create(&(struct thread_options){.name = "bench-reader",
                                               .entry = read_for_ever,
                                               .argument = &partner,
                                               .priority = thread_priority(thread_current()),
                                               .affinity = 1ULL << hal_cpu_id()},
                      &thread) != HX_OK) {
        return 0;
    }
    thread_start(thread);
    thread_yield(); /* until it waits */
    for (uint32_t i = 0; i < runs; i++) {
        uint64_t start = begin();

        (void)event_publish(&process_event);
        cycles += cycles_since(start);
        thread_yield();
    }
    atomic_store_explicit(&partner.stop, true, memory_order_relaxed);
    while (!atomic_load_explicit(&partner.stopped, memory_order_relaxed)) {
        (void)event_publish(&process_event);
        thread_yield();
    }
    event_queue_fini(&reader);
    return without_readings(cycles, runs);
}

/* --- the router ------------------------------------------------------------------------------- */

static hx_err answer(void *argument, const struct router_message *request,
                     struct router_message *response)
{
    (void)argument;
    response->code = request->code;
    return HX_OK;
}

/* Requests and responses in turn; the handler, which copies a number, is included. */
static uint64_t send_to_mailbox(bool threaded, uint32_t runs)
{
    const struct router_options options = {.name = "bench",
                                           .handler = answer,
                                           .threaded = threaded,
                                           .capacity = 8,
                                           .thread_priority = thread_priority(thread_current())};
    struct router_message request = {.code = 1};
    struct router_message response;
    router_mailbox mailbox;
    uint32_t failed = 0;
    uint64_t cycles;
    uint64_t start;

    if (router_register(&options, &mailbox) != HX_OK) {
        return 0;
    }
    thread_yield(); /* until the server waits */
    start = begin();
    for (uint32_t i = 0; i < runs; i++) {
        if (router_send(mailbox, ROUTER_NORMAL, &request, &response, THREAD_NO_DEADLINE).error !=
            HX_OK) {
            failed++;
        }
    }
    cycles = without_loop(cycles_since(start), runs);
    (void)!router_unregister(mailbox);
    return failed == 0 ? cycles : 0;
}

static uint64_t router_direct(uint32_t runs)
{
    return send_to_mailbox(false, runs);
}

static uint64_t router_thread(uint32_t runs)
{
    return send_to_mailbox(true, runs);
}

const struct benchmark ipc_benchmarks[] = {
    {"publish_1", "instructions", 1000, publish_1},
    {"publish_each", "instructions", 1000, publish_each},
    {"event_publish_reader", "instructions", 1000, event_publish_reader},
    {"event_publish_reader_wakes", "instructions", 1000, event_publish_reader_wakes},
    {"router_direct", "instructions", 1000, router_direct},
    {"router_thread", "instructions", 1000, router_thread},
    {0},
};
