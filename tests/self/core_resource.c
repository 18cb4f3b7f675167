/*
 * The resource broker in the kernel: charging on every CPU, limits that bind threads and module
 * instances, warnings as events, and ledgers that are empty when their owners are gone.
 */
#include <base/memory.h>
#include <base/string.h>
#include <core/capability/capability.h>
#include <core/config/kernel_configuration.h>
#include <core/gate/gate.h>
#include <core/hot_reload/loader.h>
#include <core/ipc/event_bus.h>
#include <core/ipc/message_router.h>
#include <core/resource/ledger.h>
#include <hal/clock.h>
#include <hal/memory.h>
#include <helix/demo.h>
#include <kern/cpu.h>
#include <kern/frames.h>
#include <kern/heap.h>
#include <subsys/modules/modules.h>
#include <subsys/resources/resources.h>
#include <subsys/socket/socket.h>
#include <tests/self/crew.h>
#include <tests/self/suites.h>

static struct crew crew;

static bool is_soak(void)
{
    return command_line_has(kernel_command_line(), "soak");
}

static owner_tag open_owner(const char *name)
{
    owner_tag owner;

    EXPECT_EQUAL(resource_owner_open(name, &owner), HX_OK);
    return owner;
}

static resource_handle take(owner_tag owner, enum resource_class class, uint64_t amount)
{
    resource_handle handle;

    EXPECT_EQUAL(resource_allocate(owner, class, amount, &handle), HX_OK);
    return handle;
}

static void limit(owner_tag owner, enum resource_class class, uint64_t soft, uint64_t hard)
{
    const struct resource_limits limits = {.soft = soft, .hard = hard};

    EXPECT_EQUAL(resource_set_limit(owner, class, limits), HX_OK);
}

static struct resource_usage usage_of(owner_tag owner, enum resource_class class)
{
    struct resource_usage usage;

    EXPECT_EQUAL(resource_get_usage(owner, class, &usage), HX_OK);
    return usage;
}

static uint64_t used(owner_tag owner, enum resource_class class)
{
    return usage_of(owner, class).used;
}

static bool has_nothing(owner_tag owner)
{
    struct ledger ledger;

    ledger_take(owner, &ledger);
    return ledger_is_zero(&ledger);
}

static void close_owner(owner_tag owner)
{
    EXPECT_EQUAL(resource_owner_close(owner, NULL), HX_OK);
    EXPECT(has_nothing(owner));
}

/* --- an example ------------------------------------------------------------------------------- */

/* example: resources */
#define POOL_PORTS 100U

static uint64_t ports_kept; /* by clients that no longer use them */

static bool give_up_kept_ports(owner_tag owner, uint64_t amount)
{
    (void)owner;
    (void)amount;
    return ports_kept != 0 && resource_release(ports_kept, owner) == HX_OK;
}

static const struct resource_provider port_pool = {.name = "ports", .reclaim = give_up_kept_ports};

static hx_err serve_a_client(resource_handle *ports)
{
    const struct resource_limits limits = {.soft = POOL_PORTS - 10, .hard = POOL_PORTS};
    struct resource_totals returned;
    owner_tag client;
    hx_err error = resource_owner_open("client", &client);

    if (error != HX_OK) {
        return error;
    }
    error = resource_set_limit(client, RESOURCE_NETWORK_PORTS, limits);
    if (error == HX_OK) {
        error = resource_allocate(client, RESOURCE_NETWORK_PORTS, 60, &ports_kept);
    }
    if (error == HX_OK) {
        /* 60 more are past the hard limit; the provider is asked, and those kept make room. */
        error = resource_allocate(client, RESOURCE_NETWORK_PORTS, 60, ports);
    }
    /* The client is gone. What it held comes back, and its handles are void. */
    hx_err closed = resource_owner_close(client, &returned);

    if (error == HX_OK && returned.amount[RESOURCE_NETWORK_PORTS] != 60) {
        error = HX_ESTATE;
    }
    return error != HX_OK ? error : closed;
}
/* end of example */

