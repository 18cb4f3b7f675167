/* Swaps of a live module: state kept, calls neither lost nor doubled, every failure led back. */
#include <base/format.h>
#include <base/string.h>
#include <base/text.h>
#include <core/config/kernel_configuration.h>
#include <core/debug/symbols.h>
#include <core/gate/gate.h>
#include <core/hot_reload/blocker.h>
#include <core/orchestrator/failpoint.h>
#include <hal/clock.h>
#include <helix/demo.h>
#include <kern/cpu.h>
#include <kern/thread.h>
#include <kern/timer.h>
#include <subsys/modules/modules.h>
#include <tests/self/crew.h>
#include <tests/self/module_slot.h>
#include <tests/self/selftest.h>
#include <tests/self/suites.h>

#define TEST(function) "core_hot_reload." #function, function

#define FOR_EVER_NS (100000 * HAL_NS_PER_MS)

static const struct swap_options no_trial = {.drain_limit_ns = 200 * HAL_NS_PER_MS};
static const struct swap_options long_trial = {
    .drain_limit_ns = 200 * HAL_NS_PER_MS, .trial_calls = UINT32_MAX, .trial_ns = FOR_EVER_NS};

static bool is_soak(void)
{
    return command_line_has(kernel_command_line(), "soak");
}

static struct slot *fresh_demo(enum hal_gate_backend backend, const struct swap_options *options)
{
    return module_slot_begin("demo", "demo", NULL, backend, options);
}

static uint64_t call(struct slot *slot, uint32_t operation, uint64_t a0, uint64_t a1)
{
    struct hal_gate_result result = gate_call(slot, operation, a0, a1, 0, 0);

    EXPECT_EQUAL(result.error, HX_OK);
    return result.value;
}

static bool holds(struct slot *slot, const char *name)
{
    struct modules_content content = modules_content_of(slot);

    return string_equal(content.name, name);
}

static struct modules_change last_change(struct slot *slot)
{
    struct modules_change change = {.what = ""};

    EXPECT(modules_change_at(slot, 0, &change));
    return change;
}

/* --- state ------------------------------------------------------------------------------------ */

static void check_state_is_kept(enum hal_gate_backend backend)
{
    struct slot *slot = fresh_demo(backend, &no_trial);

    if (slot == NULL) {
        return;
    }
    EXPECT_EQUAL(call(slot, DEMO_COUNT, 0, 0), 1);
    EXPECT_EQUAL(call(slot, DEMO_COUNT, 0, 0), 2);
    EXPECT_EQUAL(modules_swap(slot, "demo_fragile", NULL), HX_OK);
    EXPECT(holds(slot, "demo_fragile") && last_change(slot).is_migrated);
    EXPECT_EQUAL(last_change(slot).state, SWAP_COMPLETED);
    EXPECT(last_change(slot).pause_ns > 0);
    EXPECT_EQUAL(call(slot, DEMO_COUNT, 0, 0), 3);
    EXPECT_EQUAL(modules_rollback(slot), HX_OK);
    EXPECT(holds(slot, "demo"));
    EXPECT_EQUAL(call(slot, DEMO_COUNT, 0, 0), 4);
    EXPECT_EQUAL(modules_rollback(slot), HX_OK);
    EXPECT_EQUAL(call(slot, DEMO_COUNT, 0, 0), 5);
    (void)fresh_demo(HAL_GATE_OPEN, &no_trial);
}

/* SPEC: R5 R6 */
static void a_swap_there_and_back_keeps_the_state_behind_the_open_gate(void)
{
    check_state_is_kept(HAL_GATE_OPEN);
}

/* SPEC: R5 R6 */
static void a_swap_there_and_back_keeps_the_state_behind_the_user_gate(void)
{
    check_state_is_kept(HAL_GATE_USER);
}

/* --- trials ----------------------------------------------------------------------------------- */

/* A successor that dies in its k-th call: nobody notices, and the count goes on. */
static void die_at(struct slot *slot, uint64_t k, uint64_t *counted)
{
    EXPECT_EQUAL(modules_swap(slot, "demo_fragile", NULL), HX_OK);
    (void)call(slot, DEMO_ADD, DEMO_FRAGILE_FUSE, k);
    for (uint64_t i = 0; i < k + 2; i++) {
        EXPECT_EQUAL(call(slot, DEMO_COUNT, 0, 0), ++*counted);
    }
    EXPECT(holds(slot, "demo"));
}

