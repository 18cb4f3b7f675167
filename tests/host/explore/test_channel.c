/* Channels in every schedule with a few preemptions: their order, blocking, closing. */
#include <core/ipc/channel.h>
#include <kern/thread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <tests/explore/explore.h>
#include <tests/explore/history.h>

#include <cmocka.h>

CHANNEL_TYPE(numbers, uint64_t)

#define FOR_EVER THREAD_NO_DEADLINE
#define SOON     1000U
#define OWNER    7U /* of reservations */

/* --- the specification ------------------------------------------------------------------------ */

enum { SEND, RECEIVE, SENDER_GOES, RECEIVER_GOES };

#define CAPACITY_MAX 4U

/* A bounded queue that closes. */
struct queue {
    uint64_t items[CAPACITY_MAX];
    unsigned sent_by[CAPACITY_MAX]; /* when the call that sent it returned */
    unsigned length;
    unsigned senders_gone;
    bool is_closed;
};

static unsigned capacity;
static unsigned senders;

/*
 * A sender takes its place at one moment and fills it later: until its call returns, the receiver
 * may find nothing (core/ipc/channel.h).
 */
static bool may_seem_empty(const struct queue *queue, const struct operation *operation)
{
    return queue->length == 0 || queue->sent_by[0] > operation->called;
}

static bool apply_send(struct queue *queue, const struct operation *operation)
{
    if (operation->error == HX_ECLOSED) {
        return queue->is_closed;
    }
    if (operation->error != HX_OK) { /* full, now or until the deadline */
        return !queue->is_closed && queue->length == capacity;
    }
    if (queue->is_closed || queue->length == capacity) {
        return false;
    }
    queue->items[queue->length] = operation->argument;
    queue->sent_by[queue->length] = operation->returned;
    queue->length++;
    return true;
}

static bool apply_receive(struct queue *queue, const struct operation *operation)
{
    if (operation->error == HX_ECLOSED) {
        return queue->is_closed && queue->length == 0;
    }
    if (operation->error != HX_OK) {
        return may_seem_empty(queue, operation);
    }
    if (queue->length == 0 || queue->items[0] != operation->value) {
        return false;
    }
    queue->length--;
    memmove(&queue->items[0], &queue->items[1], queue->length * sizeof(queue->items[0]));
    memmove(&queue->sent_by[0], &queue->sent_by[1], queue->length * sizeof(queue->sent_by[0]));
    return true;
}

static bool apply(void *state, const struct operation *operation)
{
    struct queue *queue = state;

    switch (operation->kind) {
    case SEND:
        return apply_send(queue, operation);
    case RECEIVE:
        return apply_receive(queue, operation);
    case SENDER_GOES:
        queue->senders_gone++;
        queue->is_closed = queue->is_closed || queue->senders_gone == senders;
        return true;
    default:
        queue->is_closed = true;
        return true;
    }
}

static void print(const struct operation *operation)
{
    static const char *const names[] = {"send", "receive", "a sender goes", "the receiver goes"};

    printf("%s %lu: %s %lu", names[operation->kind], operation->argument,
           hx_error_name(operation->error), operation->value);
}

static const struct specification bounded_queue = {
    .state_size = sizeof(struct queue), .apply = apply, .print = print};

/* --- what the threads do ---------------------------------------------------------------------- */

static struct numbers *channel;
static unsigned destroyed;
static unsigned sent;
static unsigned received;

static void count_destroyed(void *item)
{
    (void)item;
    destroyed++;
}

static void start(uint32_t room, unsigned sender_count)
{
    capacity = room;
    senders = sender_count;
    sent = received = destroyed = 0;
    history_start();
    explore_check(numbers_create(room, count_destroyed, OWNER_CORE, &channel) == HX_OK,
                  "a channel can be made");
    for (unsigned i = 1; i < senders; i++) {
        numbers_sender_get(channel);
    }
}

static void start_one_sender(void)
{
    start(1, 1);
}

static void start_two_senders(void)
{
    start(1, 2);
}

static void start_two_senders_with_room(void)
{
    start(2, 2);
}

/* Numbers of a thread: 10, 11, … of thread 1. */
static uint64_t number_of(unsigned n)
{
    return explore_self() * 10 + n;
}

static hx_err send(unsigned n, uint64_t deadline_ns)
{
    uint64_t number = number_of(n);
    struct operation *operation = history_call(SEND, number);
    hx_err error = numbers_send(channel, &number, deadline_ns);

    history_return(operation, error, 0);
    sent += error == HX_OK ? 1 : 0;
    return error;
}

static hx_err try_send(unsigned n)
{
    uint64_t number = number_of(n);
    struct operation *operation = history_call(SEND, number);
    hx_err error = numbers_try_send(channel, &number);

    history_return(operation, error, 0);
    sent += error == HX_OK ? 1 : 0;
    return error;
}

static hx_err note_received(struct operation *operation, hx_err error, uint64_t number)
{
    history_return(operation, error, error == HX_OK ? number : 0);
    received += error == HX_OK ? 1 : 0;
    return error;
}

