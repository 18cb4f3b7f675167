/* Servers that die at each step, clients that die, and successors: each request has one outcome. */
#define _GNU_SOURCE
#include "native.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>

#define CLIENTS  4
#define REQUESTS 300

/* What a client found; and, by request, how often it was handled. */
struct outcome {
    int error;
    uint32_t progress;
    uint32_t code;
};

static struct {
    struct outcome outcomes[CLIENTS];
    _Atomic uint32_t handled[CLIENTS * REQUESTS];
    _Atomic uint32_t ended;
    _Atomic uint32_t wrong;
    _Atomic uint32_t deaths;
    _Atomic uint32_t replied, not_run, may_have_run;
} * notes;

static int ask_and_note(void *argument)
{
    uint32_t number = *(uint32_t *)argument;
    struct outcome *outcome = &notes->outcomes[number];
    struct helix_message request = {.code = number}, response = {.progress = 9};
    int client = mailbox_open("mortal");

    if (client < 0) {
        return 1;
    }
    outcome->error = call(client, &request, &response, patience()) == 0 ? 0 : errno;
    outcome->progress = response.progress;
    outcome->code = response.code;
    return 0;
}

/* Takes so many messages, answers all but the last, then waits for its death. */
static int take_and_hold(void *argument)
{
    const int *words = argument;
    struct helix_message message;

    if (words[1] > 0 && receive(words[0], &message, patience()) != 0) {
        return 1;
    }
    for (int i = 1; i < words[1]; i++) {
        message.code += 100;
        if (reply_and_wait(words[0], &message, &message, patience()) != 0) {
            return 1;
        }
    }
    for (;;) {
        pause();
    }
}

static void expect_outcome(uint32_t client, int error, uint32_t progress)
{
    EXPECT_EQUAL(notes->outcomes[client].error, error);
    EXPECT_EQUAL(notes->outcomes[client].progress, progress);
}

static void kill_and_wait(const struct child *child)
{
    kill(child->id, SIGKILL);
    EXPECT_EQUAL(end_of(child), -1);
}

/* A server that is killed having taken so many of two requests, which came one after the other. */
static void kill_server_after(int taken, struct child clients[2], int *watch)
{
    int words[2] = {mailbox_create("mortal", 4, 0), taken};
    struct child server = start(0, take_and_hold, words);

    for (uint32_t i = 0; i < 2; i++) {
        clients[i] = start_client(words[0], ask_and_note, &i);
    }
    *watch = mailbox_open("mortal"); /* the name stays for a successor */
    close(words[0]);
    for (uint32_t i = 0; i < 2; i++) {
        let_go(&clients[i]);
        until_asleep(clients[i].id);
    }
    let_go(&server);
    if (taken == 2) {
        EXPECT_EQUAL(end_of(&clients[0]), 0);
    }
    until_asleep(server.id);
    kill_and_wait(&server);
}

/* The successor answers what waits, and what is new. */
static void succeed(int watch, uint32_t waiting)
{
    struct helix_message message, response = {.progress = 9};
    int server = mailbox_create("mortal", 1, 0);

    EXPECT(server >= 0);
    EXPECT_ERROR(call(watch, &message, &response, patience()), ESTALE);
    EXPECT_EQUAL(response.progress, HELIX_NOT_RUN);
    for (uint32_t i = 0; i < waiting; i++) {
        EXPECT_EQUAL(receive(server, &message, patience()), 0);
        message.code += 200;
        EXPECT_EQUAL(reply_and_wait(server, &message, NULL, 0), 0);
    }
    EXPECT_ERROR(receive(server, &message, 1), ETIMEDOUT);
    close(server);
}

/* Before it has taken any: both wait for the successor. */
static void a_server_dies_while_callers_wait(void)
{
    struct child clients[2];
    int watch;

    kill_server_after(0, clients, &watch);
    succeed(watch, 2);
    for (uint32_t i = 0; i < 2; i++) {
        EXPECT_EQUAL(end_of(&clients[i]), 0);
        expect_outcome(i, 0, HELIX_REPLIED);
        EXPECT_EQUAL(notes->outcomes[i].code, i + 200);
    }
    close(watch);
}

