/* Channels and oneshots: senders on every CPU and in interrupts, waking, closing, dying. */
#include <core/config/kernel_configuration.h>
#include <core/interrupts/dispatcher.h>
#include <core/ipc/channel.h>
#include <core/ipc/oneshot.h>
#include <hal/clock.h>
#include <hal/cpu.h>
#include <kern/cpu.h>
#include <kern/heap.h>
#include <tests/self/crew.h>
#include <tests/self/suites.h>

struct parcel {
    uint64_t sender;
    uint64_t number;
    uint64_t check[6]; /* of the two, in each word differently */
};

CHANNEL_TYPE(parcels, struct parcel)
CHANNEL_TYPE(numbers, uint64_t)
ONESHOT_TYPE(reply, uint64_t)

#define SENDERS 4U
#define DEAD    owner_make(9, 2)

static struct crew crew;

static bool is_soak(void)
{
    return command_line_has(kernel_command_line(), "soak");
}

static struct numbers *fresh(uint32_t capacity)
{
    struct numbers *channel = NULL;

    EXPECT_EQUAL(numbers_create(capacity, NULL, OWNER_CORE, &channel), HX_OK);
    return channel;
}

static void close_both(struct numbers *channel)
{
    numbers_sender_put(channel);
    numbers_receiver_close(channel);
}

static uint64_t soon(void)
{
    return hal_clock_now() + CREW_PATIENCE_NS;
}

/* --- load ------------------------------------------------------------------------------------- */

static struct parcels *load;
static uint64_t load_count; /* of each sender */

static uint64_t check_of(const struct parcel *parcel, unsigned word)
{
    return (parcel->sender << 56 ^ parcel->number) * (0x9e3779b97f4a7c15ULL + 2 * word);
}

static void send_parcels(void *argument)
{
    struct parcel parcel = {.sender = (uint64_t)(uintptr_t)argument};

    for (; parcel.number < load_count; parcel.number++) {
        for (unsigned i = 0; i < HX_ARRAY_SIZE(parcel.check); i++) {
            parcel.check[i] = check_of(&parcel, i);
        }
        if (parcels_try_send(load, &parcel) == HX_EAGAIN &&
            parcels_send(load, &parcel, THREAD_NO_DEADLINE) != HX_OK) {
            break;
        }
    }
    parcels_sender_put(load);
}

static bool is_whole(const struct parcel *parcel)
{
    bool whole = parcel->sender < SENDERS;

    for (unsigned i = 0; i < HX_ARRAY_SIZE(parcel->check); i++) {
        whole = whole && parcel->check[i] == check_of(parcel, i);
    }
    return whole;
}

static void receive_parcels(void)
{
    uint64_t next[SENDERS] = {0};
    struct parcel parcel;
    uint64_t wrong = 0;
    hx_err error;

    while ((error = parcels_receive(load, &parcel, soon())) == HX_OK) {
        if (!is_whole(&parcel) || parcel.number != next[parcel.sender]) {
            wrong++;
            continue;
        }
        next[parcel.sender]++;
    }
    EXPECT_EQUAL(error, HX_ECLOSED);
    EXPECT_EQUAL(wrong, 0);
    for (uint32_t i = 0; i < SENDERS; i++) {
        EXPECT_EQUAL(next[i], load_count);
    }
}

static void run_load(uint32_t capacity, uint64_t count)
{
    load_count = count;
    EXPECT_EQUAL(parcels_create(capacity, NULL, OWNER_CORE, &load), HX_OK);
    crew_open(&crew);
    for (uint32_t i = 1; i < SENDERS; i++) {
        parcels_sender_get(load);
    }
    for (uint32_t i = 0; i < SENDERS; i++) {
        crew_start(&crew, send_parcels, (void *)(uintptr_t)i,
                   1ULL << crew_cpu(i % cpu_online_count()));
    }
    receive_parcels();
    crew_join(&crew);
    parcels_receiver_close(load);
}

/* SPEC: P1 P2 P3 */
static void senders_on_every_cpu_lose_and_double_nothing(void)
{
    run_load(256, is_soak() ? 10000000 / SENDERS : 5000);
}

