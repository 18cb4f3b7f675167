/* Capabilities in the running kernel: rules, races on all CPUs, and the console's own rights. */
#include <core/capability/broker.h>
#include <core/config/kernel_configuration.h>
#include <core/gate/slot.h>
#include <kern/cpu.h>
#include <kern/frames.h>
#include <subsys/modules/modules.h>
#include <subsys/monitor/monitor.h>
#include <tests/self/crew.h>
#include <tests/self/suites.h>

#define TEST(function) "core_capability." #function, function

/* No slot has such a number. */
#define FIRST_NUMBER 1000000U

static struct crew crew;

static bool is_soak(void)
{
    return command_line_has(kernel_command_line(), "soak");
}

static resource_id thing(uint64_t number)
{
    return resource_make(RESOURCE_TYPE_SLOT, FIRST_NUMBER + number);
}

static subject_id subject(const char *name)
{
    subject_id id = SUBJECT_NONE;

    EXPECT_EQUAL(capability_subject_create(name, &id), HX_OK);
    return id;
}

static void end(subject_id id)
{
    EXPECT_EQUAL(capability_subject_destroy(id), HX_OK);
    capability_settle();
}

/* --- the example of docs/capabilities.md ------------------------------------------------------ */

/* example: lending */
/* A server lets a client read one thing, and takes that back by giving up its own right. */
static hx_err lend_and_end(resource_id resource)
{
    subject_id server;
    subject_id client;
    hx_err error = capability_subject_create("server", &server);

    if (error != HX_OK) {
        return error;
    }
    error = capability_subject_create("client", &client);
    if (error == HX_OK) {
        error = capability_grant(server, resource, PERMISSION_READ | PERMISSION_DELEGATE, NULL);
    }
    if (error == HX_OK) {
        error = capability_delegate(server, client, resource, PERMISSION_READ, NULL);
    }
    EXPECT(error != HX_OK || capability_check(client, resource, PERMISSION_READ));
    EXPECT(!capability_check(client, resource, PERMISSION_WRITE));

    (void)!capability_subject_destroy(server); /* and with it all that came from it */
    EXPECT(!capability_check(client, resource, PERMISSION_READ));
    (void)!capability_subject_destroy(client);
    return error;
}
/* end of example */

/* SPEC: A2 A3 */
static void the_example_of_the_page_works(void)
{
    EXPECT_EQUAL(lend_and_end(thing(0)), HX_OK);
    capability_settle();
}

/* --- rules ------------------------------------------------------------------------------------ */

/* SPEC: A1 A2 */
static void only_what_is_held_with_the_right_to_delegate_is_passed_on(void)
{
    subject_id from = subject("from");
    subject_id to = subject("to");
    capability_handle handle;

    EXPECT_EQUAL(capability_grant(from, thing(0), PERMISSION_READ, NULL), HX_OK);
    EXPECT_EQUAL(capability_delegate(from, to, thing(0), PERMISSION_READ, NULL), HX_EPERM);
    EXPECT_EQUAL(capability_grant(from, thing(1), PERMISSION_READ | PERMISSION_DELEGATE, &handle),
                 HX_OK);
    EXPECT_EQUAL(capability_delegate(from, to, thing(1), PERMISSION_WRITE, NULL), HX_EPERM);
    EXPECT_EQUAL(capability_delegate(from, to, thing(0), PERMISSION_READ, NULL), HX_EPERM);
    EXPECT_EQUAL(capability_delegate(from, to, thing(1), PERMISSION_READ, NULL), HX_OK);
    EXPECT(capability_check(to, thing(1), PERMISSION_READ));
    EXPECT(!capability_check(to, thing(0), PERMISSION_READ));
    EXPECT_EQUAL(capability_delegate(to, from, thing(1), PERMISSION_READ, NULL), HX_EPERM);
    EXPECT_EQUAL(capability_grant(from, thing(1), 0, NULL), HX_EINVAL);
    EXPECT_EQUAL(capability_grant(from, 0, PERMISSION_READ, NULL), HX_EINVAL);
    end(from);
    EXPECT(!capability_check(to, thing(1), 0));
    end(to);
}

