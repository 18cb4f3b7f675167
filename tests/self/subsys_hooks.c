/* The hooks that come with the kernel: who may make which calls, and changes while calls are made.
 */
#include <base/string.h>
#include <core/capability/capability.h>
#include <core/syscall/syscall.h>
#include <hal/clock.h>
#include <subsys/hooks/hooks.h>
#include <subsys/hooks/metrics.h>
#include <subsys/hooks/policy.h>
#include <tests/self/crew.h>
#include <tests/self/suites.h>

#define NUMBER    510U /* nobody's; of class native while the test has it */
#define EPERM     1
#define EACCES    13
#define CALLERS   4U
#define CHANGES   60U
#define TURN      16U /* calls between two yields: whoever changes things gets a turn */
#define TEXT_SIZE 2048U

#define EVERYONE "# nothing is kept from anybody\n"

static const uint64_t digits[SYSCALL_ARGUMENTS] = {1, 2, 3, 4, 5, 6};
static char error[POLICY_ERROR_MAX];
static struct crew crew;

static int64_t answer(void)
{
    return 42;
}

static const struct syscall_entry entry = {.name = "test_hooked",
                                           .handler = SYSCALL_HANDLER(answer)};

static int64_t call(void)
{
    return syscall_invoke(NUMBER, digits);
}

static hx_err replace(const char *text)
{
    return hooks_policy_replace(text, string_length(text), error, sizeof(error));
}

/* --- security --------------------------------------------------------------------------------- */

/* Act for a subject, as a thread of a process does; 0: for the kernel again. */
static void act_for(subject_id subject)
{
    atomic_store_explicit(&thread_current()->subject, subject, memory_order_relaxed);
    thread_current()->process_number = subject != 0;
    thread_current()->thread_number = 1;
}

static void expect_the_class_is_for_holders(subject_id subject)
{
    resource_id native = resource_make(RESOURCE_TYPE_CALLS, SYSCALL_CLASS_NATIVE);
    resource_id files = resource_make(RESOURCE_TYPE_CALLS, SYSCALL_CLASS_FILES);

    EXPECT_EQUAL(call(), 42); /* the kernel's own */
    act_for(subject);
    EXPECT_EQUAL(call(), -(int64_t)EACCES);
    EXPECT_EQUAL(capability_grant(subject, files, PERMISSION_EXECUTE, NULL), HX_OK);
    EXPECT_EQUAL(capability_grant(subject, native, PERMISSION_READ, NULL), HX_OK);
    EXPECT_EQUAL(call(), -(int64_t)EACCES);
    EXPECT_EQUAL(capability_grant(subject, native, PERMISSION_EXECUTE, NULL), HX_OK);
    EXPECT_EQUAL(call(), 42);
    EXPECT_EQUAL(capability_revoke(subject, native), HX_OK);
    EXPECT_EQUAL(call(), -(int64_t)EACCES);
    act_for(0);
}

/* SPEC: Y4 Y5 */
static void who_may_make_calls_of_a_class_is_the_policys(void)
{
    subject_id subject;

    EXPECT_EQUAL(capability_subject_create("hooked", &subject), HX_OK);
    EXPECT_EQUAL(syscall_register(NUMBER, &entry), HX_OK);
    EXPECT_EQUAL(replace("class native holders EACCES\n"), HX_OK);
    expect_the_class_is_for_holders(subject);
    EXPECT_EQUAL(replace("class native nobody\n"), HX_OK);
    EXPECT_EQUAL(call(), -(int64_t)EPERM);
    EXPECT_EQUAL(replace("class native nobody\ncall test_hooked everyone\n"), HX_OK);
    act_for(subject);
    EXPECT_EQUAL(call(), 42);
    act_for(0);
    EXPECT_EQUAL(replace("call 510 nobody EACCES"), HX_OK);
    EXPECT_EQUAL(call(), -(int64_t)EACCES);
    EXPECT_EQUAL(replace(EVERYONE), HX_OK);
    EXPECT_EQUAL(call(), 42);
    EXPECT_EQUAL(syscall_unregister(NUMBER), HX_OK);
    EXPECT_EQUAL(capability_subject_destroy(subject), HX_OK);
    capability_settle();
}

/* SPEC: Y5 */
static void a_number_that_comes_later_is_judged_too(void)
{
    EXPECT_EQUAL(replace("class native nobody\n"), HX_OK);
    EXPECT_EQUAL(syscall_register(NUMBER, &entry), HX_OK);
    EXPECT_EQUAL(call(), -(int64_t)EPERM);
    EXPECT_EQUAL(replace(EVERYONE), HX_OK);
    EXPECT_EQUAL(call(), 42);
    EXPECT_EQUAL(syscall_unregister(NUMBER), HX_OK);
}