/* SPEC: Q1 Q3 */
static void a_client_is_served_and_its_ports_come_back(void)
{
    resource_handle ports = RESOURCE_HANDLE_NONE;

    /* The kernel's own provider stands aside. */
    (void)!resource_unregister_provider(RESOURCE_NETWORK_PORTS, &socket_port_provider);
    EXPECT_EQUAL(resource_allocate(OWNER_CORE, RESOURCE_NETWORK_PORTS, 1, &ports), HX_ENOSYS);
    EXPECT_EQUAL(resource_register_provider(RESOURCE_NETWORK_PORTS, &port_pool), HX_OK);
    EXPECT_EQUAL(serve_a_client(&ports), HX_OK);
    EXPECT_EQUAL(resource_release(ports, OWNER_CORE), HX_ESTALE);
    EXPECT_EQUAL(resource_unregister_provider(RESOURCE_NETWORK_PORTS, &port_pool), HX_OK);
    EXPECT_EQUAL(resource_allocate(OWNER_CORE, RESOURCE_NETWORK_PORTS, 1, &ports), HX_ENOSYS);
    EXPECT_EQUAL(resource_register_provider(RESOURCE_NETWORK_PORTS, &socket_port_provider), HX_OK);
}

/* --- rules ------------------------------------------------------------------------------------ */

/* SPEC: Q1 Q2 */
static void past_the_hard_limit_is_refused_and_nothing_has_changed(void)
{
    owner_tag owner = open_owner("limited");
    resource_handle handle = take(owner, RESOURCE_CPU_TIME, 60);
    resource_handle none = 1;

    limit(owner, RESOURCE_CPU_TIME, 100, 100);
    EXPECT_EQUAL(used(owner, RESOURCE_CPU_TIME), 60);
    EXPECT_EQUAL(resource_allocate(owner, RESOURCE_CPU_TIME, 41, &none), HX_ELIMIT);
    EXPECT_EQUAL(none, RESOURCE_HANDLE_NONE);
    EXPECT_EQUAL(resource_allocate(owner, RESOURCE_CPU_TIME, RESOURCE_UNLIMITED, &none), HX_ELIMIT);
    EXPECT_EQUAL(resource_allocate(owner, RESOURCE_CPU_TIME, UINT64_MAX, &none), HX_EINVAL);
    EXPECT_EQUAL(usage_of(owner, RESOURCE_CPU_TIME).refused, 2);
    EXPECT_EQUAL(used(owner, RESOURCE_CPU_TIME), 60);
    EXPECT_EQUAL(resource_release(take(owner, RESOURCE_CPU_TIME, 40), owner), HX_OK);
    EXPECT_EQUAL(resource_release(handle, owner), HX_OK);
    EXPECT_EQUAL(used(owner, RESOURCE_CPU_TIME), 0);
    close_owner(owner);
}

/* SPEC: Q2 Q3 */
static void a_double_foreign_or_late_release_is_refused(void)
{
    owner_tag owner = open_owner("one");
    owner_tag other = open_owner("other");
    resource_handle handle = take(owner, RESOURCE_MEMORY, 7);

    EXPECT_EQUAL(resource_release(handle, other), HX_EPERM);
    EXPECT_EQUAL(used(owner, RESOURCE_MEMORY), 7);
    EXPECT_EQUAL(resource_release(handle, owner), HX_OK);
    EXPECT_EQUAL(resource_release(handle, owner), HX_ESTALE);
    handle = take(owner, RESOURCE_MEMORY, 9);
    close_owner(owner);
    EXPECT_EQUAL(resource_release(handle, owner), HX_ESTALE);
    EXPECT_EQUAL(resource_allocate(owner, RESOURCE_MEMORY, 1, &handle), HX_ESTALE);
    close_owner(other);
}

/* --- warnings --------------------------------------------------------------------------------- */

static owner_tag watched;
static _Atomic uint32_t crossings;

static enum event_answer count_crossing(void *argument, const struct kernel_event *event)
{
    struct resource_warning *last = argument;
    struct resource_warning warning;

    memcpy(&warning, event->custom.data, sizeof(warning));
    if (event->custom.length == sizeof(warning) && warning.owner == watched) {
        *last = warning;
        atomic_fetch_add_explicit(&crossings, 1, memory_order_relaxed);
    }
    return EVENT_HANDLED;
}

