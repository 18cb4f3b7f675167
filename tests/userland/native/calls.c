/* Requests and replies. */
#define _GNU_SOURCE
#include "native.h"

#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/wait.h>

#define CLIENTS   4
#define CALLS     2500
#define LEAVE     UINT32_MAX
#define LENT_SIZE 5000

/* --- ten thousand of them --------------------------------------------------------------------- */

/* Checks what it is asked and answers with sums, until it is told to leave. Its status is whether
 * it was asked so often, and each sum right. */
static int serve_sums(void *argument)
{
    int server = *(int *)argument;
    struct helix_message request, reply = {0};
    uint32_t served = 0, wrong = 0;
    long error = receive(server, &request, patience());

    while (error == 0 && request.code != LEAVE) {
        uint32_t sum = sum_of(request.data, request.length);

        wrong += sum != request.code;
        served++;
        reply.code = mix(request.code);
        reply.length = request.length;
        for (uint32_t i = 0; i < request.length; i++) {
            reply.data[i] = request.data[i] ^ 0x5a;
        }
        error = reply_and_wait(server, &reply, &request, patience());
    }
    return !(error == 0 && wrong == 0 && served == CLIENTS * CALLS);
}

static int ask_for_sum(int client, uint32_t seed)
{
    struct helix_message request = {.length = seed % (HELIX_DATA_MAX + 1)}, response;

    for (uint32_t i = 0; i < request.length; i++) {
        request.data[i] = (uint8_t)mix(seed + i);
    }
    request.code = sum_of(request.data, request.length);
    if (call(client, &request, &response, HELIX_NO_DEADLINE) != 0 ||
        response.progress != HELIX_REPLIED || response.code != mix(request.code) ||
        response.length != request.length) {
        return 1;
    }
    for (uint32_t i = 0; i < request.length; i++) {
        if (response.data[i] != (request.data[i] ^ 0x5a)) {
            return 1;
        }
    }
    return 0;
}

static int ask_many(void *argument)
{
    uint32_t number = *(uint32_t *)argument;
    int client = mailbox_open("sums");
    uint32_t wrong = client < 0;

    for (uint32_t i = 0; i < CALLS && wrong == 0; i++) {
        wrong += (uint32_t)ask_for_sum(client, mix(number * CALLS + i));
    }
    return wrong != 0;
}

static void ten_thousand_calls_of_four_clients(void)
{
    struct helix_message end = {.code = LEAVE};
    int server = mailbox_create("sums", 8, 0);
    struct child serving = start(0, serve_sums, &server);
    struct child clients[CLIENTS];
    int client = mailbox_open("sums");

    close(server);
    let_go(&serving);
    for (uint32_t i = 0; i < CLIENTS; i++) {
        clients[i] = start_client(client, ask_many, &i);
        let_go(&clients[i]);
    }
    for (uint32_t i = 0; i < CLIENTS; i++) {
        EXPECT_EQUAL(end_of(&clients[i]), 0);
    }
    EXPECT_EQUAL(send_envelope(client, &end, HELIX_LOW), 0);
    EXPECT_EQUAL(end_of(&serving), 0);
    close(client);
}

/* --- what is lent ----------------------------------------------------------------------------- */

static int serve_lent(void *argument)
{
    static uint8_t bytes[LENT_SIZE];
    int server = *(int *)argument;
    struct helix_message message;
    struct helix_loan own = {(uintptr_t)bytes, sizeof(bytes)};

    if (syscall(HELIX_SYS_receive, server, &message, patience(), &own) != 0 ||
        message.lent != LENT_SIZE - 1000) {
        return 1;
    }
    for (uint32_t i = 0; i < message.lent; i++) {
        bytes[i] ^= 0x5a;
    }
    return syscall(HELIX_SYS_reply_and_wait, server, &message, NULL, 0, &own) != 0;
}

