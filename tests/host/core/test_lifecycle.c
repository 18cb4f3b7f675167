#include "machine.h"

#include <core/lifecycle/lifecycle.h>
#include <core/orchestrator/orchestrator.h>
#include <hal/clock.h>

static struct subsystem_failure failure;

/* Go on to a phase, the state with it, the way the kernel does. */
static void go_to(enum lifecycle_phase phase)
{
    while (lifecycle_phase() < phase) {
        switch (lifecycle_phase()) {
        case PHASE_BOOT:
            CHECK(lifecycle_advance(PHASE_EARLY_INIT) == HX_OK);
            break;
        case PHASE_EARLY_INIT:
            CHECK(orchestrator_init_all(NULL, &failure) == HX_OK);
            break;
        case PHASE_CORE_INIT:
            CHECK(lifecycle_advance(PHASE_LATE_INIT) == HX_OK);
            break;
        case PHASE_LATE_INIT:
            CHECK(orchestrator_run() == HX_OK);
            break;
        default:
            CHECK(orchestrator_shutdown_all(&failure) == HX_OK);
            break;
        }
    }
}

/* --- order ------------------------------------------------------------------------------------ */

static enum lifecycle_phase from;

static void try_every_step(void)
{
    machine_boot(1);
    go_to(from);
    for (unsigned to = 0; to < PHASE_COUNT + 3; to++) {
        enum lifecycle_phase before = lifecycle_phase();
        bool is_next = to == (unsigned)before + 1;
        bool fits = lifecycle_phase_fits(kernel_state_current(), (enum lifecycle_phase)to);

        if (is_next && fits) {
            continue; /* legal: tried last */
        }
        CHECK(lifecycle_advance((enum lifecycle_phase)to) == HX_ESTATE);
        CHECK(lifecycle_phase() == before);
    }
}

/* SPEC: L1 */
static void every_step_but_the_next_is_refused(void **state)
{
    (void)state;
    for (from = PHASE_BOOT; from < PHASE_SHUTTING_DOWN; from++) {
        passes_in_child(try_every_step);
    }
    from = PHASE_HALTED;
    passes_in_child(try_every_step);
}

static char heard[4096];

static void note(const char *who, const char *what, const char *detail)
{
    size_t used = strlen(heard);

    snprintf(heard + used, sizeof heard - used, "%s%s:%s ", who, what, detail);
}

static void note_exit(void *argument, enum lifecycle_phase old)
{
    CHECK(lifecycle_phase() == old);
    note(argument, "-", lifecycle_phase_name(old));
}

static void note_enter(void *argument, enum lifecycle_phase phase)
{
    CHECK(lifecycle_phase() == phase);
    note(argument, "+", lifecycle_phase_name(phase));
}

static void note_shutdown(void *argument, enum shutdown_reason reason)
{
    note(argument, "!", shutdown_reason_name(reason));
}

static const struct lifecycle_ops noting = {
    .on_phase_exit = note_exit,
    .on_phase_enter = note_enter,
    .on_shutdown = note_shutdown,
};

static struct lifecycle_callback first = {.ops = &noting, .argument = "a"};
static struct lifecycle_callback second = {.ops = &noting, .argument = "b"};
static struct lifecycle_callback late = {.ops = &noting, .argument = "c"};

static void live_through(void)
{
    struct lifecycle_callback empty = {0};

    machine_boot(1);
    CHECK(lifecycle_register(&empty) == HX_EINVAL);
    CHECK(lifecycle_remove(&first) == HX_ENOENT);
    CHECK(lifecycle_register(&first) == HX_OK);
    CHECK(lifecycle_register(&first) == HX_EEXIST);
    CHECK(lifecycle_register(&second) == HX_OK);
    CHECK(lifecycle_request_shutdown(SHUTDOWN_REBOOT));
    CHECK(!lifecycle_request_shutdown(SHUTDOWN_POWER_OFF));
    CHECK(!lifecycle_request_shutdown(SHUTDOWN_NONE));
    CHECK(lifecycle_shutdown_reason() == SHUTDOWN_REBOOT);
    go_to(PHASE_HALTED);
    CHECK(strcmp(heard, "a-:Boot b-:Boot a+:EarlyInit b+:EarlyInit "
                        "a-:EarlyInit b-:EarlyInit a+:CoreInit b+:CoreInit "
                        "a-:CoreInit b-:CoreInit a+:LateInit b+:LateInit "
                        "a-:LateInit b-:LateInit a+:Running b+:Running "
                        "a-:Running b-:Running a+:ShuttingDown b+:ShuttingDown a!:reboot b!:reboot "
                        "a-:ShuttingDown b-:ShuttingDown a+:Halted b+:Halted ") == 0);
    CHECK(kernel_state_current() == KERNEL_SHUTTING_DOWN);
}

/* SPEC: L1 L2 L3 */
static void all_exits_come_before_all_entries_and_the_shutdown_once(void **state)
{
    (void)state;
    passes_in_child(live_through);
}

/* --- callbacks that change things ------------------------------------------------------------- */

