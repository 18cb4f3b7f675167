/*
 * The end of this kernel's life, really lived through: suspended and resumed, asked to shut down,
 * and shut down to Halted. Nothing can run after these tests but the power switch, so they stand
 * last in the table, and each brings the kernel where it wants it.
 */
#include <base/string.h>
#include <core/interrupts/dispatcher.h>
#include <core/interrupts/exceptions.h>
#include <core/ipc/event_bus.h>
#include <core/lifecycle/lifecycle.h>
#include <core/orchestrator/failpoint.h>
#include <core/orchestrator/orchestrator.h>
#include <hal/clock.h>
#include <hal/cpu.h>
#include <hal/interrupt.h>
#include <kern/thread.h>
#include <tests/self/crew.h>
#include <tests/self/log_lines.h>
#include <tests/self/suites.h>

static struct subsystem_failure failure;

/* --- suspended -------------------------------------------------------------------------------- */

/* SPEC: K2 O7 L5 */
static void the_kernel_suspends_and_resumes(void)
{
    static const char *const lines[] = {
        "*state: Running -> Suspended",
        "*state: Suspended -> Suspended is refused",
        "*state: Suspended -> Running",
        NULL,
    };
    uint64_t from = log_lines_next();

    EXPECT_EQUAL(orchestrator_suspend(&failure), HX_OK);
    EXPECT_EQUAL(kernel_state_current(), KERNEL_SUSPENDED);
    EXPECT_EQUAL(lifecycle_phase(), PHASE_RUNNING);
    EXPECT_EQUAL(orchestrator_suspend(&failure), HX_ESTATE);
    EXPECT_EQUAL(orchestrator_shutdown_all(&failure), HX_ESTATE);
    EXPECT_EQUAL(kernel_state_current(), KERNEL_SUSPENDED);
    EXPECT_EQUAL(orchestrator_resume(&failure), HX_OK);
    EXPECT_EQUAL(kernel_state_current(), KERNEL_RUNNING);
    EXPECT(log_lines_in_order(from, lines));
}

/* SPEC: O7 */
static void a_suspend_that_fails_leaves_the_kernel_running(void)
{
    failpoint_arm(2);
    EXPECT_EQUAL(orchestrator_suspend(&failure), HX_EIO);
    failpoint_arm(0);
    EXPECT_EQUAL(kernel_state_current(), KERNEL_RUNNING);
    EXPECT(failure.subsystem[0] != '\0');
}

/* --- asked to shut down ----------------------------------------------------------------------- */

static struct {
    _Atomic uint32_t returned; /* from waiting for the shutdown */
    enum shutdown_reason reason;
    bool was_first;
} request;

static void wait_for_shutdown(void *argument)
{
    (void)argument;
    request.reason = lifecycle_wait_shutdown();
    atomic_store_explicit(&request.returned, 1, memory_order_release);
}

static enum exception_action request_in_nmi(struct hal_frame *frame, void *argument)
{
    (void)frame;
    (void)argument;
    /* The watchdog's own may come besides. */
    request.was_first |= lifecycle_request_shutdown(SHUTDOWN_REBOOT);
    return EXCEPTION_RESUME;
}

/* From the context that allows least: where the machine has no NMI, from a thread. */
static void request_from_the_depth(void)
{
    EXPECT_EQUAL(exception_register(EXCEPTION_NMI, "core_end", EXCEPTION_ORDER_DEBUGGER,
                                    request_in_nmi, NULL),
                 HX_OK);
    if (hal_interrupt_send_nmi(hal_cpu_id()) != HX_OK) {
        request.was_first = lifecycle_request_shutdown(SHUTDOWN_REBOOT);
    }
    crew_settle_cpus();
    EXPECT_EQUAL(exception_unregister(EXCEPTION_NMI, "core_end"), HX_OK);
    EXPECT(request.was_first);
}