static void what_is_lent_comes_back_changed(void)
{
    static uint8_t bytes[LENT_SIZE];
    struct helix_message request = {.code = 1}, response;
    struct helix_loan lent = {(uintptr_t)bytes, sizeof(bytes) - 1000};
    int server = mailbox_create("lent", 1, 0);
    int client = mailbox_open("lent");
    struct child serving = start(0, serve_lent, &server);
    uint32_t wrong = 0;

    let_go(&serving);
    for (uint32_t i = 0; i < LENT_SIZE; i++) {
        bytes[i] = (uint8_t)mix(i);
    }
    EXPECT_EQUAL(call_lending(client, &request, &response, patience(), &lent), 0);
    for (uint32_t i = 0; i < LENT_SIZE; i++) {
        wrong += bytes[i] != ((uint8_t)mix(i) ^ (i < lent.size ? 0x5a : 0));
    }
    EXPECT_EQUAL(wrong, 0);
    EXPECT_EQUAL(response.lent, (long)lent.size);
    EXPECT_EQUAL(end_of(&serving), 0);
    close(server);
    close(client);
}

/* --- order ------------------------------------------------------------------------------------ */

static void the_most_urgent_comes_first(void)
{
    static const int priorities[] = {HELIX_LOW, HELIX_CRITICAL, HELIX_NORMAL, HELIX_HIGH,
                                     HELIX_LOW};
    static const uint32_t order[] = {1, 3, 2, 0, 4};
    struct helix_message message = {.code = 0};
    int server = mailbox_create("order", 8, 0);
    int client = mailbox_open("order");

    for (uint32_t i = 0; i < 5; i++) {
        message.code = i;
        EXPECT_EQUAL(send_envelope(client, &message, priorities[i]), 0);
    }
    EXPECT_EQUAL(receive(server, &message, 0), 0);
    for (uint32_t i = 0; i < 5; i++) {
        EXPECT_EQUAL(message.code, order[i]);
        if (i < 4) {
            EXPECT_EQUAL(reply_and_wait(server, &message, &message, 1), 0);
        }
    }
    close(server);
    close(client);
}

/* --- waiting ---------------------------------------------------------------------------------- */

static int ask_once(void *argument)
{
    struct helix_message request = {.code = 5}, response;
    int client = mailbox_open(argument);

    return client < 0 || call(client, &request, &response, HELIX_NO_DEADLINE) != 0 ||
           response.code != 6;
}

static void a_server_can_be_polled(void)
{
    struct helix_message message;
    struct epoll_event event = {.events = EPOLLIN};
    int server = mailbox_create("polled", 2, 0);
    int set = epoll_create1(0);
    struct child client = start_client(server, ask_once, "polled");

    EXPECT_EQUAL(epoll_ctl(set, EPOLL_CTL_ADD, server, &event), 0);
    EXPECT_EQUAL(epoll_wait(set, &event, 1, 0), 0);
    let_go(&client);
    EXPECT_EQUAL(epoll_wait(set, &event, 1, 60000), 1);
    EXPECT_EQUAL(receive(server, &message, 1), 0);
    message.code++;
    EXPECT_EQUAL(reply_and_wait(server, &message, NULL, 0), 0);
    EXPECT_EQUAL(epoll_wait(set, &event, 1, 0), 0);
    EXPECT_EQUAL(end_of(&client), 0);
    close(set);
    close(server);
}

static void do_nothing(int signal)
{
    (void)signal;
}

static void set_handler(int flags)
{
    struct sigaction action = {.sa_handler = do_nothing, .sa_flags = flags};

    sigaction(SIGUSR1, &action, NULL);
}

/* Status: errno in the lower four bits of interest, and the progress: 10 * EINTR + progress. */
static int ask_interrupted(void *argument)
{
    struct helix_message request = {.code = 5}, response = {.progress = 9};
    int client = mailbox_open("signals");

    set_handler(*(int *)argument);
    if (call(client, &request, &response, patience()) == 0) {
        return response.code == 6 ? 0 : 1;
    }
    return errno == EINTR ? 10 + (int)response.progress : 2;
}

/* A request in the queue is taken out, and done again where the program wants that. */
static void a_signal_ends_a_wait_in_the_queue(void)
{
    struct helix_message message;
    int server = mailbox_create("signals", 2, 0);
    int flags = 0;
    struct child child = start_client(server, ask_interrupted, &flags);

    let_go(&child);
    until_asleep(child.id);
    kill(child.id, SIGUSR1);
    EXPECT_EQUAL(end_of(&child), 10 + HELIX_NOT_RUN);
    EXPECT_ERROR(receive(server, &message, 1), ETIMEDOUT);
    flags = SA_RESTART;
    child = start_client(server, ask_interrupted, &flags);
    let_go(&child);
    until_asleep(child.id);
    kill(child.id, SIGUSR1);
    until_asleep(child.id);
    EXPECT_EQUAL(receive(server, &message, patience()), 0);
    message.code++;
    EXPECT_EQUAL(reply_and_wait(server, &message, &message, 1), -1); /* once, not twice */
    EXPECT_EQUAL(end_of(&child), 0);
    close(server);
}

