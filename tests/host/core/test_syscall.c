#include "machine.h"

#include <core/capability/capability.h>
#include <core/syscall/syscall.h>
#include <hal/clock.h>

#define NUMBER  300U
#define CPUS    4U
#define EINTR_  4
#define ENOSYS_ 38

static int64_t sum(uint64_t a0, uint64_t a1, uint64_t a2, uint64_t a3, uint64_t a4, uint64_t a5)
{
    return (int64_t)(a0 + 10 * a1 + 100 * a2 + 1000 * a3 + 10000 * a4 + 100000 * a5);
}

static const struct syscall_entry sum_entry = {.name = "sum", .handler = sum, .arguments = 6};
static const uint64_t digits[SYSCALL_ARGUMENTS] = {1, 2, 3, 4, 5, 6};

/* What the port does. */
static int64_t enter(uint64_t number)
{
    return kernel_syscall(1, 2, 3, 4, 5, 6, number);
}

/* --- registry --------------------------------------------------------------------------------- */

static void refuse_what_is_wrong(void)
{
    const struct syscall_entry wrong[] = {
        {.name = NULL, .handler = sum},
        {.name = "", .handler = sum},
        {.name = "none", .handler = NULL},
        {.name = "Upper", .handler = sum},
        {.name = "a_name_of_thirty_two_characters_", .handler = sum},
        {.name = "seven", .handler = sum, .arguments = 7},
    };

    CHECK(syscall_register(SYSCALL_MAX, &sum_entry) == HX_ERANGE);
    CHECK(syscall_register(NUMBER, NULL) == HX_EINVAL);
    for (size_t i = 0; i < HX_ARRAY_SIZE(wrong); i++) {
        CHECK(syscall_register(NUMBER, &wrong[i]) == HX_EINVAL);
    }
    CHECK(syscall_register(NUMBER, &sum_entry) == HX_OK);
    CHECK(syscall_register(NUMBER, &sum_entry) == HX_EEXIST);
    CHECK(syscall_lookup(NUMBER) == &sum_entry);
    CHECK(syscall_lookup(SYSCALL_MAX) == NULL);
    CHECK(enter(NUMBER) == 654321);
    CHECK(syscall_invoke(NUMBER, digits) == 654321);
    CHECK(enter(0x700000000ULL + NUMBER) == 654321); /* 32 bits, as on Linux */
    CHECK(syscall_unregister(SYSCALL_MAX) == HX_ERANGE);
    CHECK(syscall_unregister(NUMBER) == HX_OK);
    CHECK(syscall_unregister(NUMBER) == HX_ENOENT);
    CHECK(syscall_lookup(NUMBER) == NULL);
}

static void run_registry(void)
{
    machine_run(1, refuse_what_is_wrong);
}

/* SPEC: Y2 */
static void a_number_has_one_owner_and_only_good_entries(void **state)
{
    (void)state;
    passes_in_child(run_registry);
}

static void count_the_absent(void)
{
    CHECK(enter(NUMBER) == -ENOSYS_ && syscall_invoke(NUMBER, digits) == -ENOSYS_);
    CHECK(enter(SYSCALL_MAX) == -ENOSYS_ && enter(UINT64_MAX) == -ENOSYS_);
    CHECK(syscall_absent_count(NUMBER) == 2);
    CHECK(syscall_absent_count(SYSCALL_MAX) == 2 && syscall_absent_count(UINT32_MAX) == 2);
    CHECK(syscall_absent_count(0) == 0);
}

static void run_absent(void)
{
    machine_run(1, count_the_absent);
}

/* SPEC: Y3 */
static void an_unknown_number_is_enosys_and_counted(void **state)
{
    (void)state;
    passes_in_child(run_absent);
}

static int64_t only_even(const struct syscall_call *call)
{
    CHECK(call->number == NUMBER && call->arguments[5] == 6 && call->started > 0);
    return call->arguments[0] % 2 == 0 ? 0 : -22;
}

static void validate_arguments(void)
{
    static const struct syscall_entry entry = {
        .name = "even", .handler = sum, .arguments = 6, .validate = only_even};
    const uint64_t even[SYSCALL_ARGUMENTS] = {2, 0, 0, 0, 0, 6};

    CHECK(syscall_register(NUMBER, &entry) == HX_OK);
    CHECK(enter(NUMBER) == -22);
    CHECK(syscall_invoke(NUMBER, even) == 600002);
    CHECK(kernel_syscall(2, 0, 0, 0, 0, 6, NUMBER) == 600002);
}

static void run_validation(void)
{
    machine_run(1, validate_arguments);
}

/* SPEC: Y1 */
static void validation_comes_before_the_handler(void **state)
{
    (void)state;
    passes_in_child(run_validation);
}

/* --- who calls -------------------------------------------------------------------------------- */

static struct syscall_caller seen_caller;

static int64_t note_caller(void)
{
    seen_caller = syscall_caller();
    return 0;
}