/* SPEC: P3 */
static void no_wake_up_is_lost_with_room_for_one_item(void)
{
    run_load(1, is_soak() ? 100000 : 500);
}

static struct numbers *there;
static struct numbers *back;

static void answer(void *argument)
{
    uint64_t number;

    (void)argument;
    while (numbers_receive(there, &number, THREAD_NO_DEADLINE) == HX_OK) {
        EXPECT_EQUAL(numbers_send(back, &number, soon()), HX_OK);
    }
    numbers_sender_put(back);
    numbers_receiver_close(there);
}

/* SPEC: P2 P3 */
static void two_threads_that_answer_each_other_never_sleep_both(void)
{
    uint64_t rounds = is_soak() ? 200000 : 1000;
    uint64_t got = 0;

    there = fresh(1);
    back = fresh(1);
    crew_open(&crew);
    crew_start(&crew, answer, NULL, 0);
    for (uint64_t i = 0; i < rounds; i++) {
        EXPECT_EQUAL(numbers_send(there, &i, soon()), HX_OK);
        EXPECT_EQUAL(numbers_receive(back, &got, soon()), HX_OK);
        EXPECT_EQUAL(got, i);
    }
    numbers_sender_put(there);
    EXPECT_EQUAL(numbers_receive(back, &got, soon()), HX_ECLOSED);
    numbers_receiver_close(back);
    crew_join(&crew);
}

/* --- interrupts ------------------------------------------------------------------------------- */

#define SHOTS 200U

static _Atomic uint64_t shot;

static enum interrupt_action send_shot(void *argument, struct hal_frame *frame)
{
    uint64_t number = atomic_fetch_add_explicit(&shot, 1, memory_order_relaxed);

    (void)frame;
    EXPECT_EQUAL(numbers_try_send(argument, &number), HX_OK);
    return INTERRUPT_HANDLED;
}

/* SPEC: P1 P3 */
static void an_interrupt_handler_sends_and_wakes_the_receiver(void)
{
    struct numbers *channel = fresh(16);
    uint8_t vector = interrupt_free_vector();
    uint64_t number = 0;

    EXPECT_EQUAL(interrupt_register(vector, "channel", send_shot, channel, false), HX_OK);
    atomic_store_explicit(&shot, 0, memory_order_relaxed);
    for (uint64_t i = 0; i < SHOTS; i++) {
        hal_interrupt_send(crew_cpu((uint32_t)i % cpu_online_count()), vector);
        EXPECT_EQUAL(numbers_receive(channel, &number, soon()), HX_OK);
        EXPECT_EQUAL(number, i);
    }
    EXPECT_EQUAL(interrupt_unregister(vector, "channel"), HX_OK);
    close_both(channel);
}

static hx_err error_in_interrupt;

static enum interrupt_action wait_for_item(void *argument, struct hal_frame *frame)
{
    uint64_t number;

    (void)frame;
    error_in_interrupt = numbers_receive(argument, &number, THREAD_NO_DEADLINE);
    return INTERRUPT_HANDLED;
}

/* SPEC: P1 */
static void an_interrupt_handler_is_not_let_wait(void)
{
    struct numbers *channel = fresh(1);
    uint8_t vector = interrupt_free_vector();

    error_in_interrupt = HX_OK;
    EXPECT_EQUAL(interrupt_register(vector, "channel", wait_for_item, channel, false), HX_OK);
    hal_interrupt_send(hal_cpu_id(), vector);
    crew_settle_cpus();
    EXPECT_EQUAL(interrupt_unregister(vector, "channel"), HX_OK);
    EXPECT_EQUAL(error_in_interrupt, HX_ECONTEXT);
    close_both(channel);
}

/* --- ends ------------------------------------------------------------------------------------- */

static _Atomic uint32_t destroyed;
static _Atomic uint32_t accepted;

static void note_destroyed(void *item)
{
    (void)item;
    atomic_fetch_add_explicit(&destroyed, 1, memory_order_relaxed);
}

static void send_until_closed(void *argument)
{
    uint64_t number = 0;

    (void)argument;
    while (numbers_send(there, &number, THREAD_NO_DEADLINE) == HX_OK) {
        atomic_fetch_add_explicit(&accepted, 1, memory_order_relaxed);
    }
    numbers_sender_put(there);
}