static void check_deaths_on_trial(enum hal_gate_backend backend)
{
    struct slot *slot = fresh_demo(backend, &long_trial);
    uint64_t counted = 0;

    for (uint64_t k = 1; k <= 100 && slot != NULL; k++) {
        die_at(slot, k, &counted);
    }
    (void)fresh_demo(HAL_GATE_OPEN, &no_trial);
}

/* SPEC: R7 R9 */
static void who_dies_on_trial_behind_the_open_gate_is_replaced_and_no_call_is_lost(void)
{
    check_deaths_on_trial(HAL_GATE_OPEN);
}

/* SPEC: R7 R9 */
static void who_dies_on_trial_behind_the_user_gate_is_replaced_and_no_call_is_lost(void)
{
    check_deaths_on_trial(HAL_GATE_USER);
}

/* The trial of a slot has an end soon: the healer has been told. */
static void wait_for_change(struct slot *slot, uint64_t number)
{
    for (unsigned i = 0; i < 5000 && last_change(slot).number < number; i++) {
        thread_sleep(HAL_NS_PER_MS);
    }
    EXPECT_EQUAL(last_change(slot).number, number);
}

/* SPEC: R9 */
static void who_is_not_healthy_at_the_end_of_the_trial_hands_its_state_back(void)
{
    struct slot *slot = fresh_demo(HAL_GATE_OPEN, &long_trial);
    struct swap_options options = long_trial;
    uint64_t number;

    if (slot == NULL) {
        return;
    }
    options.trial_calls = 10;
    modules_set_options(slot, &options);
    EXPECT_EQUAL(modules_swap(slot, "demo_fragile", NULL), HX_OK);
    number = last_change(slot).number;
    (void)call(slot, DEMO_ADD, DEMO_FRAGILE_HEALTH, HX_EIO);
    for (uint64_t i = 1; i < 10; i++) {
        EXPECT_EQUAL(call(slot, DEMO_COUNT, 0, 0), i);
    }
    wait_for_change(slot, number + 1);
    EXPECT_EQUAL(last_change(slot).state, SWAP_ROLLBACK);
    EXPECT(last_change(slot).is_migrated && holds(slot, "demo"));
    EXPECT_EQUAL(call(slot, DEMO_COUNT, 0, 0), 10);
}

/* SPEC: R9 */
static void who_is_healthy_after_its_calls_stays(void)
{
    struct slot *slot = fresh_demo(HAL_GATE_OPEN, &long_trial);
    struct swap_options options = long_trial;
    uint64_t number;

    if (slot == NULL) {
        return;
    }
    options.trial_calls = 5;
    modules_set_options(slot, &options);
    EXPECT_EQUAL(modules_swap(slot, "demo_fragile", NULL), HX_OK);
    number = last_change(slot).number;
    for (uint64_t i = 1; i <= 6; i++) {
        EXPECT_EQUAL(call(slot, DEMO_COUNT, 0, 0), i);
    }
    wait_for_change(slot, number + 1);
    EXPECT_EQUAL(last_change(slot).state, SWAP_COMPLETED);
    EXPECT(holds(slot, "demo_fragile"));
    (void)fresh_demo(HAL_GATE_OPEN, &no_trial);
}

/* SPEC: R9 */
static void a_full_journal_ends_the_trial(void)
{
    struct slot *slot = fresh_demo(HAL_GATE_OPEN, &long_trial);

    if (slot == NULL) {
        return;
    }
    EXPECT_EQUAL(modules_swap(slot, "demo_fragile", NULL), HX_OK);
    for (uint64_t i = 1; i <= TRIAL_JOURNAL_MAX + 10; i++) {
        EXPECT_EQUAL(call(slot, DEMO_COUNT, 0, 0), i);
    }
    EXPECT(holds(slot, "demo_fragile"));
    (void)fresh_demo(HAL_GATE_OPEN, &no_trial);
}

/* --- failures --------------------------------------------------------------------------------- */

