/* Faults put into a module that serves, in the running kernel. */
#include <core/fault_injection/fault_injection.h>
#include <core/gate/gate.h>
#include <core/gate/module_state.h>
#include <core/self_heal/healer.h>
#include <hal/clock.h>
#include <helix/demo.h>
#include <kern/thread.h>
#include <subsys/modules/modules.h>
#include <tests/self/module_slot.h>
#include <tests/self/selftest.h>
#include <tests/self/suites.h>

#define TEST_FOR(needs, function)                                                                  \
    {                                                                                              \
        .name = "core_fault_injection." #function, .run = function, .flags = (needs)               \
    }

#define TEST(function) TEST_FOR(0, function)
/* The hosted port interrupts at defined points only, none of which a loop in code comes to. */
#define METAL_TEST(function) TEST_FOR(SELFTEST_METAL_ONLY, function)

#define SEEDS 400U

static const struct swap_options no_trial = {.drain_limit_ns = 200 * HAL_NS_PER_MS};

static struct slot *begin(const char *module, enum hal_gate_backend backend)
{
    fault_injection_allow();
    return module_slot_begin("demo", module, NULL, backend, &no_trial);
}

static void end(struct slot *slot)
{
    fault_withdraw();
    (void)module_slot_begin("demo", "demo", NULL, HAL_GATE_OPEN, &no_trial);
    EXPECT(slot_instance(slot) != NULL);
}

static enum fault_stage stage(void)
{
    return fault_injection_last().stage;
}

/* It is buried soon; until then it can be asked what it died of. */
static void expect_death(struct slot *slot, uint64_t deaths, enum death_cause cause)
{
    struct hot_reload_death death = {.cause = DEATH_NONE};

    EXPECT(slot_instance(slot) == NULL);
    EXPECT_EQUAL(modules_content_of(slot).deaths, deaths + 1);
    if (hot_reload_find_death(slot, &death) == HX_OK) {
        EXPECT_EQUAL(death.cause, cause);
    }
}

/* A seed whose fault of a class is in the code that an operation runs through: the trap is reached.
 * The instance may die of it. */
static bool put_where_add_comes(struct slot *slot, enum fault_class class)
{
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        if (fault_inject(slot, class, seed) != HX_OK) {
            return false;
        }
        (void)gate_call(slot, DEMO_ADD, 2, 3, 0, 0);
        if (stage() == FAULT_REACHED) {
            return true;
        }
    }
    return false;
}

/* --- what is put, and taken back -------------------------------------------------------------- */

static void a_fault_waits_until_somebody_comes_to_it(void)
{
    struct slot *slot = begin("demo", HAL_GATE_OPEN);

    EXPECT_EQUAL(fault_inject(slot, FAULT_ENDLESS, 1), HX_OK);
    EXPECT_EQUAL(stage(), FAULT_PLANTED);
    fault_withdraw();
    EXPECT_EQUAL(stage(), FAULT_NONE);
    for (unsigned operation = DEMO_NOTHING; operation <= DEMO_COUNT; operation++) {
        EXPECT_EQUAL(gate_call(slot, operation, 2, 3, 0, 0).error, HX_OK);
    }
    end(slot);
}

/* None of them is noticed once it has been withdrawn, whichever place it was at. */
static void what_is_taken_back_was_never_there(void)
{
    struct slot *slot = begin("demo", HAL_GATE_OPEN);

    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        EXPECT_EQUAL(fault_inject(slot, FAULT_REMOVED, seed), HX_OK);
        fault_withdraw();
        EXPECT_EQUAL(gate_call(slot, DEMO_ADD, seed, 3, 0, 0).value, seed + 3);
    }
    end(slot);
}

static void who_answers_wrongly_is_not_caught_but_counted(enum hal_gate_backend backend)
{
    struct slot *slot = begin("demo", backend);
    uint64_t value = 5;

    for (uint64_t seed = 0; seed < SEEDS && value == 5; seed++) {
        if (fault_inject(slot, FAULT_RESULT, seed) == HX_OK) {
            value = gate_call(slot, DEMO_ADD, 2, 3, 0, 0).value;
        }
    }
    EXPECT(value != 5);
    EXPECT_EQUAL(stage(), FAULT_REACHED);
    /* It happened once. */
    EXPECT_EQUAL(gate_call(slot, DEMO_ADD, 2, 3, 0, 0).value, 5);
    end(slot);
}

