/* The message router in the running kernel: outcomes, order, deadlines, deaths, ends, load. */
#include <base/memory.h>
#include <base/string.h>
#include <core/config/kernel_configuration.h>
#include <core/interrupts/dispatcher.h>
#include <core/ipc/message_router.h>
#include <core/kernel/state.h>
#include <hal/clock.h>
#include <hal/cpu.h>
#include <kern/cpu.h>
#include <kern/heap.h>
#include <tests/self/crew.h>
#include <tests/self/suites.h>

#define TEST(function) "core_router." #function, function, 0

#define CAPACITY 8U
#define LOG_MAX  256U

static struct crew crew;

/* What the handlers of these tests have done, and when they are let go on. */
static struct {
    _Atomic uint32_t begun;
    _Atomic uint32_t done;
    _Atomic uint32_t go; /* handlers wait until it is as high as their number */
    uint32_t codes[LOG_MAX];
} work;

static void reset_work(uint32_t go)
{
    atomic_store_explicit(&work.begun, 0, memory_order_relaxed);
    atomic_store_explicit(&work.done, 0, memory_order_relaxed);
    atomic_store_explicit(&work.go, go, memory_order_release);
}

static uint32_t begun(void)
{
    return atomic_load_explicit(&work.begun, memory_order_acquire);
}

static void let_go(uint32_t number)
{
    atomic_store_explicit(&work.go, number, memory_order_release);
}

/* Answers with twice the code, when it is let. */
static hx_err twice(void *argument, const struct router_message *request,
                    struct router_message *response)
{
    uint32_t number = atomic_fetch_add_explicit(&work.begun, 1, memory_order_acq_rel);

    (void)argument;
    work.codes[number % LOG_MAX] = request->code;
    (void)crew_sleep_until(&work.go, number + 1);
    response->code = 2 * request->code;
    atomic_fetch_add_explicit(&work.done, 1, memory_order_release);
    return HX_OK;
}

static router_mailbox open_mailbox(const char *name, bool threaded, router_handler handler)
{
    const struct router_options options = {.name = name,
                                           .handler = handler,
                                           .threaded = threaded,
                                           .capacity = CAPACITY,
                                           .thread_priority = THREAD_PRIORITY_NORMAL};
    router_mailbox id = 0;

    EXPECT_EQUAL(router_register(&options, &id), HX_OK);
    return id;
}

/* The server's thread is freed by the reaper a little later. */
static void close_mailbox(router_mailbox id, uint32_t threads)
{
    uint64_t deadline = hal_clock_now() + CREW_PATIENCE_NS;

    EXPECT_EQUAL(router_unregister(id), HX_OK);
    while (thread_count() > threads && hal_clock_now() < deadline) {
        thread_sleep(HAL_NS_PER_MS);
    }
    EXPECT(thread_count() <= threads);
}

static struct router_outcome ask(router_mailbox id, uint32_t code, uint64_t deadline_ns)
{
    struct router_message request = {.code = code};
    struct router_message response = {.code = 0};
    struct router_outcome outcome =
        router_send(id, ROUTER_NORMAL, &request, &response, deadline_ns);

    if (outcome.error == HX_OK) {
        EXPECT_EQUAL(response.code, 2 * code);
    }
    return outcome;
}

static void expect_outcome(struct router_outcome outcome, hx_err error,
                           enum router_progress progress)
{
    EXPECT_EQUAL(outcome.error, error);
    EXPECT_EQUAL(outcome.progress, progress);
}

/* --- clients on threads of their own ---------------------------------------------------------- */

struct asker {
    router_mailbox to;
    uint32_t code;
    uint64_t deadline_ns;
    struct router_outcome outcome;
    _Atomic uint32_t is_back;
};

static struct asker askers[CAPACITY];

static void ask_main(void *argument)
{
    struct asker *asker = argument;

    asker->outcome = ask(asker->to, asker->code, asker->deadline_ns);
    atomic_store_explicit(&asker->is_back, 1, memory_order_release);
}

static struct asker *start_asker(size_t index, router_mailbox to, uint64_t deadline_ns)
{
    askers[index].to = to;
    askers[index].code = (uint32_t)index + 1;
    askers[index].deadline_ns = deadline_ns;
    atomic_store_explicit(&askers[index].is_back, 0, memory_order_relaxed);
    (void)crew_start(&crew, ask_main, &askers[index], 0);
    return &askers[index];
}

static bool is_back(const struct asker *asker)
{
    return atomic_load_explicit(&asker->is_back, memory_order_acquire) != 0;
}