/* SPEC: A1 */
static void each_of_64_rights_counts_on_its_own_resource_alone(void)
{
    subject_id id = subject("exact");
    subject_id other = subject("other");
    uint32_t wrong = 0;

    for (uint32_t bit = 1; bit < 64; bit++) {
        EXPECT_EQUAL(capability_grant(id, thing(bit), 1ULL << bit, NULL), HX_OK);
        for (uint32_t required = 1; required < 64; required++) {
            wrong += capability_check(id, thing(bit), 1ULL << required) != (bit == required);
        }
    }
    EXPECT_EQUAL(wrong, 0);
    EXPECT(!capability_check(id, resource_make(RESOURCE_TYPE_MACHINE, FIRST_NUMBER + 1), 0));
    EXPECT(!capability_check(other, thing(1), 0));
    EXPECT_EQUAL(resource_make(RESOURCE_TYPE_SLOT, RESOURCE_NUMBER_MAX + 1), 0);
    end(id);
    end(other);
}

/* SPEC: A4 */
static void a_check_takes_neither_the_lock_nor_memory(void)
{
    subject_id id = subject("impatient");
    capability_handle handle = CAPABILITY_NONE;
    struct capability_record record;

    EXPECT_EQUAL(capability_grant(id, thing(0), PERMISSION_READ, &handle), HX_OK);
    EXPECT_EQUAL(broker_lock(), HX_OK); /* for which a check would wait for ever */
    EXPECT(capability_check(id, thing(0), PERMISSION_READ));
    EXPECT(!capability_check(id, thing(0), PERMISSION_WRITE));
    EXPECT(capability_check_handle(id, handle, thing(0), PERMISSION_READ));
    broker_unlock();
    preempt_disable();
    EXPECT(capability_check(id, thing(0), PERMISSION_READ));
    EXPECT_EQUAL(capability_describe(handle, &record), HX_ECONTEXT);
    EXPECT_EQUAL(capability_grant(id, thing(1), PERMISSION_READ, NULL), HX_ECONTEXT);
    preempt_enable();
    end(id);
}

/* Grant and revoke until the record of an old handle is used again; its new handle. */
static capability_handle reuse(capability_handle old, subject_id owner, resource_id resource)
{
    capability_handle handle = CAPABILITY_NONE;

    for (uint32_t i = 0; i < 10000; i++) {
        if (capability_grant(owner, resource, PERMISSION_READ, &handle) != HX_OK ||
            (uint32_t)handle == (uint32_t)old) {
            break;
        }
        (void)!capability_revoke_handle(handle);
        capability_settle();
    }
    return handle;
}

/* Make and end subjects until the record of an old one is used again; its new id. */
static subject_id reuse_subject(subject_id old)
{
    subject_id id = subject("successor");

    for (uint32_t i = 0; i < 10000 && (uint32_t)id != (uint32_t)old; i++) {
        end(id);
        id = subject("successor");
    }
    return id;
}

/* SPEC: A4 A6 */
static void a_stale_handle_a_wrong_owner_and_a_reused_subject_are_refused(void)
{
    subject_id owner = subject("owner");
    subject_id other = subject("other");
    subject_id successor;
    capability_handle handle = CAPABILITY_NONE;
    capability_handle new;

    EXPECT_EQUAL(capability_grant(owner, thing(0), PERMISSION_READ, &handle), HX_OK);
    EXPECT(capability_check_handle(owner, handle, thing(0), PERMISSION_READ));
    EXPECT(!capability_check_handle(owner, handle, thing(0), PERMISSION_WRITE));
    EXPECT(!capability_check_handle(owner, handle, thing(1), PERMISSION_READ));
    EXPECT(!capability_check_handle(other, handle, thing(0), PERMISSION_READ));
    EXPECT_EQUAL(capability_revoke_handle(handle), HX_OK);
    EXPECT(!capability_check_handle(owner, handle, thing(0), 0));
    EXPECT_EQUAL(capability_revoke_handle(handle), HX_ESTALE);
    capability_settle();
    new = reuse(handle, owner, thing(0));
    EXPECT_EQUAL((uint32_t) new, (uint32_t)handle);
    EXPECT(capability_check_handle(owner, new, thing(0), PERMISSION_READ));
    EXPECT(!capability_check_handle(owner, handle, thing(0), PERMISSION_READ));
    EXPECT_EQUAL(capability_revoke_handle(handle), HX_ESTALE);
    end(owner);
    successor = reuse_subject(owner);
    EXPECT_EQUAL((uint32_t)successor, (uint32_t)owner);
    EXPECT(!capability_check(successor, thing(0), 0));
    EXPECT_EQUAL(capability_grant(owner, thing(0), PERMISSION_READ, NULL), HX_ESTALE);
    EXPECT(!capability_check(owner, thing(0), 0));
    EXPECT(!capability_subject_is_live(owner));
    end(successor);
    end(other);
}