static hx_err receive(uint64_t deadline_ns)
{
    uint64_t number = 0;
    struct operation *operation = history_call(RECEIVE, 0);
    hx_err error = numbers_receive(channel, &number, deadline_ns);

    return note_received(operation, error, number);
}

static hx_err try_receive(void)
{
    uint64_t number = 0;
    struct operation *operation = history_call(RECEIVE, 0);
    hx_err error = numbers_try_receive(channel, &number);

    return note_received(operation, error, number);
}

static void leave_as_sender(void)
{
    struct operation *operation = history_call(SENDER_GOES, 0);

    numbers_sender_put(channel);
    history_return(operation, HX_OK, 0);
}

static void leave_as_receiver(void)
{
    struct operation *operation = history_call(RECEIVER_GOES, 0);

    numbers_receiver_close(channel);
    history_return(operation, HX_OK, 0);
}

/* Whatever was sent was received, or else destroyed, and in an order. */
static void everything_is_accounted_for(void)
{
    explore_check(sent == received + destroyed, "what was sent is received or destroyed, once");
    history_check(&bounded_queue);
}

/* --- nobody is forgotten ---------------------------------------------------------------------- */

static void send_two_and_leave(void)
{
    explore_check(send(0, FOR_EVER) == HX_OK && send(1, FOR_EVER) == HX_OK,
                  "an open channel takes what is sent");
    leave_as_sender();
}

static void send_one_for_ever(void)
{
    explore_check(send(0, FOR_EVER) == HX_OK, "there is room in the end");
    leave_as_sender();
}

static void receive_until_closed(void)
{
    hx_err error;

    do {
        error = receive(FOR_EVER);
    } while (error == HX_OK);
    explore_check(error == HX_ECLOSED, "receiving ends with the close");
    leave_as_receiver();
}

static void all_was_received(void)
{
    explore_check(sent == 3 && received == 3, "what was sent before the close is received");
    everything_is_accounted_for();
}

/* SPEC: P1 P2 P3 */
static void blocked_senders_and_receiver_are_woken(void **state)
{
    static const struct explore_scenario scenario = {
        .name = "blocking",
        .start = start_two_senders,
        .threads = {receive_until_closed, send_two_and_leave, send_one_for_ever},
        .finish = all_was_received,
        .preemptions = 2,
    };

    (void)state;
    explore(&scenario);
}

static void send_one_and_leave(void)
{
    (void)!send(0, FOR_EVER);
    leave_as_sender();
}

/* SPEC: P1 P2 P3 */
static void a_close_reaches_a_receiver_that_waits(void **state)
{
    static const struct explore_scenario scenario = {
        .name = "close",
        .start = start_one_sender,
        .threads = {receive_until_closed, send_one_and_leave},
        .finish = everything_is_accounted_for,
        .preemptions = 3,
    };

    (void)state;
    explore(&scenario);
}

static void send_until_refused(void)
{
    hx_err error = HX_OK;

    for (unsigned i = 0; i < 2 && error == HX_OK; i++) {
        error = send(i, FOR_EVER);
    }
    explore_check(error == HX_OK || error == HX_ECLOSED, "sending ends with the close");
    leave_as_sender();
}

static void receive_one_and_leave(void)
{
    (void)!receive(FOR_EVER);
    leave_as_receiver();
}

/* SPEC: P2 P3 */
static void the_receivers_end_reaches_senders_that_wait(void **state)
{
    static const struct explore_scenario scenario = {
        .name = "receiver-goes",
        .start = start_two_senders,
        .threads = {receive_one_and_leave, send_until_refused, send_until_refused},
        .finish = everything_is_accounted_for,
        .preemptions = 2,
    };

    (void)state;
    explore(&scenario);
}

/* --- one order for all ------------------------------------------------------------------------ */

static void try_to_send_two(void)
{
    (void)!try_send(0);
    (void)!try_send(1);
    leave_as_sender();
}

static void try_to_receive_three(void)
{
    (void)!try_receive();
    (void)!try_receive();
    (void)!try_receive();
    leave_as_receiver();
}

/* SPEC: P1 */
static void what_never_blocks_has_an_order(void **state)
{
    static const struct explore_scenario scenario = {
        .name = "tries",
        .start = start_two_senders_with_room,
        .threads = {try_to_receive_three, try_to_send_two, try_to_send_two},
        .finish = everything_is_accounted_for,
        .preemptions = 2,
    };

    (void)state;
    explore(&scenario);
}

static void start_two_senders_with_much_room(void)
{
    start(4, 2);
}

/* Without the typed function's first attempt. */
static void try_to_send_plainly(void)
{
    uint64_t number = number_of(0);
    struct operation *operation = history_call(SEND, number);
    hx_err error = channel_try_send(&channel->untyped, &number);

    history_return(operation, error, 0);
    sent += error == HX_OK ? 1 : 0;
    leave_as_sender();
}

