/* The two threads, which watch each other, and the policy. */
#include <base/format.h>
#include <base/string.h>
#include <core/config/command_line.h>
#include <core/config/kernel_configuration.h>
#include <core/debug/log.h>
#include <core/orchestrator/failpoint.h>
#include <core/self_heal/heal_member.h>
#include <hal/clock.h>
#include <kern/thread.h>
#include <kern/wait_queue.h>

enum { WATCH_STOPPED, WATCH_RUNS, WATCH_SHALL_STOP, WATCH_DIED };

/* One of the two threads. */
struct watcher {
    const char *name;
    hx_err (*turn)(uint64_t *again_ns); /* HX_EIO: a fail point ends the thread */
    struct watcher *other;              /* which it makes again */
    _Atomic uint32_t state;             /* release, pairs with who waits for it to change */
    _Atomic uint64_t made;              /* in place of one that had ended */
};

static hx_err heal(uint64_t *again_ns);
static hx_err guard(uint64_t *again_ns);

static struct watcher guardian;
static struct watcher healer = {.name = "healer", .turn = heal, .other = &guardian};
static struct watcher guardian = {.name = "healer's guardian", .turn = guard, .other = &healer};

/* Keys: P = policy_lock */
static struct mutex policy_lock;
static struct heal_policy policy; /* P */
static _Atomic bool is_on;

/* --- the policy ------------------------------------------------------------------------------- */

struct heal_policy healer_policy(void)
{
    struct heal_policy copy;

    mutex_lock(&policy_lock);
    copy = policy;
    mutex_unlock(&policy_lock);
    return copy;
}

hx_err healer_set_policy(const char *option, uint64_t value)
{
    struct slot *slot;
    hx_err error;

    mutex_lock(&policy_lock);
    error = heal_policy_set(&policy, option, value);
    mutex_unlock(&policy_lock);
    for (size_t i = 0; error == HX_OK && (slot = slot_at(i)) != NULL; i++) {
        member_be_due(slot);
    }
    healer_wake();
    return error;
}

bool healer_is_on(void)
{
    return atomic_load_explicit(&is_on, memory_order_relaxed);
}

void healer_set_on(bool on)
{
    struct slot *slot;

    atomic_store_explicit(&is_on, on, memory_order_relaxed);
    for (size_t i = 0; !on && (slot = slot_at(i)) != NULL; i++) {
        member_drop_checkpoints(slot);
    }
    healer_wake();
}

/* heal.OPTION=, and heal=off. */
static void read_policy(void)
{
    static const char *const options[] = {
#define POLICY_OPTION(member, option, unit, value, least, most, meaning) option,
        HEAL_POLICY_LIST(POLICY_OPTION)
#undef POLICY_OPTION
    };
    const struct command_line *line = kernel_command_line();

    mutex_init(&policy_lock, "healer's policy");
    policy = heal_policy_default();
    atomic_store_explicit(&is_on, !string_equal(command_line_text(line, "heal", "on"), "off"),
                          memory_order_relaxed);
    for (size_t i = 0; i < HX_ARRAY_SIZE(options); i++) {
        char key[32];
        uint64_t value;

        (void)format_text(key, sizeof(key), "heal.%s", options[i]);
        if (command_line_has(line, key) && (command_line_u64(line, key, &value) != HX_OK ||
                                            heal_policy_set(&policy, options[i], value) != HX_OK)) {
            kwarn("%s= is no number that is allowed; it stays as it was", key);
        }
    }
}

/* --- a thread --------------------------------------------------------------------------------- */

static void watch(void *argument);

static hx_err begin(struct watcher *watcher)
{
    const struct thread_options options = {.name = watcher->name,
                                           .entry = watch,
                                           .argument = watcher,
                                           .priority = THREAD_PRIORITY_NORMAL};
    struct thread *thread;
    hx_err error = thread_create(&options, &thread);

    if (error == HX_OK) {
        atomic_store_explicit(&watcher->state, WATCH_RUNS, memory_order_relaxed);
        thread_start(thread);
    }
    return error;
}