/* SPEC: L3 K2 */
static void a_request_made_while_suspended_is_kept_and_the_first_reason_wins(void)
{
    static struct crew crew;

    EXPECT(!lifecycle_request_shutdown(SHUTDOWN_NONE));
    EXPECT(!lifecycle_request_shutdown(SHUTDOWN_REASON_COUNT));
    EXPECT_EQUAL(lifecycle_shutdown_reason(), SHUTDOWN_NONE);
    EXPECT_EQUAL(orchestrator_suspend(&failure), HX_OK);
    crew_open(&crew);
    crew_start(&crew, wait_for_shutdown, NULL, 0);
    request_from_the_depth();
    EXPECT(!lifecycle_request_shutdown(SHUTDOWN_POWER_OFF));
    EXPECT(!lifecycle_request_shutdown(SHUTDOWN_REBOOT));
    EXPECT_EQUAL(atomic_load_explicit(&request.returned, memory_order_acquire), 0);
    EXPECT_EQUAL(orchestrator_resume(&failure), HX_OK);
    EXPECT(crew_sleep_until(&request.returned, 1));
    EXPECT(crew_join(&crew));
    EXPECT_EQUAL(request.reason, SHUTDOWN_REBOOT);
    EXPECT_EQUAL(lifecycle_shutdown_reason(), SHUTDOWN_REBOOT);
}

static enum interrupt_action request_in_interrupt(void *argument, struct hal_frame *frame)
{
    (void)argument;
    (void)frame;
    (void)lifecycle_request_shutdown(SHUTDOWN_USER_REQUEST);
    return INTERRUPT_HANDLED;
}

/* SPEC: L3 */
static void a_request_made_in_an_interrupt_wakes_who_waits(void)
{
    static struct crew crew;
    uint8_t vector = interrupt_free_vector();

    atomic_store_explicit(&request.returned, 0, memory_order_relaxed);
    EXPECT_EQUAL(interrupt_register(vector, "core_end", request_in_interrupt, NULL, false), HX_OK);
    crew_open(&crew);
    crew_start(&crew, wait_for_shutdown, NULL, 0);
    hal_interrupt_send(hal_cpu_id(), vector);
    EXPECT(crew_sleep_until(&request.returned, 1));
    EXPECT(crew_join(&crew));
    EXPECT_EQUAL(interrupt_unregister(vector, "core_end"), HX_OK);
    EXPECT(request.reason != SHUTDOWN_NONE);
}

/* --- shut down -------------------------------------------------------------------------------- */

static char diary[96];

static void note(const char *who, const char *what)
{
    size_t length = string_length(diary);

    (void)string_copy(diary + length, sizeof diary - length, who);
    length = string_length(diary);
    (void)string_copy(diary + length, sizeof diary - length, what);
}

/* r, d, h: Running, ShuttingDown, Halted. */
static const char *letter_of(enum lifecycle_phase phase)
{
    return phase == PHASE_RUNNING ? "r " : phase == PHASE_SHUTTING_DOWN ? "d " : "h ";
}

static void on_exit(void *argument, enum lifecycle_phase old)
{
    note(argument, "-");
    note("", letter_of(old));
}

static void on_enter(void *argument, enum lifecycle_phase new_phase)
{
    note(argument, "+");
    note("", letter_of(new_phase));
}

static void on_shutdown(void *argument, enum shutdown_reason reason)
{
    note(argument, reason == lifecycle_shutdown_reason() ? "! " : "? ");
}

static const struct lifecycle_ops ops = {on_exit, on_enter, on_shutdown};
static struct lifecycle_callback first = {.ops = &ops, .argument = "A"};
static struct lifecycle_callback late = {.ops = &ops, .argument = "L"};

static struct lifecycle_callback second;

/* It takes itself out, puts a late one in, and asks for a shutdown once more. */
static void leave_and_replace(void *argument, enum lifecycle_phase old)
{
    (void)argument;
    on_exit("B", old);
    EXPECT_EQUAL(lifecycle_remove(&second), HX_OK);
    EXPECT_EQUAL(lifecycle_register(&late), HX_OK);
    (void)lifecycle_request_shutdown(SHUTDOWN_USER_REQUEST);
}

static const struct lifecycle_ops leaving_ops = {.on_phase_exit = leave_and_replace,
                                                 .on_phase_enter = on_enter};