static event_subscription watch(struct resource_warning *last)
{
    struct event_subscriber subscriber = {
        .callback = count_crossing, .argument = last, .contexts = EVENT_IN_THREAD};
    event_subscription subscription = 0;
    event_topic topic;

    atomic_store_explicit(&crossings, 0, memory_order_relaxed);
    EXPECT_EQUAL(event_topic_intern(RESOURCES_TOPIC, &topic), HX_OK);
    subscriber.topics = EVENT_TOPIC_SET(topic);
    EXPECT_EQUAL(event_subscribe(&subscriber, &subscription), HX_OK);
    return subscription;
}

/* SPEC: Q2 */
static void each_crossing_of_a_soft_limit_is_one_event(void)
{
    struct resource_warning last = {0};
    event_subscription subscription = watch(&last);

    watched = open_owner("watched");
    limit(watched, RESOURCE_MEMORY, 10, 30);
    for (uint32_t round = 1; round <= 3; round++) {
        resource_handle first = take(watched, RESOURCE_MEMORY, 10);
        resource_handle second = take(watched, RESOURCE_MEMORY, 1);
        resource_handle third = take(watched, RESOURCE_MEMORY, 1);

        EXPECT_EQUAL(atomic_load_explicit(&crossings, memory_order_relaxed), round);
        EXPECT_EQUAL(last.class, RESOURCE_MEMORY);
        EXPECT_EQUAL(last.used, 11);
        EXPECT_EQUAL(last.limits.soft, 10);
        EXPECT_EQUAL(last.limits.hard, 30);
        EXPECT_EQUAL(resource_release(first, watched), HX_OK);
        EXPECT_EQUAL(resource_release(second, watched), HX_OK);
        EXPECT_EQUAL(resource_release(third, watched), HX_OK);
    }
    EXPECT_EQUAL(event_unsubscribe(subscription), HX_OK);
    close_owner(watched);
}

/* --- every CPU -------------------------------------------------------------------------------- */

#define WORKERS 4U
#define HELD    32U
#define HARD    300U

static owner_tag owners[2];
static struct {
    resource_handle handle; /* RESOURCE_HANDLE_NONE: nothing */
    uint64_t owner;
    uint64_t amount;
} held[WORKERS][HELD];

static void change(uint64_t worker, uint64_t *random)
{
    uint64_t which = crew_random(random) % HELD;
    hx_err error = HX_OK;

    if (held[worker][which].handle != RESOURCE_HANDLE_NONE) {
        error = resource_release(held[worker][which].handle, owners[held[worker][which].owner]);
        held[worker][which].handle = RESOURCE_HANDLE_NONE;
    } else {
        held[worker][which].owner = crew_random(random) % HX_ARRAY_SIZE(owners);
        held[worker][which].amount = 1 + crew_random(random) % 20;
        error = resource_allocate(owners[held[worker][which].owner], RESOURCE_MEMORY,
                                  held[worker][which].amount, &held[worker][which].handle);
        error = error == HX_ELIMIT ? HX_OK : error;
    }
    EXPECT_EQUAL(error, HX_OK);
}

static void change_at_random(void *argument)
{
    uint64_t worker = (uintptr_t)argument;
    uint64_t random = selftest_seed() ^ (worker + 1) << 32 ^ 1;

    for (uint32_t i = 0; i < (is_soak() ? 300000U : 3000U); i++) {
        change(worker, &random);
        EXPECT(i % 16 != 0 || used(owners[0], RESOURCE_MEMORY) <= HARD);
    }
}

static void run_workers(void (*work)(void *argument))
{
    crew_open(&crew);
    for (uint32_t i = 0; i < WORKERS; i++) {
        crew_start(&crew, work, (void *)(uintptr_t)i, 1ULL << crew_cpu(i % cpu_online_count()));
    }
}