/* With one taken: that one may have run, and is told at once; the other waits. */
static void a_server_dies_while_it_handles_a_request(void)
{
    struct child clients[2];
    int watch;

    kill_server_after(1, clients, &watch);
    EXPECT_EQUAL(end_of(&clients[0]), 0);
    expect_outcome(0, EIO, HELIX_MAY_HAVE_RUN);
    succeed(watch, 1);
    EXPECT_EQUAL(end_of(&clients[1]), 0);
    expect_outcome(1, 0, HELIX_REPLIED);
    EXPECT_EQUAL(notes->outcomes[1].code, 201);
    close(watch);
}

/* With one answered: that is not taken back. */
static void a_server_dies_after_a_reply(void)
{
    struct child clients[2];
    int watch;

    kill_server_after(2, clients, &watch);
    expect_outcome(0, 0, HELIX_REPLIED);
    EXPECT_EQUAL(notes->outcomes[0].code, 100);
    EXPECT_EQUAL(end_of(&clients[1]), 0);
    expect_outcome(1, EIO, HELIX_MAY_HAVE_RUN);
    succeed(watch, 0);
    close(watch);
}

/* What waits for a successor that does not come has not run. */
static void a_deadline_ends_the_wait_for_a_successor(void)
{
    struct helix_message request = {.code = 1}, response = {.progress = 9};
    int server = mailbox_create("mortal", 4, 0);
    int client = mailbox_open("mortal");

    close(server);
    EXPECT_ERROR(call(client, &request, &response, now() + 20 * MS), ETIMEDOUT);
    EXPECT_EQUAL(response.progress, HELIX_NOT_RUN);
    close(client);
    EXPECT_ERROR(mailbox_open("mortal"), ENOENT);
}

static void a_client_that_dies_leaves_the_queue(void)
{
    uint32_t first = 0, second = 1;
    struct helix_message message;
    int server = mailbox_create("mortal", 4, 0);
    struct child dies = start_client(server, ask_and_note, &first);
    struct child lives = start_client(server, ask_and_note, &second);

    let_go(&dies);
    until_asleep(dies.id);
    let_go(&lives);
    until_asleep(lives.id);
    kill_and_wait(&dies);
    EXPECT_EQUAL(receive(server, &message, patience()), 0);
    EXPECT_EQUAL(message.code, second);
    EXPECT_EQUAL(message.sender, (uint32_t)lives.id);
    EXPECT_EQUAL(reply_and_wait(server, &message, NULL, 0), 0);
    EXPECT_EQUAL(end_of(&lives), 0);
    close(server);
}

static void a_client_that_dies_while_it_is_served_harms_nobody(void)
{
    uint32_t first = 0, second = 1;
    struct helix_message message;
    int server = mailbox_create("mortal", 4, 0);
    struct child dies = start_client(server, ask_and_note, &first);
    struct child lives = start_client(server, ask_and_note, &second);

    let_go(&dies);
    EXPECT_EQUAL(receive(server, &message, patience()), 0);
    kill_and_wait(&dies);
    let_go(&lives);
    until_asleep(lives.id);
    /* The reply goes nowhere, and not to the next one. */
    message.code = 77;
    EXPECT_EQUAL(reply_and_wait(server, &message, &message, patience()), 0);
    EXPECT_EQUAL(message.code, second);
    message.code = 78;
    EXPECT_EQUAL(reply_and_wait(server, &message, NULL, 0), 0);
    EXPECT_EQUAL(end_of(&lives), 0);
    EXPECT_EQUAL(notes->outcomes[1].code, 78);
    close(server);
}

/* The descriptor is also its child's, who knows nothing of the request. */
static void a_server_with_a_child_that_lives_on_is_dead_all_the_same(void)
{
    struct child clients[2];
    int words[2] = {mailbox_create("mortal", 4, 0), 1};
    struct child server = start(0, take_and_hold, words);
    uint32_t number = 0;

    clients[0] = start_client(words[0], ask_and_note, &number);
    let_go(&server);
    let_go(&clients[0]);
    until_asleep(clients[0].id);
    until_asleep(server.id);
    kill_and_wait(&server); /* and this process has the descriptor still */
    EXPECT_EQUAL(end_of(&clients[0]), 0);
    expect_outcome(0, EIO, HELIX_MAY_HAVE_RUN);
    close(words[0]);
}

/* --- many deaths under load ------------------------------------------------------------------- */

