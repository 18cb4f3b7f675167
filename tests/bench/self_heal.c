/* What healing costs: a module that dies and serves again, and a state that is kept. */
#include <core/debug/log.h>
#include <core/gate/gate.h>
#include <core/ipc/event_bus.h>
#include <core/self_heal/heal_event.h>
#include <core/self_heal/healer.h>
#include <helix/demo.h>
#include <kern/thread.h>
#include <subsys/modules/modules.h>
#include <tests/bench/bench.h>
#include <tests/bench/measure.h>

/* --- before and after ------------------------------------------------------------------------- */

static void set(const char *option, uint64_t value)
{
    (void)!healer_set_policy(option, value);
}

/* A module of its own instance; nothing is done by itself meanwhile but recoveries, which wait for
 * nothing. NULL: there is no slot for it, or no such module. */
static struct slot *begin_with(const char *module)
{
    struct slot *slot = slot_find("demo");

    if (slot == NULL || modules_unload(slot) != HX_OK) {
        return NULL;
    }
    if (modules_swap(slot, module, NULL) != HX_OK) {
        (void)!modules_swap(slot, "demo", NULL);
        return NULL;
    }
    set("check", 3600000);
    set("interval", 3600000);
    set("cooldown", 0);
    set("attempts", 100);
    thread_sleep(HAL_NS_PER_MS); /* the healer has looked at all of them, for an hour */
    return slot;
}

static void end_with(struct slot *slot)
{
#define SET_DEFAULT(member, option, unit, value, least, most, meaning) set(option, value);
    HEAL_POLICY_LIST(SET_DEFAULT)
#undef SET_DEFAULT
    (void)!modules_unload(slot);
    (void)!modules_swap(slot, "demo", NULL);
}

/* --- a recovery ------------------------------------------------------------------------------- */

static uint64_t recovery_start;
static uint64_t recovery_cycles; /* before the release of is_recovered */
static _Atomic uint32_t is_recovered;

/* Told by the healer when another one serves. */
static enum event_answer stop_clock(void *argument, const struct kernel_event *event)
{
    (void)argument;
    if (event->custom.id == HEAL_EVENT_RECOVERED) {
        recovery_cycles = cycles_since(recovery_start);
        atomic_store_explicit(&is_recovered, 1, memory_order_release);
    }
    return EVENT_CONTINUE;
}

/* From the call that dies to the news that the slot serves again. Each fault is another one than
 * that before: a state on which the same comes twice is given up. */
static uint64_t recover_once(struct slot *slot, enum demo_operation fault)
{
    (void)gate_call(slot, DEMO_COUNT, 0, 0, 0, 0);
    if (healer_take_checkpoint(slot) != HX_OK) {
        return 0;
    }
    atomic_store_explicit(&is_recovered, 0, memory_order_relaxed);
    recovery_start = begin();
    (void)gate_call(slot, fault, 0, 0, 0, 0);
    while (atomic_load_explicit(&is_recovered, memory_order_acquire) == 0) {
        thread_yield();
    }
    return recovery_cycles;
}

static uint64_t recover_small(uint32_t runs)
{
    const struct event_subscriber subscriber = {.topics =
                                                    EVENT_TOPIC_SET(EVENT_TOPIC_SUBSYSTEM_HEALTH),
                                                .callback = stop_clock,
                                                .contexts = EVENT_IN_THREAD};
    struct slot *slot = begin_with("demo");
    enum log_level shown = log_level();
    event_subscription id;
    uint64_t sum = 0;

    if (slot == NULL || event_subscribe(&subscriber, &id) != HX_OK) {
        return BENCH_NOT_HERE;
    }
    log_set_level(LOG_ERROR); /* or the console's thread would have its turns in between */
    for (uint32_t i = 0; i < runs; i++) {
        sum += recover_once(slot, i % 2 == 0 ? DEMO_ILLEGAL : DEMO_DIVIDE);
    }
    log_set_level(shown);
    (void)!event_unsubscribe(id);
    end_with(slot);
    return sum;
}

/* --- a checkpoint ----------------------------------------------------------------------------- */

/* Of a state of 4 KiB that differs from the one kept before. */
static uint64_t checkpoint_4k(uint32_t runs)
{
    struct slot *slot = begin_with("demo_state");
    uint64_t sum = 0;

    if (slot == NULL) {
        return BENCH_NOT_HERE;
    }
    for (uint32_t i = 0; i < runs; i++) {
        uint64_t start;
        hx_err error;

        (void)gate_call(slot, DEMO_COUNT, 0, 0, 0, 0);
        start = begin();
        error = healer_take_checkpoint(slot);
        sum += cycles_since(start);
        if (error != HX_OK) {
            sum = 0;
            break;
        }
    }
    end_with(slot);
    return sum;
}

const struct benchmark self_heal_benchmarks[] = {
    {"recover_small", "instructions", 20, recover_small},
    {"checkpoint_4k", "instructions", 20, checkpoint_4k},
    {0},
};
