/* Oneshots in every schedule with a few preemptions: the value, and either end's going. */
#include <core/ipc/oneshot.h>
#include <kern/thread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <tests/explore/explore.h>
#include <tests/explore/history.h>

#include <cmocka.h>

ONESHOT_TYPE(reply, uint64_t)

#define FOR_EVER THREAD_NO_DEADLINE
#define SOON     1000U

/* --- the specification ------------------------------------------------------------------------ */

enum { SEND, RECEIVE, SENDER_GOES, RECEIVER_GOES };

struct slot {
    uint64_t value;
    unsigned sent_by; /* when the call that sent it returned */
    bool is_sent;
    bool is_taken;
    bool has_sender_gone;
    bool has_receiver_gone;
};

static bool apply_send(struct slot *slot, const struct operation *operation)
{
    if (operation->error == HX_ESTATE) {
        return slot->is_sent;
    }
    if (operation->error == HX_ECLOSED) {
        return slot->has_receiver_gone;
    }
    if (slot->is_sent || slot->has_receiver_gone) {
        return false;
    }
    slot->is_sent = true;
    slot->sent_by = operation->returned;
    slot->value = operation->argument;
    return true;
}

static bool apply_receive(struct slot *slot, const struct operation *operation)
{
    switch (operation->error) {
    case HX_ESTATE:
        return slot->is_taken;
    case HX_ECLOSED:
        return slot->has_sender_gone && !slot->is_sent;
    case HX_EAGAIN:
    case HX_ETIMEDOUT: /* a send is a place taken, then a value: as with channels */
        return !slot->has_sender_gone && (!slot->is_sent || slot->sent_by > operation->called);
    default:
        break;
    }
    if (!slot->is_sent || slot->is_taken || slot->value != operation->value) {
        return false;
    }
    slot->is_taken = true;
    return true;
}

static bool apply(void *state, const struct operation *operation)
{
    struct slot *slot = state;

    switch (operation->kind) {
    case SEND:
        return apply_send(slot, operation);
    case RECEIVE:
        return apply_receive(slot, operation);
    case SENDER_GOES:
        slot->has_sender_gone = true;
        return true;
    default:
        slot->has_receiver_gone = true;
        return true;
    }
}

static void print(const struct operation *operation)
{
    static const char *const names[] = {"send", "receive", "the sender goes", "the receiver goes"};

    printf("%s %lu: %s %lu", names[operation->kind], operation->argument,
           hx_error_name(operation->error), operation->value);
}

static const struct specification one_value = {
    .state_size = sizeof(struct slot), .apply = apply, .print = print};

/* --- what the threads do ---------------------------------------------------------------------- */

static struct reply *reply;
static unsigned sent;
static unsigned received;
static unsigned destroyed;

static void count_destroyed(void *value)
{
    (void)value;
    destroyed++;
}

static void start(void)
{
    sent = received = destroyed = 0;
    history_start();
    explore_check(reply_create(count_destroyed, OWNER_CORE, &reply) == HX_OK,
                  "a oneshot can be made");
}

static hx_err send(void)
{
    uint64_t value = 10 + explore_self();
    struct operation *operation = history_call(SEND, value);
    hx_err error = reply_send(reply, &value);

    history_return(operation, error, 0);
    sent += error == HX_OK ? 1 : 0;
    return error;
}

static hx_err note_received(struct operation *operation, hx_err error, uint64_t value)
{
    history_return(operation, error, error == HX_OK ? value : 0);
    received += error == HX_OK ? 1 : 0;
    return error;
}

static hx_err receive(uint64_t deadline_ns)
{
    uint64_t value = 0;
    struct operation *operation = history_call(RECEIVE, 0);
    hx_err error = reply_receive(reply, &value, deadline_ns);

    return note_received(operation, error, value);
}

static hx_err try_receive(void)
{
    uint64_t value = 0;
    struct operation *operation = history_call(RECEIVE, 0);
    hx_err error = reply_try_receive(reply, &value);

    return note_received(operation, error, value);
}

