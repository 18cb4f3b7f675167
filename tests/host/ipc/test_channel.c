/* Channels: one thread against a plain reference, then many against each other. */
#include "../random.h"
#include "pthread_kernel.h"
#include <core/ipc/channel.h>

struct message {
    uint64_t sender;
    uint64_t number;
    uint64_t rest[6];
};

struct odd {
    unsigned char bytes[13];
};

CHANNEL_TYPE(numbers, uint64_t)
CHANNEL_TYPE(messages, struct message)
CHANNEL_TYPE(odds, struct odd)

#define OWNER_A owner_make(7, 3)
#define OWNER_B owner_make(7, 4)

static int nothing_leaks(void **state)
{
    (void)state;
    /* Chunks of the table of channels stay. */
    return kernel_heap.live > 2;
}

static struct numbers *fresh(uint32_t capacity)
{
    struct numbers *channel;

    assert_int_equal(numbers_create(capacity, NULL, OWNER_NONE, &channel), HX_OK);
    return channel;
}

static void close_both(struct numbers *channel)
{
    numbers_sender_put(channel);
    numbers_receiver_close(channel);
}

static void expect_received(struct numbers *channel, uint64_t wanted)
{
    uint64_t number = 0;

    assert_int_equal(numbers_try_receive(channel, &number), HX_OK);
    assert_int_equal(number, wanted);
}

static hx_err send_number(struct numbers *channel, uint64_t number)
{
    return numbers_try_send(channel, &number);
}

static hx_err receive_any(struct numbers *channel)
{
    uint64_t number;

    return numbers_try_receive(channel, &number);
}

/* --- one thread ------------------------------------------------------------------------------- */

/* SPEC: P1 */
static void items_come_out_whole_and_in_the_order_they_were_sent(void **state)
{
    struct odds *channel;
    struct odd out;

    (void)state;
    close_both(fresh(1)); /* the table has room now */
    assert_int_equal(odds_create(16, NULL, OWNER_A, &channel), HX_OK);
    assert_int_equal(kernel_heap.last_owner, OWNER_A);
    for (uint32_t round = 0; round < 50; round++) {
        for (unsigned char i = 0; i < 11; i++) {
            struct odd in;

            memset(in.bytes, i, sizeof in.bytes);
            assert_int_equal(odds_try_send(channel, &in), HX_OK);
        }
        for (unsigned char i = 0; i < 11; i++) {
            assert_int_equal(odds_try_receive(channel, &out), HX_OK);
            for (size_t at = 0; at < sizeof out.bytes; at++) {
                assert_int_equal(out.bytes[at], i);
            }
        }
    }
    odds_sender_put(channel);
    odds_receiver_close(channel);
}

/* SPEC: P1 */
static void a_full_channel_refuses_and_an_empty_one_has_nothing(void **state)
{
    struct numbers *channel = fresh(5);

    (void)state;
    assert_int_equal(channel_capacity(&channel->untyped), 8);
    assert_int_equal(receive_any(channel), HX_EAGAIN);
    for (uint64_t i = 0; i < 8; i++) {
        assert_int_equal(channel_len(&channel->untyped), i);
        assert_int_equal(send_number(channel, i), HX_OK);
    }
    assert_int_equal(send_number(channel, 8), HX_EAGAIN);
    assert_false(channel_is_empty(&channel->untyped));
    expect_received(channel, 0);
    assert_int_equal(send_number(channel, 8), HX_OK);
    assert_int_equal(send_number(channel, 9), HX_EAGAIN);
    for (uint64_t i = 1; i < 9; i++) {
        expect_received(channel, i);
    }
    assert_true(channel_is_empty(&channel->untyped));
    close_both(channel);
}

/* SPEC: P1 */
static void a_channel_of_one_item_works(void **state)
{
    struct numbers *channel = fresh(1);

    (void)state;
    for (uint64_t i = 0; i < 100; i++) {
        assert_int_equal(send_number(channel, i), HX_OK);
        assert_int_equal(send_number(channel, i), HX_EAGAIN);
        expect_received(channel, i);
        assert_int_equal(receive_any(channel), HX_EAGAIN);
    }
    close_both(channel);
}