/* SPEC: R7 */
static void a_swap_that_fails_at_any_step_leaves_the_old_one_serving(void)
{
    struct slot *slot = fresh_demo(HAL_GATE_OPEN, &no_trial);
    uint64_t counted = 0;
    uint64_t steps = 0;

    for (uint64_t n = 1; slot != NULL && n < 100; n++) {
        hx_err error;

        failpoint_arm(n);
        error = modules_swap(slot, "demo_fragile", NULL);
        failpoint_arm(0);
        if (error == HX_OK) {
            break;
        }
        steps = n;
        EXPECT_EQUAL(error, HX_EIO);
        EXPECT(holds(slot, "demo") && last_change(slot).why[0] != '\0');
        EXPECT_EQUAL(call(slot, DEMO_COUNT, 0, 0), ++counted);
    }
    EXPECT(steps >= 10);
    EXPECT_EQUAL(call(slot, DEMO_COUNT, 0, 0), counted + 1);
    (void)fresh_demo(HAL_GATE_OPEN, &no_trial);
}

static void fail_to_swap(struct slot *slot, const char *name, hx_err error)
{
    EXPECT_EQUAL(modules_swap(slot, name, NULL), error);
    EXPECT(holds(slot, "demo"));
}

/* --- who stays inside ------------------------------------------------------------------------- */

static struct crew crew;
static _Atomic uint64_t wrong;

static void sleep_inside(void *argument)
{
    if (gate_call(argument, DEMO_SLEEP, 400 * HAL_NS_PER_MS, 0, 0, 0).error != HX_OK) {
        atomic_fetch_add_explicit(&wrong, 1, memory_order_relaxed);
    }
}

static void loop_inside(void *argument)
{
    if (gate_call(argument, DEMO_ENDLESS_LOOP, 0, 0, 0, 0).error != HX_EDIED) {
        atomic_fetch_add_explicit(&wrong, 1, memory_order_relaxed);
    }
}

static bool contains(const char *text, const char *part)
{
    char pattern[64];

    (void)format_text(pattern, sizeof(pattern), "*%s*", part);
    return string_matches(text, pattern);
}

static char blockers[SWAP_BLOCKERS_MAX];

static void expect_named(uint32_t thread)
{
    char name[32];

    (void)format_text(name, sizeof(name), "thread %u (", thread);
    EXPECT(contains(blockers, name));
}

static bool stop_at_first(struct thread *thread, void *argument)
{
    (void)thread;
    *(bool *)argument = true;
    return false;
}

static bool has_somebody_inside(struct slot *slot)
{
    bool has = false;

    slot_find_inside(slot_instance(slot), stop_at_first, &has);
    return has;
}

/* Swap while so many are inside, at most two, for longer than callers may be kept waiting. */
static void check_called_off(void (*entry)(void *), unsigned count, const char *place,
                             const char *function)
{
    uint32_t threads[2];
    struct swap_options options = no_trial;
    struct slot *slot = fresh_demo(HAL_GATE_OPEN, &no_trial);

    if (slot == NULL) {
        return;
    }
    options.drain_limit_ns = 20 * HAL_NS_PER_MS;
    modules_set_options(slot, &options);
    EXPECT_EQUAL(call(slot, DEMO_COUNT, 0, 0), 1);
    atomic_store_explicit(&wrong, 0, memory_order_relaxed);
    crew_open(&crew);
    for (unsigned i = 0; i < count; i++) {
        threads[i] = crew_start(&crew, entry, slot, 0)->thread->id;
    }
    while (!has_somebody_inside(slot)) {
        thread_sleep(HAL_NS_PER_MS);
    }
    thread_sleep(10 * HAL_NS_PER_MS);
    fail_to_swap(slot, "demo_fragile", HX_ETIMEDOUT);
    EXPECT_EQUAL(last_change(slot).state, SWAP_ROLLBACK);
    modules_blockers(slot, blockers);
    EXPECT(contains(blockers, place));
    EXPECT(contains(blockers, function)); /* the module's, by its name */
    for (unsigned i = 0; i < count; i++) {
        expect_named(threads[i]);
    }
    EXPECT_EQUAL(call(slot, DEMO_COUNT, 0, 0), 2);
    EXPECT(crew_join(&crew));
    EXPECT_EQUAL(atomic_load_explicit(&wrong, memory_order_relaxed), 0);
    (void)fresh_demo(HAL_GATE_OPEN, &no_trial);
}