/* SPEC: Y5 */
static void a_policy_is_replaced_as_a_whole_or_not_at_all(void)
{
    static char before[TEXT_SIZE];
    static char after[TEXT_SIZE];
    struct text text = text_into(before, sizeof(before));

    EXPECT_EQUAL(syscall_register(NUMBER, &entry), HX_OK);
    EXPECT_EQUAL(replace("class native nobody EACCES\ncall test_hooked holders\n"), HX_OK);
    hooks_policy_show(&text);
    EXPECT_EQUAL(replace("call test_hooked everyone\nclass nothing everyone\n"), HX_EFORMAT);
    EXPECT(string_equal(error, "line 2: no such class: `nothing`"));
    text = text_into(after, sizeof(after));
    hooks_policy_show(&text);
    EXPECT(text.length < sizeof(after) && string_equal(before, after));
    EXPECT_EQUAL(replace(after), HX_OK); /* what it shows is what it takes */
    text = text_into(after, sizeof(after));
    hooks_policy_show(&text);
    EXPECT(string_equal(before, after));
    EXPECT_EQUAL(replace(EVERYONE), HX_OK);
    EXPECT_EQUAL(syscall_unregister(NUMBER), HX_OK);
}

/* --- changes while calls are made ------------------------------------------------------------- */

static struct {
    _Atomic uint32_t is_over;
    _Atomic uint32_t calls;
    _Atomic uint32_t wrong;
    _Atomic uint32_t before; /* calls of the pairing hook */
    _Atomic uint32_t after;
} traffic;

static void add(_Atomic uint32_t *count, uint32_t amount)
{
    atomic_fetch_add_explicit(count, amount, memory_order_relaxed);
}

static uint32_t value_of(const _Atomic uint32_t *count)
{
    return atomic_load_explicit(count, memory_order_relaxed);
}

static int64_t count_before(const struct syscall_call *made, void *argument)
{
    (void)argument;
    add(&traffic.before, made->number == NUMBER ? 1U : 0U);
    return 0;
}

static void count_after(const struct syscall_call *made, void *argument)
{
    (void)argument;
    add(&traffic.after, made->number == NUMBER ? 1U : 0U);
}

static const struct syscall_hook pairing = {
    .name = "test.pairing", .order = -5, .pre = count_before, .post = count_after};

static void keep_calling(void *argument)
{
    (void)argument;
    while (atomic_load_explicit(&traffic.is_over, memory_order_acquire) == 0) {
        int64_t result = call();

        if (atomic_fetch_add_explicit(&traffic.calls, 1, memory_order_relaxed) % TURN == 0) {
            thread_yield();
        }
        add(&traffic.wrong, result == 42 || result == -EPERM ? 0U : 1U);
    }
}

static void start_traffic(void)
{
    atomic_store_explicit(&traffic.is_over, 0, memory_order_relaxed);
    atomic_store_explicit(&traffic.calls, 0, memory_order_relaxed);
    atomic_store_explicit(&traffic.wrong, 0, memory_order_relaxed);
    atomic_store_explicit(&traffic.before, 0, memory_order_relaxed);
    atomic_store_explicit(&traffic.after, 0, memory_order_relaxed);
    EXPECT_EQUAL(syscall_register(NUMBER, &entry), HX_OK);
    crew_open(&crew);
    for (unsigned i = 0; i < CALLERS; i++) {
        (void)crew_start(&crew, keep_calling, NULL, 0);
    }
    EXPECT(crew_sleep_until(&traffic.calls, 1));
}

static void end_traffic(void)
{
    atomic_store_explicit(&traffic.is_over, 1, memory_order_release);
    EXPECT(crew_join(&crew));
    EXPECT_EQUAL(value_of(&traffic.wrong), 0);
    EXPECT_EQUAL(syscall_unregister(NUMBER), HX_OK);
}

/* SPEC: Y5 */
static void the_policy_changes_while_calls_are_made(void)
{
    start_traffic();
    for (unsigned i = 0; i < CHANGES; i++) {
        EXPECT_EQUAL(replace("class native nobody\n"), HX_OK);
        EXPECT_EQUAL(call(), -(int64_t)EPERM);
        EXPECT_EQUAL(replace(EVERYONE), HX_OK);
        EXPECT_EQUAL(call(), 42);
    }
    end_traffic();
    /* A list of hooks that calls still had at the last change goes with the next one. */
    EXPECT_EQUAL(replace(EVERYONE), HX_OK);
}

