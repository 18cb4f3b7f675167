/* The registry and the hooks of system calls, while calls are made on every CPU. */
#include <core/syscall/syscall.h>
#include <hal/clock.h>
#include <kern/cpu.h>
#include <tests/self/crew.h>
#include <tests/self/suites.h>

#define NUMBER  511U /* nobody's, and none of Linux's */
#define ENOSYS  38
#define EACCES  13
#define CALLERS 4U
#define CHANGES 50U
#define TURN    16U /* calls between two yields: whoever changes things gets a turn */

static struct crew crew;
static const uint64_t digits[SYSCALL_ARGUMENTS] = {1, 2, 3, 4, 5, 6};

static int64_t sum(uint64_t a0, uint64_t a1, uint64_t a2, uint64_t a3, uint64_t a4, uint64_t a5)
{
    return (int64_t)(a0 + 10 * a1 + 100 * a2 + 1000 * a3 + 10000 * a4 + 100000 * a5);
}

static const struct syscall_entry sum_entry = {.name = "sum", .handler = sum, .arguments = 6};

/* --- the registry ----------------------------------------------------------------------------- */

/* SPEC: Y2 */
static void a_number_has_one_owner(void)
{
    EXPECT(syscall_lookup(NUMBER) == NULL);
    EXPECT_EQUAL(syscall_register(NUMBER, &sum_entry), HX_OK);
    EXPECT_EQUAL(syscall_register(NUMBER, &sum_entry), HX_EEXIST);
    EXPECT_EQUAL(syscall_register(SYSCALL_MAX, &sum_entry), HX_ERANGE);
    EXPECT(syscall_lookup(NUMBER) == &sum_entry);
    EXPECT_EQUAL(syscall_invoke(NUMBER, digits), 654321);
    EXPECT_EQUAL(syscall_unregister(NUMBER), HX_OK);
    EXPECT_EQUAL(syscall_unregister(NUMBER), HX_ENOENT);
    EXPECT_EQUAL(syscall_invoke(NUMBER, digits), -(int64_t)ENOSYS);
}

static struct {
    _Atomic uint32_t is_over;
    _Atomic uint32_t calls;
    _Atomic uint32_t wrong;
    _Atomic uint32_t before; /* calls of the hooks */
    _Atomic uint32_t after;
} traffic;

static void add(_Atomic uint32_t *count, uint32_t amount)
{
    atomic_fetch_add_explicit(count, amount, memory_order_relaxed);
}

static void keep_calling(void *argument)
{
    (void)argument;
    while (atomic_load_explicit(&traffic.is_over, memory_order_acquire) == 0) {
        int64_t result = syscall_invoke(NUMBER, digits);

        if (atomic_fetch_add_explicit(&traffic.calls, 1, memory_order_relaxed) % TURN == 0) {
            thread_yield();
        }
        add(&traffic.wrong, result == 654321 || result == -ENOSYS ? 0U : 1U);
    }
}

static void start_traffic(void)
{
    atomic_store_explicit(&traffic.is_over, 0, memory_order_relaxed);
    atomic_store_explicit(&traffic.calls, 0, memory_order_relaxed);
    atomic_store_explicit(&traffic.wrong, 0, memory_order_relaxed);
    atomic_store_explicit(&traffic.before, 0, memory_order_relaxed);
    atomic_store_explicit(&traffic.after, 0, memory_order_relaxed);
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
    EXPECT_EQUAL(atomic_load_explicit(&traffic.wrong, memory_order_relaxed), 0);
}

/* SPEC: Y2 */
static void a_number_comes_and_goes_while_calls_are_made(void)
{
    start_traffic();
    for (unsigned i = 0; i < CHANGES; i++) {
        EXPECT_EQUAL(syscall_register(NUMBER, &sum_entry), HX_OK);
        thread_sleep(HAL_NS_PER_MS / 20);
        EXPECT_EQUAL(syscall_unregister(NUMBER), HX_OK);
    }
    end_traffic();
}

/* --- hooks ------------------------------------------------------------------------------------ */

static int64_t count_before(const struct syscall_call *call, void *argument)
{
    (void)argument;
    add(&traffic.before, call->number == NUMBER ? 1U : 0U);
    return 0;
}

static void count_after(const struct syscall_call *call, void *argument)
{
    (void)argument;
    add(&traffic.after, call->number == NUMBER ? 1U : 0U);
}

static const struct syscall_hook counting = {
    .name = "test.count", .order = 1, .pre = count_before, .post = count_after};

static int64_t refuse(const struct syscall_call *call, void *argument)
{
    (void)argument;
    return call->number == NUMBER ? -EACCES : 0;
}

static const struct syscall_hook refusing = {.name = "test.refuse", .order = 2, .pre = refuse};

static void add_hook(const struct syscall_hook *hook)
{
    EXPECT_EQUAL(syscall_hook_add(hook), HX_OK);
}

static void remove_hook(const struct syscall_hook *hook)
{
    EXPECT_EQUAL(syscall_hook_remove(hook->name, hal_clock_now() + CREW_PATIENCE_NS), HX_OK);
}