static void compare_sums(uint64_t owner)
{
    struct resource_totals totals;
    uint64_t handles = 0;
    uint64_t amount = 0;

    for (size_t i = 0; i < (size_t)WORKERS * HELD; i++) {
        if (held[i / HELD][i % HELD].handle != RESOURCE_HANDLE_NONE &&
            held[i / HELD][i % HELD].owner == owner) {
            amount += held[i / HELD][i % HELD].amount;
            handles++;
        }
    }
    resource_owner_held(owners[owner], &totals);
    EXPECT_EQUAL(totals.handles[RESOURCE_MEMORY], handles);
    EXPECT_EQUAL(totals.amount[RESOURCE_MEMORY], amount);
    EXPECT_EQUAL(used(owners[owner], RESOURCE_MEMORY), amount);
}

/* SPEC: Q2 Q3 */
static void callers_on_every_cpu_keep_the_sum_of_handles(void)
{
    memset(held, 0, sizeof(held));
    for (uint64_t i = 0; i < HX_ARRAY_SIZE(owners); i++) {
        owners[i] = open_owner("shared");
        limit(owners[i], RESOURCE_MEMORY, HARD, HARD);
    }
    for (unsigned round = 0; round < 3; round++) {
        run_workers(change_at_random);
        crew_join(&crew);
        compare_sums(0);
        compare_sums(1);
    }
    EXPECT(usage_of(owners[0], RESOURCE_MEMORY).refused > 0);
    close_owner(owners[0]);
    close_owner(owners[1]);
}

static _Atomic owner_tag current;
static _Atomic uint32_t is_over;
static _Atomic uint64_t lost; /* handles that went with their owner */

static void serve_current(void *argument)
{
    resource_handle mine[8];

    (void)argument;
    while (atomic_load_explicit(&is_over, memory_order_acquire) == 0) {
        owner_tag owner = atomic_load_explicit(&current, memory_order_acquire);
        uint32_t count = 0;

        while (count < HX_ARRAY_SIZE(mine) &&
               resource_allocate(owner, RESOURCE_MEMORY, 1, &mine[count]) == HX_OK) {
            count++;
        }
        thread_yield();
        for (uint32_t i = 0; i < count; i++) {
            hx_err error = resource_release(mine[i], owner);

            EXPECT(error == HX_OK || error == HX_ESTALE);
            atomic_fetch_add_explicit(&lost, error != HX_OK, memory_order_relaxed);
        }
    }
}

/* SPEC: Q3 Q5 */
static void an_owner_that_ends_under_load_leaves_nothing(void)
{
    uint64_t deadline = hal_clock_now() + 10 * HAL_NS_PER_S;
    uint64_t returned = 0;

    atomic_store_explicit(&lost, 0, memory_order_relaxed);
    atomic_store_explicit(&is_over, 0, memory_order_relaxed);
    atomic_store_explicit(&current, open_owner("short-lived"), memory_order_release);
    run_workers(serve_current);
    for (uint32_t round = 0;
         round < (is_soak() ? 2000U : 50U) || (returned == 0 && hal_clock_now() < deadline);
         round++) {
        owner_tag owner = atomic_load_explicit(&current, memory_order_relaxed);
        struct resource_totals totals;

        thread_sleep(HAL_NS_PER_MS / 4);
        EXPECT_EQUAL(resource_owner_close(owner, &totals), HX_OK);
        atomic_store_explicit(&current, open_owner("short-lived"), memory_order_release);
        returned += totals.handles[RESOURCE_MEMORY];
        EXPECT(has_nothing(owner));
    }
    atomic_store_explicit(&is_over, 1, memory_order_release);
    crew_join(&crew);
    close_owner(atomic_load_explicit(&current, memory_order_relaxed));
    EXPECT(returned > 0);
    EXPECT_EQUAL(atomic_load_explicit(&lost, memory_order_relaxed), returned);
}

/* --- threads ---------------------------------------------------------------------------------- */

static _Atomic uint32_t may_end;

static void wait_for_end(void *argument)
{
    (void)argument;
    EXPECT(crew_sleep_until(&may_end, 1));
}

static hx_err start_thread_of(owner_tag owner)
{
    const struct thread_options options = {.name = "owned", .entry = wait_for_end, .owner = owner};
    struct thread *thread;
    hx_err error = thread_create(&options, &thread);

    if (error == HX_OK) {
        thread_start(thread);
    }
    return error;
}