static void leave_as_sender(void)
{
    struct operation *operation = history_call(SENDER_GOES, 0);

    reply_sender_close(reply);
    history_return(operation, HX_OK, 0);
}

static void leave_as_receiver(void)
{
    struct operation *operation = history_call(RECEIVER_GOES, 0);

    reply_receiver_close(reply);
    history_return(operation, HX_OK, 0);
}

static void the_value_is_accounted_for(void)
{
    explore_check(sent == received + destroyed, "what was sent is received or destroyed, once");
    history_check(&one_value);
}

static void send_and_leave(void)
{
    (void)!send();
    leave_as_sender();
}

static void receive_and_leave(void)
{
    (void)!receive(FOR_EVER);
    leave_as_receiver();
}

/* --- in every schedule ------------------------------------------------------------------------ */

/* SPEC: P4 */
static void a_receiver_that_waits_gets_the_value(void **state)
{
    static const struct explore_scenario scenario = {
        .name = "value",
        .start = start,
        .threads = {receive_and_leave, send_and_leave},
        .finish = the_value_is_accounted_for,
        .preemptions = 4,
    };

    (void)state;
    explore(&scenario);
}

/* SPEC: P4 */
static void a_receiver_that_waits_hears_of_the_senders_end(void **state)
{
    static const struct explore_scenario scenario = {
        .name = "sender-goes",
        .start = start,
        .threads = {receive_and_leave, leave_as_sender},
        .finish = the_value_is_accounted_for,
        .preemptions = 4,
    };

    (void)state;
    explore(&scenario);
}

/* SPEC: P4 */
static void a_value_that_nobody_wants_is_destroyed_or_returned(void **state)
{
    static const struct explore_scenario scenario = {
        .name = "receiver-goes",
        .start = start,
        .threads = {leave_as_receiver, send_and_leave},
        .finish = the_value_is_accounted_for,
        .preemptions = 4,
    };

    (void)state;
    explore(&scenario);
}

static void receive_soon_then_try(void)
{
    if (receive(SOON) == HX_ETIMEDOUT) {
        (void)!try_receive();
    }
    leave_as_receiver();
}

/* SPEC: P4 */
static void a_deadline_loses_no_value(void **state)
{
    static const struct explore_scenario scenario = {
        .name = "deadline",
        .start = start,
        .threads = {receive_soon_then_try, send_and_leave},
        .finish = the_value_is_accounted_for,
        .preemptions = 4,
    };

    (void)state;
    explore(&scenario);
}

static void send_once(void)
{
    (void)!send();
}

static void receive_once(void)
{
    (void)!receive(FOR_EVER);
}

static void close_both(void)
{
    explore_check(sent == 1 && received == 1, "one send counts, and one receive");
    leave_as_sender();
    leave_as_receiver();
    the_value_is_accounted_for();
}

/* SPEC: P4 */
static void one_of_two_sends_counts(void **state)
{
    static const struct explore_scenario scenario = {
        .name = "two-sends",
        .start = start,
        .threads = {receive_once, send_once, send_once},
        .finish = close_both,
        .preemptions = 3,
    };

    (void)state;
    explore(&scenario);
}

static void start_sent(void)
{
    start();
    (void)!send();
}

static void try_to_receive(void)
{
    (void)!try_receive();
}

/* SPEC: P4 */
static void one_of_two_receives_counts(void **state)
{
    static const struct explore_scenario scenario = {
        .name = "two-receives",
        .start = start_sent,
        .threads = {try_to_receive, try_to_receive},
        .finish = close_both,
        .preemptions = 4,
    };

    (void)state;
    explore(&scenario);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_receiver_that_waits_gets_the_value),
        cmocka_unit_test(a_receiver_that_waits_hears_of_the_senders_end),
        cmocka_unit_test(a_value_that_nobody_wants_is_destroyed_or_returned),
        cmocka_unit_test(a_deadline_loses_no_value),
        cmocka_unit_test(one_of_two_sends_counts),
        cmocka_unit_test(one_of_two_receives_counts),
    };

    return cmocka_run_group_tests_name("oneshots explored", tests, NULL, NULL);
}