static struct lifecycle_callback second = {.ops = &leaving_ops, .argument = "B"};
static struct lifecycle_callback third = {.ops = &ops, .argument = "C"};

static struct kernel_event told; /* on the topic shutdown */
static uint32_t told_times;

static enum event_answer be_told(void *argument, const struct kernel_event *event)
{
    (void)argument;
    told = *event;
    told_times++;
    return EVENT_CONTINUE;
}

/* SPEC: L1 L2 K2 K7 O6 */
static void the_kernel_shuts_down_phase_by_phase_and_tells_everybody_in_order(void)
{
    static const char *const lines[] = {
        "*state: Running -> ShuttingDown",
        "*phase: ShuttingDown",
        "*phase: Halted",
        NULL,
    };
    uint64_t from = log_lines_next();
    uint32_t failures = orchestrator_subsystems()->failures;
    event_subscription ear;

    EXPECT_EQUAL(
        event_subscribe(&(struct event_subscriber){.topics = EVENT_TOPIC_SET(EVENT_TOPIC_SHUTDOWN),
                                                   .callback = be_told,
                                                   .contexts = EVENT_IN_ANY},
                        &ear),
        HX_OK);
    EXPECT_EQUAL(lifecycle_register(&first), HX_OK);
    EXPECT_EQUAL(lifecycle_register(&first), HX_EEXIST);
    EXPECT_EQUAL(lifecycle_register(&second), HX_OK);
    EXPECT_EQUAL(lifecycle_register(&third), HX_OK);
    EXPECT_EQUAL(orchestrator_shutdown_all(&failure), HX_OK);
    EXPECT_EQUAL(kernel_state_current(), KERNEL_SHUTTING_DOWN);
    EXPECT_EQUAL(lifecycle_phase(), PHASE_HALTED);
    if (!string_equal(diary, "A-r B-r C-r A+d C+d A! C! A-d C-d L-d A+h C+h L+h ")) {
        selftest_fail(__FILE__, __LINE__, "the diary says %s", diary);
    }
    EXPECT(log_lines_in_order(from, lines));
    EXPECT_EQUAL(event_unsubscribe(ear), HX_OK);
    EXPECT_EQUAL(told_times, 1);
    EXPECT(told.kind == EVENT_CUSTOM && told.custom.id == lifecycle_shutdown_reason());
    EXPECT_EQUAL(orchestrator_subsystems()->up, 0);
    EXPECT_EQUAL(orchestrator_subsystems()->failures, failures);
}

/* SPEC: L1 K2 */
static void nothing_leads_back_from_the_end(void)
{
    if (lifecycle_phase() == PHASE_RUNNING) { /* this test runs alone */
        EXPECT_EQUAL(orchestrator_shutdown_all(&failure), HX_OK);
    }
    EXPECT_EQUAL(lifecycle_advance(PHASE_SHUTTING_DOWN), HX_ESTATE);
    EXPECT_EQUAL(lifecycle_advance(PHASE_HALTED), HX_ESTATE);
    EXPECT_EQUAL(orchestrator_run(), HX_ESTATE);
    EXPECT_EQUAL(orchestrator_shutdown_all(&failure), HX_ESTATE);
    EXPECT_EQUAL(orchestrator_resume(&failure), HX_ESTATE);
    EXPECT_EQUAL(lifecycle_phase(), PHASE_HALTED);
    EXPECT_EQUAL(kernel_state_current(), KERNEL_SHUTTING_DOWN);
}

#define TEST(function)                                                                             \
    {                                                                                              \
        .name = "core_end." #function, .run = function                                             \
    }

const struct selftest core_end_tests[] = {
    TEST(the_kernel_suspends_and_resumes),
    TEST(a_suspend_that_fails_leaves_the_kernel_running),
    TEST(a_request_made_while_suspended_is_kept_and_the_first_reason_wins),
    TEST(a_request_made_in_an_interrupt_wakes_who_waits),
    TEST(the_kernel_shuts_down_phase_by_phase_and_tells_everybody_in_order),
    TEST(nothing_leads_back_from_the_end),
    {.name = NULL},
};