/* SPEC: A7 */
static void one_can_ask_who_holds_what_and_through_whom(void)
{
    subject_id from = subject("from");
    subject_id to = subject("to");
    struct capability_record record = {0};
    struct capability_record origin = {0};
    uint32_t position = 0;
    uint32_t found = 0;
    hx_err error;

    EXPECT_EQUAL(capability_grant(from, thing(5), PERMISSION_WRITE | PERMISSION_DELEGATE, NULL),
                 HX_OK);
    EXPECT_EQUAL(capability_delegate(from, to, thing(5), PERMISSION_WRITE, NULL), HX_OK);
    while ((error = capability_next(&position, thing(5), &record)) != HX_ENOENT) {
        if (error == HX_OK && record.subject == to) {
            EXPECT_EQUAL(record.through, from);
            EXPECT_EQUAL(record.depth, 2);
            EXPECT_EQUAL(capability_describe(record.origin, &origin), HX_OK);
            EXPECT_EQUAL(origin.through, SUBJECT_KERNEL);
        }
        found += error == HX_OK ? 1U : 0U;
    }
    EXPECT_EQUAL(found, 2);
    end(from);
    end(to);
}

/* SPEC: A2 */
static void a_grant_without_memory_changes_nothing(void)
{
    subject_id id = subject("unlucky");
    uint32_t failures = 0;

    /* First those records are used that others' grants left; how many depends on their reclaiming.
     */
    for (uint32_t i = 0; i < 3000 || (failures == 0 && i < 100000); i++) {
        hx_err error;

        frames_fail_nth(1);
        error = capability_grant(id, thing(i), PERMISSION_READ, NULL);
        frames_fail_nth(0);
        EXPECT(error == HX_OK || error == HX_ENOMEM);
        EXPECT(capability_check(id, thing(i), 0) == (error == HX_OK));
        failures += error == HX_OK ? 0U : 1U;
    }
    EXPECT(failures > 0);
    end(id);
}

/* --- many ------------------------------------------------------------------------------------- */

/* SPEC: A4 A6 */
static void many_grants_are_found_and_go_with_their_holder(void)
{
    uint32_t count = is_soak() ? 1000000 : 20000;
    struct capability_statistics before;
    struct capability_statistics after;
    subject_id id = subject("rich");
    uint32_t wrong = 0;

    capability_statistics(&before);
    for (uint32_t i = 0; i < count; i++) {
        wrong += capability_grant(id, thing(i), PERMISSION_READ, NULL) != HX_OK ? 1U : 0U;
    }
    capability_settle();
    for (uint32_t i = 0; i < count; i++) {
        wrong += capability_check(id, thing(i), PERMISSION_READ) ? 0U : 1U;
        wrong += capability_check(id, thing(i), PERMISSION_WRITE) ? 1U : 0U;
    }
    capability_statistics(&after);
    EXPECT(after.buckets >= 2ULL * count);
    EXPECT_EQUAL(capability_subject_destroy(id), HX_OK);
    wrong += capability_check(id, thing(0), 0) ? 1U : 0U;
    capability_settle();
    capability_statistics(&after);
    EXPECT_EQUAL(wrong, 0);
    EXPECT_EQUAL(after.grants, before.grants);
    EXPECT_EQUAL(after.reclaiming, 0);
    EXPECT(after.longest <= 64);
}

/* --- races ------------------------------------------------------------------------------------ */

#define LINKS 4U

static subject_id links[LINKS];
static _Atomic uint64_t given_round;
static _Atomic uint64_t revoked_round; /* revoking all rounds up to this one has returned */
static _Atomic uint32_t wrong_passes;
static _Atomic uint32_t right_passes;
static _Atomic bool is_over;

static void watch(void *argument)
{
    (void)argument;
    while (!atomic_load_explicit(&is_over, memory_order_acquire)) {
        uint64_t revoked = atomic_load_explicit(&revoked_round, memory_order_acquire);
        uint64_t given = atomic_load_explicit(&given_round, memory_order_acquire);

        for (uint32_t i = 0; i < LINKS; i++) {
            if (capability_check(links[i], thing(revoked), 0)) {
                atomic_fetch_add_explicit(&wrong_passes, 1, memory_order_relaxed);
            }
            if (capability_check(links[i], thing(given), PERMISSION_READ)) {
                atomic_fetch_add_explicit(&right_passes, 1, memory_order_relaxed);
            }
        }
        thread_yield(); /* on one CPU a turn is long */
    }
}