/* In the place of the other one, if it has ended without being asked to. Returns whether it had. */
static bool replace_if_dead(struct watcher *other)
{
    uint32_t expected = WATCH_DIED;

    if (!atomic_compare_exchange_strong_explicit(&other->state, &expected, WATCH_STOPPED,
                                                 memory_order_seq_cst, memory_order_seq_cst)) {
        return false;
    }
    kwarn("heal: the %s has ended; there is another one", other->name);
    atomic_fetch_add_explicit(&other->made, 1, memory_order_relaxed);
    if (begin(other) != HX_OK) {
        /* No memory: it is tried again at the next turn. */
        atomic_store_explicit(&other->state, WATCH_DIED, memory_order_release);
    }
    return true;
}

static void watch(void *argument)
{
    struct watcher *self = argument;
    struct waiter waiter;
    hx_err error = HX_OK;

    wait_queue_prepare(&slot_troubles, &waiter);
    while (error == HX_OK &&
           atomic_load_explicit(&self->state, memory_order_acquire) == WATCH_RUNS) {
        uint64_t again_ns = hal_clock_now() + healer_policy().check;

        error = self->turn(&again_ns);
        if (error == HX_OK) {
            (void)!wait_queue_wait(&slot_troubles, &waiter, again_ns);
        }
    }
    wait_queue_finish(&slot_troubles, &waiter);
    /* Of two that end at once, the later one sees the other: both orders are of all stores. */
    atomic_store_explicit(&self->state, error == HX_OK ? WATCH_STOPPED : WATCH_DIED,
                          memory_order_seq_cst);
    if (error != HX_OK) {
        (void)replace_if_dead(self->other);
    }
    wait_queue_wake_all(&slot_troubles);
}

/* --- what they do ----------------------------------------------------------------------------- */

static hx_err heal(uint64_t *again_ns)
{
    struct slot *slot;

    (void)replace_if_dead(&guardian);
    for (size_t i = 0; (slot = slot_at(i)) != NULL; i++) {
        uint64_t again;
        hx_err error = member_tend(slot, &again);

        if (error != HX_OK) {
            return error;
        }
        *again_ns = again < *again_ns ? again : *again_ns;
    }
    return HX_OK;
}

static hx_err guard(uint64_t *again_ns)
{
    (void)again_ns;
    return replace_if_dead(&healer) ? failpoint_step_by_name("guard", "healer") : HX_OK;
}

/* --- beginning and ending --------------------------------------------------------------------- */

hx_err healer_start(void)
{
    hx_err error;

    read_policy();
    heal_group_read_command_line();
    error = begin(&healer);
    return error == HX_OK ? begin(&guardian) : error;
}

static void end(struct watcher *watcher)
{
    struct waiter waiter;
    uint32_t expected = WATCH_RUNS;
    hx_err error = HX_OK;

    if (!atomic_compare_exchange_strong_explicit(&watcher->state, &expected, WATCH_SHALL_STOP,
                                                 memory_order_release, memory_order_relaxed)) {
        return;
    }
    wait_queue_prepare(&slot_troubles, &waiter);
    wait_queue_wake_all(&slot_troubles);
    while (atomic_load_explicit(&watcher->state, memory_order_acquire) == WATCH_SHALL_STOP &&
           error == HX_OK) {
        error = wait_queue_wait(&slot_troubles, &waiter, THREAD_NO_DEADLINE);
    }
    wait_queue_finish(&slot_troubles, &waiter);
}

void healer_stop(void)
{
    end(&guardian); /* first: it would make another healer */
    end(&healer);
    end(&guardian); /* one that the healer has made meanwhile */
}

void healer_wake(void)
{
    wait_queue_wake_all(&slot_troubles);
}

struct healer_stats healer_stats(void)
{
    return (struct healer_stats){
        .deaths = atomic_load_explicit(&healer_numbers.deaths, memory_order_relaxed),
        .recoveries = atomic_load_explicit(&healer_numbers.recoveries, memory_order_relaxed),
        .failures = atomic_load_explicit(&healer_numbers.failures, memory_order_relaxed),
        .quarantines = atomic_load_explicit(&healer_numbers.quarantines, memory_order_relaxed),
        .looks = atomic_load_explicit(&healer_numbers.looks, memory_order_relaxed),
        .healers = atomic_load_explicit(&healer.made, memory_order_relaxed),
        .guardians = atomic_load_explicit(&guardian.made, memory_order_relaxed),
    };
}
