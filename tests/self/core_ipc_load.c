/*
 * Load on oneshots and on the router, from a sender on every CPU: nothing lost, nothing doubled,
 * order kept, by checksums. Channels and events have theirs in core_channel.c and core_events.c.
 */
#include <base/memory.h>
#include <core/config/kernel_configuration.h>
#include <core/ipc/channel.h>
#include <core/ipc/message_router.h>
#include <core/ipc/oneshot.h>
#include <hal/clock.h>
#include <kern/thread.h>
#include <tests/self/crew.h>
#include <tests/self/suites.h>

#define SENDERS   4U
#define FULL_LOAD 10000000U /* messages of all senders, when soaked */

static struct crew crew;

/* Of each sender. */
static uint32_t load_size(uint32_t few)
{
    return command_line_has(kernel_command_line(), "soak") ? FULL_LOAD / SENDERS : few;
}

static uint64_t check_of(uint64_t sender, uint64_t number)
{
    return (sender << 56 ^ number) * 0x9e3779b97f4a7c15ULL;
}

/* --- oneshots --------------------------------------------------------------------------------- */

#define BATCH      16U /* questions of a sender that are open at a time */
#define DROP_EVERY 64U /* a multiple of it */

ONESHOT_TYPE(answer, uint64_t)

struct question {
    uint64_t sender;
    uint64_t number;
    struct answer *answer;
};

CHANNEL_TYPE(questions, struct question)

static struct {
    struct questions *queue;
    uint32_t size;           /* of each sender, a multiple of DROP_EVERY */
    _Atomic uint32_t asking; /* senders that have not done */
    uint64_t answered;       /* the answering thread's */
    _Atomic uint32_t received;
    _Atomic uint32_t bad;
} oneshots;

static void note_bad(bool is_bad)
{
    atomic_fetch_add_explicit(&oneshots.bad, is_bad ? 1 : 0, memory_order_relaxed);
}

/* Now and then one is dropped instead of answered: its receiver hears of that. */
static bool is_dropped(uint64_t number)
{
    return number % DROP_EVERY == DROP_EVERY - 1;
}

static void answer_questions(void *argument)
{
    struct question question;

    (void)argument;
    while (questions_receive(oneshots.queue, &question, THREAD_NO_DEADLINE) == HX_OK) {
        uint64_t value = check_of(question.sender, question.number);

        if (!is_dropped(question.number)) {
            note_bad(answer_send(question.answer, &value) != HX_OK);
            oneshots.answered++;
        }
        answer_sender_close(question.answer);
    }
    questions_receiver_close(oneshots.queue);
}

static void take_answer(uint64_t sender, uint64_t number, struct answer *answer)
{
    uint64_t value = 0;
    hx_err error = answer_receive(answer, &value, THREAD_NO_DEADLINE);

    if (is_dropped(number)) {
        note_bad(error != HX_ECLOSED);
    } else {
        note_bad(error != HX_OK || value != check_of(sender, number) ||
                 answer_receive(answer, &value, THREAD_NO_DEADLINE) != HX_ESTATE);
        atomic_fetch_add_explicit(&oneshots.received, 1, memory_order_relaxed);
    }
    answer_receiver_close(answer);
}

static void ask_all(void *argument)
{
    uint64_t sender = (uintptr_t)argument;
    struct answer *answers[BATCH];

    for (uint64_t number = 0; number < oneshots.size; number += BATCH) {
        for (uint64_t i = 0; i < BATCH; i++) {
            struct question question = {sender, number + i, NULL};

            if (answer_create(NULL, OWNER_CORE, &question.answer) != HX_OK ||
                questions_send(oneshots.queue, &question, THREAD_NO_DEADLINE) != HX_OK) {
                note_bad(true);
                return;
            }
            answers[i] = question.answer;
        }
        for (uint64_t i = 0; i < BATCH; i++) {
            take_answer(sender, number + i, answers[i]);
        }
    }
}

/* The last to be done closes the queue, which ends the answering thread. */
static void ask_questions(void *argument)
{
    ask_all(argument);
    if (atomic_fetch_sub_explicit(&oneshots.asking, 1, memory_order_acq_rel) == 1) {
        questions_sender_put(oneshots.queue);
    }
}