/* One change of what hooks there are or where; all of them go through every state in time. */
static void change_something(unsigned step)
{
    static const char *const names[] = {"security", "audit", "metrics", "test.pairing"};
    const char *name = names[step % HX_ARRAY_SIZE(names)];
    uint64_t random = crew_random(&(uint64_t){selftest_seed() + step + 1});

    EXPECT_EQUAL(hooks_set(name, (random & 1) != 0), HX_OK);
    EXPECT_EQUAL(hooks_set_order(names[random / 2 % 4], (int32_t)(random / 8 % 50) - 25), HX_OK);
    if (step % 8 == 0) {
        EXPECT_EQUAL(replace((random & 64) != 0 ? "class native nobody\n" : EVERYONE), HX_OK);
    }
}

/* As the kernel starts. */
static void put_back(void)
{
    EXPECT_EQUAL(hooks_set("security", true), HX_OK);
    EXPECT_EQUAL(hooks_set("audit", false), HX_OK);
    EXPECT_EQUAL(hooks_set("metrics", false), HX_OK);
    EXPECT_EQUAL(hooks_set_order("audit", -20), HX_OK);
    EXPECT_EQUAL(hooks_set_order("metrics", -10), HX_OK);
    EXPECT_EQUAL(hooks_set_order("security", 0), HX_OK);
    EXPECT_EQUAL(replace(EVERYONE), HX_OK);
    metrics_reset();
}

/* SPEC: Y4 Y7 */
static void hooks_come_go_and_move_while_calls_are_made(void)
{
    start_traffic();
    EXPECT_EQUAL(syscall_hook_add(&pairing), HX_OK);
    for (unsigned step = 0; step < CHANGES; step++) {
        change_something(step);
        thread_sleep(HAL_NS_PER_MS / 20);
    }
    put_back(); /* so that nothing is refused before the pairing hook */
    EXPECT_EQUAL(hooks_set(pairing.name, true), HX_OK);
    EXPECT(crew_sleep_until(&traffic.after, value_of(&traffic.after) + 1));
    EXPECT_EQUAL(syscall_hook_remove(pairing.name, hal_clock_now() + CREW_PATIENCE_NS), HX_OK);
    EXPECT_EQUAL(value_of(&traffic.before), value_of(&traffic.after));
    end_traffic();
    metrics_reset();
}

/* Of the hooks of this folder, in their order; others may stand between them. */
static void expect_row(size_t index, const char *name, bool is_on, int32_t order)
{
    static struct hooks_row row;
    size_t seen = 0;

    for (size_t i = 0; hooks_row(i, &row); i++) {
        if ((string_equal(row.name, "audit") || string_equal(row.name, "metrics") ||
             string_equal(row.name, "security")) &&
            seen++ == index) {
            break;
        }
    }
    EXPECT(string_equal(row.name, name));
    EXPECT_EQUAL(row.is_on, is_on);
    EXPECT_EQUAL(row.order, order);
}

/* SPEC: Y4 */
static void hooks_are_shown_in_their_order(void)
{
    expect_row(0, "audit", false, -20);
    expect_row(1, "metrics", false, -10);
    expect_row(2, "security", true, 0);
    EXPECT_EQUAL(hooks_set_order("metrics", -30), HX_OK);
    expect_row(0, "metrics", false, -30);
    expect_row(1, "audit", false, -20);
    expect_row(2, "security", true, 0);
    EXPECT_EQUAL(hooks_set("nothing", true), HX_ENOENT);
    EXPECT_EQUAL(hooks_set_order("nothing", 0), HX_ENOENT);
    put_back();
}

#define TEST(function, its_flags)                                                                  \
    {                                                                                              \
        .name = "subsys_hooks." #function, .run = function, .flags = (its_flags)                   \
    }

const struct selftest subsys_hooks_tests[] = {
    TEST(who_may_make_calls_of_a_class_is_the_policys, SELFTEST_KEEPS_MEMORY),
    TEST(a_number_that_comes_later_is_judged_too, 0),
    TEST(a_policy_is_replaced_as_a_whole_or_not_at_all, 0),
    TEST(the_policy_changes_while_calls_are_made, 0),
    TEST(hooks_come_go_and_move_while_calls_are_made, SELFTEST_KEEPS_MEMORY),
    TEST(hooks_are_shown_in_their_order, 0),
    {0},
};