static uint32_t queued_in(router_mailbox id)
{
    struct router_mailbox_info info = {0};
    uint32_t sum = 0;

    (void)router_mailbox_info((uint32_t)id - 1, &info);
    for (size_t i = 0; i < ROUTER_PRIORITY_COUNT; i++) {
        sum += info.queued[i];
    }
    return sum;
}

static void wait_queued(router_mailbox id, uint32_t count)
{
    uint64_t deadline = hal_clock_now() + CREW_PATIENCE_NS;

    while (queued_in(id) != count && hal_clock_now() < deadline) {
        thread_sleep(HAL_NS_PER_MS);
    }
    EXPECT_EQUAL(queued_in(id), count);
}

/* A server that is in its handler and stays there until let_go(1). */
static struct asker *occupy(router_mailbox id)
{
    struct asker *asker;

    reset_work(0);
    crew_open(&crew);
    asker = start_asker(0, id, THREAD_NO_DEADLINE);
    EXPECT(crew_sleep_until(&work.begun, 1));
    return asker;
}

/* --- requests and replies --------------------------------------------------------------------- */

static hx_err echo(void *argument, const struct router_message *request,
                   struct router_message *response)
{
    *(uintptr_t *)argument += 1;
    response->code = 2 * request->code;
    response->length = request->length;
    memcpy(response->data, request->data, request->length);
    if (request->buffer != NULL) {
        memset(request->buffer, 0x5a, request->buffer_size);
    }
    return request->code == 13 ? HX_EIO : HX_OK;
}

static void exchange(bool threaded)
{
    uintptr_t calls = 0;
    uint8_t lent[3] = {0};
    struct router_options options = {.name = "test.echo",
                                     .handler = echo,
                                     .argument = &calls,
                                     .threaded = threaded,
                                     .capacity = 1};
    struct router_message request = {.code = 13, .length = 5, .data = "hello"};
    struct router_message response = {.code = 1};
    uint32_t threads = thread_count();
    struct router_outcome outcome;
    router_mailbox found = 0;
    router_mailbox id = 0;

    request.buffer = lent;
    request.buffer_size = sizeof(lent);
    EXPECT_EQUAL(router_register(&options, &id), HX_OK);
    EXPECT_EQUAL(router_find("test.echo", &found), HX_OK);
    EXPECT_EQUAL(found, id);
    outcome = router_send(id, ROUTER_LOW, &request, &response, hal_clock_now() + CREW_PATIENCE_NS);
    expect_outcome(outcome, HX_OK, ROUTER_REPLIED);
    EXPECT_EQUAL(outcome.status, HX_EIO);
    EXPECT_EQUAL(response.code, 26);
    EXPECT(response.length == 5 && memcmp(response.data, "hello", 5) == 0);
    EXPECT(response.buffer == NULL && lent[0] == 0x5a && lent[2] == 0x5a);
    request.buffer = NULL;
    request.buffer_size = 0;
    EXPECT_EQUAL(router_send_to(id, ROUTER_HIGH, &request), HX_OK);
    EXPECT_EQUAL(ask(id, 4, THREAD_NO_DEADLINE).status, HX_OK);
    close_mailbox(id, threads);
    EXPECT_EQUAL(calls, 3);
    expect_outcome(ask(id, 4, THREAD_NO_DEADLINE), HX_ESTALE, ROUTER_NOT_RUN);
    EXPECT_EQUAL(router_find("test.echo", &found), HX_ENOENT);
}

/* SPEC: P8 P10 */
static void a_direct_mailbox_answers_on_the_callers_thread(void)
{
    exchange(false);
}

/* SPEC: P8 P10 */
static void a_threaded_mailbox_answers_from_its_server(void)
{
    exchange(true);
}

/* SPEC: P8 */
static void the_monitor_says_the_kernels_state(void)
{
    struct router_message request = {.length = 5, .data = "state"};
    struct router_message response = {.code = 0};
    router_mailbox id = 0;

    EXPECT_EQUAL(router_find("monitor", &id), HX_OK);
    expect_outcome(router_send(id, ROUTER_NORMAL, &request, &response, THREAD_NO_DEADLINE), HX_OK,
                   ROUTER_REPLIED);
    EXPECT(response.length == 7 && memcmp(response.data, "Running", 7) == 0);
    request.length = 3;
    EXPECT_EQUAL(router_send(id, ROUTER_NORMAL, &request, &response, THREAD_NO_DEADLINE).status,
                 HX_EINVAL);
}

static hx_err answer_too_long(void *argument, const struct router_message *request,
                              struct router_message *response)
{
    (void)argument;
    (void)request;
    response->length = ROUTER_DATA_MAX + 1;
    return HX_OK;
}