/* SPEC: P1 */
static void a_channel_is_full_only_when_it_is(void **state)
{
    static const struct explore_scenario scenario = {
        .name = "places",
        .start = start_two_senders_with_much_room,
        .threads = {receive_until_closed, try_to_send_plainly, try_to_send_plainly},
        .finish = everything_is_accounted_for,
        .preemptions = 2,
    };

    (void)state;
    explore(&scenario);
}

static void send_one_soon(void)
{
    (void)!send(0, SOON);
    leave_as_sender();
}

static void receive_two_soon(void)
{
    (void)!receive(SOON);
    (void)!receive(SOON);
    leave_as_receiver();
}

/* SPEC: P1 P3 */
static void a_deadline_loses_nothing(void **state)
{
    static const struct explore_scenario scenario = {
        .name = "deadlines",
        .start = start_two_senders,
        .threads = {receive_two_soon, send_one_soon, send_one_soon},
        .finish = everything_is_accounted_for,
        .preemptions = 2,
    };

    (void)state;
    explore(&scenario);
}

/* One sender gives up: a wake-up that was meant for it has to reach the other one. */
static void start_full(void)
{
    start(1, 2);
    (void)!send(0, FOR_EVER);
}

/* SPEC: P3 */
static void a_wake_up_that_is_not_used_is_handed_on(void **state)
{
    static const struct explore_scenario scenario = {
        .name = "handed-on",
        .start = start_full,
        .threads = {receive_until_closed, send_one_soon, send_one_for_ever},
        .finish = everything_is_accounted_for,
        .preemptions = 2,
    };

    (void)state;
    explore(&scenario);
}

/* --- reservations ----------------------------------------------------------------------------- */

static struct channel_reservation reservation;
static bool is_committed;

static void start_reserved(void)
{
    start(2, 2);
    explore_check(channel_try_reserve(&channel->untyped, OWNER, &reservation) == HX_OK,
                  "there is room");
    memcpy(reservation.item, &(uint64_t){99}, sizeof(uint64_t));
}

static void commit(void)
{
    is_committed = channel_commit(&channel->untyped, &reservation) == HX_OK;
    sent += is_committed ? 1 : 0;
    numbers_sender_put(channel);
}

static void end_owner_and_send(void)
{
    (void)channel_abort_owner(OWNER);
    explore_check(try_send(0) == HX_OK, "there is room beside the reservation");
    numbers_sender_put(channel);
}

static void receive_all(void)
{
    uint64_t number;
    hx_err error;

    while ((error = numbers_receive(channel, &number, FOR_EVER)) == HX_OK) {
        received++;
        explore_check(number == 99 || number == 20, "only what was sent comes out");
    }
    explore_check(error == HX_ECLOSED, "receiving ends with the close");
    numbers_receiver_close(channel);
}

static void committed_or_not(void)
{
    explore_check(received == (is_committed ? 2 : 1),
                  "what was committed comes out, what was aborted does not");
}

/* SPEC: P3 */
static void a_reservation_ends_once_and_holds_up_nobody(void **state)
{
    static const struct explore_scenario scenario = {
        .name = "reservation",
        .start = start_reserved,
        .threads = {receive_all, commit, end_owner_and_send},
        .finish = committed_or_not,
        .preemptions = 2,
    };

    (void)state;
    explore(&scenario);
}

/* --- handles ---------------------------------------------------------------------------------- */

static channel_handle handle;

static void start_with_handle(void)
{
    start_one_sender();
    handle = channel_get_handle(&channel->untyped);
}

static void open_and_send(void)
{
    struct channel *opened;
    hx_err error = channel_sender_open(handle, &opened);

    explore_check(error == HX_OK || error == HX_ECLOSED || error == HX_ESTALE,
                  "a handle opens its channel, or says why not");
    if (error == HX_OK) {
        error = send(0, FOR_EVER);
        channel_sender_put(opened);
    }
}

static void leave(void)
{
    numbers_sender_put(channel);
}

/* SPEC: P2 P10 */
static void a_handle_opens_what_is_there_or_nothing(void **state)
{
    static const struct explore_scenario scenario = {
        .name = "handle",
        .start = start_with_handle,
        .threads = {receive_until_closed, leave, open_and_send},
        .finish = NULL,
        .preemptions = 2,
    };

    (void)state;
    explore(&scenario);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(blocked_senders_and_receiver_are_woken),
        cmocka_unit_test(a_close_reaches_a_receiver_that_waits),
        cmocka_unit_test(the_receivers_end_reaches_senders_that_wait),
        cmocka_unit_test(what_never_blocks_has_an_order),
        cmocka_unit_test(a_channel_is_full_only_when_it_is),
        cmocka_unit_test(a_deadline_loses_nothing),
        cmocka_unit_test(a_wake_up_that_is_not_used_is_handed_on),
        cmocka_unit_test(a_reservation_ends_once_and_holds_up_nobody),
        cmocka_unit_test(a_handle_opens_what_is_there_or_nothing),
    };

    return cmocka_run_group_tests_name("channels explored", tests, NULL, NULL);
}
