/* Mailboxes that programs serve, served by threads here: outcomes, order, deaths, loans, load. */
#include <base/memory.h>
#include <core/ipc/loan.h>
#include <core/ipc/router_call.h>
#include <core/ipc/served_mailbox.h>
#include <hal/clock.h>
#include <hal/cpu.h>
#include <kern/thread.h>
#include <tests/self/crew.h>
#include <tests/self/suites.h>

#define TEST(function) "core_served." #function, function, 0

#define CAPACITY 4U
#define ASKERS   3U

static struct crew crew;

/* --- clients on threads of their own ---------------------------------------------------------- */

struct asker {
    router_mailbox to;
    uint32_t code;
    uint64_t deadline_ns;
    struct router_outcome outcome;
    struct router_message response;
    _Atomic uint32_t is_back;
};

static struct asker askers[ASKERS];

static void ask_main(void *argument)
{
    struct asker *asker = argument;
    const struct router_message request = {.code = asker->code};

    asker->outcome =
        router_send(asker->to, ROUTER_NORMAL, &request, &asker->response, asker->deadline_ns);
    atomic_store_explicit(&asker->is_back, 1, memory_order_release);
}

static struct asker *start_asker(uint32_t index, router_mailbox to, uint64_t deadline_ns)
{
    struct asker *asker = &askers[index];

    asker->to = to;
    asker->code = index + 1;
    asker->deadline_ns = deadline_ns;
    atomic_store_explicit(&asker->is_back, 0, memory_order_relaxed);
    (void)crew_start(&crew, ask_main, asker, 0);
    return asker;
}

static void expect_end(const struct asker *asker, hx_err error, enum router_progress progress)
{
    EXPECT(crew_sleep_until(&asker->is_back, 1));
    EXPECT_EQUAL(asker->outcome.error, error);
    EXPECT_EQUAL(asker->outcome.progress, progress);
}

/* --- the server ------------------------------------------------------------------------------- */

static struct router_service *serve(const char *name)
{
    struct router_service *service = NULL;

    EXPECT_EQUAL(router_serve(name, CAPACITY, OWNER_NONE, &service), HX_OK);
    EXPECT_EQUAL(router_service_enter(service), HX_OK);
    return service;
}

static void close_service(struct router_service *service)
{
    router_service_leave(service);
    router_service_close(service);
}

static uint64_t patience(void)
{
    return hal_clock_now() + CREW_PATIENCE_NS;
}

/* The code of the next message. */
static uint32_t take(struct router_service *service)
{
    EXPECT_EQUAL(router_service_next(service, false, patience()), HX_OK);
    return router_service_inbox(service)->code;
}

static void reply(struct router_service *service, uint32_t code)
{
    *router_service_outbox(service) = (struct router_message){.code = code};
    EXPECT_EQUAL(router_service_reply(service), HX_OK);
}

static uint32_t queued_in(router_mailbox id)
{
    struct router_mailbox_info info = {0};

    (void)router_mailbox_info((uint32_t)id - 1, &info);
    return info.queued[ROUTER_NORMAL];
}

static void wait_queued(router_mailbox id, uint32_t count)
{
    uint64_t deadline = patience();

    while (queued_in(id) != count && hal_clock_now() < deadline) {
        thread_sleep(HAL_NS_PER_MS);
    }
    EXPECT_EQUAL(queued_in(id), count);
}

/* --- requests and replies --------------------------------------------------------------------- */