/* SPEC: P1 */
static void draining_takes_what_is_there_and_no_more(void **state)
{
    struct numbers *channel = fresh(8);
    uint64_t got[8] = {0};

    (void)state;
    assert_int_equal(numbers_drain(channel, got, 8), 0);
    for (uint64_t i = 0; i < 5; i++) {
        assert_int_equal(send_number(channel, i), HX_OK);
    }
    assert_int_equal(numbers_drain(channel, got, 0), 0);
    assert_int_equal(numbers_drain(channel, got, 3), 3);
    assert_int_equal(numbers_drain(channel, got + 3, 5), 2);
    for (uint64_t i = 0; i < 5; i++) {
        assert_int_equal(got[i], i);
    }
    close_both(channel);
}

/* SPEC: P1 */
static void numbers_out_of_range_make_no_channel(void **state)
{
    static const struct channel_options wrong[] = {
        {.capacity = 0, .item_size = 8},
        {.capacity = 8, .item_size = 0},
        {.capacity = CHANNEL_CAPACITY_MAX + 1, .item_size = 8},
        {.capacity = UINT32_MAX, .item_size = 8},
        {.capacity = 8, .item_size = CHANNEL_ITEM_MAX + 1},
        {.capacity = 8, .item_size = UINT32_MAX},
        {.capacity = UINT32_MAX, .item_size = UINT32_MAX},
        {.capacity = CHANNEL_CAPACITY_MAX, .item_size = CHANNEL_ITEM_MAX},
    };
    struct channel *channel = NULL;

    (void)state;
    for (size_t i = 0; i < HX_ARRAY_SIZE(wrong); i++) {
        assert_int_equal(channel_create(&wrong[i], &channel), HX_EINVAL);
        assert_null(channel);
    }
}

/* SPEC: P1 */
static void without_memory_there_is_no_channel_and_no_leak(void **state)
{
    const struct channel_options options = {.capacity = 4, .item_size = 4};
    struct channel *channel = NULL;
    int64_t live = kernel_heap.live;

    (void)state;
    for (uint64_t n = 1; n <= 2 && channel == NULL; n++) {
        kernel_heap.fail_in = n;
        if (channel_create(&options, &channel) == HX_OK) {
            break; /* the table had an entry left */
        }
        assert_int_equal(kernel_heap.live, live);
    }
    kernel_heap.fail_in = 0;
    if (channel != NULL) {
        channel_sender_put(channel);
        channel_receiver_close(channel);
    }
}

/* --- closing ---------------------------------------------------------------------------------- */

static uint64_t destroyed_sum;
static _Atomic uint64_t destroyed_count;

static void note_destroyed(void *item)
{
    uint64_t number;

    memcpy(&number, item, sizeof number);
    destroyed_sum += number;
    atomic_fetch_add(&destroyed_count, 1);
}

static struct numbers *fresh_with_destructor(uint32_t capacity)
{
    struct numbers *channel;

    destroyed_sum = 0;
    destroyed_count = 0;
    assert_int_equal(numbers_create(capacity, note_destroyed, OWNER_NONE, &channel), HX_OK);
    return channel;
}

/* SPEC: P2 */
static void what_is_queued_is_received_after_the_last_sender_has_gone(void **state)
{
    struct numbers *channel = fresh_with_destructor(8);

    (void)state;
    numbers_sender_get(channel);
    assert_int_equal(send_number(channel, 1), HX_OK);
    numbers_sender_put(channel);
    assert_false(channel_is_closed(&channel->untyped));
    assert_int_equal(send_number(channel, 2), HX_OK);
    numbers_sender_put(channel);
    assert_true(channel_is_closed(&channel->untyped));
    expect_received(channel, 1);
    expect_received(channel, 2);
    assert_int_equal(receive_any(channel), HX_ECLOSED);
    assert_int_equal(receive_any(channel), HX_ECLOSED);
    numbers_receiver_close(channel);
    assert_int_equal(destroyed_count, 0);
}