static void remove_all_and_add(void *argument, enum lifecycle_phase old)
{
    (void)argument;
    (void)old;
    CHECK(lifecycle_remove(argument) == HX_OK);
    CHECK(lifecycle_remove(&second) == HX_OK);
    CHECK(lifecycle_register(&late) == HX_OK);
    CHECK(lifecycle_request_shutdown(SHUTDOWN_USER_REQUEST));
    CHECK(lifecycle_advance(PHASE_CORE_INIT) == HX_ESTATE);
    note("x", "-", "");
    memset(argument, 0xee, sizeof(struct lifecycle_callback)); /* its memory may go at once */
}

static const struct lifecycle_ops meddling = {.on_phase_exit = remove_all_and_add};

static void meddle(void)
{
    static struct lifecycle_callback meddler = {.ops = &meddling, .argument = &meddler};

    machine_boot(1);
    CHECK(lifecycle_register(&first) == HX_OK);
    CHECK(lifecycle_register(&meddler) == HX_OK);
    CHECK(lifecycle_register(&second) == HX_OK);
    go_to(PHASE_EARLY_INIT);
    CHECK(strcmp(heard, "a-:Boot x-: a+:EarlyInit ") == 0);
    heard[0] = '\0';
    go_to(PHASE_CORE_INIT);
    CHECK(strcmp(heard, "a-:EarlyInit c-:EarlyInit a+:CoreInit c+:CoreInit ") == 0);
    CHECK(lifecycle_shutdown_reason() == SHUTDOWN_USER_REQUEST);
}

/* SPEC: L2 */
static void a_callback_may_remove_add_and_request(void **state)
{
    (void)state;
    passes_in_child(meddle);
}

static _Atomic unsigned inside;
static _Atomic unsigned leave;

static void dwell(void *argument, enum lifecycle_phase old)
{
    (void)argument;
    (void)old;
    atomic_store(&inside, 1);
    while (atomic_load(&leave) == 0) {
        thread_yield();
    }
    atomic_store(&inside, 0);
}

static const struct lifecycle_ops dwelling = {.on_phase_exit = dwell};
static struct lifecycle_callback dweller = {.ops = &dwelling};

static void release_later(void *argument)
{
    (void)argument;
    thread_sleep(20 * HAL_NS_PER_MS);
    atomic_store(&leave, 1);
}

static void advance(void *argument)
{
    (void)argument;
    CHECK(lifecycle_advance(PHASE_EARLY_INIT) == HX_OK);
}

static void spawn(void (*entry)(void *argument))
{
    const struct thread_options options = {.name = "helper", .entry = entry, .priority = 16};
    struct thread *thread;

    CHECK(thread_create(&options, &thread) == HX_OK);
    thread_start(thread);
}

static void remove_running(void)
{
    CHECK(lifecycle_register(&dweller) == HX_OK);
    spawn(advance);
    while (atomic_load(&inside) == 0) {
        thread_yield();
    }
    spawn(release_later);
    CHECK(lifecycle_remove(&dweller) == HX_OK);
    CHECK(atomic_load(&inside) == 0 && atomic_load(&leave) == 1);
}

static void run_remove_running(void)
{
    machine_run(2, remove_running);
}

/* SPEC: L2 */
static void removing_a_callback_that_runs_waits_for_it(void **state)
{
    (void)state;
    passes_in_child(run_remove_running);
}

/* --- the request ------------------------------------------------------------------------------ */

static enum interrupt_action request_in_irq(void *argument, struct hal_frame *frame)
{
    (void)argument;
    (void)frame;
    CHECK(lifecycle_request_shutdown(SHUTDOWN_POWER_OFF));
    return INTERRUPT_HANDLED;
}

static enum exception_action request_in_nmi(struct hal_frame *frame, void *argument)
{
    (void)frame;
    (void)argument;
    lifecycle_request_shutdown(SHUTDOWN_WATCHDOG_TIMEOUT);
    return EXCEPTION_RESUME;
}

static void interrupt_later(void *argument)
{
    (void)argument;
    thread_sleep(10 * HAL_NS_PER_MS);
    hal_interrupt_send(hal_cpu_id(), HAL_VECTOR_FIRST);
}

static void nmi_later(void *argument)
{
    (void)argument;
    thread_sleep(10 * HAL_NS_PER_MS);
    CHECK(hal_interrupt_send_nmi(hal_cpu_id()) == HX_OK);
}

static void wait_for_irq(void)
{
    go_to(PHASE_RUNNING);
    CHECK(interrupt_register(HAL_VECTOR_FIRST, "test", request_in_irq, NULL, false) == HX_OK);
    spawn(interrupt_later);
    CHECK(lifecycle_wait_shutdown() == SHUTDOWN_POWER_OFF);
}

static void run_wait_for_irq(void)
{
    machine_run(1, wait_for_irq);
}

static void wait_for_nmi(void)
{
    go_to(PHASE_RUNNING);
    CHECK(exception_register(EXCEPTION_NMI, "test", EXCEPTION_ORDER_DEBUGGER, request_in_nmi,
                             NULL) == HX_OK);
    spawn(nmi_later);
    CHECK(lifecycle_wait_shutdown() == SHUTDOWN_WATCHDOG_TIMEOUT);
}