/* SPEC: P11 */
static void a_request_is_taken_answered_and_told_once(void)
{
    struct router_service *service = serve("served");
    struct asker *asker;

    crew_open(&crew);
    asker = start_asker(0, router_service_id(service), THREAD_NO_DEADLINE);
    EXPECT_EQUAL(take(service), 1);
    EXPECT_EQUAL(take(service), 1); /* the same again, until it is answered */
    EXPECT_EQUAL(router_service_sender(service), 0);
    reply(service, 41);
    expect_end(asker, HX_OK, ROUTER_REPLIED);
    EXPECT_EQUAL(asker->response.code, 41);
    EXPECT_EQUAL(router_service_reply(service), HX_ESTATE);
    EXPECT_EQUAL(router_service_next(service, true, 0), HX_ESTATE);
    EXPECT_EQUAL(router_service_next(service, false, 0), HX_EAGAIN);
    EXPECT_EQUAL(router_service_next(service, false, hal_clock_now() + HAL_NS_PER_MS),
                 HX_ETIMEDOUT);
    (void)crew_join(&crew);
    close_service(service);
}

/* Answers with what it is asked plus 100, as often as it is told. */
static void serve_main(void *argument)
{
    struct router_service *service = argument;
    hx_err error = router_service_next(service, false, patience());

    while (error == HX_OK && router_service_inbox(service)->code != 0) {
        struct router_message *outbox = router_service_outbox(service);

        *outbox = *router_service_inbox(service);
        outbox->code += 100;
        error = router_service_next(service, true, patience());
    }
    EXPECT_EQUAL(error, HX_OK);
}

/* SPEC: P11 */
static void a_caller_and_a_server_take_turns(void)
{
    struct router_service *service = serve("served");
    router_mailbox id = router_service_id(service);
    struct router_message message = {.code = 0};

    crew_open(&crew);
    (void)crew_start(&crew, serve_main, service, 0);
    for (uint32_t i = 1; i < 500; i++) {
        struct router_message request = {.code = i, .length = i % (ROUTER_DATA_MAX + 1)};
        struct router_message response = {.code = 0};
        uint64_t deadline = i % 2 == 0 ? patience() : THREAD_NO_DEADLINE;

        memset(request.data, (int)i, request.length);
        EXPECT_EQUAL(router_send(id, ROUTER_NORMAL, &request, &response, deadline).error, HX_OK);
        EXPECT(response.code == i + 100 && response.length == request.length &&
               memcmp(response.data, request.data, request.length) == 0);
    }
    EXPECT_EQUAL(router_send_to(id, ROUTER_LOW, &message), HX_OK);
    (void)crew_join(&crew);
    close_service(service);
}

/* SPEC: P11 P8 */
static void messages_come_by_priority_and_a_full_queue_says_so(void)
{
    struct router_service *service = serve("served");
    router_mailbox id = router_service_id(service);

    for (uint32_t i = 0; i < CAPACITY; i++) {
        const struct router_message envelope = {.code = i};

        EXPECT_EQUAL(router_send_from(id, (enum router_priority)i, &envelope, 7 + i), HX_OK);
    }
    EXPECT(router_service_is_readable(service));
    EXPECT_EQUAL(router_send_to(id, ROUTER_LOW, &(struct router_message){.code = 9}), HX_EAGAIN);
    for (uint32_t i = CAPACITY; i-- > 0;) {
        EXPECT_EQUAL(take(service), i);
        EXPECT_EQUAL(router_service_sender(service), 7 + i);
        reply(service, 0);
    }
    EXPECT(!router_service_is_readable(service));
    close_service(service);
}

/* --- deadlines, deaths, heirs ----------------------------------------------------------------- */

/* SPEC: P11 P10 */
static void a_deadline_says_whether_it_may_have_run(void)
{
    struct router_service *service = serve("served");
    router_mailbox id = router_service_id(service);
    struct asker *asker;

    crew_open(&crew);
    asker = start_asker(0, id, hal_clock_now() + 2 * HAL_NS_PER_MS);
    expect_end(asker, HX_ETIMEDOUT, ROUTER_NOT_RUN);
    EXPECT_EQUAL(router_service_next(service, false, 0), HX_EAGAIN);
    asker = start_asker(1, id, hal_clock_now() + 300 * HAL_NS_PER_MS);
    if (router_service_next(service, false, patience()) == HX_OK) {
        expect_end(asker, HX_ETIMEDOUT, ROUTER_MAY_HAVE_RUN);
        reply(service, 5); /* to nobody */
    }
    (void)crew_join(&crew);
    close_service(service);
}