/* SPEC: P8 P10 */
static void nonsense_is_refused(void)
{
    static const char *const bad[] = {"", "a/b", "\xff", "0123456789abcdef0123456789abcdef", NULL};
    struct router_options options = {.name = "test", .handler = twice, .threaded = true};
    struct router_message message = {.length = 0};
    struct router_message response;
    router_mailbox id = 0;

    for (size_t i = 0; i < HX_ARRAY_SIZE(bad); i++) {
        options = (struct router_options){.name = bad[i], .handler = twice};
        EXPECT_EQUAL(router_register(&options, &id), HX_EINVAL);
        EXPECT_EQUAL(router_find(bad[i], &id), HX_EINVAL);
    }
    options = (struct router_options){.name = "test"};
    EXPECT_EQUAL(router_register(&options, &id), HX_EINVAL);
    options = (struct router_options){.name = "test", .handler = twice, .threaded = true};
    EXPECT_EQUAL(router_register(&options, &id), HX_EINVAL);
    options.capacity = ROUTER_CAPACITY_MAX + 1;
    EXPECT_EQUAL(router_register(&options, &id), HX_EINVAL);
    expect_outcome(ask(0, 1, THREAD_NO_DEADLINE), HX_ESTALE, ROUTER_NOT_RUN);
    expect_outcome(ask(UINT64_MAX, 1, THREAD_NO_DEADLINE), HX_ESTALE, ROUTER_NOT_RUN);
    EXPECT_EQUAL(router_unregister(UINT64_MAX), HX_ESTALE);
    EXPECT_EQUAL(router_mailbox_died(0), HX_ESTALE);

    id = open_mailbox("test", false, answer_too_long);
    EXPECT_EQUAL(router_register(&(struct router_options){.name = "test", .handler = twice}, &id),
                 HX_EEXIST);
    EXPECT_EQUAL(router_send(id, ROUTER_NORMAL, &message, &response, 1).error, HX_ETIMEDOUT);
    EXPECT_EQUAL(router_send(id, ROUTER_LOW, &message, &response, THREAD_NO_DEADLINE).status,
                 HX_ERANGE);
    EXPECT_EQUAL(response.length, 0);
    EXPECT_EQUAL(router_send(id, ROUTER_PRIORITY_COUNT, &message, &response, 0).error, HX_EINVAL);
    EXPECT_EQUAL(router_send(id, ROUTER_LOW, NULL, &response, 0).error, HX_EINVAL);
    EXPECT_EQUAL(router_send(id, ROUTER_LOW, &message, NULL, 0).error, HX_EINVAL);
    message.length = ROUTER_DATA_MAX + 1;
    EXPECT_EQUAL(router_send(id, ROUTER_LOW, &message, &response, 0).error, HX_EINVAL);
    message = (struct router_message){.buffer_size = 1};
    EXPECT_EQUAL(router_send_to(id, ROUTER_LOW, &message), HX_EINVAL);
    message = (struct router_message){.buffer = &response, .buffer_size = 1};
    EXPECT_EQUAL(router_send_to(id, ROUTER_LOW, &message), HX_EINVAL);
    EXPECT_EQUAL(router_unregister(id), HX_OK);
}

/* SPEC: P8 */
static void without_memory_there_is_no_mailbox(void)
{
    const struct router_options options = {
        .name = "test", .handler = twice, .threaded = true, .capacity = CAPACITY};
    uint32_t threads = thread_count();
    router_mailbox id = 0;
    hx_err error;

    for (uint64_t n = 1; n < 10; n++) {
        heap_fail_nth(n);
        error = router_register(&options, &id);
        heap_fail_nth(0);
        if (error == HX_OK) {
            close_mailbox(id, threads);
            return;
        }
        EXPECT_EQUAL(error, HX_ENOMEM);
        EXPECT_EQUAL(router_find("test", &id), HX_ENOENT);
    }
    selftest_fail(__FILE__, __LINE__, "no registration succeeds in the end");
}

static hx_err close_itself(void *argument, const struct router_message *request,
                           struct router_message *response)
{
    (void)argument;
    response->code = 2 * request->code;
    EXPECT_EQUAL(ask(*(router_mailbox *)argument, 1, THREAD_NO_DEADLINE).error, HX_EBUSY);
    return router_unregister(*(router_mailbox *)argument);
}

/* SPEC: P8 P10 */
static void a_server_neither_waits_for_itself_nor_closes_itself(void)
{
    static router_mailbox id;
    const struct router_options options = {
        .name = "test", .handler = close_itself, .argument = &id, .threaded = true, .capacity = 1};
    uint32_t threads = thread_count();

    EXPECT_EQUAL(router_register(&options, &id), HX_OK);
    EXPECT_EQUAL(ask(id, 1, THREAD_NO_DEADLINE).status, HX_ECONTEXT);
    close_mailbox(id, threads);
}

