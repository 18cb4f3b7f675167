/* Channels between processes. */
#define _GNU_SOURCE
#include "native.h"

#include <poll.h>
#include <signal.h>
#include <sys/wait.h>

#define PRODUCERS 4
#define ITEMS     5000

struct item {
    uint32_t producer;
    uint32_t number;
    uint32_t check[6];
};

static struct item item_of(uint32_t producer, uint32_t number)
{
    struct item item = {producer, number, {0}};

    for (uint32_t i = 0; i < 6; i++) {
        item.check[i] = mix(producer * ITEMS + number + i);
    }
    return item;
}

/* --- several producers ------------------------------------------------------------------------ */

struct producing {
    int channel;
    uint32_t producer;
};

static int produce(void *argument)
{
    const struct producing *work = argument;
    uint32_t sent = 0;

    for (; sent < ITEMS; sent++) {
        struct item item = item_of(work->producer, sent);

        if (channel_send(work->channel, &item, HELIX_NO_DEADLINE) != 0) {
            break;
        }
    }
    return sent != ITEMS;
}

/* Whether it is the next one of its producer, and whole. */
static uint32_t is_wrong(const struct item *item, uint32_t next[PRODUCERS])
{
    struct item right;

    if (item->producer >= PRODUCERS || item->number != next[item->producer]) {
        return 1;
    }
    right = item_of(item->producer, item->number);
    next[item->producer]++;
    for (uint32_t i = 0; i < 6; i++) {
        if (item->check[i] != right.check[i]) {
            return 1;
        }
    }
    return 0;
}

static void start_producers(const int ends[2], struct child producers[PRODUCERS])
{
    for (uint32_t i = 0; i < PRODUCERS; i++) {
        struct producing work = {ends[1], i};

        producers[i] = start(0, produce, &work);
        EXPECT_EQUAL(delegate(ends[1], producers[i].id, HELIX_RIGHT_WRITE), 0);
    }
    for (uint32_t i = 0; i < PRODUCERS; i++) {
        let_go(&producers[i]);
    }
}

/* One by one, or as many as there are: nothing is lost, doubled or out of order, and then it ends.
 */
static void expect_all_of_several_producers(uint32_t at_once)
{
    struct child producers[PRODUCERS];
    struct item items[64];
    uint32_t next[PRODUCERS] = {0}, wrong = 0, received = 0;
    int ends[2];
    long count;

    EXPECT_EQUAL(channel_create(sizeof(struct item), 16, 0, ends), 0);
    start_producers(ends, producers);
    close(ends[1]);
    while ((count = channel_receive(ends[0], items, at_once, HELIX_NO_DEADLINE)) > 0) {
        for (long i = 0; i < count; i++) {
            wrong += is_wrong(&items[i], next);
        }
        received += (uint32_t)count;
    }
    EXPECT_EQUAL(count, 0);
    EXPECT_EQUAL(received, PRODUCERS * ITEMS);
    EXPECT_EQUAL(wrong, 0);
    for (uint32_t i = 0; i < PRODUCERS; i++) {
        EXPECT_EQUAL(end_of(&producers[i]), 0);
    }
    close(ends[0]);
}

static void items_of_several_producers_keep_their_order(void)
{
    expect_all_of_several_producers(1);
}

static void batches_of_several_producers_keep_their_order(void)
{
    expect_all_of_several_producers(64);
}

/* --- several receivers take turns ------------------------------------------------------------- */

struct receiving {
    int channel;
    _Atomic uint32_t *received;
};

static int consume(void *argument)
{
    const struct receiving *work = argument;
    struct item item;
    uint32_t last = 0, got = 0;
    long count;

    while ((count = channel_receive(work->channel, &item, 1, HELIX_NO_DEADLINE)) == 1) {
        if (got++ > 0 && item.number <= last) {
            return 1;
        }
        last = item.number;
        (*work->received)++;
    }
    return count != 0;
}

static void receivers_share_what_is_sent(void)
{
    _Atomic uint32_t *received = shared(sizeof(*received));
    struct child consumers[2];
    int ends[2];

    EXPECT_EQUAL(channel_create(sizeof(struct item), 4, 0, ends), 0);
    struct receiving work = {ends[0], received};

    for (uint32_t i = 0; i < 2; i++) {
        consumers[i] = start(0, consume, &work);
        EXPECT_EQUAL(delegate(ends[0], consumers[i].id, HELIX_RIGHT_READ), 0);
    }
    for (uint32_t i = 0; i < 2; i++) {
        let_go(&consumers[i]);
    }
    for (uint32_t i = 0; i < ITEMS; i++) {
        struct item item = item_of(0, i + 1);

        EXPECT_EQUAL(channel_send(ends[1], &item, patience()), 0);
    }
    while (*received < ITEMS) {
        usleep(1000);
    }
    for (uint32_t i = 0; i < 2; i++) {
        until_asleep(consumers[i].id);
        kill(consumers[i].id, SIGKILL); /* one waits for an item, the other one for its turn */
        EXPECT_EQUAL(end_of(&consumers[i]), -1);
    }
    EXPECT_EQUAL(*received, ITEMS);
    close(ends[0]);
    close(ends[1]);
}

/* --- ends ------------------------------------------------------------------------------------- */