/* One that was taken may have run; the reply goes nowhere. */
static void a_signal_ends_a_wait_for_the_reply(void)
{
    struct helix_message message;
    int server = mailbox_create("signals", 2, 0);
    int flags = SA_RESTART;
    struct child child = start_client(server, ask_interrupted, &flags);

    let_go(&child);
    EXPECT_EQUAL(receive(server, &message, patience()), 0);
    until_asleep(child.id);
    kill(child.id, SIGUSR1);
    EXPECT_EQUAL(end_of(&child), 10 + HELIX_MAY_HAVE_RUN);
    EXPECT_EQUAL(reply_and_wait(server, &message, NULL, 0), 0);
    close(server);
}

static void a_deadline_while_it_is_handled_means_may_have_run(void)
{
    struct helix_message message;
    struct helix_message request = {.code = 1}, response = {.progress = 9};
    int server = mailbox_create("slow", 2, 0);
    int client = mailbox_open("slow");
    pid_t child = fork();

    if (child == 0) {
        /* Takes it, and answers when nobody waits any more. */
        close(client);
        _exit(receive(server, &message, patience()) != 0 ||
              receive(server, &message, patience()) != 0 || usleep(100000) != 0 ||
              reply_and_wait(server, &message, NULL, 0) != 0);
    }
    EXPECT_EQUAL(child > 0, 1);
    until_asleep(child);
    EXPECT_ERROR(call(client, &request, &response, now() + 50 * MS), ETIMEDOUT);
    EXPECT_EQUAL(response.progress, HELIX_MAY_HAVE_RUN);
    int status = 1;
    EXPECT(waitpid(child, &status, 0) == child && status == 0);
    close(server);
    close(client);
}

/* --- several servers at once ------------------------------------------------------------------ */

static int *second_result;

static void *receive_too(void *argument)
{
    struct helix_message message;

    *second_result = receive(*(int *)argument, &message, patience()) == -1 ? errno : 0;
    return NULL;
}

/* A thread that waits has the mailbox for itself; each request is taken once. */
static void one_thread_at_a_time_serves(void)
{
    struct helix_message message = {.code = 3};
    int server = mailbox_create("threads", 2, 0);
    int client = mailbox_open("threads");
    pthread_t thread;
    int result = -1;

    second_result = &result;
    EXPECT_EQUAL(pthread_create(&thread, NULL, receive_too, &server), 0);
    usleep(50000);
    /* Either is refused: this one, or the other that came later. */
    long own = receive(server, &message, now() + 100 * MS);
    int own_error = errno;
    EXPECT_EQUAL(own, -1);
    EXPECT(own_error == EBUSY || own_error == ETIMEDOUT);
    if (own_error == EBUSY) {
        EXPECT_EQUAL(send_envelope(client, &message, HELIX_LOW), 0);
    }
    pthread_join(thread, NULL);
    EXPECT_EQUAL(result, own_error == EBUSY ? 0 : EBUSY);
    close(server);
    close(client);
}

const struct test call_tests[] = {
    {"ten_thousand_calls_of_four_clients", ten_thousand_calls_of_four_clients},
    {"what_is_lent_comes_back_changed", what_is_lent_comes_back_changed},
    {"the_most_urgent_comes_first", the_most_urgent_comes_first},
    {"a_server_can_be_polled", a_server_can_be_polled},
    {"a_signal_ends_a_wait_in_the_queue", a_signal_ends_a_wait_in_the_queue},
    {"a_signal_ends_a_wait_for_the_reply", a_signal_ends_a_wait_for_the_reply},
    {"a_deadline_while_it_is_handled_means_may_have_run",
     a_deadline_while_it_is_handled_means_may_have_run},
    {"one_thread_at_a_time_serves", one_thread_at_a_time_serves},
    {0},
};