/* SPEC: P2 P3 */
static void the_receivers_end_wakes_blocked_senders_and_destroys_the_queue(void)
{
    uint64_t number;
    uint32_t received = 0;

    atomic_store_explicit(&destroyed, 0, memory_order_relaxed);
    atomic_store_explicit(&accepted, 0, memory_order_relaxed);
    EXPECT_EQUAL(numbers_create(4, note_destroyed, OWNER_CORE, &there), HX_OK);
    numbers_sender_get(there);
    crew_open(&crew);
    crew_start(&crew, send_until_closed, NULL, 0);
    crew_start(&crew, send_until_closed, NULL, 0);
    while (received < 20 && numbers_receive(there, &number, soon()) == HX_OK) {
        received++;
    }
    thread_sleep(2 * HAL_NS_PER_MS);
    numbers_receiver_close(there);
    crew_join(&crew);
    EXPECT_EQUAL(received, 20);
    EXPECT_EQUAL(atomic_load_explicit(&accepted, memory_order_relaxed),
                 received + atomic_load_explicit(&destroyed, memory_order_relaxed));
}

static void reserve_and_die(void *argument)
{
    struct channel_reservation reservation;
    uint64_t number = 7;

    (void)argument;
    EXPECT_EQUAL(channel_try_reserve(&there->untyped, DEAD, &reservation), HX_OK);
    EXPECT_EQUAL(numbers_try_send(there, &number), HX_OK);
    thread_sleep(2 * HAL_NS_PER_MS);
    EXPECT_EQUAL(channel_abort_owner(DEAD), 1);
    EXPECT_EQUAL(channel_commit(&there->untyped, &reservation), HX_ESTALE);
}

/* SPEC: P3 P10 */
static void a_dead_producer_does_not_wedge_the_ring(void)
{
    uint64_t number = 0;

    there = fresh(4);
    crew_open(&crew);
    crew_start(&crew, reserve_and_die, NULL, 0);
    EXPECT_EQUAL(numbers_receive(there, &number, soon()), HX_OK);
    EXPECT_EQUAL(number, 7);
    crew_join(&crew);
    close_both(there);
}

/* SPEC: P1 */
static void waiting_ends_at_the_deadline(void)
{
    struct numbers *channel = fresh(1);
    uint64_t deadline = hal_clock_now() + 2 * HAL_NS_PER_MS;
    uint64_t number = 1;

    EXPECT_EQUAL(numbers_receive(channel, &number, deadline), HX_ETIMEDOUT);
    EXPECT(hal_clock_now() >= deadline);
    EXPECT_EQUAL(numbers_send(channel, &number, 0), HX_OK);
    EXPECT_EQUAL(numbers_send(channel, &number, hal_clock_now() + HAL_NS_PER_MS), HX_ETIMEDOUT);
    close_both(channel);
}

/* SPEC: P10 */
static void a_handle_dies_with_its_channel(void)
{
    struct numbers *channel = fresh(1);
    channel_handle handle = channel_get_handle(&channel->untyped);
    struct channel *found = NULL;

    EXPECT_EQUAL(channel_sender_open(handle, &found), HX_OK);
    channel_sender_put(found);
    close_both(channel);
    EXPECT_EQUAL(channel_sender_open(handle, &found), HX_ESTALE);
    channel = fresh(1);
    EXPECT_EQUAL(channel_sender_open(handle, &found), HX_ESTALE);
    close_both(channel);
}

/* SPEC: P1 */
static void without_memory_there_is_no_channel(void)
{
    struct numbers *channel = NULL;

    heap_fail_nth(1);
    EXPECT_EQUAL(numbers_create(8, NULL, OWNER_CORE, &channel), HX_ENOMEM);
    heap_fail_nth(0);
    EXPECT(channel == NULL);
}

/* --- oneshots --------------------------------------------------------------------------------- */

static struct reply *shared;
static _Atomic bool is_told; /* the receiver has come back */

/* The end of a thread of the crew wakes who waits for it, and must not be what the receiver hears.
 */
static void stay_until_told(void)
{
    uint64_t deadline = soon();

    while (!atomic_load_explicit(&is_told, memory_order_acquire) && hal_clock_now() < deadline) {
        thread_sleep(HAL_NS_PER_MS);
    }
}