/* SPEC: P2 */
static void send_to_a_closed_channel_is_refused_and_the_queue_is_destroyed(void **state)
{
    struct numbers *channel = fresh_with_destructor(8);
    uint64_t number = 9;

    (void)state;
    for (uint64_t i = 1; i <= 4; i++) {
        assert_int_equal(send_number(channel, i), HX_OK);
    }
    expect_received(channel, 1);
    numbers_receiver_close(channel);
    assert_int_equal(destroyed_count, 3);
    assert_int_equal(destroyed_sum, 9);
    assert_int_equal(send_number(channel, 5), HX_ECLOSED);
    assert_int_equal(numbers_send(channel, &number, THREAD_NO_DEADLINE), HX_ECLOSED);
    numbers_sender_put(channel);
    assert_int_equal(destroyed_count, 3);
}

/* SPEC: P2 P3 */
static void what_is_committed_after_the_receiver_has_gone_is_destroyed_too(void **state)
{
    struct numbers *channel = fresh_with_destructor(8);
    struct channel_reservation reservation;

    (void)state;
    assert_int_equal(channel_try_reserve(&channel->untyped, OWNER_A, &reservation), HX_OK);
    assert_int_equal(send_number(channel, 2), HX_OK);
    numbers_receiver_close(channel);
    assert_int_equal(destroyed_sum, 2);
    *(uint64_t *)reservation.item = 5;
    assert_int_equal(channel_commit(&channel->untyped, &reservation), HX_OK);
    numbers_sender_put(channel);
    assert_int_equal(destroyed_count, 2);
    assert_int_equal(destroyed_sum, 7);
}

/* --- handles ---------------------------------------------------------------------------------- */

/* SPEC: P10 */
static void a_handle_dies_with_its_channel_and_never_finds_the_next(void **state)
{
    struct numbers *channel = fresh(4);
    channel_handle first = channel_get_handle(&channel->untyped);
    struct channel *found = NULL;

    (void)state;
    assert_int_equal(channel_sender_open(first, &found), HX_OK);
    assert_ptr_equal(found, &channel->untyped);
    channel_sender_put(found);
    numbers_sender_put(channel);
    assert_int_equal(channel_sender_open(first, &found), HX_ECLOSED);
    numbers_receiver_close(channel);
    assert_int_equal(channel_sender_open(first, &found), HX_ESTALE);
    channel = fresh(4);
    assert_int_not_equal(channel_get_handle(&channel->untyped), first);
    assert_int_equal(channel_sender_open(first, &found), HX_ESTALE);
    close_both(channel);
}

/* SPEC: P10 */
static void handles_from_nowhere_are_refused(void **state)
{
    static const channel_handle wrong[] = {
        0, 1, UINT64_MAX, UINT32_MAX, 1ULL << 32 | 5000, 2ULL << 32 | 63};
    struct channel *found = NULL;
    struct numbers *channel = fresh(1);

    (void)state;
    for (size_t i = 0; i < HX_ARRAY_SIZE(wrong); i++) {
        assert_int_equal(channel_sender_open(wrong[i], &found), HX_ESTALE);
    }
    assert_null(found);
    close_both(channel);
}

/* SPEC: P10 */
static void more_channels_than_handles_are_refused(void **state)
{
    static struct channel *channels[5000];
    const struct channel_options options = {.capacity = 1, .item_size = 1};
    size_t made = 0;
    hx_err error;

    (void)state;
    while ((error = channel_create(&options, &channels[made])) == HX_OK) {
        assert_true(++made < HX_ARRAY_SIZE(channels));
    }
    assert_int_equal(error, HX_ENOSPC);
    assert_true(made >= 1024);
    for (size_t i = 0; i < made; i++) {
        channel_sender_put(channels[i]);
        channel_receiver_close(channels[i]);
    }
    assert_int_equal(kernel_heap.live, 64); /* the chunks of the table */
    kernel_heap.live = 1;
}

/* --- reservations ----------------------------------------------------------------------------- */

static struct channel_reservation reserve(struct numbers *channel, owner_tag owner)
{
    struct channel_reservation reservation;

    assert_int_equal(channel_try_reserve(&channel->untyped, owner, &reservation), HX_OK);
    return reservation;
}

/* SPEC: P3 */
static void a_reservation_is_sent_when_it_is_committed(void **state)
{
    struct numbers *channel = fresh(4);
    struct channel_reservation first = reserve(channel, OWNER_A);
    struct channel_reservation second = reserve(channel, OWNER_A);

    (void)state;
    *(uint64_t *)second.item = 2;
    assert_int_equal(channel_commit(&channel->untyped, &second), HX_OK);
    assert_int_equal(receive_any(channel), HX_EAGAIN);
    *(uint64_t *)first.item = 1;
    assert_int_equal(channel_commit(&channel->untyped, &first), HX_OK);
    expect_received(channel, 1);
    expect_received(channel, 2);
    close_both(channel);
}

