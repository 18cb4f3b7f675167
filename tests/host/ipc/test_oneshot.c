/* Oneshots: every order of the two ends' steps, then races of them. */
#include "pthread_kernel.h"
#include <core/ipc/oneshot.h>
#include <signal.h>
#include <sys/mman.h>

struct answer {
    uint64_t number;
    char text[20];
};

ONESHOT_TYPE(reply, struct answer)

static const struct answer yes = {.number = 42, .text = "yes"};
static const struct answer no = {.number = 43, .text = "no"};

static unsigned destroyed;
static struct answer last_destroyed;

static void note_destroyed(void *value)
{
    memcpy(&last_destroyed, value, sizeof last_destroyed);
    destroyed++;
}

static struct reply *fresh(void)
{
    struct reply *reply;

    destroyed = 0;
    assert_int_equal(reply_create(note_destroyed, OWNER_NONE, &reply), HX_OK);
    return reply;
}

static int nothing_leaks(void **state)
{
    (void)state;
    return kernel_heap.live != 0;
}

/* --- one thread ------------------------------------------------------------------------------- */

/* SPEC: P4 */
static void the_value_comes_out_once(void **state)
{
    struct reply *reply = fresh();
    struct answer got = {0};

    (void)state;
    assert_int_equal(reply_try_receive(reply, &got), HX_EAGAIN);
    assert_int_equal(reply_send(reply, &yes), HX_OK);
    assert_int_equal(reply_receive(reply, &got, 0), HX_OK);
    assert_int_equal(got.number, 42);
    assert_string_equal(got.text, "yes");
    assert_int_equal(reply_receive(reply, &got, THREAD_NO_DEADLINE), HX_ESTATE);
    assert_int_equal(reply_try_receive(reply, &got), HX_ESTATE);
    reply_sender_close(reply);
    assert_int_equal(reply_try_receive(reply, &got), HX_ESTATE);
    reply_receiver_close(reply);
    assert_int_equal(destroyed, 0);
}

/* SPEC: P4 */
static void a_second_send_is_refused(void **state)
{
    struct reply *reply = fresh();
    struct answer got = {0};

    (void)state;
    assert_int_equal(reply_send(reply, &yes), HX_OK);
    assert_int_equal(reply_send(reply, &no), HX_ESTATE);
    assert_int_equal(reply_try_receive(reply, &got), HX_OK);
    assert_int_equal(got.number, 42);
    assert_int_equal(reply_send(reply, &no), HX_ESTATE);
    assert_int_equal(reply_try_receive(reply, &got), HX_ESTATE);
    reply_receiver_close(reply);
    reply_sender_close(reply);
}

/* SPEC: P4 */
static void a_sender_that_goes_without_a_value_closes(void **state)
{
    struct reply *reply = fresh();
    struct answer got;

    (void)state;
    reply_sender_close(reply);
    assert_int_equal(reply_try_receive(reply, &got), HX_ECLOSED);
    assert_int_equal(reply_receive(reply, &got, THREAD_NO_DEADLINE), HX_ECLOSED);
    reply_receiver_close(reply);
}

/* SPEC: P4 */
static void a_value_survives_its_sender(void **state)
{
    struct reply *reply = fresh();
    struct answer got = {0};

    (void)state;
    assert_int_equal(reply_send(reply, &yes), HX_OK);
    reply_sender_close(reply);
    assert_int_equal(reply_receive(reply, &got, THREAD_NO_DEADLINE), HX_OK);
    assert_int_equal(got.number, 42);
    reply_receiver_close(reply);
}

/* SPEC: P4 */
static void without_a_receiver_the_value_stays_the_callers(void **state)
{
    struct reply *reply = fresh();

    (void)state;
    reply_receiver_close(reply);
    assert_int_equal(reply_send(reply, &yes), HX_ECLOSED);
    reply_sender_close(reply);
    assert_int_equal(destroyed, 0);
}

/* SPEC: P4 */
static void a_value_that_nobody_received_is_destroyed_once(void **state)
{
    struct reply *reply = fresh();

    (void)state;
    assert_int_equal(reply_send(reply, &yes), HX_OK);
    reply_receiver_close(reply);
    reply_sender_close(reply);
    assert_int_equal(destroyed, 1);
    assert_int_equal(last_destroyed.number, 42);
}

/* SPEC: P4 */
static void sizes_out_of_range_and_lack_of_memory_make_no_oneshot(void **state)
{
    struct oneshot *oneshot = NULL;

    (void)state;
    assert_int_equal(oneshot_create(0, NULL, OWNER_NONE, &oneshot), HX_EINVAL);
    assert_int_equal(oneshot_create(ONESHOT_VALUE_MAX + 1, NULL, OWNER_NONE, &oneshot), HX_EINVAL);
    assert_int_equal(oneshot_create(SIZE_MAX, NULL, OWNER_NONE, &oneshot), HX_EINVAL);
    kernel_heap.fail_in = 1;
    assert_int_equal(oneshot_create(8, NULL, OWNER_NONE, &oneshot), HX_ENOMEM);
    assert_null(oneshot);
}

/* SPEC: P4 */
static void waiting_ends_at_the_deadline_and_never_begins_in_an_interrupt(void **state)
{
    struct reply *reply = fresh();
    struct answer got;

    (void)state;
    assert_int_equal(reply_receive(reply, &got, hal_clock_now() + 1000000), HX_ETIMEDOUT);
    self()->thread.interrupt_depth = 1;
    assert_int_equal(reply_receive(reply, &got, THREAD_NO_DEADLINE), HX_ECONTEXT);
    assert_int_equal(reply_send(reply, &yes), HX_OK);
    self()->thread.interrupt_depth = 0;
    reply_sender_close(reply);
    reply_receiver_close(reply);
    assert_int_equal(destroyed, 1);
}