/* The reaper frees what has exited, a little later. */
static bool comes_to_nothing(owner_tag owner)
{
    uint64_t deadline = hal_clock_now() + 10 * HAL_NS_PER_S;

    while (!has_nothing(owner)) {
        if (hal_clock_now() > deadline) {
            return false;
        }
        thread_sleep(HAL_NS_PER_MS);
    }
    return true;
}

/* SPEC: Q1 Q2 Q5 */
static void an_owner_has_as_many_threads_as_its_limit(void)
{
    owner_tag owner = open_owner("with threads");
    struct ledger ledger;
    uint64_t measured = 0;

    atomic_store_explicit(&may_end, 0, memory_order_relaxed);
    limit(owner, RESOURCE_THREADS, 2, 2);
    EXPECT_EQUAL(start_thread_of(owner), HX_OK);
    EXPECT_EQUAL(start_thread_of(owner), HX_OK);
    EXPECT_EQUAL(start_thread_of(owner), HX_ELIMIT);
    EXPECT_EQUAL(resource_measure(owner, RESOURCE_THREADS, &measured), HX_OK);
    EXPECT_EQUAL(measured, 2);
    ledger_take(owner, &ledger);
    EXPECT_EQUAL(ledger.threads, 2);
    EXPECT(ledger.frames > 0); /* their stacks */
    EXPECT_EQUAL(ledger.resources.handles[RESOURCE_THREADS], 2);
    atomic_store_explicit(&may_end, 1, memory_order_release);
    EXPECT(comes_to_nothing(owner));
    close_owner(owner);
}

/* Which is limit.threads of the command line where that is given, else what this test sets. */
/* SPEC: Q1 Q2 */
static void the_kernels_thread_limit_binds(void)
{
    struct resource_limits before = usage_of(OWNER_CORE, RESOURCE_THREADS).limits;
    uint64_t wanted = used(OWNER_CORE, RESOURCE_THREADS) + 3;
    uint64_t given = 0;
    hx_err error = HX_OK;

    if (command_line_u64(kernel_command_line(), "limit.threads", &wanted) == HX_OK) {
        EXPECT_EQUAL(before.hard, wanted);
        EXPECT_EQUAL(before.soft, wanted - wanted / 10);
    } else {
        limit(OWNER_CORE, RESOURCE_THREADS, wanted, wanted);
    }
    atomic_store_explicit(&may_end, 0, memory_order_relaxed);
    for (; error == HX_OK && given <= wanted; given++) {
        error = start_thread_of(OWNER_CORE);
    }
    EXPECT_EQUAL(error, HX_ELIMIT);
    EXPECT_EQUAL(used(OWNER_CORE, RESOURCE_THREADS), wanted);
    EXPECT(given > 1);
    atomic_store_explicit(&may_end, 1, memory_order_release);
    for (uint64_t i = 0; i < 1000 && used(OWNER_CORE, RESOURCE_THREADS) + given > wanted + 1; i++) {
        thread_sleep(10 * HAL_NS_PER_MS);
    }
    EXPECT_EQUAL(used(OWNER_CORE, RESOURCE_THREADS) + given, wanted + 1);
    EXPECT_EQUAL(resource_set_limit(OWNER_CORE, RESOURCE_THREADS, before), HX_OK);
}

/* --- the ledger ------------------------------------------------------------------------------- */

static hx_err ignore_message(void *argument, const struct router_message *request,
                             struct router_message *response)
{
    (void)argument;
    (void)request;
    (void)response;
    return HX_OK;
}