/* SPEC: P3 P10 */
static void a_reservation_ends_once(void **state)
{
    struct numbers *channel = fresh(1);
    struct channel_reservation reservation = reserve(channel, OWNER_A);
    struct channel_reservation foreign = reservation;

    (void)state;
    foreign.owner = OWNER_B;
    assert_int_equal(channel_commit(&channel->untyped, &foreign), HX_ESTALE);
    foreign.owner = OWNER_NONE;
    assert_int_equal(channel_abort(&channel->untyped, &foreign), HX_ESTALE);
    assert_int_equal(channel_abort(&channel->untyped, &reservation), HX_OK);
    assert_int_equal(channel_abort(&channel->untyped, &reservation), HX_ESTALE);
    assert_int_equal(channel_commit(&channel->untyped, &reservation), HX_ESTALE);
    assert_int_equal(receive_any(channel), HX_EAGAIN);
    /* A round later the same slot is somebody's again. */
    struct channel_reservation next = reserve(channel, OWNER_A);

    assert_int_equal(channel_commit(&channel->untyped, &reservation), HX_ESTALE);
    *(uint64_t *)next.item = 4;
    assert_int_equal(channel_commit(&channel->untyped, &next), HX_OK);
    expect_received(channel, 4);
    assert_int_equal(channel_try_reserve(&channel->untyped, OWNER_NONE, &next), HX_EINVAL);
    close_both(channel);
}

/* SPEC: P3 */
static void a_dead_owners_reservations_are_skipped_in_all_channels(void **state)
{
    struct numbers *one = fresh(8);
    struct numbers *two = fresh(8);

    (void)state;
    (void)reserve(one, OWNER_A);
    assert_int_equal(send_number(one, 1), HX_OK);
    struct channel_reservation alive = reserve(one, OWNER_B);
    struct channel_reservation dead = reserve(one, OWNER_A);

    (void)reserve(two, OWNER_A);
    assert_int_equal(send_number(two, 2), HX_OK);
    assert_int_equal(channel_abort_owner(OWNER_NONE), 0);
    assert_int_equal(channel_abort_owner(OWNER_A), 3);
    assert_int_equal(channel_abort_owner(OWNER_A), 0);
    assert_int_equal(channel_commit(&one->untyped, &dead), HX_ESTALE);
    expect_received(one, 1);
    assert_int_equal(receive_any(one), HX_EAGAIN);
    *(uint64_t *)alive.item = 3;
    assert_int_equal(channel_commit(&one->untyped, &alive), HX_OK);
    expect_received(one, 3);
    expect_received(two, 2);
    close_both(one);
    close_both(two);
}

/* SPEC: P2 P3 */
static void a_reservation_left_behind_by_the_last_sender_is_skipped(void **state)
{
    struct numbers *channel = fresh(8);

    (void)state;
    (void)reserve(channel, OWNER_A);
    assert_int_equal(send_number(channel, 1), HX_OK);
    numbers_sender_put(channel);
    expect_received(channel, 1);
    assert_int_equal(receive_any(channel), HX_ECLOSED);
    numbers_receiver_close(channel);
}

/* SPEC: P3 */
static void aborted_slots_make_room(void **state)
{
    struct numbers *channel = fresh(4);

    (void)state;
    for (uint64_t round = 0; round < 10; round++) {
        for (unsigned i = 0; i < 4; i++) {
            struct channel_reservation reservation = reserve(channel, OWNER_A);

            assert_int_equal(channel_abort(&channel->untyped, &reservation), HX_OK);
        }
        assert_int_equal(send_number(channel, round), HX_EAGAIN);
        assert_int_equal(receive_any(channel), HX_EAGAIN);
        assert_int_equal(channel_len(&channel->untyped), 0);
        assert_int_equal(send_number(channel, round), HX_OK);
        expect_received(channel, round);
    }
    close_both(channel);
}