/* Race to derive from a grant while it is revoked. */
static void derive(void *argument)
{
    (void)argument;
    while (!atomic_load_explicit(&is_over, memory_order_acquire)) {
        uint64_t given = atomic_load_explicit(&given_round, memory_order_acquire);
        bool is_late = atomic_load_explicit(&revoked_round, memory_order_acquire) >= given;
        hx_err error = capability_delegate(links[LINKS - 2], links[LINKS - 1], thing(given),
                                           PERMISSION_READ, NULL);

        if (is_late && error == HX_OK) {
            atomic_fetch_add_explicit(&wrong_passes, 1, memory_order_relaxed);
        }
        thread_yield();
    }
}

static void give_and_revoke(uint32_t rounds)
{
    uint64_t rights = PERMISSION_READ | PERMISSION_DELEGATE;

    for (uint64_t round = 1; round <= rounds; round++) {
        subject_id from = SUBJECT_KERNEL;

        for (uint32_t i = 0; i < LINKS - 1; i++) {
            EXPECT_EQUAL(capability_delegate(from, links[i], thing(round), rights, NULL), HX_OK);
            from = links[i];
        }
        atomic_store_explicit(&given_round, round, memory_order_release);
        if (round == 1) {
            EXPECT(crew_sleep_until(&right_passes, 1)); /* the race is on */
        }
        thread_yield();
        EXPECT_EQUAL(capability_revoke(links[0], thing(round)), HX_OK);
        atomic_store_explicit(&revoked_round, round, memory_order_release);
    }
}

static void prepare_race(void)
{
    atomic_store_explicit(&given_round, 0, memory_order_relaxed);
    atomic_store_explicit(&revoked_round, 0, memory_order_relaxed);
    atomic_store_explicit(&wrong_passes, 0, memory_order_relaxed);
    atomic_store_explicit(&right_passes, 0, memory_order_relaxed);
    atomic_store_explicit(&is_over, false, memory_order_relaxed);
    for (uint32_t i = 0; i < LINKS; i++) {
        links[i] = subject("link");
    }
}

/* SPEC: A3 A6 */
static void no_check_passes_after_its_revocation_has_returned(void)
{
    prepare_race();
    crew_open(&crew);
    for (uint32_t i = 0; i < 3; i++) {
        crew_start(&crew, watch, NULL, 0);
    }
    crew_start(&crew, derive, NULL, 0);
    give_and_revoke(is_soak() ? 1000000 : 1000);
    atomic_store_explicit(&is_over, true, memory_order_release);
    EXPECT(crew_join(&crew));
    EXPECT_EQUAL(atomic_load_explicit(&wrong_passes, memory_order_relaxed), 0);
    for (uint32_t i = 0; i < LINKS; i++) {
        end(links[i]);
    }
}

/* --- what the kernel asks --------------------------------------------------------------------- */

static void the_console_without_the_right_is_refused(void)
{
    struct slot *slot = slot_find("demo");
    const struct module_instance *instance = slot_instance(slot);
    subject_id console = monitor_subject();

    EXPECT_EQUAL(capability_revoke(console, resource_make(RESOURCE_TYPE_MACHINE, 0)), HX_OK);
    EXPECT(!monitor_press('p'));
    EXPECT(!monitor_press('r'));
    EXPECT(!monitor_press('q'));
    EXPECT_EQUAL(capability_revoke(console, modules_slot_resource(slot)), HX_OK);
    EXPECT(!monitor_press('d'));
    EXPECT_EQUAL(modules_reload(console, slot, slot->backend), HX_EPERM);
    EXPECT(slot_instance(slot) == instance);
    EXPECT(monitor_press('h'));
    EXPECT(!monitor_press('?'));
    EXPECT_EQUAL(monitor_grant_control(), HX_OK);
    EXPECT(modules_reload(console, slot, slot->backend) != HX_EPERM);
    EXPECT(monitor_press('a'));
    capability_settle();
}

const struct selftest core_capability_tests[] = {
    {TEST(the_example_of_the_page_works), 0},
    {TEST(only_what_is_held_with_the_right_to_delegate_is_passed_on), 0},
    {TEST(each_of_64_rights_counts_on_its_own_resource_alone), 0},
    {TEST(a_check_takes_neither_the_lock_nor_memory), 0},
    {TEST(a_stale_handle_a_wrong_owner_and_a_reused_subject_are_refused), 0},
    {TEST(one_can_ask_who_holds_what_and_through_whom), 0},
    {TEST(a_grant_without_memory_changes_nothing), SELFTEST_KEEPS_MEMORY},
    {TEST(many_grants_are_found_and_go_with_their_holder), SELFTEST_KEEPS_MEMORY},
    {TEST(no_check_passes_after_its_revocation_has_returned), SELFTEST_KEEPS_MEMORY},
    {TEST(the_console_without_the_right_is_refused), SELFTEST_KEEPS_MEMORY},
    {0},
};