/* SPEC: Q5 */
static void the_ledger_knows_memory_subscriptions_and_mailboxes(void)
{
    owner_tag owner = open_owner("with everything");
    const struct router_options options = {
        .name = "test.owned", .handler = ignore_message, .owner = owner};
    const struct event_subscriber subscriber = {.topics = EVENT_TOPIC_SET(EVENT_TOPIC_SHUTDOWN),
                                                .callback = count_crossing,
                                                .contexts = EVENT_IN_THREAD,
                                                .owner = owner};
    event_subscription subscription = 0;
    router_mailbox mailbox = 0;
    struct ledger ledger;
    uint64_t frame = 0;
    void *object = heap_allocate(100, owner);

    EXPECT(has_nothing(owner) == (object == NULL));
    EXPECT_EQUAL(frames_allocate(1, owner, &frame), HX_OK);
    EXPECT_EQUAL(event_subscribe(&subscriber, &subscription), HX_OK);
    EXPECT_EQUAL(router_register(&options, &mailbox), HX_OK);
    ledger_take(owner, &ledger);
    EXPECT_EQUAL(ledger.frames, 2);
    EXPECT(ledger.heap_objects >= 1 && ledger.heap_bytes >= 100);
    EXPECT_EQUAL(ledger.subscriptions, 1);
    EXPECT_EQUAL(ledger.mailboxes, 1);
    heap_free(object);
    frames_free(frame, 1);
    EXPECT(!has_nothing(owner));
    EXPECT_EQUAL(event_unsubscribe(subscription), HX_OK);
    EXPECT(!has_nothing(owner));
    EXPECT_EQUAL(router_unregister(mailbox), HX_OK);
    EXPECT(has_nothing(owner));
    close_owner(owner);
}

/* --- module instances ------------------------------------------------------------------------- */

/* The demo slot with a live instance; *owner is that instance's. */
static struct slot *fresh_demo(enum hal_gate_backend backend, owner_tag *owner)
{
    struct slot *slot = slot_find("demo");

    *owner = OWNER_NONE;
    if (slot == NULL || modules_reload(SUBJECT_KERNEL, slot, backend) != HX_OK) {
        selftest_fail(__FILE__, __LINE__, "the demo module cannot be loaded");
        return NULL;
    }
    *owner = slot_instance(slot)->owner;
    return slot;
}

static void check_memory_charged(enum hal_gate_backend backend)
{
    char name[RESOURCE_OWNER_NAME_MAX];
    uint64_t measured = 0;
    owner_tag owner;

    if (fresh_demo(backend, &owner) == NULL) {
        return;
    }
    EXPECT(resource_owner_name(owner, name) && string_equal(name, "demo"));
    EXPECT_EQUAL(resource_measure(owner, RESOURCE_MEMORY, &measured), HX_OK);
    EXPECT(measured > 0);
    EXPECT_EQUAL(used(owner, RESOURCE_MEMORY), measured);
}

/* SPEC: Q1 Q5 */
static void an_open_instance_is_charged_for_the_memory_it_has(void)
{
    check_memory_charged(HAL_GATE_OPEN);
}

/* SPEC: Q1 Q5 */
static void a_user_instance_is_charged_for_the_memory_it_has(void)
{
    check_memory_charged(HAL_GATE_USER);
}

/* SPEC: Q1 Q2 */
static void an_instance_past_a_limit_is_not_loaded(void)
{
    const struct resource_limits small = {.soft = HAL_PAGE_SIZE, .hard = HAL_PAGE_SIZE};
    struct resource_limits before = usage_of(OWNER_CORE, RESOURCE_MODULES).limits;
    struct slot *slot = slot_find("demo");
    owner_tag owner;

    if (fresh_demo(HAL_GATE_OPEN, &owner) == NULL) {
        return;
    }

    struct resource_limits memory = usage_of(owner, RESOURCE_MEMORY).limits;
    uint64_t others = used(OWNER_CORE, RESOURCE_MODULES) - 1; /* in other slots */

    loader_set_memory_limits(small);
    EXPECT_EQUAL(modules_reload(SUBJECT_KERNEL, slot, HAL_GATE_OPEN), HX_ELIMIT);
    EXPECT(has_nothing(owner));
    EXPECT_EQUAL(used(OWNER_CORE, RESOURCE_MODULES), others);
    loader_set_memory_limits(memory);
    limit(OWNER_CORE, RESOURCE_MODULES, 0, 0);
    EXPECT_EQUAL(modules_reload(SUBJECT_KERNEL, slot, HAL_GATE_OPEN), HX_ELIMIT);
    EXPECT_EQUAL(resource_set_limit(OWNER_CORE, RESOURCE_MODULES, before), HX_OK);
    EXPECT_EQUAL(modules_reload(SUBJECT_KERNEL, slot, HAL_GATE_OPEN), HX_OK);
    EXPECT_EQUAL(used(OWNER_CORE, RESOURCE_MODULES), others + 1);
}