/* SPEC: P11 P9 P10 */
static void a_death_ends_what_was_taken_and_keeps_what_waits(void)
{
    struct router_service *service = serve("served");
    router_mailbox id = router_service_id(service);
    struct router_service *heir;
    struct asker *taken;
    struct asker *waiting;

    crew_open(&crew);
    taken = start_asker(0, id, THREAD_NO_DEADLINE);
    EXPECT_EQUAL(take(service), 1);
    waiting = start_asker(1, id, THREAD_NO_DEADLINE);
    wait_queued(id, 1);
    close_service(service);
    expect_end(taken, HX_EDIED, ROUTER_MAY_HAVE_RUN);
    EXPECT_EQUAL(atomic_load_explicit(&waiting->is_back, memory_order_acquire), 0);
    heir = serve("served");
    EXPECT(router_service_id(heir) != id);
    EXPECT_EQUAL(take(heir), 2);
    reply(heir, 22);
    expect_end(waiting, HX_OK, ROUTER_REPLIED);
    (void)crew_join(&crew);
    EXPECT_EQUAL(router_send_to(id, ROUTER_LOW, &(struct router_message){.code = 9}), HX_ESTALE);
    close_service(heir);
}

/* SPEC: P11 P10 */
static void what_was_taken_can_be_given_up(void)
{
    struct router_service *service = serve("served");
    struct asker *asker;

    crew_open(&crew);
    asker = start_asker(0, router_service_id(service), THREAD_NO_DEADLINE);
    EXPECT_EQUAL(take(service), 1);
    router_service_abandon(service);
    expect_end(asker, HX_EDIED, ROUTER_MAY_HAVE_RUN);
    router_service_abandon(service);
    EXPECT_EQUAL(router_service_reply(service), HX_ESTATE);
    asker = start_asker(1, router_service_id(service), THREAD_NO_DEADLINE);
    EXPECT_EQUAL(take(service), 2); /* and it serves on */
    reply(service, 6);
    expect_end(asker, HX_OK, ROUTER_REPLIED);
    (void)crew_join(&crew);
    close_service(service);
}

/* --- names ------------------------------------------------------------------------------------ */

/* SPEC: P11 */
static void a_mailbox_stays_while_it_is_open_and_its_number_for_ever(void)
{
    struct router_service *service = serve("served");
    uint32_t number = router_number_of("served");
    char name[ROUTER_NAME_MAX];
    router_mailbox id;
    router_mailbox found;

    EXPECT_EQUAL(router_open("served", &id), HX_OK);
    EXPECT_EQUAL(id, router_service_id(service));
    close_service(service);
    EXPECT_EQUAL(router_find("served", &found), HX_OK);
    EXPECT_EQUAL(router_send_to(id, ROUTER_LOW, &(struct router_message){.code = 9}), HX_OK);
    router_close(id);
    EXPECT_EQUAL(router_find("served", &found), HX_ENOENT); /* and the message is gone with it */
    EXPECT(number != 0);
    EXPECT_EQUAL(router_number_of("served"), number);
    EXPECT(router_name_of(number, name) && memcmp(name, "served", 7) == 0);
    EXPECT(!router_name_of(0, name) && !router_name_of(ROUTER_NAME_COUNT_MAX + 1, name));
    EXPECT_EQUAL(router_number_of("never seen"), 0);
    service = serve("served");
    EXPECT_EQUAL(router_service_next(service, false, 0), HX_EAGAIN);
    close_service(service);
}

