/* The example of docs/channels.md, word for word, and what it does. */
#include "pthread_kernel.h"
#include <core/ipc/channel.h>
#include <core/ipc/oneshot.h>

struct request {
    uint64_t number;
    struct reply *reply; /* the sender's end is the server's */
};

ONESHOT_TYPE(reply, uint64_t)
CHANNEL_TYPE(requests, struct request)

static void serve(void *argument)
{
    struct requests *requests = argument;
    struct request request;

    while (requests_receive(requests, &request, THREAD_NO_DEADLINE) == HX_OK) {
        uint64_t square = request.number * request.number;

        /* HX_ECLOSED: the client did not wait. The value is ours still, and is nothing to destroy.
         */
        (void)!reply_send(request.reply, &square);
        reply_sender_close(request.reply);
    }
    requests_receiver_close(requests);
}

static hx_err ask(struct requests *requests, uint64_t number, uint64_t deadline_ns,
                  uint64_t *square)
{
    struct request request = {.number = number};
    hx_err error = reply_create(NULL, OWNER_CORE, &request.reply);

    if (error != HX_OK) {
        return error;
    }
    error = requests_send(requests, &request, deadline_ns);
    if (error == HX_OK) {
        error = reply_receive(request.reply, square, deadline_ns);
    } else {
        reply_sender_close(request.reply); /* it was not given away */
    }
    reply_receiver_close(request.reply);
    return error;
}

static void ask_some(void *argument)
{
    struct requests *requests = argument;

    for (uint64_t number = 0; number < 100; number++) {
        uint64_t square = 0;

        assert_int_equal(ask(requests, number, THREAD_NO_DEADLINE, &square), HX_OK);
        assert_int_equal(square, number * number);
    }
    requests_sender_put(requests);
}

/* SPEC: P1 P2 P4 */
static void the_example_answers_every_client(void **state)
{
    struct requests *requests;

    (void)state;
    assert_int_equal(requests_create(4, NULL, OWNER_CORE, &requests), HX_OK);
    requests_sender_get(requests);

    const struct work works[] = {{serve, requests}, {ask_some, requests}, {ask_some, requests}};

    on_threads(works, HX_ARRAY_SIZE(works));
    assert_int_equal(kernel_heap.live, 1); /* a chunk of the table of channels */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_example_answers_every_client),
    };

    kernel_start();
    return cmocka_run_group_tests_name("channel_example", tests, NULL, NULL);
}
