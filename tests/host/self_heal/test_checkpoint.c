/* Checkpoints: what is kept, what goes, and that nothing bad is given out. */
#include <tests/host/core/machine.h>

#include <core/self_heal/checkpoint.h>
#include <hal/clock.h>
#include <tests/host/random.h>

#define STEPS      20000U
#define SOAK_STEPS 500000U
#define TAG        1U

static struct checkpoint_ring ring;

/* --- states that are told apart by a number --------------------------------------------------- */

static struct module_state *state_of(uint64_t content)
{
    static const struct module_state_label label = {.kind = "tested", .major = 1};
    struct module_state *state;
    void *room;

    CHECK(module_state_create(&label, &state) == HX_OK);
    CHECK(module_state_put(state, TAG, sizeof(content), &room) == HX_OK);
    memcpy(room, &content, sizeof(content));
    module_state_seal(state);
    return state;
}

static uint64_t content_of(struct module_state *state)
{
    uint64_t content;
    size_t size;
    const void *bytes = module_state_get(state, TAG, 0, &size);

    CHECK(bytes != NULL && size == sizeof(content));
    memcpy(&content, bytes, sizeof(content));
    return content;
}

static void keep(uint64_t content)
{
    CHECK(checkpoint_keep(&ring, state_of(content), 4, content * 10) == HX_OK);
}

static void expect_copy(uint64_t number, uint64_t content)
{
    struct module_state *state;

    CHECK(checkpoint_copy(&ring, number, &state) == HX_OK);
    CHECK(content_of(state) == content);
    module_state_destroy(state);
}

static void expect_error(uint64_t number, hx_err error)
{
    struct module_state *state = NULL;

    CHECK(checkpoint_copy(&ring, number, &state) == error && state == NULL);
}

/* The good ones' numbers, newest first, up to a 0. */
static void expect_good(const uint64_t *expected)
{
    uint64_t numbers[HEAL_CHECKPOINTS_MAX];
    unsigned i = 0;

    checkpoint_good(&ring, NULL, numbers);
    for (; expected[i] != 0; i++) {
        CHECK(numbers[i] == expected[i]);
    }
    for (; i < HEAL_CHECKPOINTS_MAX; i++) {
        CHECK(numbers[i] == 0);
    }
}

#define EXPECT_GOOD(...) expect_good((const uint64_t[]){__VA_ARGS__, 0})

/* --- with a machine, and all memory given back afterwards ------------------------------------- */

static void (*body)(void);

static void with_a_ring(void)
{
    uint64_t before = heap_owned(OWNER_CORE).bytes;

    checkpoint_ring_init(&ring);
    body();
    checkpoint_ring_fini(&ring);
    CHECK(heap_owned(OWNER_CORE).bytes == before);
}

static void run(void)
{
    machine_run(1, with_a_ring);
}

static void passes(void (*function)(void))
{
    body = function;
    in_child(run);
    assert_int_equal(child.status, 0);
}

/* --- what is kept ----------------------------------------------------------------------------- */

static void keep_six(void)
{
    struct checkpoint_info info;

    EXPECT_GOOD(0);
    for (uint64_t i = 1; i <= 6; i++) {
        keep(100 + i);
    }
    EXPECT_GOOD(6, 5, 4, 3, 0);
    expect_copy(6, 106);
    expect_copy(3, 103);
    expect_copy(3, 103); /* copies are given out, not the thing itself */
    expect_error(2, HX_ENOENT);
    expect_error(7, HX_ENOENT);
    expect_error(0, HX_ENOENT);
    CHECK(checkpoint_info(&ring, 0, &info) && info.number == 6 && info.taken_ns == 1060);
    CHECK(checkpoint_info(&ring, 3, &info) && info.number == 3 && !info.is_poisoned);
    CHECK(!checkpoint_info(&ring, 4, &info) && !checkpoint_info(&ring, 8, &info));
}

/* SPEC: H4 */
static void the_newest_are_kept_and_the_oldest_goes(void **unused)
{
    (void)unused;
    passes(keep_six);
}

static void keep_equal_ones(void)
{
    struct checkpoint_info info;

    keep(1);
    keep(1);
    CHECK(checkpoint_keep(&ring, state_of(1), 4, 777) == HX_OK);
    EXPECT_GOOD(1, 0);
    CHECK(ring.taken == 1 && ring.unchanged == 2);
    CHECK(checkpoint_info(&ring, 0, &info) && info.taken_ns == 777);
    keep(2);
    keep(1);
    EXPECT_GOOD(3, 2, 1, 0);
}

/* SPEC: H4 */
static void a_state_equal_to_the_newest_is_not_kept_twice(void **unused)
{
    (void)unused;
    passes(keep_equal_ones);
}