/* --- the queue -------------------------------------------------------------------------------- */

static hx_err send(router_mailbox id, enum router_priority priority, uint32_t code)
{
    return router_send_to(id, priority, &(struct router_message){.code = code});
}

/* SPEC: P8 */
static void higher_priorities_are_handled_first_and_a_full_mailbox_says_so(void)
{
    static const uint32_t order[] = {1, 31, 32, 20, 10, 11, 0, 1};
    uint32_t threads = thread_count();
    router_mailbox id = open_mailbox("test", true, twice);

    (void)occupy(id);
    EXPECT_EQUAL(send(id, ROUTER_LOW, 0), HX_OK);
    EXPECT_EQUAL(send(id, ROUTER_NORMAL, 10), HX_OK);
    EXPECT_EQUAL(send(id, ROUTER_CRITICAL, 31), HX_OK);
    EXPECT_EQUAL(send(id, ROUTER_HIGH, 20), HX_OK);
    EXPECT_EQUAL(send(id, ROUTER_NORMAL, 11), HX_OK);
    EXPECT_EQUAL(send(id, ROUTER_LOW, 1), HX_OK);
    EXPECT_EQUAL(send(id, ROUTER_CRITICAL, 32), HX_OK);
    EXPECT_EQUAL(send(id, ROUTER_LOW, 2), HX_OK);
    EXPECT_EQUAL(send(id, ROUTER_CRITICAL, 33), HX_EAGAIN);
    expect_outcome(ask(id, 1, THREAD_NO_DEADLINE), HX_EAGAIN, ROUTER_NOT_RUN);
    let_go(LOG_MAX);
    EXPECT(crew_sleep_until(&work.done, CAPACITY + 1));
    for (size_t i = 0; i < HX_ARRAY_SIZE(order); i++) {
        EXPECT_EQUAL(work.codes[i], order[i]);
    }
    EXPECT_EQUAL(work.codes[CAPACITY], 2);
    (void)crew_join(&crew);
    close_mailbox(id, threads);
}

static _Atomic uint32_t floods;

/* Each critical message sends the next one: without a bound nothing else would ever be handled. */
static hx_err flood(void *argument, const struct router_message *request,
                    struct router_message *response)
{
    (void)response;
    work.codes[begun() % LOG_MAX] = request->code; /* there is one server */
    atomic_fetch_add_explicit(&work.begun, 1, memory_order_release);
    if (request->code == 5) {
        (void)crew_sleep_until(&work.go, 1);
    }
    if (request->code == 9 && atomic_fetch_sub_explicit(&floods, 1, memory_order_relaxed) > 1) {
        return send(*(router_mailbox *)argument, ROUTER_CRITICAL, 9);
    }
    return HX_OK;
}

/* SPEC: P8 */
static void low_priorities_do_not_starve(void)
{
    static router_mailbox id;
    const struct router_options options = {
        .name = "test", .handler = flood, .argument = &id, .threaded = true, .capacity = CAPACITY};
    uint32_t threads = thread_count();
    uint32_t expected = 4 * ROUTER_STARVATION_BOUND + 3;
    uint32_t low_at = 0;
    uint32_t high_at = 0;

    reset_work(0);
    atomic_store_explicit(&floods, 4 * ROUTER_STARVATION_BOUND, memory_order_relaxed);
    EXPECT_EQUAL(router_register(&options, &id), HX_OK);
    EXPECT_EQUAL(send(id, ROUTER_CRITICAL, 5), HX_OK); /* keeps the server until all are there */
    EXPECT(crew_sleep_until(&work.begun, 1));
    EXPECT_EQUAL(send(id, ROUTER_CRITICAL, 9), HX_OK);
    EXPECT_EQUAL(send(id, ROUTER_LOW, 1), HX_OK);
    EXPECT_EQUAL(send(id, ROUTER_HIGH, 2), HX_OK);
    let_go(1);
    EXPECT(crew_sleep_until(&work.begun, expected));

    for (uint32_t i = 0; i < expected; i++) {
        low_at = work.codes[i] == 1 ? i : low_at;
        high_at = work.codes[i] == 2 ? i : high_at;
    }
    EXPECT(low_at <= ROUTER_STARVATION_BOUND + 2);
    EXPECT(high_at > low_at && high_at <= 2 * ROUTER_STARVATION_BOUND + 4);
    close_mailbox(id, threads);
}

/* --- deadlines -------------------------------------------------------------------------------- */

