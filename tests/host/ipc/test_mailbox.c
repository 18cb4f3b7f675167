/* A mailbox's queue against a plain reference that looks at everything. */
#include <core/ipc/mailbox.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <tests/host/random.h>

#define CAPACITY 24U
#define STEPS    200000U

static struct mailbox mailbox;
static struct envelope envelopes[CAPACITY];

/* --- the reference ---------------------------------------------------------------------------- */

/* What waits, oldest first; `passed` as the contract says it. */
static struct {
    struct {
        uint32_t code;
        enum router_priority priority;
    } waiting[CAPACITY];
    size_t count;
    unsigned passed;
} reference;

static void reference_put(uint32_t code, enum router_priority priority)
{
    reference.waiting[reference.count].code = code;
    reference.waiting[reference.count].priority = priority;
    reference.count++;
}

static void reference_remove(size_t at)
{
    reference.count--;
    memmove(&reference.waiting[at], &reference.waiting[at + 1],
            (reference.count - at) * sizeof(reference.waiting[0]));
}

static uint32_t reference_take(void)
{
    size_t best = 0;
    size_t lower = CAPACITY;
    uint32_t code;

    for (size_t i = 1; i < reference.count; i++) {
        if (reference.waiting[i].priority > reference.waiting[best].priority) {
            best = i;
        }
    }
    for (size_t i = reference.count; i-- > 0;) {
        if (reference.waiting[i].priority < reference.waiting[best].priority) {
            lower = i;
        }
    }
    if (lower == CAPACITY) {
        reference.passed = 0;
    } else if (reference.passed == ROUTER_STARVATION_BOUND) {
        reference.passed = 0;
        best = lower;
    } else {
        reference.passed++;
    }
    code = reference.waiting[best].code;
    reference_remove(best);
    return code;
}

/* --- the tests -------------------------------------------------------------------------------- */

static void start(void)
{
    memset(&mailbox, 0, sizeof(mailbox));
    memset(&reference, 0, sizeof(reference));
    mailbox_queue_init(&mailbox, envelopes, CAPACITY);
}

static void put(uint32_t code, enum router_priority priority)
{
    mailbox_queue_put_copy(&mailbox, priority, &(struct router_message){.code = code}, 0);
    reference_put(code, priority);
}

static uint32_t take(void)
{
    struct parcel *parcel = mailbox_queue_take(&mailbox);
    uint32_t code = parcel->message->code;

    mailbox_envelope_free(&mailbox, parcel);
    return code;
}

/* The one that the reference has at this place, found in the queue by its code. */
static struct parcel *find(uint32_t code)
{
    for (size_t i = 0; i < CAPACITY; i++) {
        if (envelopes[i].message.code == code) {
            return &envelopes[i].parcel;
        }
    }
    return NULL;
}

static void remove_any(void)
{
    size_t at = random_below(reference.count);
    struct parcel *parcel = find(reference.waiting[at].code);

    assert_non_null(parcel);
    mailbox_queue_remove(&mailbox, parcel);
    mailbox_envelope_free(&mailbox, parcel);
    reference_remove(at);
}

/* SPEC: P8 */
static void the_queue_does_what_the_reference_does(void **state)
{
    uint64_t seed = random_start();

    (void)state;
    start();
    for (uint32_t step = 1; step <= STEPS; step++) {
        unsigned dice = (unsigned)random_below(100);
        unsigned puts = 35 + 30 * (step / 1000 % 2);

        assert_int_equal(mailbox_queue_is_full(&mailbox), reference.count == CAPACITY);
        assert_int_equal(mailbox.waiting, reference.count);
        if (dice < puts && reference.count < CAPACITY) {
            put(step, (enum router_priority)random_below(ROUTER_PRIORITY_COUNT));
        } else if (dice >= 95 && reference.count > 0) {
            remove_any();
        } else if (reference.count > 0) {
            uint32_t wanted = reference_take();
            uint32_t taken = take();

            if (taken != wanted) {
                fail_msg("seed %llu step %u: %u taken, %u expected", (unsigned long long)seed, step,
                         taken, wanted);
            }
        }
    }
}

/* SPEC: P8 */
static void however_many_higher_ones_come_a_low_one_waits_for_so_many_only(void **state)
{
    uint32_t before = 0;

    (void)state;
    start();
    put(1, ROUTER_LOW);
    put(2, ROUTER_CRITICAL);
    while (take() != 1) {
        before++;
        put(2, before % 2 != 0 ? ROUTER_CRITICAL : ROUTER_HIGH);
        assert_true(before <= ROUTER_STARVATION_BOUND);
    }
    assert_int_equal(before, ROUTER_STARVATION_BOUND);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_queue_does_what_the_reference_does),
        cmocka_unit_test(however_many_higher_ones_come_a_low_one_waits_for_so_many_only),
    };

    return cmocka_run_group_tests_name("mailbox", tests, NULL, NULL);
}