static void look_at_callers(void)
{
    static const struct syscall_entry entry = {.name = "who",
                                               .handler = SYSCALL_HANDLER(note_caller)};

    CHECK(syscall_register(NUMBER, &entry) == HX_OK);
    CHECK(syscall_invoke(NUMBER, digits) == 0);
    CHECK(seen_caller.process == NULL && seen_caller.thread == thread_current());
    CHECK(seen_caller.subject == SUBJECT_KERNEL && !seen_caller.is_from_user);
    thread_current()->process = (struct process *)&seen_caller;
    thread_current()->subject = 7;
    thread_current()->process_number = 8;
    thread_current()->thread_number = 9;
    CHECK(enter(NUMBER) == 0);
    CHECK(seen_caller.process == (struct process *)&seen_caller && seen_caller.subject == 7);
}

static void run_callers(void)
{
    machine_run(1, look_at_callers);
}

/* SPEC: Y6 */
static void a_handler_knows_who_calls(void **state)
{
    (void)state;
    passes_in_child(run_callers);
}

/* --- hooks ------------------------------------------------------------------------------------ */

#define HOOKS 3U

static struct {
    _Atomic unsigned pre, post;
    int64_t refusal;
    int64_t result; /* that the last post saw */
} hooks[HOOKS];
static unsigned sequence[32]; /* 10 + n: pre of n, 20 + n: post of n */
static unsigned steps;

static int64_t on_pre(const struct syscall_call *call, void *argument)
{
    uintptr_t which = (uintptr_t)argument;

    CHECK(call->number == NUMBER && call->arguments[2] == 3 && call->is_from_user);
    hooks[which].pre++;
    sequence[steps++ % HX_ARRAY_SIZE(sequence)] = 10 + (unsigned)which;
    return hooks[which].refusal;
}

static void on_post(const struct syscall_call *call, void *argument)
{
    uintptr_t which = (uintptr_t)argument;

    CHECK(call->duration <= hal_clock_cycles() - call->started);
    hooks[which].post++;
    hooks[which].result = call->result;
    sequence[steps++ % HX_ARRAY_SIZE(sequence)] = 20 + (unsigned)which;
}

static const struct syscall_hook ordered[HOOKS] = {
    {.name = "last", .order = 9, .pre = on_pre, .post = on_post, .argument = (void *)0},
    {.name = "first", .order = -9, .pre = on_pre, .post = on_post, .argument = (void *)1},
    {.name = "middle", .order = 0, .pre = on_pre, .post = on_post, .argument = (void *)2},
};

static void expect_sequence(const unsigned *wanted, unsigned count)
{
    CHECK(steps == count);
    CHECK(memcmp(sequence, wanted, count * sizeof(*wanted)) == 0);
    steps = 0;
}

static void call_in_order(void)
{
    static const unsigned whole[] = {11, 12, 10, 20, 22, 21};
    static const unsigned refused[] = {11, 12, 22, 21};
    const struct syscall_hook nameless = {.pre = on_pre};
    const struct syscall_hook useless = {.name = "useless"};

    CHECK(syscall_hook_add(&nameless) == HX_EINVAL && syscall_hook_add(&useless) == HX_EINVAL);
    CHECK(syscall_register(NUMBER, &sum_entry) == HX_OK);
    for (unsigned i = 0; i < HOOKS; i++) {
        CHECK(syscall_hook_add(&ordered[i]) == HX_OK);
        CHECK(syscall_hook_add(&ordered[i]) == HX_EEXIST);
    }
    CHECK(enter(NUMBER) == 654321);
    expect_sequence(whole, HX_ARRAY_SIZE(whole));
    CHECK(hooks[1].result == 654321);
    hooks[2].refusal = -13;
    CHECK(enter(NUMBER) == -13);
    expect_sequence(refused, HX_ARRAY_SIZE(refused));
    CHECK(hooks[1].result == -13 && hooks[2].result == -13);
    for (unsigned i = 0; i < HOOKS; i++) {
        CHECK(syscall_hook_remove(ordered[i].name, THREAD_NO_DEADLINE) == HX_OK);
        CHECK(syscall_hook_remove(ordered[i].name, THREAD_NO_DEADLINE) == HX_ENOENT);
    }
    CHECK(enter(NUMBER) == 654321 && steps == 0);
}

static void run_order(void)
{
    machine_run(1, call_in_order);
}

/* SPEC: Y4 Y7 */
static void hooks_are_called_in_order_and_may_refuse(void **state)
{
    (void)state;
    passes_in_child(run_order);
}

static _Atomic bool is_inside;
static _Atomic bool may_leave;

static int64_t stay(void)
{
    atomic_store(&is_inside, true);
    while (!atomic_load(&may_leave)) {
        thread_yield();
    }
    return 5;
}

