#include <tests/self/hook_churn.h>

#include <base/assert.h>
#include <base/string.h>
#include <core/debug/log.h>
#include <core/ipc/event_bus.h>
#include <core/lifecycle/lifecycle.h>
#include <core/syscall/syscall.h>
#include <hal/clock.h>
#include <kern/thread.h>
#include <subsys/hooks/audit.h>
#include <subsys/hooks/hooks.h>
#include <subsys/hooks/metrics.h>
#include <subsys/hooks/policy.h>
#include <subsys/modules/modules.h>
#include <tests/self/crew.h>
#include <tests/self/selftest.h>

#define PAUSE_NS   (HAL_NS_PER_MS / 4)
#define REMOVAL_NS (20 * HAL_NS_PER_MS)

/* Keys: A = atomic, T = the thread's */
static struct {
    _Atomic uint64_t before; /* A  pre calls of the pairing hook */
    _Atomic uint64_t after;  /* A  post calls */
    _Atomic uint64_t changes;
    _Atomic bool is_over;
    uint64_t random;             /* T */
    event_subscription listener; /* T  0: none */
    struct audit_reader reader;  /* T */
    bool is_pairing;             /* T  the pairing hook is there */
} churn;

/* --- what hooks see --------------------------------------------------------------------------- */

static void count(_Atomic uint64_t *counter)
{
    atomic_fetch_add_explicit(counter, 1, memory_order_relaxed);
}

static int64_t before(const struct syscall_call *call, void *argument)
{
    (void)call;
    (void)argument;
    count(&churn.before);
    return 0;
}

static void after(const struct syscall_call *call, void *argument)
{
    HX_ASSERT(call->duration < 1ULL << 60, "a call does not end before it begins");
    (void)argument;
    count(&churn.after);
}

static const struct syscall_hook pairing = {
    .name = "pairing", .order = -15, .pre = before, .post = after};

static enum event_answer listen(void *argument, const struct kernel_event *event)
{
    (void)argument;
    (void)event;
    return EVENT_CONTINUE;
}

/* --- changes ---------------------------------------------------------------------------------- */

static uint64_t below(uint64_t limit)
{
    return crew_random(&churn.random) % limit;
}

static const char *any_hook(void)
{
    static const char *const names[] = {"security", "audit", "metrics"};

    return names[below(HX_ARRAY_SIZE(names))];
}

/* Memory may be short: then nothing changes. */
static void switch_one(void)
{
    (void)!hooks_set(any_hook(), below(2) != 0);
}

static void move_one(void)
{
    (void)!hooks_set_order(any_hook(), (int32_t)below(60) - 30);
}

/* Another version of a hook's module, or the same anew: with its state. A swap under way, a slot
 * without a module or too little memory: then nothing changes. */
static void swap_one(void)
{
    static const struct hx_module_version old = {.major = 1, .minor = 0};
    static const char *const slot_names[] = {"hook.security", "hook.audit", "hook.metrics"};
    struct slot *slot = slot_find(slot_names[below(HX_ARRAY_SIZE(slot_names))]);

    if (slot != NULL && below(4) == 0) {
        (void)!modules_swap(slot, slot->name + sizeof("hook.") - 1, below(2) != 0 ? &old : NULL);
    }
}

/* What programs can live with. */
static void change_policy(void)
{
    static const char *const policies[] = {
        "",
        "class time nobody EACCES\n",
        "call getppid nobody\ncall getpgid holders EACCES\n",
        "class identity holders\nclass native nobody\n",
        "class unknown nobody EACCES\ncall 500 everyone\n",
    };
    const char *text = policies[below(HX_ARRAY_SIZE(policies))];
    char error[POLICY_ERROR_MAX];
    hx_err result = hooks_policy_replace(text, string_length(text), error, sizeof(error));

    HX_ASSERT(result == HX_OK || result == HX_ENOMEM, "these policies have no mistake");
}

static void look(void)
{
    struct call_metrics metrics;
    struct audit_record record;

    for (unsigned i = 0; i < 100 && audit_read(&churn.reader, &record) == HX_OK; i++) {
        (void)!metrics_read(record.number, &metrics);
    }
    if (below(50) == 0) {
        metrics_reset();
    }
}

static void change_listener(void)
{
    const struct event_subscriber subscriber = {
        .topics = EVENT_TOPIC_SET(EVENT_TOPIC_SYSCALL_AUDIT),
        .callback = listen,
        .contexts = below(2) != 0 ? EVENT_IN_ANY : EVENT_IN_WORKER};

    if (churn.listener != 0) {
        (void)!event_unsubscribe(churn.listener);
        churn.listener = 0;
    } else if (event_subscribe(&subscriber, &churn.listener) != HX_OK) {
        churn.listener = 0;
    }
}

/* Add the pairing hook, or take it out: where that works, every pre has had its post. */
static void change_pairing(void)
{
    if (!churn.is_pairing) {
        churn.is_pairing = syscall_hook_add(&pairing) == HX_OK;
    } else if (syscall_hook_remove(pairing.name, hal_clock_now() + REMOVAL_NS) == HX_OK) {
        churn.is_pairing = false;
        HX_ASSERT(atomic_load_explicit(&churn.before, memory_order_relaxed) ==
                      atomic_load_explicit(&churn.after, memory_order_relaxed),
                  "every pre-hook call has had its post-hook call");
    }
}

static void (*const changes[])(void) = {switch_one, switch_one, move_one,        change_policy,
                                        swap_one,   look,       change_listener, change_pairing};

static void run(void *argument)
{
    (void)argument;
    while (!atomic_load_explicit(&churn.is_over, memory_order_relaxed)) {
        changes[below(HX_ARRAY_SIZE(changes))]();
        count(&churn.changes);
        thread_sleep(PAUSE_NS);
    }
}

/* --- start and end ---------------------------------------------------------------------------- */

static void tell(void *argument, enum shutdown_reason reason)
{
    (void)argument;
    (void)reason;
    atomic_store_explicit(&churn.is_over, true, memory_order_relaxed);
    kprintln("churn: %llu changes, %llu calls seen, all paired",
             (unsigned long long)atomic_load_explicit(&churn.changes, memory_order_relaxed),
             (unsigned long long)atomic_load_explicit(&churn.after, memory_order_relaxed));
}

static const struct lifecycle_ops lifecycle_ops = {.on_shutdown = tell};
static struct lifecycle_callback lifecycle_callback = {.ops = &lifecycle_ops};

void hook_churn_start(void)
{
    const struct thread_options options = {
        .name = "hook churn", .entry = run, .priority = THREAD_PRIORITY_NORMAL};
    struct thread *thread;

    churn.random = selftest_seed() | 1;
    audit_open(&churn.reader, false, 0);
    if (lifecycle_register(&lifecycle_callback) != HX_OK ||
        thread_create(&options, &thread) != HX_OK) {
        kerror("churn: not started");
        return;
    }
    thread_start(thread);
}