/* SPEC: R10 */
static void a_swap_that_a_waiting_thread_blocks_is_called_off_and_names_it(void)
{
    struct symbol symbol;

    /* The hosted port has no names of its functions. */
    check_called_off(sleep_inside, 1,
                     symbol_lookup((uintptr_t)thread_sleep, &symbol) ? "thread_sleep" : "is parked",
                     "sleep_for+");
}

/* SPEC: R10 */
static void a_swap_that_two_threads_block_names_both(void)
{
    check_called_off(sleep_inside, 2, "is parked", "sleep_for+");
}

/* SPEC: R10 */
static void a_swap_that_a_looping_thread_blocks_is_called_off_and_names_it(void)
{
    check_called_off(loop_inside, 1, "as a tick found it", "endless_loop+");
}

#define SPIN_NS (400 * HAL_NS_PER_MS)

static struct slot *interrupted_slot;
static _Atomic uint32_t spun;

static void spin_in_interrupt(struct timer *timer)
{
    (void)timer;
    if (gate_call(interrupted_slot, DEMO_SPIN, SPIN_NS, 0, 0, 0).error != HX_OK) {
        atomic_fetch_add_explicit(&wrong, 1, memory_order_relaxed);
    }
    atomic_store_explicit(&spun, 1, memory_order_release);
}

/* Have a timer's function enter on top of this thread. */
static void be_interrupted(void *slot)
{
    static struct timer timer;

    interrupted_slot = slot;
    timer_init(&timer, spin_in_interrupt);
    timer_start(&timer, hal_clock_now(), 0);
    EXPECT(crew_spin_until(&spun, 1));
}

/* A drain, as a swap does it, while a call in an interrupt goes on; the thread that it is on top
 * of, 0: the call was over before. */
static uint32_t drain_behind_an_interrupt(struct slot *slot)
{
    struct module_instance *instance = slot_instance(slot);
    struct text text = text_into(blockers, sizeof(blockers));
    uint32_t thread;
    hx_err error;

    crew_open(&crew);
    atomic_store_explicit(&wrong, 0, memory_order_relaxed);
    atomic_store_explicit(&spun, 0, memory_order_relaxed);
    thread = crew_start(&crew, be_interrupted, slot, 1ULL << crew_cpu(1))->thread->id;
    while (!has_somebody_inside(slot) && atomic_load_explicit(&spun, memory_order_acquire) == 0) {
        hal_cpu_relax();
    }
    mutex_lock(&slot->change);
    slot_close(slot);
    error = slot_drain(instance, hal_clock_now() + 20 * HAL_NS_PER_MS);
    if (error != HX_OK) {
        EXPECT_EQUAL(error, HX_ETIMEDOUT);
        blocker_report(instance, &text);
    }
    slot_open(slot, instance);
    mutex_unlock(&slot->change);
    EXPECT(crew_join(&crew));
    return error != HX_OK ? thread : 0;
}

/* Its CPU has run all the time: its host did not let it wait so long that it gave the probe no
 * answer, or that the module was ended for its deadline. */
static bool interrupt_was_seen(void)
{
    return contains(blockers, "spin+") && atomic_load_explicit(&wrong, memory_order_relaxed) == 0;
}

#define INTERRUPT_ATTEMPTS 10U

/* SPEC: R10 */
static void a_drain_that_a_call_in_an_interrupt_blocks_is_called_off_and_names_it(void)
{
    struct slot *slot;
    uint32_t thread = 0;

    if (cpu_online_count() < 2) {
        return; /* who drains is elsewhere than the interrupt */
    }
    EXPECT_EQUAL(thread_set_own_affinity(1ULL << crew_cpu(0)), HX_OK);
    for (unsigned i = 0; i < INTERRUPT_ATTEMPTS && (thread == 0 || !interrupt_was_seen()); i++) {
        slot = fresh_demo(HAL_GATE_OPEN, &no_trial);
        if (slot == NULL) {
            break;
        }
        thread = drain_behind_an_interrupt(slot);
    }
    EXPECT_EQUAL(thread_set_own_affinity(cpu_online_mask()), HX_OK);
    EXPECT(thread != 0 && interrupt_was_seen());
    EXPECT(contains(blockers, "in an interrupt"));
    expect_named(thread);
    EXPECT_EQUAL(call(interrupted_slot, DEMO_COUNT, 0, 0), 1);
}

/* --- under load ------------------------------------------------------------------------------- */

static _Atomic bool shall_stop;
static _Atomic uint64_t calls_made;