/* --- contexts and deadlines ------------------------------------------------------------------- */

/* SPEC: P1 */
static void an_interrupt_handler_may_try_and_may_not_wait(void **state)
{
    struct numbers *channel = fresh(1);
    uint64_t number = 1;

    (void)state;
    self()->thread.interrupt_depth = 1;
    assert_int_equal(numbers_receive(channel, &number, THREAD_NO_DEADLINE), HX_ECONTEXT);
    assert_int_equal(numbers_try_send(channel, &number), HX_OK);
    assert_int_equal(numbers_send(channel, &number, THREAD_NO_DEADLINE), HX_ECONTEXT);
    self()->thread.interrupt_depth = 0;
    expect_received(channel, 1);
    close_both(channel);
}

/* SPEC: P1 */
static void waiting_ends_at_the_deadline_and_changes_nothing(void **state)
{
    struct numbers *channel = fresh(1);
    uint64_t number = 1;
    uint64_t start = hal_clock_now();

    (void)state;
    assert_int_equal(numbers_receive(channel, &number, start + 2000000), HX_ETIMEDOUT);
    assert_true(hal_clock_now() >= start + 2000000);
    assert_int_equal(numbers_send(channel, &number, 0), HX_OK);
    assert_int_equal(numbers_send(channel, &number, hal_clock_now() + 2000000), HX_ETIMEDOUT);
    assert_int_equal(numbers_send(channel, &number, 0), HX_ETIMEDOUT);
    assert_int_equal(channel_len(&channel->untyped), 1);
    expect_received(channel, 1);
    assert_int_equal(atomic_load(&channel->untyped.blocked), 0);
    close_both(channel);
}

/* --- against a reference ---------------------------------------------------------------------- */

#define MODEL_MAX 64U

struct model_item {
    uint64_t value;
    enum { MODEL_SENT, MODEL_RESERVED, MODEL_ABORTED } state;
    struct channel_reservation reservation;
};

/* The plainest queue there is. */
struct model {
    struct model_item items[MODEL_MAX];
    uint32_t count;
    uint32_t capacity;
};

static void model_push(struct model *model, struct model_item item)
{
    model->items[model->count++] = item;
}

static struct model_item model_pop(struct model *model)
{
    struct model_item first = model->items[0];

    model->count--;
    memmove(model->items, model->items + 1, model->count * sizeof first);
    return first;
}

static void random_send(struct numbers *channel, struct model *model)
{
    uint64_t value = random_u64();
    hx_err wanted = model->count == model->capacity ? HX_EAGAIN : HX_OK;

    assert_int_equal(send_number(channel, value), wanted);
    if (wanted == HX_OK) {
        model_push(model, (struct model_item){.value = value, .state = MODEL_SENT});
    }
}

static void random_reserve(struct numbers *channel, struct model *model)
{
    struct model_item item = {.state = MODEL_RESERVED};
    owner_tag owner = random_below(2) == 0 ? OWNER_A : OWNER_B;
    hx_err wanted = model->count == model->capacity ? HX_EAGAIN : HX_OK;

    assert_int_equal(channel_try_reserve(&channel->untyped, owner, &item.reservation), wanted);
    if (wanted == HX_OK) {
        model_push(model, item);
    }
}

static void random_end(struct numbers *channel, struct model *model)
{
    struct model_item *item;

    if (model->count == 0) {
        return;
    }
    item = &model->items[random_below(model->count)];
    if (item->state != MODEL_RESERVED) {
        return;
    }
    if (random_below(2) == 0) {
        item->state = MODEL_ABORTED;
        assert_int_equal(channel_abort(&channel->untyped, &item->reservation), HX_OK);
    } else {
        item->state = MODEL_SENT;
        item->value = random_u64();
        memcpy(item->reservation.item, &item->value, sizeof item->value);
        assert_int_equal(channel_commit(&channel->untyped, &item->reservation), HX_OK);
    }
}

static void random_death(struct model *model)
{
    uint32_t wanted = 0;

    for (uint32_t i = 0; i < model->count; i++) {
        struct model_item *item = &model->items[i];

        if (item->state == MODEL_RESERVED && item->reservation.owner == OWNER_B) {
            item->state = MODEL_ABORTED;
            wanted++;
        }
    }
    assert_int_equal(channel_abort_owner(OWNER_B), wanted);
}