static void what_is_queued_is_received_after_the_last_sender_has_gone(void)
{
    uint64_t item = 5, items[4] = {0};
    int ends[2];

    EXPECT_EQUAL(channel_create(8, 4, 0, ends), 0);
    int other = dup(ends[1]);

    EXPECT_EQUAL(channel_send(ends[1], &item, 0), 0);
    close(ends[1]);
    item++;
    EXPECT_EQUAL(channel_send(other, &item, 0), 0);
    close(other);
    EXPECT_EQUAL(channel_receive(ends[0], items, 4, HELIX_NO_DEADLINE), 2);
    EXPECT(items[0] == 5 && items[1] == 6);
    EXPECT_EQUAL(channel_receive(ends[0], items, 4, HELIX_NO_DEADLINE), 0);
    close(ends[0]);
}

/* Status: the errno a sender that waits gets. */
static int send_two(void *argument)
{
    uint64_t item = 1;
    int channel = *(int *)argument;

    close(channel - 1); /* the receiving end: it is its parent's alone then */
    if (channel_send(channel, &item, patience()) != 0) {
        return 1;
    }
    return channel_send(channel, &item, patience()) == 0 ? 2 : errno;
}

static void a_sender_that_waits_is_told_that_the_receiver_has_gone(void)
{
    int ends[2];

    EXPECT_EQUAL(channel_create(8, 1, 0, ends), 0);
    EXPECT_EQUAL(ends[1], ends[0] + 1);
    struct child child = start(0, send_two, &ends[1]);

    EXPECT_EQUAL(delegate(ends[1], child.id, HELIX_RIGHT_WRITE), 0);
    let_go(&child);
    until_asleep(child.id);
    close(ends[0]);
    EXPECT_EQUAL(end_of(&child), EPIPE);
    close(ends[1]);
}

static void a_producer_that_is_killed_wedges_nothing(void)
{
    struct child producers[PRODUCERS];
    struct item items[16];
    uint32_t next[PRODUCERS] = {0}, wrong = 0;
    int ends[2];
    long count;

    EXPECT_EQUAL(channel_create(sizeof(struct item), 4, 0, ends), 0);
    start_producers(ends, producers);
    close(ends[1]);
    for (uint32_t round = 0; (count = channel_receive(ends[0], items, 16, patience())) > 0;
         round++) {
        for (long i = 0; i < count; i++) {
            wrong += is_wrong(&items[i], next);
        }
        if (round % 50 == 49 && round / 50 < PRODUCERS) {
            kill(producers[round / 50].id, SIGKILL);
        }
    }
    EXPECT_EQUAL(count, 0);
    EXPECT_EQUAL(wrong, 0);
    for (uint32_t i = 0; i < PRODUCERS; i++) {
        EXPECT_EQUAL(end_of(&producers[i]), -1);
    }
    close(ends[0]);
}

/* --- poll ------------------------------------------------------------------------------------- */

static void ends_can_be_polled(void)
{
    uint64_t item = 1;
    int ends[2];

    EXPECT_EQUAL(channel_create(8, 1, 0, ends), 0);
    struct pollfd in = {ends[0], POLLIN, 0}, out = {ends[1], POLLOUT, 0};

    EXPECT_EQUAL(poll(&in, 1, 0), 0);
    EXPECT_EQUAL(poll(&out, 1, 0), 1);
    EXPECT_EQUAL(channel_send(ends[1], &item, 0), 0);
    EXPECT_EQUAL(poll(&in, 1, 0), 1);
    EXPECT_EQUAL(in.revents, POLLIN);
    EXPECT_EQUAL(poll(&out, 1, 0), 0);
    close(ends[1]);
    EXPECT_EQUAL(poll(&in, 1, 0), 1);
    EXPECT_EQUAL(in.revents, POLLIN | POLLHUP);
    close(ends[0]);
}

static int send_later(void *argument)
{
    uint64_t item = 1;

    usleep(20000);
    return channel_send(*(int *)argument, &item, patience()) != 0;
}

static void who_polls_is_woken(void)
{
    int ends[2];

    EXPECT_EQUAL(channel_create(8, 1, 0, ends), 0);
    struct pollfd in = {ends[0], POLLIN, 0};
    struct child child = start(0, send_later, &ends[1]);

    EXPECT_EQUAL(delegate(ends[1], child.id, HELIX_RIGHT_WRITE), 0);
    let_go(&child);
    EXPECT_EQUAL(poll(&in, 1, 60000), 1);
    EXPECT_EQUAL(in.revents, POLLIN);
    EXPECT_EQUAL(end_of(&child), 0);
    close(ends[0]);
    close(ends[1]);
}

const struct test channel_tests[] = {
    {"items_of_several_producers_keep_their_order", items_of_several_producers_keep_their_order},
    {"batches_of_several_producers_keep_their_order",
     batches_of_several_producers_keep_their_order},
    {"receivers_share_what_is_sent", receivers_share_what_is_sent},
    {"what_is_queued_is_received_after_the_last_sender_has_gone",
     what_is_queued_is_received_after_the_last_sender_has_gone},
    {"a_sender_that_waits_is_told_that_the_receiver_has_gone",
     a_sender_that_waits_is_told_that_the_receiver_has_gone},
    {"a_producer_that_is_killed_wedges_nothing", a_producer_that_is_killed_wedges_nothing},
    {"ends_can_be_polled", ends_can_be_polled},
    {"who_polls_is_woken", who_polls_is_woken},
    {0},
};
