/* The ring of copies: against a plain queue, and with writers on threads of their own. */
#include <core/ipc/event_ring.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <tests/host/random.h>

#define WRITERS 4U

static struct event_ring ring;

static struct event_copy numbered(uint32_t writer, uint32_t number)
{
    return (struct event_copy){.index = writer,
                               .generation = number,
                               .event = {.kind = EVENT_CUSTOM, .custom = {.id = ~number}}};
}

static bool is_whole(const struct event_copy *copy)
{
    return copy->event.custom.id == ~copy->generation;
}

/* SPEC: P5 */
static void it_is_a_queue_of_so_many_copies(void **state)
{
    uint64_t seed = random_start();
    uint32_t pushed = 0;
    uint32_t popped = 0;

    (void)state;
    memset(&ring, 0, sizeof(ring));
    for (unsigned step = 0; step < 100000; step++) {
        struct event_copy copy = numbered(0, pushed);

        if (random_below(100) < 40 + 20 * (step / 5000 % 2)) {
            bool has_room = pushed - popped < EVENT_RING_SIZE;

            if (event_ring_push(&ring, &copy) != has_room) {
                fail_msg("seed %llu: push at step %u", (unsigned long long)seed, step);
            }
            pushed += has_room;
        } else {
            bool is_there = event_ring_pop(&ring, &copy);

            if (is_there != (pushed != popped) || (is_there && copy.generation != popped)) {
                fail_msg("seed %llu: pop at step %u", (unsigned long long)seed, step);
            }
            popped += is_there;
        }
    }
}

/* SPEC: P5 */
static void its_numbers_pass_32_bits(void **state)
{
    struct event_copy copy = numbered(0, 0);
    uint64_t start = UINT32_MAX - EVENT_RING_SIZE / 2;

    (void)state;
    memset(&ring, 0, sizeof(ring));
    start -= start % EVENT_RING_SIZE;
    ring.head = start;
    atomic_store(&ring.tail, start);
    for (size_t i = 0; i < EVENT_RING_SIZE; i++) {
        atomic_store(&ring.slots[i].turn, start / EVENT_RING_SIZE * 2);
    }
    for (uint32_t round = 0; round < 3; round++) {
        for (uint32_t i = 0; i < EVENT_RING_SIZE; i++) {
            copy = numbered(0, i);
            assert_true(event_ring_push(&ring, &copy));
        }
        assert_false(event_ring_push(&ring, &copy));
        for (uint32_t i = 0; i < EVENT_RING_SIZE; i++) {
            assert_true(event_ring_pop(&ring, &copy));
            assert_int_equal(copy.generation, i);
        }
        assert_false(event_ring_pop(&ring, &copy));
    }
}

static uint32_t per_writer;
static _Atomic uint32_t refused;

static void *write_all(void *argument)
{
    uint32_t writer = (uint32_t)(uintptr_t)argument;

    for (uint32_t number = 0; number < per_writer;) {
        struct event_copy copy = numbered(writer, number);

        if (event_ring_push(&ring, &copy)) {
            number++;
        } else {
            atomic_fetch_add(&refused, 1);
            sched_yield();
        }
    }
    return NULL;
}

/* SPEC: P5 P6 */
static void writers_lose_and_double_nothing_and_keep_their_order(void **state)
{
    pthread_t threads[WRITERS];
    uint32_t next[WRITERS] = {0};

    (void)state;
    memset(&ring, 0, sizeof(ring));
    per_writer = getenv("HELIX_SOAK") != NULL ? 2500000 : 20000;
    for (uintptr_t i = 0; i < WRITERS; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, write_all, (void *)i), 0);
    }
    for (uint64_t got = 0; got < (uint64_t)per_writer * WRITERS;) {
        struct event_copy copy;

        if (!event_ring_pop(&ring, &copy)) {
            sched_yield();
            continue;
        }
        assert_true(is_whole(&copy));
        assert_true(copy.index < WRITERS);
        assert_int_equal(copy.generation, next[copy.index]);
        next[copy.index]++;
        got++;
    }
    for (size_t i = 0; i < WRITERS; i++) {
        pthread_join(threads[i], NULL);
    }
    assert_false(event_ring_pop(&ring, &(struct event_copy){0}));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_is_a_queue_of_so_many_copies),
        cmocka_unit_test(its_numbers_pass_32_bits),
        cmocka_unit_test(writers_lose_and_double_nothing_and_keep_their_order),
    };

    return cmocka_run_group_tests_name("event_ring", tests, NULL, NULL);
}