/* --- races ------------------------------------------------------------------------------------ */

static struct reply *shared;
static _Atomic unsigned sent_ok;
static _Atomic unsigned received_ok;

static void dawdle(void)
{
    for (volatile uint64_t i = (uintptr_t)&i / 16 % 97; i > 0; i--) {
    }
}

static void send_and_close(void *argument)
{
    (void)argument;
    dawdle();
    atomic_fetch_add(&sent_ok, reply_send(shared, &yes) == HX_OK);
    reply_sender_close(shared);
}

static void close_without_sending(void *argument)
{
    (void)argument;
    dawdle();
    reply_sender_close(shared);
}

static void receive_and_close(void *argument)
{
    struct answer got = {0};
    hx_err error = reply_receive(shared, &got, THREAD_NO_DEADLINE);

    (void)argument;
    assert_true(error == HX_OK ? got.number == 42 : error == HX_ECLOSED);
    atomic_fetch_add(&received_ok, error == HX_OK);
    reply_receiver_close(shared);
}

static void close_without_receiving(void *argument)
{
    (void)argument;
    dawdle();
    reply_receiver_close(shared);
}

static void race(void (*sender)(void *), void (*receiver)(void *), unsigned *sent,
                 unsigned *received)
{
    const struct work works[] = {{.function = receiver}, {.function = sender}};

    shared = fresh();
    sent_ok = 0;
    received_ok = 0;
    on_threads(works, 2);
    assert_int_equal(sent_ok, received_ok + destroyed);
    *sent = sent_ok;
    *received = received_ok;
}

/* SPEC: P4 */
static void a_waiting_receiver_gets_the_value_or_the_end(void **state)
{
    unsigned sent;
    unsigned received;

    (void)state;
    for (uint64_t i = 0; i < campaign(100000); i++) {
        race(send_and_close, receive_and_close, &sent, &received);
        assert_int_equal(received, 1);
        race(close_without_sending, receive_and_close, &sent, &received);
        assert_int_equal(received, 0);
    }
}

/* SPEC: P4 */
static void a_value_sent_while_the_receiver_goes_has_one_owner(void **state)
{
    unsigned sent;
    unsigned received;

    (void)state;
    for (uint64_t i = 0; i < campaign(100000); i++) {
        race(send_and_close, close_without_receiving, &sent, &received);
        assert_int_equal(received, 0);
    }
}

/* A page that cannot be read until somebody has tried, and what happens then. */
static void *guarded_page;
static size_t guarded_size;

/* A fault of the copy in oneshot_send, which holds no lock: the receiver goes right there. */
static void close_in_the_middle(int signal)
{
    (void)signal;
    reply_receiver_close(shared);
    mprotect(guarded_page, guarded_size, PROT_READ);
}

/* SPEC: P4 */
static void a_receiver_that_goes_during_the_send_leaves_the_value_with_the_sender(void **state)
{
    const struct sigaction action = {.sa_handler = close_in_the_middle};
    struct sigaction before;

    (void)state;
    guarded_size = (size_t)sysconf(_SC_PAGESIZE);
    guarded_page = mmap(NULL, guarded_size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_ptr_not_equal(guarded_page, MAP_FAILED);
    shared = fresh();
    assert_int_equal(sigaction(SIGSEGV, &action, &before), 0);
    assert_int_equal(reply_send(shared, guarded_page), HX_ECLOSED);
    assert_int_equal(sigaction(SIGSEGV, &before, NULL), 0);
    assert_int_equal(destroyed, 0);
    reply_sender_close(shared);
    munmap(guarded_page, guarded_size);
}

static void send_only(void *argument)
{
    (void)argument;
    atomic_fetch_add(&sent_ok, reply_send(shared, &yes) == HX_OK);
}

/* SPEC: P4 */
static void of_many_senders_one_wins(void **state)
{
    const struct work works[] = {
        {.function = send_only}, {.function = send_only}, {.function = send_only}};
    struct answer got = {0};

    (void)state;
    for (uint64_t i = 0; i < campaign(50000); i++) {
        shared = fresh();
        sent_ok = 0;
        on_threads(works, 3);
        assert_int_equal(sent_ok, 1);
        assert_int_equal(reply_try_receive(shared, &got), HX_OK);
        assert_int_equal(got.number, 42);
        reply_sender_close(shared);
        reply_receiver_close(shared);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_value_comes_out_once),
        cmocka_unit_test(a_second_send_is_refused),
        cmocka_unit_test(a_sender_that_goes_without_a_value_closes),
        cmocka_unit_test(a_value_survives_its_sender),
        cmocka_unit_test(without_a_receiver_the_value_stays_the_callers),
        cmocka_unit_test(a_value_that_nobody_received_is_destroyed_once),
        cmocka_unit_test(sizes_out_of_range_and_lack_of_memory_make_no_oneshot),
        cmocka_unit_test(waiting_ends_at_the_deadline_and_never_begins_in_an_interrupt),
        cmocka_unit_test(a_waiting_receiver_gets_the_value_or_the_end),
        cmocka_unit_test(a_value_sent_while_the_receiver_goes_has_one_owner),
        cmocka_unit_test(a_receiver_that_goes_during_the_send_leaves_the_value_with_the_sender),
        cmocka_unit_test(of_many_senders_one_wins),
    };

    kernel_start();
    return cmocka_run_group_tests_name("oneshot", tests, NULL, nothing_leaks);
}