static void random_receive(struct numbers *channel, struct model *model)
{
    uint64_t value = 0;

    while (model->count > 0 && model->items[0].state == MODEL_ABORTED) {
        model_pop(model);
    }
    if (model->count == 0 || model->items[0].state == MODEL_RESERVED) {
        assert_int_equal(numbers_try_receive(channel, &value), HX_EAGAIN);
        return;
    }
    assert_int_equal(numbers_try_receive(channel, &value), HX_OK);
    assert_int_equal(value, model_pop(model).value);
}

static void random_life(void)
{
    struct model model = {.capacity = 1U << random_below(7)};
    struct numbers *channel = fresh(model.capacity);

    for (unsigned step = 0; step < 2000; step++) {
        switch (random_below(8)) {
        case 0:
            random_reserve(channel, &model);
            break;
        case 1:
        case 2:
            random_end(channel, &model);
            break;
        case 3:
            if (random_below(20) == 0) {
                random_death(&model);
            }
            break;
        case 4:
        case 5:
            random_receive(channel, &model);
            break;
        default:
            random_send(channel, &model);
        }
        assert_int_equal(channel_len(&channel->untyped), model.count);
    }
    close_both(channel);
}

/* SPEC: P1 P3 */
static void random_operations_agree_with_a_plain_queue(void **state)
{
    uint64_t seed = random_start();

    (void)state;
    print_message("# HELIX_SEED=%llu\n", (unsigned long long)seed);
    for (uint64_t life = 0; life < 20 + campaign(10000); life++) {
        random_life();
    }
}

/* --- many threads ----------------------------------------------------------------------------- */

#define SENDERS 4U

static struct {
    struct messages *channel;
    uint64_t per_sender;
    bool polls; /* senders try again instead of waiting */
} load;

static void send_many(void *argument)
{
    uint64_t sender = (uint64_t)(uintptr_t)argument;

    for (uint64_t i = 0; i < load.per_sender; i++) {
        struct message message = {.sender = sender, .number = i};

        memset(message.rest, (int)(i & 0xff), sizeof message.rest);
        if (load.polls) {
            while (messages_try_send(load.channel, &message) == HX_EAGAIN) {
                sched_yield();
            }
        } else if (i % 16 == 3) {
            struct channel_reservation reservation;

            assert_int_equal(
                channel_reserve(&load.channel->untyped, OWNER_A, &reservation, THREAD_NO_DEADLINE),
                HX_OK);
            assert_int_equal(channel_abort(&load.channel->untyped, &reservation), HX_OK);
            assert_int_equal(
                channel_reserve(&load.channel->untyped, OWNER_A, &reservation, THREAD_NO_DEADLINE),
                HX_OK);
            memcpy(reservation.item, &message, sizeof message);
            assert_int_equal(channel_commit(&load.channel->untyped, &reservation), HX_OK);
        } else {
            assert_int_equal(messages_send(load.channel, &message, THREAD_NO_DEADLINE), HX_OK);
        }
    }
    messages_sender_put(load.channel);
}

static void receive_all(void *argument)
{
    uint64_t next[SENDERS] = {0};
    struct message message;
    hx_err error;

    (void)argument;
    while ((error = messages_receive(load.channel, &message, THREAD_NO_DEADLINE)) == HX_OK) {
        unsigned char fill[sizeof message.rest];

        assert_true(message.sender < SENDERS);
        assert_int_equal(message.number, next[message.sender]);
        next[message.sender]++;
        memset(fill, (int)(message.number & 0xff), sizeof fill);
        assert_memory_equal(message.rest, fill, sizeof fill);
    }
    assert_int_equal(error, HX_ECLOSED);
    for (uint32_t i = 0; i < SENDERS; i++) {
        assert_int_equal(next[i], load.per_sender);
    }
}

static void run_load(uint32_t capacity, uint64_t per_sender, bool polls)
{
    struct work works[SENDERS + 1] = {{.function = receive_all}};

    load.per_sender = per_sender;
    load.polls = polls;
    assert_int_equal(messages_create(capacity, NULL, OWNER_NONE, &load.channel), HX_OK);
    for (uint32_t i = 0; i < SENDERS; i++) {
        works[i + 1] = (struct work){send_many, (void *)(uintptr_t)i};
        if (i > 0) {
            messages_sender_get(load.channel);
        }
    }
    on_threads(works, SENDERS + 1);
    messages_receiver_close(load.channel);
}

