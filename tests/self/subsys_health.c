/* Health: what falls sick is an event with its cause, once; so is what is well again. */
#include <base/memory.h>
#include <base/string.h>
#include <core/component/component.h>
#include <core/ipc/event_bus.h>
#include <kern/frames.h>
#include <stdatomic.h>
#include <subsys/health/health.h>
#include <subsys/memory/memory.h>
#include <tests/self/crew.h>
#include <tests/self/suites.h>

#define TEST(function) "subsys_health." #function, function

static _Atomic bool is_well;
static _Atomic uint32_t sick_events, well_events; /* of the patient; after `cause` is written */
static hx_err cause;

static bool check(void)
{
    return atomic_load_explicit(&is_well, memory_order_relaxed);
}

static void patient_stats(struct component_stats *numbers)
{
    numbers->last_error = HX_EIO;
}

static const struct component patient = {
    .name = "patient", .version = "1", .health_check = check, .stats = patient_stats};

static enum event_answer hear(void *argument, const struct kernel_event *event)
{
    struct health_event health;

    (void)argument;
    memcpy(&health, event->custom.data, sizeof(health));
    if (string_equal(health.name, "patient")) {
        cause = health.cause;
        atomic_fetch_add_explicit(event->custom.id == HEALTH_SICK ? &sick_events : &well_events, 1,
                                  memory_order_release); /* pairs with expect_events */
    }
    return EVENT_CONTINUE;
}

static void expect_events(uint32_t expected_sick, uint32_t expected_well)
{
    EXPECT_EQUAL(atomic_load_explicit(&sick_events, memory_order_acquire), expected_sick);
    EXPECT_EQUAL(atomic_load_explicit(&well_events, memory_order_acquire), expected_well);
}

static event_subscription begin(void)
{
    event_subscription id = 0;

    atomic_store_explicit(&is_well, true, memory_order_relaxed);
    atomic_store_explicit(&sick_events, 0, memory_order_relaxed);
    atomic_store_explicit(&well_events, 0, memory_order_relaxed);
    EXPECT_EQUAL(event_subscribe(&(struct event_subscriber){.topics = EVENT_TOPIC_SET(
                                                                EVENT_TOPIC_SUBSYSTEM_HEALTH),
                                                            .callback = hear,
                                                            .contexts = EVENT_IN_THREAD},
                                 &id),
                 HX_OK);
    EXPECT_EQUAL(component_register(&patient), HX_OK);
    return id;
}

static void end(event_subscription id)
{
    EXPECT_EQUAL(component_unregister(&patient), HX_OK);
    EXPECT_EQUAL(event_unsubscribe(id), HX_OK);
    (void)health_look();
}

/* SPEC: P7 */
static void a_component_that_falls_sick_and_recovers_is_two_events(void)
{
    event_subscription id = begin();

    (void)health_look();
    expect_events(0, 0);
    atomic_store_explicit(&is_well, false, memory_order_relaxed);
    (void)health_look();
    (void)health_look();
    expect_events(1, 0);
    EXPECT_EQUAL(cause, HX_EIO);
    atomic_store_explicit(&is_well, true, memory_order_relaxed);
    (void)health_look();
    (void)health_look();
    expect_events(1, 1);
    end(id);
}

/* SPEC: P7 */
static void nobody_has_to_look_for_it_to_be_told(void)
{
    event_subscription id = begin();

    atomic_store_explicit(&is_well, false, memory_order_relaxed);
    EXPECT(crew_sleep_until(&sick_events, 1));
    expect_events(1, 0);
    end(id);
}

/* --- memory that runs low --------------------------------------------------------------------- */

#define BLOCKS_MAX 8192U

struct block {
    uint64_t frame;
    unsigned order;
};

static _Atomic uint32_t levels[4]; /* how often each was heard of */

static enum event_answer hear_level(void *argument, const struct kernel_event *event)
{
    (void)argument;
    if (event->memory_pressure.level < HX_ARRAY_SIZE(levels)) {
        atomic_fetch_add_explicit(&levels[event->memory_pressure.level], 1, memory_order_relaxed);
    }
    return EVENT_CONTINUE;
}

static bool is_less_free_than(uint64_t share)
{
    struct frame_statistics frames;

    frames_statistics(&frames);
    return frames.free < frames.total / share;
}

/* Take blocks, the largest that there are, until less than a share of the frames is free; how many.
 */
static size_t take_all_but(struct block *blocks, uint64_t share)
{
    unsigned order = FRAME_ORDER_MAX;
    size_t taken = 0;

    while (taken < BLOCKS_MAX && !is_less_free_than(share)) {
        if (frames_allocate(order, OWNER_CORE, &blocks[taken].frame) == HX_OK) {
            blocks[taken++].order = order;
        } else if (order-- == 0) {
            break;
        }
    }
    return taken;
}

/* SPEC: K7 */
static void frames_that_run_low_are_an_event(void)
{
    static struct block blocks[BLOCKS_MAX];
    event_subscription id;
    size_t taken;

    for (unsigned i = 0; i < HX_ARRAY_SIZE(levels); i++) {
        atomic_store_explicit(&levels[i], 0, memory_order_relaxed);
    }
    EXPECT_EQUAL(memory_look_for_pressure(), 0);
    EXPECT_EQUAL(event_subscribe(&(struct event_subscriber){.topics = EVENT_TOPIC_SET(
                                                                EVENT_TOPIC_MEMORY_PRESSURE),
                                                            .callback = hear_level,
                                                            .contexts = EVENT_IN_THREAD},
                                 &id),
                 HX_OK);
    taken = take_all_but(blocks, 16);
    EXPECT(is_less_free_than(16));
    EXPECT(crew_sleep_until(&levels[1], 1)); /* by the one who looks each second */
    for (size_t i = 0; i < taken; i++) {
        frames_free(blocks[i].frame, blocks[i].order);
    }
    EXPECT(crew_sleep_until(&levels[0], 1));
    EXPECT_EQUAL(event_unsubscribe(id), HX_OK);
    EXPECT_EQUAL(atomic_load_explicit(&levels[1], memory_order_relaxed), 1);
    EXPECT_EQUAL(atomic_load_explicit(&levels[0], memory_order_relaxed), 1);
}

const struct selftest subsys_health_tests[] = {
    {TEST(a_component_that_falls_sick_and_recovers_is_two_events), 0},
    {TEST(nobody_has_to_look_for_it_to_be_told), 0},
    {TEST(frames_that_run_low_are_an_event), 0},
    {0},
};