/* SPEC: P8 P10 */
static void a_deadline_in_the_queue_means_not_run(void)
{
    uint32_t threads = thread_count();
    router_mailbox id = open_mailbox("test", true, twice);
    struct asker *first = occupy(id);

    expect_outcome(ask(id, 7, hal_clock_now() + 2 * HAL_NS_PER_MS), HX_ETIMEDOUT, ROUTER_NOT_RUN);
    EXPECT_EQUAL(queued_in(id), 0);
    let_go(LOG_MAX);
    (void)crew_join(&crew);
    expect_outcome(first->outcome, HX_OK, ROUTER_REPLIED);
    EXPECT_EQUAL(begun(), 1);
    close_mailbox(id, threads);
}

/*
 * A request whose deadline passes in the handler: again, with more time, when a busy host let it
 * pass before the server came to it. The crew is left open.
 */
static struct asker *ask_until_begun(router_mailbox id, void (*main)(void *argument))
{
    struct asker *asker = &askers[0];

    for (uint64_t patience = 2 * HAL_NS_PER_MS; patience < CREW_PATIENCE_NS; patience *= 4) {
        reset_work(0);
        crew_open(&crew);
        *asker = (struct asker){.to = id, .code = 1, .deadline_ns = hal_clock_now() + patience};
        (void)crew_start(&crew, main, asker, 0);
        while (begun() == 0 && !is_back(asker)) {
            thread_sleep(HAL_NS_PER_MS);
        }
        if (begun() != 0) {
            return asker;
        }
        expect_outcome(asker->outcome, HX_ETIMEDOUT, ROUTER_NOT_RUN);
        (void)crew_join(&crew);
    }
    selftest_fail(__FILE__, __LINE__, "the server never comes to its request");
    return asker;
}

/* SPEC: P8 P10 */
static void a_deadline_in_the_handler_means_may_have_run(void)
{
    uint32_t threads = thread_count();
    router_mailbox id = open_mailbox("test", true, twice);
    const struct asker *late = ask_until_begun(id, ask_main);

    EXPECT(crew_sleep_until(&late->is_back, 1));
    expect_outcome(late->outcome, HX_ETIMEDOUT, ROUTER_MAY_HAVE_RUN);
    let_go(LOG_MAX);
    EXPECT_EQUAL(ask(id, 5, THREAD_NO_DEADLINE).error, HX_OK);
    (void)crew_join(&crew);
    close_mailbox(id, threads);
}

static void lend_main(void *argument)
{
    static uint8_t lent[8];
    struct router_message request = {.code = 1, .buffer = lent, .buffer_size = sizeof(lent)};
    struct router_message response;
    struct asker *asker = argument;

    asker->outcome = router_send(asker->to, ROUTER_NORMAL, &request, &response, asker->deadline_ns);
    atomic_store_explicit(&asker->is_back, 1, memory_order_release);
}

/* SPEC: P10 */
static void who_has_lent_a_buffer_waits_for_it(void)
{
    uint32_t threads = thread_count();
    router_mailbox id = open_mailbox("test", true, twice);
    const struct asker *lender = ask_until_begun(id, lend_main);

    while (hal_clock_now() < lender->deadline_ns + 10 * HAL_NS_PER_MS) {
        thread_sleep(HAL_NS_PER_MS);
    }
    EXPECT(!is_back(lender));
    let_go(LOG_MAX);
    (void)crew_join(&crew);
    expect_outcome(lender->outcome, HX_OK, ROUTER_REPLIED);
    close_mailbox(id, threads);
}

/* --- deaths and ends -------------------------------------------------------------------------- */

/* SPEC: P9 P10 */
static void a_death_ends_what_was_delivered_and_keeps_what_is_queued(void)
{
    uint32_t threads = thread_count();
    router_mailbox id = open_mailbox("test", true, twice);
    struct asker *delivered = occupy(id);
    struct asker *queued = start_asker(1, id, THREAD_NO_DEADLINE);
    struct asker *hasty;
    router_mailbox heir;

    wait_queued(id, 1);
    EXPECT_EQUAL(send(id, ROUTER_LOW, 50), HX_OK);
    EXPECT_EQUAL(router_mailbox_died(id), HX_OK);
    EXPECT(crew_sleep_until(&delivered->is_back, 1)); /* while the handler still hangs */
    expect_outcome(delivered->outcome, HX_EDIED, ROUTER_MAY_HAVE_RUN);
    EXPECT_EQUAL(router_mailbox_died(id), HX_ESTALE);
    hasty = start_asker(2, id, hal_clock_now() + 2 * HAL_NS_PER_MS);
    EXPECT(crew_sleep_until(&hasty->is_back, 1));
    expect_outcome(hasty->outcome, HX_ETIMEDOUT, ROUTER_NOT_RUN);
    EXPECT(!is_back(queued));

    EXPECT_EQUAL(router_register(&(struct router_options){.name = "test", .handler = twice}, &heir),
                 HX_EINVAL); /* of the other kind */
    let_go(LOG_MAX);
    heir = open_mailbox("test", true, twice);
    EXPECT(heir != id && (uint32_t)heir == (uint32_t)id);
    (void)crew_join(&crew);
    expect_outcome(queued->outcome, HX_OK, ROUTER_REPLIED);
    expect_outcome(ask(id, 1, THREAD_NO_DEADLINE), HX_ESTALE, ROUTER_NOT_RUN);
    EXPECT_EQUAL(router_unregister(id), HX_ESTALE);
    EXPECT(crew_sleep_until(&work.done, 3)); /* the hanging one, the queued one, the envelope */
    EXPECT_EQUAL(begun(), 3);
    EXPECT_EQUAL(ask(heir, 8, THREAD_NO_DEADLINE).error, HX_OK);
    close_mailbox(heir, threads);
}

