/* Each allocation of each change of a slot fails once: what is in the slot then works, the old or
 * the new, with its state. That nothing is left behind, the runner looks at. */
#include <base/string.h>
#include <core/gate/gate.h>
#include <helix/demo.h>
#include <kern/frames.h>
#include <kern/heap.h>
#include <subsys/modules/modules.h>
#include <tests/self/module_slot.h>
#include <tests/self/selftest.h>
#include <tests/self/suites.h>

#define TEST(function) "core_hot_reload_shortage." #function, function

#define ALLOCATIONS_MAX 2000U

static const struct swap_options no_trial = {.drain_limit_ns = 1000000000};

/* --- allocations that fail -------------------------------------------------------------------- */

struct kind_of_memory {
    const char *name;
    void (*fail_nth)(uint64_t n);
    uint64_t (*failures)(void);
};

static uint64_t heap_failures(void)
{
    struct heap_statistics statistics;

    heap_statistics(&statistics);
    return statistics.failures;
}

static uint64_t frame_failures(void)
{
    struct frame_statistics statistics;

    frames_statistics(&statistics);
    return statistics.failures;
}

static const struct kind_of_memory kinds[] = {
    {"heap", heap_fail_nth, heap_failures},
    {"frames", frames_fail_nth, frame_failures},
};

/* --- changes ---------------------------------------------------------------------------------- */

/* Demo counts; before says what it counted last, 0: the slot was empty or began anew. */
struct change {
    const char *name;
    void (*prepare)(struct slot *slot, enum hal_gate_backend backend);
    hx_err (*make)(struct slot *slot);
    bool empties;      /* nothing is in the slot when it went well */
    bool begins_empty; /* nothing was before */
};

static void count_to(struct slot *slot, uint64_t wanted)
{
    struct hal_gate_result result = gate_call(slot, DEMO_COUNT, 0, 0, 0, 0);

    EXPECT_EQUAL(result.error, HX_OK);
    EXPECT_EQUAL(result.value, wanted);
}

static void prepare_empty(struct slot *slot, enum hal_gate_backend backend)
{
    (void)backend;
    module_slot_empty(slot);
}

static void prepare_demo(struct slot *slot, enum hal_gate_backend backend)
{
    (void)module_slot_begin("demo", "demo", NULL, backend, &no_trial);
    count_to(slot, 1);
}

static void prepare_fragile(struct slot *slot, enum hal_gate_backend backend)
{
    prepare_demo(slot, backend);
    EXPECT_EQUAL(modules_swap(slot, "demo_fragile", NULL), HX_OK);
}

static hx_err fill(struct slot *slot)
{
    return modules_swap(slot, "demo", NULL);
}

static hx_err swap(struct slot *slot)
{
    return modules_swap(slot, "demo_fragile", NULL);
}

static hx_err roll_back(struct slot *slot)
{
    return modules_rollback(slot);
}

static hx_err unload(struct slot *slot)
{
    return modules_unload(slot);
}

static const struct change changes[] = {
    {.name = "fill", .prepare = prepare_empty, .make = fill, .begins_empty = true},
    {.name = "swap", .prepare = prepare_demo, .make = swap},
    {.name = "rollback", .prepare = prepare_fragile, .make = roll_back},
    {.name = "unload", .prepare = prepare_demo, .make = unload, .empties = true},
};

/* --- the walk --------------------------------------------------------------------------------- */

/* Whatever became of the change, what is in the slot is whole. */
static void check_slot(struct slot *slot, const struct change *change, hx_err error)
{
    struct modules_content content = modules_content_of(slot);
    bool is_empty = error == HX_OK ? change->empties : change->begins_empty;

    EXPECT_EQUAL(content.is_filled, !is_empty);
    EXPECT_EQUAL(content.status, is_empty ? SLOT_EMPTY : SLOT_ACTIVE);
    if (!is_empty) {
        count_to(slot, change->begins_empty ? 1 : 2);
    }
}

/* Fail the n-th allocation of a change; whether there were so many. */
static bool fail_one(struct slot *slot, const struct change *change, enum hal_gate_backend backend,
                     const struct kind_of_memory *kind, uint64_t n)
{
    uint64_t before;
    hx_err error;

    change->prepare(slot, backend);
    before = kind->failures();
    kind->fail_nth(n);
    error = change->make(slot);
    kind->fail_nth(0);
    if (error != HX_OK && error != HX_ENOMEM) {
        selftest_fail(__FILE__, __LINE__, "%s, %s %llu: error %d", change->name, kind->name,
                      (unsigned long long)n, error);
    }
    check_slot(slot, change, error);
    return kind->failures() != before;
}

static void walk(struct slot *slot, const struct change *change, enum hal_gate_backend backend)
{
    for (unsigned i = 0; i < HX_ARRAY_SIZE(kinds); i++) {
        uint64_t n = 1;

        while (n < ALLOCATIONS_MAX && fail_one(slot, change, backend, &kinds[i], n)) {
            n++;
        }
        EXPECT(n < ALLOCATIONS_MAX);
        EXPECT(n > 1 || change->empties); /* leaving may need no memory */
    }
}

static void check_changes(enum hal_gate_backend backend)
{
    struct slot *slot = slot_find("demo");

    if (slot == NULL) {
        selftest_fail(__FILE__, __LINE__, "there is no demo slot");
        return;
    }
    for (unsigned i = 0; i < HX_ARRAY_SIZE(changes); i++) {
        walk(slot, &changes[i], backend);
    }
    prepare_demo(slot, HAL_GATE_OPEN);
}

/* SPEC: R7 */
static void a_change_short_of_memory_leaves_a_module_that_works_behind_the_open_gate(void)
{
    check_changes(HAL_GATE_OPEN);
}

/* SPEC: R7 */
static void a_change_short_of_memory_leaves_a_module_that_works_behind_the_user_gate(void)
{
    check_changes(HAL_GATE_USER);
}

const struct selftest core_hot_reload_shortage_tests[] = {
    {TEST(a_change_short_of_memory_leaves_a_module_that_works_behind_the_open_gate), 0},
    {TEST(a_change_short_of_memory_leaves_a_module_that_works_behind_the_user_gate),
     SELFTEST_METAL_ONLY},
    {0},
};