static void keep_fewer(void)
{
    for (uint64_t i = 1; i <= 8; i++) {
        CHECK(checkpoint_keep(&ring, state_of(i), HEAL_CHECKPOINTS_MAX, 0) == HX_OK);
    }
    EXPECT_GOOD(8, 7, 6, 5, 4, 3, 2, 1);
    CHECK(checkpoint_keep(&ring, state_of(8), 3, 0) == HX_OK);
    EXPECT_GOOD(8, 7, 6, 0);
    CHECK(checkpoint_keep(&ring, state_of(9), 2, 0) == HX_OK);
    EXPECT_GOOD(9, 8, 0);
    CHECK(checkpoint_keep(&ring, state_of(10), 0, 0) == HX_OK);
    EXPECT_GOOD(0);
}

/* SPEC: H2 */
static void as_many_are_kept_as_the_policy_says(void **unused)
{
    (void)unused;
    passes(keep_fewer);
}

/* --- what is bad ------------------------------------------------------------------------------ */

static void keep_nonsense(void)
{
    struct module_state *state = state_of(1);
    size_t size;
    uint8_t *bytes = (uint8_t *)(uintptr_t)module_state_bytes(state, &size);

    bytes[size - 1] ^= 1;
    CHECK(checkpoint_keep(&ring, state, 4, 0) == HX_EFORMAT);
    CHECK(ring.taken == 0 && ring.refused == 1);
    EXPECT_GOOD(0);
}

/* SPEC: H4 */
static void a_state_that_does_not_verify_is_not_kept(void **unused)
{
    (void)unused;
    passes(keep_nonsense);
}

/* A state in the ring, with one of its bytes changed; returns its size. */
static size_t damage(unsigned place, size_t at)
{
    size_t size;
    uint8_t *bytes = (uint8_t *)(uintptr_t)module_state_bytes(ring.places[place].state, &size);

    bytes[at] ^= (uint8_t)(1U << at % 8);
    return size;
}

static void damage_each_byte(void)
{
    size_t size = 1;

    for (size_t at = 0; at < size; at++) {
        keep(1);
        keep(2);
        size = ring.places[0].size;
        (void)damage(0, at);
        if (at % 2 == 0) {
            expect_error(ring.taken, HX_EFORMAT);
        }
        EXPECT_GOOD(ring.taken - 1, 0);
        expect_error(ring.taken, HX_EPERM);
        expect_copy(ring.taken - 1, 1);
        checkpoint_ring_fini(&ring);
        checkpoint_ring_init(&ring);
    }
    CHECK(size >= 64);
}

/* SPEC: H4 */
static void memory_that_was_scribbled_over_is_not_restored(void **unused)
{
    (void)unused;
    passes(damage_each_byte);
}

static void keep_what_a_damaged_one_was(void)
{
    keep(1);
    (void)damage(0, 60);
    keep(1);
    EXPECT_GOOD(2, 0);
    expect_copy(2, 1);
}

/* SPEC: H4 */
static void a_damaged_one_stands_for_nothing_that_is_kept_later(void **unused)
{
    (void)unused;
    passes(keep_what_a_damaged_one_was);
}

static void quarantine_some(void)
{
    struct checkpoint_info info;

    for (uint64_t i = 1; i <= 4; i++) {
        keep(i);
    }
    checkpoint_quarantine(&ring, 0);
    EXPECT_GOOD(4, 3, 2, 1, 0);
    checkpoint_quarantine(&ring, 3);
    EXPECT_GOOD(2, 1, 0);
    expect_error(3, HX_EPERM);
    expect_error(4, HX_EPERM);
    expect_copy(2, 2);
    CHECK(checkpoint_info(&ring, 1, &info) && info.number == 3 && info.is_poisoned);
    checkpoint_quarantine(&ring, 99);
    EXPECT_GOOD(2, 1, 0);
    keep(5);
    EXPECT_GOOD(5, 2, 1, 0);
    checkpoint_quarantine(&ring, 1);
    EXPECT_GOOD(0);
}

/* SPEC: H8 */
static void a_poisoned_one_and_what_came_from_it_are_never_given_out(void **unused)
{
    (void)unused;
    passes(quarantine_some);
}

static void keep_the_poison_again(void)
{
    keep(1);
    keep(2);
    checkpoint_quarantine(&ring, 2);
    CHECK(checkpoint_keep(&ring, state_of(2), 4, 0) == HX_EPERM);
    keep(3);
    CHECK(checkpoint_keep(&ring, state_of(2), 4, 0) == HX_EPERM);
    CHECK(ring.refused == 2);
    EXPECT_GOOD(3, 1, 0);
}

/* SPEC: H8 */
static void a_state_that_equals_a_poisoned_one_is_not_kept_again(void **unused)
{
    (void)unused;
    passes(keep_the_poison_again);
}