static void a_wrong_answer_happens_once_behind_the_open_gate(void)
{
    who_answers_wrongly_is_not_caught_but_counted(HAL_GATE_OPEN);
}

static void a_wrong_answer_happens_once_behind_the_user_gate(void)
{
    if (hal_user_module_window().size != 0) {
        who_answers_wrongly_is_not_caught_but_counted(HAL_GATE_USER);
    }
}

/* The module dies of what was put into its code; the next instance is whole. */
static void dies_of(enum fault_class class, enum death_cause cause, enum hal_gate_backend backend)
{
    struct slot *slot = begin("demo", backend);
    uint64_t deaths = modules_content_of(slot).deaths;

    EXPECT(put_where_add_comes(slot, class));
    expect_death(slot, deaths, cause);
    slot = begin("demo", backend);
    EXPECT_EQUAL(gate_call(slot, DEMO_ADD, 2, 3, 0, 0).value, 5);
    end(slot);
}

static void who_loops_for_ever_misses_its_deadline(void)
{
    dies_of(FAULT_ENDLESS, DEATH_DEADLINE, HAL_GATE_OPEN);
}

static void who_may_not_switch_interrupts_off_dies_of_it(void)
{
    if (hal_user_module_window().size != 0) {
        dies_of(FAULT_DEAF, DEATH_EXCEPTION, HAL_GATE_USER);
    }
}

/* --- memory ----------------------------------------------------------------------------------- */

static uint8_t *byte_of_last(const struct slot *slot)
{
    const struct module_instance *instance = slot_instance(slot);

    return arena_byte(&instance->arena, instance->arena.base + fault_injection_last().fault.offset);
}

/* The same seed again puts the bit back. */
static void a_bit_of_its_data_is_another_one(void)
{
    struct slot *slot = begin("demo", HAL_GATE_OPEN);
    uint8_t first;

    for (uint64_t seed = 0; seed < 20; seed++) {
        EXPECT_EQUAL(fault_inject(slot, FAULT_DATA_FLIP, seed), HX_OK);
        EXPECT_EQUAL(stage(), FAULT_REACHED);
        first = *byte_of_last(slot);
        EXPECT_EQUAL(fault_inject(slot, FAULT_DATA_FLIP, seed), HX_OK);
        EXPECT_EQUAL(*byte_of_last(slot) ^ first, (uint8_t)fault_injection_last().fault.value);
    }
    end(slot);
}

static void a_leak_leaves_nothing_to_allocate(void)
{
    struct slot *slot = begin("demo_large", HAL_GATE_OPEN);
    struct module_heap *heap = &slot_instance(slot)->heap;
    uintptr_t address;

    if (heap->pages == 0) {
        EXPECT_EQUAL(fault_inject(slot, FAULT_LEAK, 1), HX_ENOENT);
    } else {
        EXPECT_EQUAL(fault_inject(slot, FAULT_LEAK, 1), HX_OK);
        EXPECT(module_heap_allocate(heap, 1, &address) != HX_OK);
    }
    end(slot);
}

/* --- what it asks of the kernel --------------------------------------------------------------- */

#define HELD_LIMIT_NS (20 * HAL_NS_PER_MS)