/* SPEC: P9 P10 */
static void an_idle_server_that_dies_leaves_its_queue_to_an_heir(void)
{
    uint32_t threads = thread_count();
    router_mailbox id = open_mailbox("test", true, twice);
    router_mailbox found = 0;
    struct asker *patient;
    router_mailbox heir;

    reset_work(LOG_MAX);
    crew_open(&crew);
    EXPECT_EQUAL(ask(id, 3, THREAD_NO_DEADLINE).error, HX_OK);
    EXPECT_EQUAL(router_mailbox_died(id), HX_OK);
    EXPECT_EQUAL(router_find("test", &found), HX_OK);
    EXPECT_EQUAL(found, id);
    patient = start_asker(0, id, THREAD_NO_DEADLINE);
    wait_queued(id, 1);
    heir = open_mailbox("test", true, twice);
    (void)crew_join(&crew);
    expect_outcome(patient->outcome, HX_OK, ROUTER_REPLIED);
    close_mailbox(heir, threads);
}

/* SPEC: P10 */
static void a_direct_mailbox_without_server_says_so_at_once(void)
{
    router_mailbox id = open_mailbox("test", false, twice);
    router_mailbox heir;

    reset_work(LOG_MAX);
    EXPECT_EQUAL(router_mailbox_died(id), HX_OK);
    expect_outcome(ask(id, 1, THREAD_NO_DEADLINE), HX_EDIED, ROUTER_NOT_RUN);
    EXPECT_EQUAL(send(id, ROUTER_LOW, 1), HX_EDIED);
    heir = open_mailbox("test", false, twice);
    expect_outcome(ask(id, 1, THREAD_NO_DEADLINE), HX_ESTALE, ROUTER_NOT_RUN);
    EXPECT_EQUAL(ask(heir, 1, THREAD_NO_DEADLINE).error, HX_OK);
    EXPECT_EQUAL(router_unregister(heir), HX_OK);
    EXPECT_EQUAL(begun(), 1);
}

static struct {
    router_mailbox id;
    _Atomic uint32_t is_closed;
} closing;

static void close_main(void *argument)
{
    (void)argument;
    EXPECT_EQUAL(router_unregister(closing.id), HX_OK);
    atomic_store_explicit(&closing.is_closed, 1, memory_order_release);
}

static void expect_close_waits(bool threaded)
{
    uint32_t threads = thread_count();
    struct asker *served;

    closing.id = open_mailbox("test", threaded, twice);
    atomic_store_explicit(&closing.is_closed, 0, memory_order_relaxed);
    served = occupy(closing.id);
    if (threaded) {
        (void)start_asker(1, closing.id, THREAD_NO_DEADLINE);
        wait_queued(closing.id, 1);
    }
    (void)crew_start(&crew, close_main, NULL, 0);
    if (threaded) {
        EXPECT(crew_sleep_until(&askers[1].is_back, 1));
        expect_outcome(askers[1].outcome, HX_ECLOSED, ROUTER_NOT_RUN);
    }
    thread_sleep(5 * HAL_NS_PER_MS);
    EXPECT_EQUAL(atomic_load_explicit(&closing.is_closed, memory_order_acquire), 0);
    expect_outcome(ask(closing.id, 1, THREAD_NO_DEADLINE), HX_ESTALE, ROUTER_NOT_RUN);
    let_go(LOG_MAX);
    (void)crew_join(&crew);
    expect_outcome(served->outcome, HX_OK, ROUTER_REPLIED);
    EXPECT_EQUAL(begun(), 1);
    EXPECT(thread_count() <= threads + 1); /* the server's, until the reaper comes */
    while (thread_count() > threads) {
        thread_sleep(HAL_NS_PER_MS);
    }
}