static void fill_with_poison(void)
{
    struct checkpoint_info info;

    for (uint64_t i = 1; i <= 8; i++) {
        keep(i);
        checkpoint_quarantine(&ring, i);
    }
    CHECK(checkpoint_info(&ring, 7, &info) && info.number == 1);
    for (uint64_t i = 9; i <= 14; i++) {
        keep(i);
    }
    EXPECT_GOOD(14, 13, 12, 11, 0);
    CHECK(checkpoint_info(&ring, 4, &info) && info.number == 8 && info.is_poisoned);
    CHECK(checkpoint_info(&ring, 7, &info) && info.number == 5 && info.is_poisoned);
}

/* SPEC: H8 */
static void poisoned_ones_make_room_for_good_ones(void **unused)
{
    (void)unused;
    passes(fill_with_poison);
}

/* --- no memory -------------------------------------------------------------------------------- */

static void copy_without_memory(void)
{
    struct module_state *state = state_of(1);
    uint64_t n = 0;
    hx_err error;

    heap_fail_nth(1);
    CHECK(checkpoint_keep(&ring, state, 4, 0) == HX_OK);
    CHECK(heap_allocate(1, OWNER_CORE) == NULL); /* keeping has taken nothing */
    do {
        uint64_t before = heap_owned(OWNER_CORE).bytes;

        heap_fail_nth(++n);
        error = checkpoint_copy(&ring, 1, &state);
        heap_fail_nth(0);
        CHECK(error == HX_OK || (error == HX_ENOMEM && heap_owned(OWNER_CORE).bytes == before));
    } while (error != HX_OK);
    CHECK(n >= 2 && content_of(state) == 1);
    module_state_destroy(state);
    EXPECT_GOOD(1, 0);
}

/* SPEC: H4 */
static void without_memory_a_copy_fails_and_the_checkpoint_stays_good(void **unused)
{
    (void)unused;
    passes(copy_without_memory);
}

/* --- beside a model --------------------------------------------------------------------------- */

/* All that were ever kept, by number. */
struct kept {
    uint64_t content;
    bool is_poisoned;
    bool is_gone;
};

static struct kept model[SOAK_STEPS + 1];
static uint64_t model_count;

static uint64_t count_model(bool poisoned)
{
    uint64_t count = 0;

    for (uint64_t i = model_count; i > 0 && i + 4096 > model_count; i--) {
        count += !model[i].is_gone && model[i].is_poisoned == poisoned ? 1 : 0;
    }
    return count;
}

static void model_drop_oldest(bool poisoned)
{
    uint64_t oldest = 0;

    for (uint64_t i = model_count; i > 0 && i + 4096 > model_count; i--) {
        if (!model[i].is_gone && model[i].is_poisoned == poisoned) {
            oldest = i;
        }
    }
    model[oldest].is_gone = true;
}

static bool model_holds_poison(uint64_t content)
{
    for (uint64_t i = model_count; i > 0 && i + 4096 > model_count; i--) {
        if (!model[i].is_gone && model[i].is_poisoned && model[i].content == content) {
            return true;
        }
    }
    return false;
}

/* The newest of those that are there, 0: none. */
static uint64_t model_newest(void)
{
    uint64_t i = model_count;

    while (i > 0 && model[i].is_gone && i + 4096 > model_count) {
        i--;
    }
    return i == 0 || model[i].is_gone ? 0 : i;
}

static hx_err model_keep(uint64_t content, uint64_t most)
{
    uint64_t newest;

    if (model_holds_poison(content)) {
        return HX_EPERM;
    }
    while (count_model(false) > most) {
        model_drop_oldest(false);
    }
    newest = model_newest();
    if (most == 0 ||
        (newest != 0 && !model[newest].is_poisoned && model[newest].content == content)) {
        return HX_OK;
    }
    if (count_model(false) == most) {
        model_drop_oldest(false);
    }
    if (count_model(false) + count_model(true) == HEAL_CHECKPOINTS_MAX) {
        model_drop_oldest(true);
    }
    model[++model_count] = (struct kept){.content = content};
    return HX_OK;
}

static void expect_as_the_model(void)
{
    uint64_t numbers[HEAL_CHECKPOINTS_MAX];
    unsigned count = 0;

    checkpoint_good(&ring, NULL, numbers);
    for (uint64_t i = model_count; i > 0 && i + 4096 > model_count; i--) {
        if (!model[i].is_gone && !model[i].is_poisoned) {
            CHECK(numbers[count++] == i);
        }
    }
    CHECK(count == HEAL_CHECKPOINTS_MAX || numbers[count] == 0);
}