static uint32_t reloads(void)
{
    return is_soak() ? 10000U : 60U;
}

/* What the kernel has, without what the heap keeps for later on each CPU. */
struct kernel_level {
    uint64_t frames;
    uint64_t heap_objects;
    uint64_t modules;
};

static struct kernel_level kernel_level(void)
{
    struct heap_statistics heap;
    struct ledger ledger;

    heap_statistics(&heap);
    ledger_take(OWNER_CORE, &ledger);
    return (struct kernel_level){.frames = ledger.frames - heap.frames,
                                 .heap_objects = ledger.heap_objects,
                                 .modules = ledger.resources.handles[RESOURCE_MODULES]};
}

static bool is_above(struct kernel_level now, struct kernel_level before)
{
    return now.frames > before.frames || now.heap_objects > before.heap_objects;
}

/* Others come and go at the same time: a leak of each instance stays, what they have does not. */
static void expect_level(struct kernel_level before)
{
    uint64_t deadline = hal_clock_now() + 10 * HAL_NS_PER_S;

    while (is_above(kernel_level(), before) && hal_clock_now() < deadline) {
        thread_sleep(HAL_NS_PER_MS);
    }
    EXPECT(!is_above(kernel_level(), before));
    EXPECT_EQUAL(kernel_level().modules, before.modules);
}

static void load_again_and_again(enum hal_gate_backend even, enum hal_gate_backend odd,
                                 bool crashes)
{
    struct kernel_level kernel;
    owner_tag gone;

    /* What is there only after the first of each kind is there now. */
    if (fresh_demo(odd, &gone) == NULL || fresh_demo(even, &gone) == NULL) {
        return;
    }
    kernel = kernel_level();
    for (uint32_t i = 0; i < reloads(); i++) {
        owner_tag owner;
        struct slot *slot = slot_find("demo");

        if (crashes && i % 2 == 1) {
            EXPECT_EQUAL(gate_call(slot, DEMO_GIVE_UP, 0, 0, 0, 0).error, HX_EDIED);
        }
        if (fresh_demo(i % 4 < 2 ? even : odd, &owner) == NULL) {
            return;
        }
        EXPECT(owner != gone);
        EXPECT(has_nothing(gone));
        gone = owner;
    }
    if (fresh_demo(even, &gone) != NULL) { /* the kind that was there at first */
        expect_level(kernel);
    }
}

/* SPEC: Q3 Q5 */
static void instances_that_came_and_went_leave_nothing(void)
{
    load_again_and_again(HAL_GATE_OPEN, HAL_GATE_OPEN, false);
}

/* SPEC: Q3 Q5 */
static void instances_that_died_leave_nothing(void)
{
    load_again_and_again(HAL_GATE_OPEN, HAL_GATE_USER, true);
}

#define TEST(function) "core_resource." #function, function

const struct selftest core_resource_tests[] = {
    {TEST(a_client_is_served_and_its_ports_come_back), 0},
    {TEST(past_the_hard_limit_is_refused_and_nothing_has_changed), 0},
    {TEST(a_double_foreign_or_late_release_is_refused), 0},
    {TEST(each_crossing_of_a_soft_limit_is_one_event), 0},
    {TEST(callers_on_every_cpu_keep_the_sum_of_handles), 0},
    {TEST(an_owner_that_ends_under_load_leaves_nothing), SELFTEST_KEEPS_MEMORY},
    {TEST(an_owner_has_as_many_threads_as_its_limit), 0},
    {TEST(the_kernels_thread_limit_binds), 0},
    {TEST(the_ledger_knows_memory_subscriptions_and_mailboxes), 0},
    {TEST(an_open_instance_is_charged_for_the_memory_it_has), 0},
    {TEST(a_user_instance_is_charged_for_the_memory_it_has), SELFTEST_METAL_ONLY},
    {TEST(an_instance_past_a_limit_is_not_loaded), 0},
    {TEST(instances_that_came_and_went_leave_nothing), 0},
    {TEST(instances_that_died_leave_nothing), SELFTEST_METAL_ONLY},
    {0},
};