static int64_t leave_for_ever(void)
{
    (void)stay();
    syscall_abandon();
    CHECK(thread_current()->call == NULL);
    thread_exit();
}

static void make_call(void *argument)
{
    (void)argument;
    (void)enter(NUMBER);
}

static void start_caller(void)
{
    struct thread *thread;

    atomic_store(&is_inside, false);
    atomic_store(&may_leave, false);
    CHECK(thread_create(&(struct thread_options){.name = "caller", .entry = make_call}, &thread) ==
          HX_OK);
    thread_start(thread);
    while (!atomic_load(&is_inside)) {
        thread_sleep(100000);
    }
}

static void let_out(void *argument)
{
    (void)argument;
    atomic_store(&may_leave, true);
}

/* One call is inside: the hook stays until it is out, and was told its end. */
static void remove_around(syscall_handler handler, int64_t result)
{
    const struct syscall_entry entry = {.name = "stay", .handler = handler};
    struct thread *thread;

    CHECK(syscall_register(NUMBER, &entry) == HX_OK);
    CHECK(syscall_hook_add(&ordered[0]) == HX_OK);
    start_caller();
    CHECK(syscall_hook_remove("last", hal_clock_now() + 1000000) == HX_ETIMEDOUT);
    CHECK(syscall_hook_add(&ordered[0]) == HX_EEXIST);
    CHECK(thread_create(&(struct thread_options){.name = "let out", .entry = let_out}, &thread) ==
          HX_OK);
    thread_start(thread);
    CHECK(syscall_hook_remove("last", THREAD_NO_DEADLINE) == HX_OK);
    CHECK(hooks[0].pre == hooks[0].post && hooks[0].result == result);
    CHECK(syscall_unregister(NUMBER) == HX_OK);
}

static void remove_in_flight(void)
{
    remove_around(SYSCALL_HANDLER(stay), 5);
    remove_around(SYSCALL_HANDLER(leave_for_ever), -EINTR_);
    CHECK(hooks[0].pre == 2);
}

static void run_removal(void)
{
    machine_run(2, remove_in_flight);
}

/* SPEC: Y7 */
static void removing_a_hook_waits_for_the_calls_that_it_has_seen(void **state)
{
    (void)state;
    passes_in_child(run_removal);
}

/* --- all at once ------------------------------------------------------------------------------ */

#define ROUNDS  300U
#define CALLERS 3U

static _Atomic bool is_over;
static _Atomic unsigned callers_left;

static void call_on(void *argument)
{
    (void)argument;
    while (!atomic_load(&is_over)) {
        int64_t result = enter(NUMBER);

        CHECK(result == 654321 || result == -ENOSYS_);
        thread_yield();
    }
    atomic_fetch_sub(&callers_left, 1);
}

static int64_t count_pre(const struct syscall_call *call, void *argument)
{
    (void)call;
    hooks[(uintptr_t)argument].pre++;
    return 0;
}

static void count_post(const struct syscall_call *call, void *argument)
{
    (void)call;
    hooks[(uintptr_t)argument].post++;
}

static void change_while_calls_run(void)
{
    const struct syscall_hook hook = {.name = "counting", .pre = count_pre, .post = count_post};
    struct thread *thread;

    atomic_store(&callers_left, CALLERS);
    for (unsigned i = 0; i < CALLERS; i++) {
        CHECK(thread_create(&(struct thread_options){.name = "caller", .entry = call_on},
                            &thread) == HX_OK);
        thread_start(thread);
    }
    for (unsigned round = 0; round < ROUNDS; round++) {
        CHECK(syscall_register(NUMBER, &sum_entry) == HX_OK);
        CHECK(syscall_hook_add(&hook) == HX_OK);
        thread_yield();
        CHECK(syscall_unregister(NUMBER) == HX_OK);
        CHECK(syscall_hook_remove("counting", THREAD_NO_DEADLINE) == HX_OK);
        CHECK(hooks[0].pre == hooks[0].post);
    }
    atomic_store(&is_over, true);
    while (atomic_load(&callers_left) > 0) {
        thread_sleep(100000);
    }
}

static void run_changes(void)
{
    machine_run(CPUS, change_while_calls_run);
}

/* SPEC: Y2 Y4 Y7 */
static void numbers_and_hooks_change_while_calls_run(void **state)
{
    (void)state;
    passes_in_child(run_changes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_number_has_one_owner_and_only_good_entries),
        cmocka_unit_test(an_unknown_number_is_enosys_and_counted),
        cmocka_unit_test(validation_comes_before_the_handler),
        cmocka_unit_test(a_handler_knows_who_calls),
        cmocka_unit_test(hooks_are_called_in_order_and_may_refuse),
        cmocka_unit_test(removing_a_hook_waits_for_the_calls_that_it_has_seen),
        cmocka_unit_test(numbers_and_hooks_change_while_calls_run),
    };

    return cmocka_run_group_tests_name("core/syscall", tests, NULL, NULL);
}