/* SPEC: P1 P3 */
static void many_senders_lose_and_double_nothing_and_keep_their_order(void **state)
{
    (void)state;
    run_load(256, campaign(2500000), false);
    run_load(256, campaign(2500000), true);
}

/* SPEC: P1 P3 */
static void no_wake_up_is_lost_when_everybody_waits_all_the_time(void **state)
{
    (void)state;
    run_load(1, campaign(1000000), false);
    run_load(2, campaign(1000000), false);
}

static struct numbers *there;
static struct numbers *back;

static void send_into_room_made_late(void *argument)
{
    uint64_t number = (uint64_t)(uintptr_t)argument;

    assert_int_equal(numbers_send(there, &number, hal_clock_now() + 20000000000U), HX_OK);
    numbers_sender_put(there);
}

/* Nothing is received after the two: who gets in has to call the next. */
static void make_room_for_all_at_once(void *argument)
{
    uint64_t numbers[2];

    (void)argument;
    /* twice the number of those who wait, and a mark */
    while (atomic_load(&there->untyped.blocked) < 4) {
        sched_yield();
    }
    assert_int_equal(numbers_drain(there, numbers, 2), 2);
}

/* SPEC: P3 */
static void room_for_several_wakes_several(void **state)
{
    const struct work works[] = {{send_into_room_made_late, (void *)1},
                                 {send_into_room_made_late, (void *)2},
                                 {.function = make_room_for_all_at_once}};

    (void)state;
    for (uint64_t i = 0; i < 20 + campaign(2000); i++) {
        there = fresh(2);
        numbers_sender_get(there);
        assert_int_equal(send_number(there, 8), HX_OK);
        assert_int_equal(send_number(there, 9), HX_OK);
        on_threads(works, 3);
        assert_int_equal(channel_len(&there->untyped), 2);
        numbers_receiver_close(there);
    }
}

static void answer_all(void *argument)
{
    uint64_t number;

    (void)argument;
    while (numbers_receive(there, &number, THREAD_NO_DEADLINE) == HX_OK) {
        assert_int_equal(numbers_send(back, &number, THREAD_NO_DEADLINE), HX_OK);
    }
    numbers_sender_put(back);
    numbers_receiver_close(there);
}

static void ask_many(void *argument)
{
    uint64_t answer = 0;

    (void)argument;
    for (uint64_t i = 0; i < campaign(3000000); i++) {
        assert_int_equal(numbers_send(there, &i, THREAD_NO_DEADLINE), HX_OK);
        assert_int_equal(numbers_receive(back, &answer, THREAD_NO_DEADLINE), HX_OK);
        assert_int_equal(answer, i);
    }
    numbers_sender_put(there);
    assert_int_equal(numbers_receive(back, &answer, THREAD_NO_DEADLINE), HX_ECLOSED);
    numbers_receiver_close(back);
}

/* SPEC: P3 */
static void two_threads_that_answer_each_other_never_sleep_both(void **state)
{
    const struct work works[] = {{.function = answer_all}, {.function = ask_many}};

    (void)state;
    there = fresh(1);
    back = fresh(1);
    on_threads(works, 2);
}

/* --- closing under load ----------------------------------------------------------------------- */

static _Atomic uint64_t accepted;
static uint64_t received;

static void send_until_closed(void *argument)
{
    uint64_t number = 1;

    (void)argument;
    while (numbers_send(there, &number, THREAD_NO_DEADLINE) == HX_OK) {
        atomic_fetch_add(&accepted, 1);
    }
    numbers_sender_put(there);
}

static void receive_some_and_close(void *argument)
{
    uint64_t number;

    for (uint64_t i = 0; i < (uint64_t)(uintptr_t)argument; i++) {
        assert_int_equal(numbers_receive(there, &number, THREAD_NO_DEADLINE), HX_OK);
        received++;
    }
    numbers_receiver_close(there);
}

