/* The worked examples of docs/events.md and docs/messages.md, which are taken from here. */
#include <core/ipc/event_bus.h>
#include <core/ipc/message_router.h>
#include <kern/thread.h>
#include <tests/self/suites.h>

#define TEST(function) "core_ipc_examples." #function, function, 0

/* example: events */
struct door {
    uint32_t openings;
};

static enum event_answer count_openings(void *argument, const struct kernel_event *event)
{
    struct door *door = argument;

    door->openings += event->custom.id;
    return EVENT_HANDLED;
}

static hx_err watch_the_door(struct door *door)
{
    event_subscription subscription;
    struct event_result result;
    event_topic topic;
    hx_err error = event_topic_intern("example.door", &topic);

    if (error != HX_OK) {
        return error;
    }
    error = event_subscribe(&(struct event_subscriber){.topics = EVENT_TOPIC_SET(topic),
                                                       .callback = count_openings,
                                                       .argument = door,
                                                       .contexts = EVENT_IN_THREAD},
                            &subscription);
    if (error != HX_OK) {
        return error;
    }
    result = event_publish(
        &(struct kernel_event){.kind = EVENT_CUSTOM, .topic = topic, .custom = {.id = 1}});
    error = event_unsubscribe(subscription); /* from here on *door is the caller's alone */
    return result.handled == 1 ? error : HX_ENOENT;
}
/* end of example */

/* example: messages */
static hx_err add(void *argument, const struct router_message *request,
                  struct router_message *response)
{
    uint32_t *total = argument; /* one server thread: no lock */

    *total += request->code;
    response->code = *total;
    return HX_OK;
}

static hx_err add_twice(uint32_t *total, uint32_t *answer)
{
    const struct router_options options = {.name = "example.adder",
                                           .handler = add,
                                           .argument = total,
                                           .threaded = true,
                                           .capacity = 8,
                                           .thread_priority = THREAD_PRIORITY_NORMAL};
    struct router_message request = {.code = 20};
    struct router_message response;
    struct router_outcome outcome;
    router_mailbox adder;
    hx_err error = router_register(&options, &adder);

    if (error != HX_OK) {
        return error;
    }
    error = router_send_to(adder, ROUTER_NORMAL, &request); /* nobody waits for this one */
    outcome = router_send(adder, ROUTER_LOW, &request, &response, THREAD_NO_DEADLINE);
    if (outcome.progress == ROUTER_REPLIED) {
        *answer = response.code;
    } else if (outcome.progress == ROUTER_NOT_RUN) {
        error = outcome.error; /* the request may be sent again */
    }
    hx_err closed = router_unregister(adder);

    return error != HX_OK ? error : closed;
}
/* end of example */

/* SPEC: P5 */
static void the_door_is_watched(void)
{
    struct door door = {0};

    EXPECT_EQUAL(watch_the_door(&door), HX_OK);
    EXPECT_EQUAL(door.openings, 1);
}

/* SPEC: P8 */
static void the_adder_adds_twice(void)
{
    uint32_t answer = 0;
    uint32_t total = 2;

    EXPECT_EQUAL(add_twice(&total, &answer), HX_OK);
    EXPECT_EQUAL(answer, 42); /* of two in the queue the normal one comes first */
    EXPECT_EQUAL(total, 42);
}

const struct selftest core_ipc_examples_tests[] = {
    {TEST(the_door_is_watched)},
    {TEST(the_adder_adds_twice)},
    {0},
};