static void run_wait_for_nmi(void)
{
    machine_run(1, wait_for_nmi);
}

/* SPEC: L3 */
static void a_request_from_an_interrupt_or_nmi_wakes_the_waiter(void **state)
{
    (void)state;
    passes_in_child(run_wait_for_irq);
    passes_in_child(run_wait_for_nmi);
}

static _Atomic unsigned returned;

static void wait_in_background(void *argument)
{
    (void)argument;
    CHECK(lifecycle_wait_shutdown() == SHUTDOWN_USER_REQUEST);
    CHECK(kernel_state_current() == KERNEL_RUNNING);
    atomic_store(&returned, 1);
}

/* The child's time limit ends it when that never happens. */
static void await_return(void)
{
    while (atomic_load(&returned) == 0) {
        thread_sleep(HAL_NS_PER_MS);
    }
}

static void request_early(void)
{
    go_to(PHASE_CORE_INIT);
    spawn(wait_in_background);
    CHECK(lifecycle_request_shutdown(SHUTDOWN_USER_REQUEST));
    thread_sleep(10 * HAL_NS_PER_MS);
    CHECK(orchestrator_shutdown_all(&failure) == HX_ESTATE);
    CHECK(kernel_state_current() == KERNEL_INITIALIZING && returned == 0);
    go_to(PHASE_RUNNING);
    await_return();
}

static void run_request_early(void)
{
    machine_run(2, request_early);
}

static void request_suspended(void)
{
    go_to(PHASE_RUNNING);
    CHECK(orchestrator_suspend(&failure) == HX_OK);
    spawn(wait_in_background);
    CHECK(lifecycle_request_shutdown(SHUTDOWN_USER_REQUEST));
    thread_sleep(10 * HAL_NS_PER_MS);
    CHECK(orchestrator_shutdown_all(&failure) == HX_ESTATE);
    CHECK(kernel_state_current() == KERNEL_SUSPENDED && returned == 0);
    CHECK(orchestrator_resume(&failure) == HX_OK);
    await_return();
}

static void run_request_suspended(void)
{
    machine_run(2, request_suspended);
}

/* SPEC: K2 L3 */
static void a_request_in_initializing_or_suspended_is_kept_until_running(void **state)
{
    (void)state;
    passes_in_child(run_request_early);
    passes_in_child(run_request_suspended);
}

/* --- states and phases ------------------------------------------------------------------------ */

/* SPEC: L5 */
static void the_table_of_states_and_phases_is_that_of_the_specification(void **state)
{
    static const char *const fits[KERNEL_STATE_COUNT] = {
        [KERNEL_EARLY_BOOT] = "xx.....",    [KERNEL_INITIALIZING] = "..xx...",
        [KERNEL_RUNNING] = "....x..",       [KERNEL_SUSPENDED] = "....x..",
        [KERNEL_SHUTTING_DOWN] = ".....xx", [KERNEL_PANIC] = "xxxxxxx",
    };

    (void)state;
    for (unsigned s = 0; s < KERNEL_STATE_COUNT; s++) {
        for (unsigned phase = 0; phase < PHASE_COUNT; phase++) {
            assert_int_equal(
                lifecycle_phase_fits((enum kernel_state)s, (enum lifecycle_phase)phase),
                fits[s][phase] == 'x');
        }
        assert_false(lifecycle_phase_fits((enum kernel_state)s, PHASE_COUNT));
    }
    assert_false(lifecycle_phase_fits(KERNEL_STATE_COUNT, PHASE_BOOT));
}

static void panic_keeps_phase(void)
{
    machine_boot(1);
    go_to(PHASE_LATE_INIT);
    orchestrator_enter_panic();
    orchestrator_enter_panic();
    CHECK(kernel_state_current() == KERNEL_PANIC);
    CHECK(lifecycle_phase() == PHASE_LATE_INIT);
    CHECK(orchestrator_run() == HX_ESTATE && lifecycle_phase() == PHASE_LATE_INIT);
    for (unsigned to = 0; to <= PHASE_COUNT; to++) {
        CHECK(lifecycle_advance((enum lifecycle_phase)to) == HX_ESTATE);
    }
    CHECK(lifecycle_phase() == PHASE_LATE_INIT);
}

/* SPEC: L5 K2 */
static void a_panic_keeps_the_phase(void **state)
{
    (void)state;
    passes_in_child(panic_keeps_phase);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_step_but_the_next_is_refused),
        cmocka_unit_test(all_exits_come_before_all_entries_and_the_shutdown_once),
        cmocka_unit_test(a_callback_may_remove_add_and_request),
        cmocka_unit_test(removing_a_callback_that_runs_waits_for_it),
        cmocka_unit_test(a_request_from_an_interrupt_or_nmi_wakes_the_waiter),
        cmocka_unit_test(a_request_in_initializing_or_suspended_is_kept_until_running),
        cmocka_unit_test(the_table_of_states_and_phases_is_that_of_the_specification),
        cmocka_unit_test(a_panic_keeps_the_phase),
    };

    return cmocka_run_group_tests_name("core/lifecycle", tests, NULL, NULL);
}