/* SPEC: Y4 */
static void a_hook_refuses_and_those_before_it_see_the_result(void)
{
    atomic_store_explicit(&traffic.before, 0, memory_order_relaxed);
    atomic_store_explicit(&traffic.after, 0, memory_order_relaxed);
    EXPECT_EQUAL(syscall_register(NUMBER, &sum_entry), HX_OK);
    add_hook(&counting);
    add_hook(&refusing);
    EXPECT_EQUAL(syscall_invoke(NUMBER, digits), -(int64_t)EACCES);
    remove_hook(&refusing);
    EXPECT_EQUAL(syscall_invoke(NUMBER, digits), 654321);
    remove_hook(&counting);
    EXPECT_EQUAL(syscall_invoke(NUMBER, digits), 654321);
    EXPECT_EQUAL(syscall_unregister(NUMBER), HX_OK);
    EXPECT_EQUAL(atomic_load_explicit(&traffic.before, memory_order_relaxed), 2);
    EXPECT_EQUAL(atomic_load_explicit(&traffic.after, memory_order_relaxed), 2);
}

/* SPEC: Y4 Y7 */
static void a_removed_hook_has_had_all_its_posts(void)
{
    EXPECT_EQUAL(syscall_register(NUMBER, &sum_entry), HX_OK);
    start_traffic();
    for (unsigned i = 0; i < CHANGES; i++) {
        add_hook(&counting);
        thread_sleep(HAL_NS_PER_MS / 20);
        remove_hook(&counting);
        EXPECT_EQUAL(atomic_load_explicit(&traffic.before, memory_order_relaxed),
                     atomic_load_explicit(&traffic.after, memory_order_relaxed));
    }
    end_traffic();
    EXPECT(atomic_load_explicit(&traffic.before, memory_order_relaxed) > 0);
    EXPECT_EQUAL(syscall_unregister(NUMBER), HX_OK);
}

static void call_once(void *argument)
{
    (void)argument;
    (void)syscall_invoke(NUMBER, digits);
}

static int64_t leave(void)
{
    syscall_abandon();
    thread_exit();
}

static void run_to_its_end(void (*entry)(void *argument))
{
    const struct thread_options options = {
        .name = "leaves", .entry = entry, .priority = THREAD_PRIORITY_NORMAL};
    uint64_t deadline = hal_clock_now() + CREW_PATIENCE_NS;
    uint32_t before = thread_count();
    struct thread *thread;

    EXPECT_EQUAL(thread_create(&options, &thread), HX_OK);
    thread_start(thread);
    while (thread_count() > before && hal_clock_now() < deadline) {
        thread_sleep(HAL_NS_PER_MS);
    }
    EXPECT_EQUAL(thread_count(), before);
}

/* SPEC: Y7 */
static void a_call_whose_thread_ends_inside_has_its_posts(void)
{
    static const struct syscall_entry entry = {.name = "leave", .handler = SYSCALL_HANDLER(leave)};

    atomic_store_explicit(&traffic.before, 0, memory_order_relaxed);
    atomic_store_explicit(&traffic.after, 0, memory_order_relaxed);
    EXPECT_EQUAL(syscall_register(NUMBER, &entry), HX_OK);
    add_hook(&counting);
    run_to_its_end(call_once);
    remove_hook(&counting);
    EXPECT_EQUAL(syscall_unregister(NUMBER), HX_OK);
    EXPECT_EQUAL(atomic_load_explicit(&traffic.before, memory_order_relaxed), 1);
    EXPECT_EQUAL(atomic_load_explicit(&traffic.after, memory_order_relaxed), 1);
}

static _Atomic uint32_t is_inside;
static _Atomic uint32_t may_leave;

static int64_t stay(void)
{
    atomic_store_explicit(&is_inside, 1, memory_order_release);
    (void)crew_sleep_until(&may_leave, 1);
    return 0;
}

/* SPEC: Y4 Y7 */
static void a_hook_stays_until_the_calls_that_it_has_seen_are_over(void)
{
    static const struct syscall_entry entry = {.name = "stay", .handler = SYSCALL_HANDLER(stay)};

    atomic_store_explicit(&is_inside, 0, memory_order_relaxed);
    atomic_store_explicit(&may_leave, 0, memory_order_relaxed);
    EXPECT_EQUAL(syscall_register(NUMBER, &entry), HX_OK);
    add_hook(&counting);
    crew_open(&crew);
    (void)crew_start(&crew, call_once, NULL, 0);
    EXPECT(crew_sleep_until(&is_inside, 1));
    EXPECT_EQUAL(syscall_hook_remove(counting.name, hal_clock_now() + HAL_NS_PER_MS), HX_ETIMEDOUT);
    EXPECT_EQUAL(syscall_hook_enable(counting.name, false), HX_OK); /* that one does not wait */
    atomic_store_explicit(&may_leave, 1, memory_order_release);
    remove_hook(&counting);
    EXPECT(crew_join(&crew));
    EXPECT_EQUAL(syscall_unregister(NUMBER), HX_OK);
}

#define TEST(function)                                                                             \
    {                                                                                              \
        .name = "core_syscall." #function, .run = function                                         \
    }

const struct selftest core_syscall_tests[] = {
    TEST(a_number_has_one_owner),
    TEST(a_number_comes_and_goes_while_calls_are_made),
    TEST(a_hook_refuses_and_those_before_it_see_the_result),
    TEST(a_removed_hook_has_had_all_its_posts),
    TEST(a_call_whose_thread_ends_inside_has_its_posts),
    TEST(a_hook_stays_until_the_calls_that_it_has_seen_are_over),
    {0},
};