static void random_step(void)
{
    uint64_t number = model_count - random_below(HEAL_CHECKPOINTS_MAX + 1);
    uint64_t event = random_below(10);

    if (event < 6) {
        uint64_t content = random_below(30);
        uint32_t most = (uint32_t)(random_below(4) != 0 ? 4 : random_below(9));

        CHECK(checkpoint_keep(&ring, state_of(content), most, 0) == model_keep(content, most));
    } else if (event < 7 && number >= 1 && number <= model_count) {
        checkpoint_quarantine(&ring, number);
        for (uint64_t i = number; i <= model_count; i++) {
            model[i].is_poisoned |= !model[i].is_gone;
        }
    } else if (number >= 1 && number <= model_count) {
        if (model[number].is_gone) {
            expect_error(number, HX_ENOENT);
        } else if (model[number].is_poisoned) {
            expect_error(number, HX_EPERM);
        } else {
            expect_copy(number, model[number].content);
        }
    }
    expect_as_the_model();
}

static void random_steps(void)
{
    unsigned steps = getenv("HELIX_SOAK") != NULL ? SOAK_STEPS : STEPS;

    model[0].is_gone = true;
    for (unsigned i = 0; i < steps; i++) {
        random_step();
    }
    CHECK(model_count > steps / 10);
}

/* SPEC: H4 H8 */
static void the_ring_does_as_a_list_of_all_that_were_ever_kept(void **unused)
{
    (void)unused;
    print_message("# seed %llu\n", (unsigned long long)random_start());
    passes(random_steps);
}

/* --- from many threads ------------------------------------------------------------------------ */

#define CPUS    4U
#define WORKERS 3U
#define ROUNDS  1000U

static _Atomic uint32_t workers_done;

/* What is given out is whole, whatever others do meanwhile. */
static void copy_newest(void)
{
    uint64_t numbers[HEAL_CHECKPOINTS_MAX];
    struct module_state *state;
    hx_err error;

    checkpoint_good(&ring, NULL, numbers);
    error = checkpoint_copy(&ring, numbers[0], &state);
    CHECK(error == HX_OK || error == HX_ENOENT || error == HX_EPERM);
    if (error == HX_OK) {
        uint64_t content = content_of(state);

        CHECK(content >> 32 < WORKERS && (content & UINT32_MAX) < ROUNDS);
        module_state_destroy(state);
    }
}

static void work(void *argument)
{
    uint64_t worker = (uintptr_t)argument;

    for (uint64_t i = 0; i < ROUNDS; i++) {
        CHECK(checkpoint_keep(&ring, state_of(worker << 32 | i), 4, i) == HX_OK);
        copy_newest();
        if (i % 16 == worker) {
            checkpoint_quarantine(&ring, i * WORKERS);
        }
    }
    /* Release pairs with the acquire in work_together. */
    atomic_fetch_add_explicit(&workers_done, 1, memory_order_release);
}

static void work_together(void)
{
    checkpoint_ring_init(&ring);
    for (uintptr_t i = 0; i < WORKERS; i++) {
        const struct thread_options options = {
            .name = "worker", .entry = work, .argument = (void *)i};
        struct thread *thread;

        CHECK(thread_create(&options, &thread) == HX_OK);
        thread_start(thread);
    }
    while (atomic_load_explicit(&workers_done, memory_order_acquire) < WORKERS) {
        thread_sleep(HAL_NS_PER_MS);
    }
    CHECK(ring.taken == WORKERS * ROUNDS);
    checkpoint_ring_fini(&ring);
}

static void run_together(void)
{
    machine_run(CPUS, work_together);
}

/* SPEC: H4 */
static void what_many_threads_keep_and_take_is_whole(void **unused)
{
    (void)unused;
    in_child(run_together);
    assert_int_equal(child.status, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_newest_are_kept_and_the_oldest_goes),
        cmocka_unit_test(a_state_equal_to_the_newest_is_not_kept_twice),
        cmocka_unit_test(as_many_are_kept_as_the_policy_says),
        cmocka_unit_test(a_state_that_does_not_verify_is_not_kept),
        cmocka_unit_test(memory_that_was_scribbled_over_is_not_restored),
        cmocka_unit_test(a_damaged_one_stands_for_nothing_that_is_kept_later),
        cmocka_unit_test(a_poisoned_one_and_what_came_from_it_are_never_given_out),
        cmocka_unit_test(a_state_that_equals_a_poisoned_one_is_not_kept_again),
        cmocka_unit_test(poisoned_ones_make_room_for_good_ones),
        cmocka_unit_test(without_memory_a_copy_fails_and_the_checkpoint_stays_good),
        cmocka_unit_test(what_many_threads_keep_and_take_is_whole),
        cmocka_unit_test(the_ring_does_as_a_list_of_all_that_were_ever_kept),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