static void send_later(void *argument)
{
    uint64_t value = 42;

    if (argument != NULL) {
        thread_sleep(HAL_NS_PER_MS);
    }
    EXPECT_EQUAL(reply_send(shared, &value), HX_OK);
    EXPECT_EQUAL(reply_send(shared, &value), HX_ESTATE);
    stay_until_told();
    reply_sender_close(shared);
}

static void close_later(void *argument)
{
    if (argument != NULL) {
        thread_sleep(HAL_NS_PER_MS);
    }
    reply_sender_close(shared);
    stay_until_told();
}

static hx_err await_reply(void (*sender)(void *argument), void *argument, uint64_t *value)
{
    uint64_t deadline = soon();
    hx_err error;

    EXPECT_EQUAL(reply_create(NULL, OWNER_CORE, &shared), HX_OK);
    atomic_store_explicit(&is_told, false, memory_order_relaxed);
    crew_open(&crew);
    crew_start(&crew, sender, argument, 0);
    error = reply_receive(shared, value, deadline);
    atomic_store_explicit(&is_told, true, memory_order_release);
    EXPECT(hal_clock_now() < deadline); /* woken, not looking once more at the end */
    if (error == HX_OK) {
        EXPECT_EQUAL(reply_receive(shared, value, soon()), HX_ESTATE);
    }
    reply_receiver_close(shared);
    crew_join(&crew);
    return error;
}

/* SPEC: P4 */
static void a_waiting_receiver_gets_the_one_value(void)
{
    uint64_t value = 0;

    for (unsigned i = 0; i < 10; i++) {
        EXPECT_EQUAL(await_reply(send_later, i % 2 == 0 ? &value : NULL, &value), HX_OK);
        EXPECT_EQUAL(value, 42);
    }
}

/* SPEC: P4 */
static void a_waiting_receiver_sees_its_sender_go(void)
{
    uint64_t value = 0;

    for (unsigned i = 0; i < 10; i++) {
        EXPECT_EQUAL(await_reply(close_later, i % 2 == 0 ? &value : NULL, &value), HX_ECLOSED);
    }
}

/* SPEC: P4 */
static void a_value_has_one_owner_whoever_goes_first(void)
{
    uint64_t value = 1;

    atomic_store_explicit(&destroyed, 0, memory_order_relaxed);
    EXPECT_EQUAL(reply_create(note_destroyed, OWNER_CORE, &shared), HX_OK);
    EXPECT_EQUAL(reply_send(shared, &value), HX_OK);
    reply_receiver_close(shared);
    reply_sender_close(shared);
    EXPECT_EQUAL(atomic_load_explicit(&destroyed, memory_order_relaxed), 1);
    EXPECT_EQUAL(reply_create(note_destroyed, OWNER_CORE, &shared), HX_OK);
    reply_receiver_close(shared);
    EXPECT_EQUAL(reply_send(shared, &value), HX_ECLOSED);
    reply_sender_close(shared);
    EXPECT_EQUAL(atomic_load_explicit(&destroyed, memory_order_relaxed), 1);
}

#define TEST(function) "core_channel." #function, function, 0

const struct selftest core_channel_tests[] = {
    {TEST(senders_on_every_cpu_lose_and_double_nothing)},
    {TEST(no_wake_up_is_lost_with_room_for_one_item)},
    {TEST(two_threads_that_answer_each_other_never_sleep_both)},
    {TEST(an_interrupt_handler_sends_and_wakes_the_receiver)},
    {TEST(an_interrupt_handler_is_not_let_wait)},
    {TEST(the_receivers_end_wakes_blocked_senders_and_destroys_the_queue)},
    {TEST(a_dead_producer_does_not_wedge_the_ring)},
    {TEST(waiting_ends_at_the_deadline)},
    {TEST(a_handle_dies_with_its_channel)},
    {TEST(without_memory_there_is_no_channel)},
    {TEST(a_waiting_receiver_gets_the_one_value)},
    {TEST(a_waiting_receiver_sees_its_sender_go)},
    {TEST(a_value_has_one_owner_whoever_goes_first)},
    {0},
};