/* SPEC: P4 */
static void each_oneshot_of_many_brings_its_own_value_or_the_senders_end(void)
{
    uint32_t asked;

    oneshots.size = load_size(1024) / DROP_EVERY * DROP_EVERY;
    oneshots.answered = 0;
    atomic_store_explicit(&oneshots.asking, SENDERS, memory_order_relaxed);
    atomic_store_explicit(&oneshots.received, 0, memory_order_relaxed);
    atomic_store_explicit(&oneshots.bad, 0, memory_order_relaxed);
    EXPECT_EQUAL(questions_create(SENDERS * BATCH, NULL, OWNER_CORE, &oneshots.queue), HX_OK);
    crew_open(&crew);
    (void)crew_start(&crew, answer_questions, NULL, 0);
    for (uintptr_t i = 0; i < SENDERS; i++) {
        (void)crew_start(&crew, ask_questions, (void *)i, 0);
    }
    EXPECT(crew_join(&crew));
    asked = oneshots.size * SENDERS;
    EXPECT_EQUAL(atomic_load_explicit(&oneshots.bad, memory_order_relaxed), 0);
    EXPECT_EQUAL(oneshots.answered, atomic_load_explicit(&oneshots.received, memory_order_relaxed));
    EXPECT_EQUAL(oneshots.answered, asked - asked / DROP_EVERY);
}

/* --- the router ------------------------------------------------------------------------------- */

#define FULL_PAUSE_NS 20000U /* a sender's, whose mailbox is full */

static struct {
    router_mailbox mailbox;
    uint32_t size;          /* of each sender */
    uint64_t next[SENDERS]; /* the server's: numbers come in this order */
    uint64_t sum;           /* the server's */
    uint64_t bad;           /* the server's */
    _Atomic uint32_t handled;
    _Atomic uint32_t refused; /* by an error that is not "full" */
} envelopes;

static hx_err check_envelope(void *argument, const struct router_message *request,
                             struct router_message *response)
{
    uint32_t sender = request->code;
    uint64_t number;

    (void)argument;
    (void)response;
    memcpy(&number, request->data, sizeof number);
    if (sender >= SENDERS || number != envelopes.next[sender]) {
        envelopes.bad++;
    } else {
        envelopes.next[sender]++;
    }
    envelopes.sum += check_of(sender, number);
    atomic_fetch_add_explicit(&envelopes.handled, 1, memory_order_release);
    return HX_OK;
}

static void send_envelopes(void *argument)
{
    struct router_message message = {.code = (uint32_t)(uintptr_t)argument,
                                     .length = sizeof(uint64_t)};

    for (uint64_t number = 0; number < envelopes.size; number++) {
        hx_err error;

        memcpy(message.data, &number, sizeof number);
        do {
            error = router_send_to(envelopes.mailbox, ROUTER_NORMAL, &message);
            if (error == HX_EAGAIN) {
                thread_sleep(FULL_PAUSE_NS); /* the server gets the CPUs */
            }
        } while (error == HX_EAGAIN);
        atomic_fetch_add_explicit(&envelopes.refused, error == HX_OK ? 0 : 1, memory_order_relaxed);
    }
}

/* SPEC: P8 P10 */
static void envelopes_of_every_sender_arrive_once_and_in_order(void)
{
    const struct router_options options = {.name = "test.load",
                                           .handler = check_envelope,
                                           .threaded = true,
                                           .capacity = 64,
                                           .thread_priority = THREAD_PRIORITY_NORMAL};
    uint64_t sum = 0;

    memset(&envelopes, 0, sizeof envelopes);
    envelopes.size = load_size(2000);
    EXPECT_EQUAL(router_register(&options, &envelopes.mailbox), HX_OK);
    crew_open(&crew);
    for (uintptr_t i = 0; i < SENDERS; i++) {
        (void)crew_start(&crew, send_envelopes, (void *)i, 0);
        for (uint64_t number = 0; number < envelopes.size; number++) {
            sum += check_of(i, number);
        }
    }
    EXPECT(crew_join(&crew));
    EXPECT(crew_sleep_until(&envelopes.handled, envelopes.size * SENDERS));
    EXPECT_EQUAL(router_unregister(envelopes.mailbox), HX_OK);
    EXPECT_EQUAL(atomic_load_explicit(&envelopes.refused, memory_order_relaxed), 0);
    EXPECT_EQUAL(atomic_load_explicit(&envelopes.handled, memory_order_acquire),
                 envelopes.size * SENDERS);
    EXPECT_EQUAL(envelopes.bad, 0);
    EXPECT_EQUAL(envelopes.sum, sum);
}

#define TEST(function)                                                                             \
    {                                                                                              \
        .name = "core_ipc_load." #function, .run = function                                        \
    }

const struct selftest core_ipc_load_tests[] = {
    TEST(each_oneshot_of_many_brings_its_own_value_or_the_senders_end),
    TEST(envelopes_of_every_sender_arrive_once_and_in_order),
    {.name = NULL},
};