/* SPEC: P2 P3 */
static void the_receivers_end_wakes_all_senders_and_every_item_ends_once(void **state)
{
    uint64_t seed = random_start();

    (void)state;
    for (uint64_t i = 0; i < 50 + campaign(10000); i++) {
        uint64_t wanted = random_below(100);
        const struct work works[] = {{.function = send_until_closed},
                                     {.function = send_until_closed},
                                     {.function = send_until_closed},
                                     {receive_some_and_close, (void *)(uintptr_t)wanted}};

        there = fresh_with_destructor(1U << random_below(4));
        accepted = 0;
        received = 0;
        numbers_sender_get(there);
        numbers_sender_get(there);
        on_threads(works, 4);
        if (received + destroyed_count != accepted) {
            fail_msg("HELIX_SEED=%llu: %llu sent, %llu received, %llu destroyed",
                     (unsigned long long)seed, (unsigned long long)accepted,
                     (unsigned long long)received, (unsigned long long)destroyed_count);
        }
    }
}

static _Atomic bool receiving;

static void receive_one(void *argument)
{
    uint64_t number = 0;

    atomic_store(&receiving, true);
    assert_int_equal(numbers_receive(there, &number, THREAD_NO_DEADLINE), HX_OK);
    assert_int_equal(number, 5);
    (void)argument;
}

static void die_with_a_reservation(void *argument)
{
    (void)argument;
    (void)reserve(there, OWNER_B);
    assert_int_equal(send_number(there, 5), HX_OK);
    while (!atomic_load(&receiving)) {
        sched_yield();
    }
    usleep(1000);
    assert_int_equal(channel_abort_owner(OWNER_B), 1);
}

/* SPEC: P3 */
static void a_receiver_that_waits_behind_a_dead_producer_is_woken(void **state)
{
    const struct work works[] = {{.function = receive_one}, {.function = die_with_a_reservation}};

    (void)state;
    for (uint32_t i = 0; i < 20; i++) {
        there = fresh(4);
        receiving = false;
        on_threads(works, 2);
        close_both(there);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_memory_there_is_no_channel_and_no_leak),
        cmocka_unit_test(items_come_out_whole_and_in_the_order_they_were_sent),
        cmocka_unit_test(a_full_channel_refuses_and_an_empty_one_has_nothing),
        cmocka_unit_test(a_channel_of_one_item_works),
        cmocka_unit_test(draining_takes_what_is_there_and_no_more),
        cmocka_unit_test(numbers_out_of_range_make_no_channel),
        cmocka_unit_test(what_is_queued_is_received_after_the_last_sender_has_gone),
        cmocka_unit_test(send_to_a_closed_channel_is_refused_and_the_queue_is_destroyed),
        cmocka_unit_test(what_is_committed_after_the_receiver_has_gone_is_destroyed_too),
        cmocka_unit_test(a_handle_dies_with_its_channel_and_never_finds_the_next),
        cmocka_unit_test(handles_from_nowhere_are_refused),
        cmocka_unit_test(a_reservation_is_sent_when_it_is_committed),
        cmocka_unit_test(a_reservation_ends_once),
        cmocka_unit_test(a_dead_owners_reservations_are_skipped_in_all_channels),
        cmocka_unit_test(a_reservation_left_behind_by_the_last_sender_is_skipped),
        cmocka_unit_test(aborted_slots_make_room),
        cmocka_unit_test(an_interrupt_handler_may_try_and_may_not_wait),
        cmocka_unit_test(waiting_ends_at_the_deadline_and_changes_nothing),
        cmocka_unit_test(random_operations_agree_with_a_plain_queue),
        cmocka_unit_test(many_senders_lose_and_double_nothing_and_keep_their_order),
        cmocka_unit_test(no_wake_up_is_lost_when_everybody_waits_all_the_time),
        cmocka_unit_test(room_for_several_wakes_several),
        cmocka_unit_test(two_threads_that_answer_each_other_never_sleep_both),
        cmocka_unit_test(the_receivers_end_wakes_all_senders_and_every_item_ends_once),
        cmocka_unit_test(a_receiver_that_waits_behind_a_dead_producer_is_woken),
        cmocka_unit_test(more_channels_than_handles_are_refused),
    };

    kernel_start();
    return cmocka_run_group_tests_name("channel", tests, NULL, nothing_leaks);
}