/* SPEC: P8 P10 */
static void closing_waits_for_the_handler_and_refuses_the_queue(void)
{
    expect_close_waits(true);
    expect_close_waits(false);
}

/* --- interrupts ------------------------------------------------------------------------------- */

static struct {
    router_mailbox threaded;
    router_mailbox direct;
    hx_err sent;
    hx_err sent_direct;
    struct router_outcome asked;
} irq;

static enum interrupt_action send_in_interrupt(void *argument, struct hal_frame *frame)
{
    (void)argument;
    (void)frame;
    irq.sent = send(irq.threaded, ROUTER_HIGH, 77);
    irq.sent_direct = send(irq.direct, ROUTER_HIGH, 78);
    irq.asked = ask(irq.threaded, 79, THREAD_NO_DEADLINE);
    return INTERRUPT_HANDLED;
}

/* SPEC: P8 */
static void an_interrupt_handler_sends_but_does_not_wait(void)
{
    uint32_t threads = thread_count();
    uint8_t vector = interrupt_free_vector();

    reset_work(LOG_MAX);
    irq.threaded = open_mailbox("test.a", true, twice);
    irq.direct = open_mailbox("test.b", false, twice);
    EXPECT_EQUAL(interrupt_register(vector, "router", send_in_interrupt, NULL, false), HX_OK);
    hal_interrupt_send(hal_cpu_id(), vector);
    EXPECT(crew_sleep_until(&work.done, 1));
    EXPECT_EQUAL(interrupt_unregister(vector, "router"), HX_OK);
    EXPECT_EQUAL(irq.sent, HX_OK);
    EXPECT_EQUAL(irq.sent_direct, HX_ECONTEXT);
    expect_outcome(irq.asked, HX_ECONTEXT, ROUTER_NOT_RUN);
    EXPECT(begun() == 1 && work.codes[0] == 77);
    EXPECT_EQUAL(router_unregister(irq.direct), HX_OK);
    close_mailbox(irq.threaded, threads);
}

/* --- load ------------------------------------------------------------------------------------- */

#define CLIENTS 4U

static struct {
    _Atomic uint64_t current; /* the mailbox's id */
    uint32_t requests;        /* of each client */
    _Atomic uint64_t handled; /* sum of what handlers got */
    _Atomic uint64_t replied; /* sums of what clients sent, by outcome */
    _Atomic uint64_t perhaps;
    _Atomic uint32_t bad;
    _Atomic uint32_t finished;
    _Atomic uint32_t deaths;
} load;

static uint64_t word_of(const struct router_message *message)
{
    uint64_t word;

    memcpy(&word, message->data, sizeof(word));
    return word;
}

static hx_err mix(void *argument, const struct router_message *request,
                  struct router_message *response)
{
    uint64_t word = word_of(request);
    uint64_t answer = word * 0x9e3779b97f4a7c15ULL;

    (void)argument;
    atomic_fetch_add_explicit(&load.handled, word, memory_order_relaxed);
    memcpy(response->data, &answer, sizeof(answer));
    response->length = sizeof(answer);
    return HX_OK;
}

static void weigh(struct router_outcome outcome, uint64_t word,
                  const struct router_message *response)
{
    if (outcome.progress == ROUTER_REPLIED) {
        bool right = outcome.error == HX_OK && word_of(response) == word * 0x9e3779b97f4a7c15ULL;

        atomic_fetch_add_explicit(&load.replied, word, memory_order_relaxed);
        atomic_fetch_add_explicit(&load.bad, right ? 0 : 1, memory_order_relaxed);
    } else if (outcome.progress == ROUTER_MAY_HAVE_RUN) {
        atomic_fetch_add_explicit(&load.perhaps, word, memory_order_relaxed);
    }
}

static void send_load(void *argument)
{
    uint64_t state = (uint64_t)(uintptr_t)argument * 77 + 1;

    for (uint32_t sent = 0; sent < load.requests;) {
        uint64_t word = crew_random(&state) >> 24;
        struct router_message request = {.length = sizeof(word)};
        struct router_message response;
        struct router_outcome outcome;
        uint64_t patience = word % 8 == 0 ? hal_clock_now() + 50000 : THREAD_NO_DEADLINE;

        memcpy(request.data, &word, sizeof(word));
        outcome = router_send(atomic_load_explicit(&load.current, memory_order_acquire),
                              (enum router_priority)(word % ROUTER_PRIORITY_COUNT), &request,
                              &response, patience);
        weigh(outcome, word, &response);
        sent += outcome.error != HX_ESTALE;
        hal_cpu_relax();
    }
    atomic_fetch_add_explicit(&load.finished, 1, memory_order_release);
}