/* SPEC: P11 */
static void nonsense_is_refused(void)
{
    struct router_service *service = serve("served");
    struct router_service *other = NULL;
    router_mailbox id = router_service_id(service);

    EXPECT_EQUAL(router_serve("served", 1, OWNER_NONE, &other), HX_EEXIST);
    EXPECT_EQUAL(router_serve("monitor", 1, OWNER_NONE, &other), HX_EEXIST);
    EXPECT_EQUAL(router_serve("a b", 1, OWNER_NONE, &other), HX_EINVAL);
    EXPECT_EQUAL(router_serve("other", 0, OWNER_NONE, &other), HX_EINVAL);
    EXPECT_EQUAL(router_serve("other", ROUTER_CAPACITY_MAX + 1, OWNER_NONE, &other), HX_EINVAL);
    EXPECT_EQUAL(router_unregister(id), HX_EINVAL);
    EXPECT_EQUAL(router_mailbox_died(id), HX_EINVAL);
    EXPECT_EQUAL(router_service_enter(service), HX_EBUSY);
    close_service(service);
}

/* --- loans ------------------------------------------------------------------------------------ */

static struct {
    struct router_outcome outcome;
    uint8_t bytes[100];
    _Atomic uint32_t is_back;
} lender;

static void lend_main(void *argument)
{
    const struct router_message request = {
        .code = 1, .buffer = lender.bytes, .buffer_size = sizeof(lender.bytes)};
    struct router_message response;

    lender.outcome = router_send(*(const router_mailbox *)argument, ROUTER_NORMAL, &request,
                                 &response, hal_clock_now() + 500 * HAL_NS_PER_MS);
    atomic_store_explicit(&lender.is_back, 1, memory_order_release);
}

static struct router_loan *start_lender(struct router_service *service, router_mailbox *id)
{
    *id = router_service_id(service);
    memset(lender.bytes, 3, sizeof(lender.bytes));
    atomic_store_explicit(&lender.is_back, 0, memory_order_relaxed);
    (void)crew_start(&crew, lend_main, id, 0);
    EXPECT_EQUAL(take(service), 1);
    return router_service_loan(service);
}

/* SPEC: P11 */
static void what_is_lent_is_copied_in_and_out(void)
{
    struct router_service *service = serve("served");
    struct router_loan *loan;
    router_mailbox id;

    crew_open(&crew);
    loan = start_lender(service, &id);
    EXPECT(loan != NULL && loan->size == sizeof(lender.bytes) && loan->bytes[99] == 3);
    memset(loan->bytes, 4, loan->size);
    EXPECT_EQUAL(lender.bytes[0], 3);
    reply(service, 0);
    EXPECT(crew_sleep_until(&lender.is_back, 1));
    EXPECT_EQUAL(lender.outcome.progress, ROUTER_REPLIED);
    EXPECT(lender.bytes[0] == 4 && lender.bytes[99] == 4);
    EXPECT(router_service_loan(service) == NULL);
    (void)crew_join(&crew);
    close_service(service);
}

/* SPEC: P11 */
static void who_lends_may_leave_before_the_reply(void)
{
    struct router_service *service = serve("served");
    struct router_loan *loan;
    router_mailbox id;

    crew_open(&crew);
    loan = start_lender(service, &id);
    EXPECT(crew_sleep_until(&lender.is_back, 1));
    EXPECT_EQUAL(lender.outcome.error, HX_ETIMEDOUT);
    EXPECT_EQUAL(lender.outcome.progress, ROUTER_MAY_HAVE_RUN);
    memset(loan->bytes, 5, loan->size); /* it is there still */
    EXPECT_EQUAL(lender.bytes[0], 3);
    reply(service, 0);
    (void)crew_join(&crew);
    close_service(service);
}

/* --- load ------------------------------------------------------------------------------------- */

#define CLIENTS  4U
#define REQUESTS 1500U

static struct {
    _Atomic uint32_t handled[CLIENTS * REQUESTS];
    _Atomic uint32_t finished;
    _Atomic uint32_t wrong;
    _Atomic uint32_t replied;
} load;