/* Handles some messages, then dies: before it has handled one, after, or having replied. */
static int serve_until_death(void *argument)
{
    int server = *(int *)argument;
    uint32_t left = mix(notes->deaths) % 20;
    uint32_t step = mix(notes->deaths + 1) % 3;
    struct helix_message message;
    long error = receive(server, &message, patience());

    for (; error == 0; left--) {
        if (left == 0 && step == 0) {
            raise(SIGKILL);
        }
        notes->handled[message.code]++;
        if (left == 0 && step == 1) {
            raise(SIGKILL);
        }
        message.code += 1000000;
        error = left > 0 || step == 1 ? reply_and_wait(server, &message, &message, patience())
                                      : reply_and_wait(server, &message, NULL, 0);
        if (left == 0) {
            raise(SIGKILL);
        }
    }
    return 1;
}

/* One server's life; it ends too when there is nobody left to serve. */
static void serve_once(int mailbox)
{
    struct child server = start(0, serve_until_death, &mailbox);
    int status;

    EXPECT(mailbox >= 0);
    close(mailbox);
    let_go(&server);
    while (waitpid(server.id, &status, WNOHANG) == 0) {
        if (notes->ended == CLIENTS) {
            kill_and_wait(&server);
            return;
        }
        usleep(500);
    }
    EXPECT(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    notes->deaths++;
}

/* Whether what a request has come to is what was done with it. */
static int fits(uint32_t number, const struct helix_message *response)
{
    uint32_t handled = notes->handled[number];

    switch (response->progress) {
    case HELIX_REPLIED:
        notes->replied++;
        return handled == 1 && response->code == number + 1000000;
    case HELIX_MAY_HAVE_RUN:
        notes->may_have_run++;
        return handled <= 1;
    default:
        notes->not_run++;
        return handled == 0;
    }
}

static int ask_mortals(void *argument)
{
    uint32_t first = *(uint32_t *)argument * REQUESTS;
    int client = mailbox_open("mortal");

    for (uint32_t i = first; i < first + REQUESTS; i++) {
        struct helix_message request = {.code = i}, response = {.progress = 9};
        uint64_t deadline = i % 16 == 0 ? now() + MS : patience();

        while (call(client, &request, &response, deadline) != 0 && errno == ESTALE) {
            close(client);
            while ((client = mailbox_open("mortal")) < 0 && errno == ENOENT) {
                usleep(1000);
            }
        }
        notes->wrong += !fits(i, &response);
    }
    notes->ended++;
    return 0;
}

static void each_request_ends_once_while_servers_die(void)
{
    struct child clients[CLIENTS];
    int first = mailbox_create("mortal", 8, 0);
    int watch = mailbox_open("mortal");

    for (uint32_t i = 0; i < CLIENTS; i++) {
        clients[i] = start_client(watch, ask_mortals, &i);
        let_go(&clients[i]);
    }
    serve_once(first);
    while (notes->ended < CLIENTS) {
        serve_once(mailbox_create("mortal", 8, 0));
    }
    for (uint32_t i = 0; i < CLIENTS; i++) {
        EXPECT_EQUAL(end_of(&clients[i]), 0);
    }
    EXPECT_EQUAL(notes->wrong, 0);
    EXPECT_EQUAL(notes->replied + notes->not_run + notes->may_have_run, CLIENTS * REQUESTS);
    EXPECT(notes->replied > 0 && notes->may_have_run > 0 && notes->deaths > 10);
    printf("# %u deaths: %u replied, %u may have run, %u not run\n", notes->deaths, notes->replied,
           notes->may_have_run, notes->not_run);
    close(watch);
}

static void note_outcomes(void)
{
    notes = shared(sizeof(*notes));
}

const struct test death_tests[] = {
    {"outcomes_are_noted", note_outcomes},
    {"a_server_dies_while_callers_wait", a_server_dies_while_callers_wait},
    {"a_server_dies_while_it_handles_a_request", a_server_dies_while_it_handles_a_request},
    {"a_server_dies_after_a_reply", a_server_dies_after_a_reply},
    {"a_deadline_ends_the_wait_for_a_successor", a_deadline_ends_the_wait_for_a_successor},
    {"a_client_that_dies_leaves_the_queue", a_client_that_dies_leaves_the_queue},
    {"a_client_that_dies_while_it_is_served_harms_nobody",
     a_client_that_dies_while_it_is_served_harms_nobody},
    {"a_server_with_a_child_that_lives_on_is_dead_all_the_same",
     a_server_with_a_child_that_lives_on_is_dead_all_the_same},
    {"each_request_ends_once_while_servers_die", each_request_ends_once_while_servers_die},
    {0},
};