static void a_lock_that_is_given_back_stays_held(void)
{
    struct slot *slot = begin("demo", HAL_GATE_OPEN);
    uint64_t deaths;
    uint64_t lock;

    EXPECT_EQUAL(fault_inject(slot, FAULT_LOCK, 1), HX_ENOENT); /* it has none */
    slot = begin("demo_locks", HAL_GATE_OPEN);
    deaths = modules_content_of(slot).deaths;
    lock = gate_call(slot, DEMO_LOCK_CREATE, 0, 0, 0, 0).value;
    EXPECT_EQUAL(fault_inject(slot, FAULT_LOCK, 1), HX_OK);
    EXPECT_EQUAL(gate_call(slot, DEMO_LOCK_ACQUIRE, lock, HELD_LIMIT_NS, 0, 0).value, HX_OK);
    EXPECT_EQUAL(stage(), FAULT_PLANTED);
    EXPECT_EQUAL(gate_call(slot, DEMO_LOCK_RELEASE, lock, 0, 0, 0).value, HX_OK);
    EXPECT_EQUAL(stage(), FAULT_REACHED);
    EXPECT_EQUAL(gate_call(slot, DEMO_LOCK_ACQUIRE, lock, 0, 0, 0).value, HX_EDEADLOCK);
    thread_sleep(2 * HELD_LIMIT_NS);
    EXPECT_EQUAL(gate_call(slot, DEMO_LOCK_ACQUIRE, lock, 0, 0, 0).error, HX_EDIED);
    expect_death(slot, deaths, DEATH_LOCK_KEPT);
    end(slot);
}

static unsigned bits_between(const struct module_state *one, const struct module_state *other)
{
    size_t size;
    size_t other_size;
    const uint8_t *bytes = module_state_bytes(one, &size);
    const uint8_t *other_bytes = module_state_bytes(other, &other_size);
    unsigned count = 0;

    EXPECT_EQUAL(size, other_size);
    for (size_t i = 12; i < size && i < other_size; i++) { /* behind the checksum */
        count += (unsigned)__builtin_popcount((unsigned)(bytes[i] ^ other_bytes[i]));
    }
    return count;
}

static void who_exports_a_wrong_state_ends(void)
{
    struct slot *slot = begin("demo", HAL_GATE_OPEN);
    uint64_t deaths = modules_content_of(slot).deaths;
    struct module_state *right = NULL;
    struct module_state *wrong = NULL;

    EXPECT_EQUAL(hot_reload_export(slot, &right), HX_OK);
    EXPECT_EQUAL(fault_inject(slot, FAULT_STATE, 7), HX_OK);
    EXPECT_EQUAL(hot_reload_export(slot, &wrong), HX_OK);
    EXPECT_EQUAL(stage(), FAULT_REACHED);
    EXPECT_EQUAL(module_state_check(wrong), HX_OK);
    EXPECT_EQUAL(bits_between(right, wrong), 1);
    module_state_destroy(right);
    module_state_destroy(wrong);
    expect_death(slot, deaths, DEATH_ORDERED);
    end(slot);
}

static void what_the_kernel_was_to_get_wrong_is_taken_back(void)
{
    struct slot *slot = begin("demo", HAL_GATE_OPEN);
    struct module_state *state = NULL;

    EXPECT_EQUAL(fault_inject(slot, FAULT_STATE, 7), HX_OK);
    fault_withdraw();
    EXPECT_EQUAL(stage(), FAULT_NONE);
    EXPECT_EQUAL(hot_reload_export(slot, &state), HX_OK);
    EXPECT(slot_instance(slot) != NULL);
    module_state_destroy(state);
    end(slot);
}

/* --- who asks wrongly ------------------------------------------------------------------------- */

static void an_empty_slot_has_no_faults(void)
{
    struct slot *slot = begin("demo", HAL_GATE_OPEN);

    module_slot_empty(slot);
    EXPECT_EQUAL(fault_inject(slot, FAULT_REMOVED, 1), HX_ENOENT);
    end(slot);
}

const struct selftest core_fault_injection_tests[] = {
    TEST(a_fault_waits_until_somebody_comes_to_it),
    TEST(what_is_taken_back_was_never_there),
    TEST(a_wrong_answer_happens_once_behind_the_open_gate),
    TEST(a_wrong_answer_happens_once_behind_the_user_gate),
    METAL_TEST(who_loops_for_ever_misses_its_deadline),
    METAL_TEST(who_may_not_switch_interrupts_off_dies_of_it),
    TEST(a_bit_of_its_data_is_another_one),
    TEST(a_leak_leaves_nothing_to_allocate),
    TEST_FOR(SELFTEST_NEEDS_DEMO_LOCKS, a_lock_that_is_given_back_stays_held),
    TEST(who_exports_a_wrong_state_ends),
    TEST(what_the_kernel_was_to_get_wrong_is_taken_back),
    TEST(an_empty_slot_has_no_faults),
    {.name = NULL},
};