static bool fits(uint32_t number, struct router_outcome outcome,
                 const struct router_message *response)
{
    uint32_t handled = atomic_load_explicit(&load.handled[number], memory_order_acquire);

    if (outcome.progress == ROUTER_REPLIED) {
        atomic_fetch_add_explicit(&load.replied, 1, memory_order_relaxed);
        return handled == 1 && response->code == number + 7;
    }
    return handled <= (outcome.progress == ROUTER_MAY_HAVE_RUN ? 1U : 0U);
}

static void ask_load(void *argument)
{
    uint32_t first = (uint32_t)(uintptr_t)argument * REQUESTS;
    router_mailbox id;

    for (uint32_t i = first; i < first + REQUESTS;) {
        const struct router_message request = {.code = i};
        struct router_message response;
        struct router_outcome outcome;
        uint64_t deadline = i % 8 == 0 ? hal_clock_now() + 50000 : THREAD_NO_DEADLINE;

        if (router_find("served", &id) != HX_OK) {
            thread_yield();
            continue;
        }
        outcome = router_send(id, (enum router_priority)(i % ROUTER_PRIORITY_COUNT), &request,
                              &response, deadline);
        if (outcome.error != HX_ESTALE) {
            atomic_fetch_add_explicit(&load.wrong, fits(i, outcome, &response) ? 0 : 1,
                                      memory_order_relaxed);
            i++;
        }
    }
    atomic_fetch_add_explicit(&load.finished, 1, memory_order_release);
}

/* Serve so many, and die with the last one: before or after it was handled. */
static void serve_some(struct router_service *service, uint64_t random)
{
    uint32_t left = (uint32_t)(random % 30);
    hx_err error = router_service_next(service, false, hal_clock_now() + 20 * HAL_NS_PER_MS);

    for (; error == HX_OK && (left > 0 || random % 64 < 32); left--) {
        uint32_t number = router_service_inbox(service)->code;

        atomic_fetch_add_explicit(&load.handled[number], 1, memory_order_release);
        if (left == 0) {
            return;
        }
        *router_service_outbox(service) = (struct router_message){.code = number + 7};
        error = router_service_next(service, true, hal_clock_now() + 20 * HAL_NS_PER_MS);
    }
}

/* SPEC: P11 P9 P10 */
static void each_request_ends_once_while_servers_die(void)
{
    uint64_t state = selftest_seed() | 1;
    uint32_t deaths = 0;

    memset(&load, 0, sizeof(load));
    crew_open(&crew);
    for (uint32_t i = 0; i < CLIENTS; i++) {
        (void)crew_start(&crew, ask_load, (void *)(uintptr_t)i, 0);
    }
    while (atomic_load_explicit(&load.finished, memory_order_acquire) < CLIENTS) {
        struct router_service *service = serve("served");

        serve_some(service, crew_random(&state));
        close_service(service);
        deaths++;
    }
    (void)crew_join(&crew);
    EXPECT_EQUAL(atomic_load_explicit(&load.wrong, memory_order_relaxed), 0);
    EXPECT(atomic_load_explicit(&load.replied, memory_order_relaxed) > REQUESTS && deaths > 10);
}

const struct selftest core_served_tests[] = {
    {TEST(a_request_is_taken_answered_and_told_once)},
    {TEST(a_caller_and_a_server_take_turns)},
    {TEST(messages_come_by_priority_and_a_full_queue_says_so)},
    {TEST(a_deadline_says_whether_it_may_have_run)},
    {TEST(a_death_ends_what_was_taken_and_keeps_what_waits)},
    {TEST(what_was_taken_can_be_given_up)},
    {TEST(a_mailbox_stays_while_it_is_open_and_its_number_for_ever)},
    {TEST(nonsense_is_refused)},
    {TEST(what_is_lent_is_copied_in_and_out)},
    {TEST(who_lends_may_leave_before_the_reply)},
    {TEST(each_request_ends_once_while_servers_die)},
    {0},
};