/* Servers die and are replaced while clients send. */
static void succeed_until_finished(void)
{
    while (atomic_load_explicit(&load.finished, memory_order_acquire) < CLIENTS) {
        router_mailbox id = atomic_load_explicit(&load.current, memory_order_relaxed);

        EXPECT_EQUAL(router_mailbox_died(id), HX_OK);
        atomic_fetch_add_explicit(&load.deaths, 1, memory_order_relaxed);
        id = open_mailbox("test", true, mix);
        atomic_store_explicit(&load.current, id, memory_order_release);
        thread_sleep(HAL_NS_PER_MS);
    }
}

/* SPEC: P8 P9 P10 */
static void each_request_ends_once_while_servers_die(void)
{
    uint32_t threads = thread_count();
    uint64_t handled;
    uint64_t replied;
    uint64_t perhaps;

    atomic_store_explicit(&load.current, open_mailbox("test", true, mix), memory_order_relaxed);
    atomic_store_explicit(&load.handled, 0, memory_order_relaxed);
    atomic_store_explicit(&load.replied, 0, memory_order_relaxed);
    atomic_store_explicit(&load.perhaps, 0, memory_order_relaxed);
    atomic_store_explicit(&load.bad, 0, memory_order_relaxed);
    atomic_store_explicit(&load.finished, 0, memory_order_relaxed);
    load.requests = command_line_has(kernel_command_line(), "soak") ? 10000000U / CLIENTS : 1000U;
    crew_open(&crew);
    for (uintptr_t i = 0; i < CLIENTS; i++) {
        (void)crew_start(&crew, send_load, (void *)i, 0);
    }
    succeed_until_finished();
    (void)crew_join(&crew);
    close_mailbox(atomic_load_explicit(&load.current, memory_order_relaxed), threads);
    handled = atomic_load_explicit(&load.handled, memory_order_relaxed);
    replied = atomic_load_explicit(&load.replied, memory_order_relaxed);
    perhaps = atomic_load_explicit(&load.perhaps, memory_order_relaxed);
    /* What was replied to was handled, once; what may have run, at most once; nothing else was. */
    EXPECT(handled >= replied && handled <= replied + perhaps);
    EXPECT_EQUAL(atomic_load_explicit(&load.bad, memory_order_relaxed), 0);
}

/* SPEC: P8 P10 */
static void under_load_each_request_is_answered_once(void)
{
    uint32_t threads = thread_count();

    for (unsigned threaded = 0; threaded < 2; threaded++) {
        atomic_store_explicit(&load.current, open_mailbox("test", threaded != 0, mix),
                              memory_order_relaxed);
        atomic_store_explicit(&load.handled, 0, memory_order_relaxed);
        atomic_store_explicit(&load.replied, 0, memory_order_relaxed);
        atomic_store_explicit(&load.perhaps, 0, memory_order_relaxed);
        load.requests = 1000;
        crew_open(&crew);
        for (uintptr_t i = 0; i < CLIENTS; i++) {
            (void)crew_start(&crew, send_load, (void *)i, 0);
        }
        (void)crew_join(&crew);
        close_mailbox(atomic_load_explicit(&load.current, memory_order_relaxed), threads);
        EXPECT(load.handled >= load.replied && load.handled <= load.replied + load.perhaps);
    }
}

const struct selftest core_router_tests[] = {
    {TEST(a_direct_mailbox_answers_on_the_callers_thread)},
    {TEST(a_threaded_mailbox_answers_from_its_server)},
    {TEST(the_monitor_says_the_kernels_state)},
    {TEST(nonsense_is_refused)},
    {TEST(without_memory_there_is_no_mailbox)},
    {TEST(a_server_neither_waits_for_itself_nor_closes_itself)},
    {TEST(higher_priorities_are_handled_first_and_a_full_mailbox_says_so)},
    {TEST(low_priorities_do_not_starve)},
    {TEST(a_deadline_in_the_queue_means_not_run)},
    {TEST(a_deadline_in_the_handler_means_may_have_run)},
    {TEST(who_has_lent_a_buffer_waits_for_it)},
    {TEST(a_death_ends_what_was_delivered_and_keeps_what_is_queued)},
    {TEST(an_idle_server_that_dies_leaves_its_queue_to_an_heir)},
    {TEST(a_direct_mailbox_without_server_says_so_at_once)},
    {TEST(closing_waits_for_the_handler_and_refuses_the_queue)},
    {TEST(an_interrupt_handler_sends_but_does_not_wait)},
    {TEST(each_request_ends_once_while_servers_die)},
    {TEST(under_load_each_request_is_answered_once)},
    {0},
};