static void count_inside(void *argument)
{
    uint64_t made = 0;
    uint64_t last = 0;

    while (!atomic_load_explicit(&shall_stop, memory_order_relaxed)) {
        struct hal_gate_result result = gate_call(argument, DEMO_COUNT, 0, 0, 0, 0);

        /* Numbers rise: none is given to two calls, none comes again. */
        if (result.error != HX_OK || result.value <= last) {
            atomic_fetch_add_explicit(&wrong, 1, memory_order_relaxed);
        }
        last = result.value;
        made++;
        if (made % 8 == 0) {
            thread_yield();
        }
    }
    atomic_fetch_add_explicit(&calls_made, made, memory_order_relaxed);
}

static uint32_t swaps_wanted(void)
{
    return is_soak() ? 10000U : 100U;
}

/* One counting thread, so that the module's plain counter is exact. */
static void check_under_load(enum hal_gate_backend backend)
{
    struct slot *slot = fresh_demo(backend, &no_trial);
    uint32_t wanted = swaps_wanted();

    if (slot == NULL) {
        return;
    }
    atomic_store_explicit(&shall_stop, false, memory_order_relaxed);
    atomic_store_explicit(&wrong, 0, memory_order_relaxed);
    atomic_store_explicit(&calls_made, 0, memory_order_relaxed);
    /* demo_fragile dies of what is all its own. */
    EXPECT_EQUAL(call(slot, DEMO_COUNT, 0, 0), 1);
    crew_open(&crew);
    (void)crew_start(&crew, count_inside, slot, 0);
    for (uint32_t i = 0; i < wanted; i++) {
        EXPECT_EQUAL(modules_swap(slot, i % 2 == 0 ? "demo_fragile" : "demo", NULL), HX_OK);
        if (i % 16 == 0) {
            thread_sleep(HAL_NS_PER_MS);
        }
    }
    atomic_store_explicit(&shall_stop, true, memory_order_relaxed);
    EXPECT(crew_join(&crew));
    EXPECT_EQUAL(atomic_load_explicit(&wrong, memory_order_relaxed), 0);
    EXPECT_EQUAL(call(slot, DEMO_COUNT, 0, 0),
                 atomic_load_explicit(&calls_made, memory_order_relaxed) + 2);
    (void)fresh_demo(HAL_GATE_OPEN, &no_trial);
}

/* SPEC: R6 */
static void swaps_under_load_lose_and_double_no_call_behind_the_open_gate(void)
{
    check_under_load(HAL_GATE_OPEN);
}

/* SPEC: R6 */
static void swaps_under_load_lose_and_double_no_call_behind_the_user_gate(void)
{
    check_under_load(HAL_GATE_USER);
}

const struct selftest core_hot_reload_tests[] = {
    {TEST(a_swap_there_and_back_keeps_the_state_behind_the_open_gate), 0},
    {TEST(a_swap_there_and_back_keeps_the_state_behind_the_user_gate), SELFTEST_METAL_ONLY},
    {TEST(who_dies_on_trial_behind_the_open_gate_is_replaced_and_no_call_is_lost), 0},
    {TEST(who_dies_on_trial_behind_the_user_gate_is_replaced_and_no_call_is_lost),
     SELFTEST_METAL_ONLY},
    {TEST(who_is_not_healthy_at_the_end_of_the_trial_hands_its_state_back), 0},
    {TEST(who_is_healthy_after_its_calls_stays), 0},
    {TEST(a_full_journal_ends_the_trial), 0},
    {TEST(a_swap_that_fails_at_any_step_leaves_the_old_one_serving), 0},
    {TEST(a_swap_that_a_waiting_thread_blocks_is_called_off_and_names_it), 0},
    {TEST(a_swap_that_two_threads_block_names_both), 0},
    {TEST(a_swap_that_a_looping_thread_blocks_is_called_off_and_names_it), SELFTEST_METAL_ONLY},
    {TEST(a_drain_that_a_call_in_an_interrupt_blocks_is_called_off_and_names_it),
     SELFTEST_METAL_ONLY},
    {TEST(swaps_under_load_lose_and_double_no_call_behind_the_open_gate), 0},
    {TEST(swaps_under_load_lose_and_double_no_call_behind_the_user_gate), SELFTEST_METAL_ONLY},
    {0},
};
