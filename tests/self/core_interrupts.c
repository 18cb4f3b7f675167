/* Vectors, their handlers, what handlers answer, and what is counted: on vectors nobody else uses.
 */
#include <base/string.h>
#include <core/interrupts/dispatcher.h>
#include <core/interrupts/exceptions.h>
#include <core/panic/panic.h>
#include <hal/clock.h>
#include <hal/cpu.h>
#include <hal/interrupt.h>
#include <hal/power.h>
#include <kern/cpu.h>
#include <kern/timer.h>
#include <stdatomic.h>
#include <tests/self/crew.h>
#include <tests/self/log_lines.h>
#include <tests/self/suites.h>

#define MANY        20U
#define LONG_NS     (2 * HAL_NS_PER_MS)
#define PATIENCE_NS (20 * HAL_NS_PER_S)
#define STORM_TRIES 5U

/* A handler with its answer, and what it has seen. */
struct device {
    enum interrupt_action answer;
    _Atomic uint32_t calls;
    uint64_t linger_ns;
};

static enum interrupt_action serve(void *argument, struct hal_frame *frame)
{
    struct device *device = argument;
    uint64_t until = hal_clock_now() + device->linger_ns;

    (void)frame;
    while (device->linger_ns != 0 && hal_clock_now() < until) {
    }
    atomic_fetch_add_explicit(&device->calls, 1, memory_order_relaxed);
    return device->answer;
}

static uint32_t calls_of(const struct device *device)
{
    return atomic_load_explicit(&device->calls, memory_order_relaxed);
}

/* A vector with one handler, 0 (and a failed test) where that cannot be had. */
static uint8_t open_vector(struct device *device, bool shared)
{
    uint8_t vector = interrupt_free_vector();

    atomic_store_explicit(&device->calls, 0, memory_order_relaxed);
    EXPECT(vector != 0);
    if (vector != 0) {
        EXPECT_EQUAL(interrupt_register(vector, "first", serve, device, shared), HX_OK);
    }
    return vector;
}

static void close_vector(uint8_t vector)
{
    EXPECT_EQUAL(interrupt_unregister(vector, "first"), HX_OK);
}

/* Interrupts of the vector that all CPUs together have counted. */
static uint64_t arrived(uint8_t vector)
{
    uint64_t count = 0;

    for (uint32_t cpu = 0; cpu < hal_cpu_count(); cpu++) {
        count += interrupt_statistics(vector, cpu).count;
    }
    return count;
}

/* Raise the vector here and see it through. */
static void raise(uint8_t vector)
{
    uint64_t wanted = arrived(vector) + 1;
    uint64_t deadline = hal_clock_now() + PATIENCE_NS;

    hal_interrupt_send(hal_cpu_id(), vector);
    while (arrived(vector) < wanted && hal_clock_now() < deadline) {
        hal_cpu_relax();
    }
    EXPECT(arrived(vector) >= wanted);
}

/* --- registration ----------------------------------------------------------------------------- */

/* SPEC: I1 */
static void a_vector_that_is_not_shared_has_one_handler(void)
{
    struct device mine = {.answer = INTERRUPT_HANDLED};
    struct device other = {.answer = INTERRUPT_HANDLED};
    uint8_t vector = open_vector(&mine, false);

    EXPECT_EQUAL(interrupt_register(vector, "second", serve, &other, false), HX_EBUSY);
    EXPECT_EQUAL(interrupt_register(vector, "second", serve, &other, true), HX_EBUSY);
    EXPECT_EQUAL(interrupt_register(vector, "first", serve, &other, false), HX_EEXIST);
    raise(vector);
    EXPECT_EQUAL(calls_of(&mine), 1);
    EXPECT_EQUAL(calls_of(&other), 0);
    close_vector(vector);
    vector = open_vector(&mine, true);
    EXPECT_EQUAL(interrupt_register(vector, "second", serve, &other, false), HX_EBUSY);
    close_vector(vector);
}

/* SPEC: I1 */
static void every_handler_of_a_shared_vector_is_called(void)
{
    struct device devices[3] = {{.answer = INTERRUPT_HANDLED},
                                {.answer = INTERRUPT_NOT_HANDLED},
                                {.answer = INTERRUPT_HANDLED}};
    uint8_t vector = open_vector(&devices[0], true);

    EXPECT_EQUAL(interrupt_register(vector, "second", serve, &devices[1], true), HX_OK);
    EXPECT_EQUAL(interrupt_register(vector, "third", serve, &devices[2], true), HX_OK);
    raise(vector);
    for (size_t i = 0; i < HX_ARRAY_SIZE(devices); i++) {
        EXPECT_EQUAL(calls_of(&devices[i]), 1);
    }
    EXPECT_EQUAL(interrupt_unregister(vector, "second"), HX_OK);
    EXPECT_EQUAL(interrupt_unregister(vector, "second"), HX_ENOENT);
    raise(vector);
    EXPECT_EQUAL(calls_of(&devices[0]), 2);
    EXPECT_EQUAL(calls_of(&devices[1]), 1);
    EXPECT_EQUAL(calls_of(&devices[2]), 2);
    EXPECT_EQUAL(interrupt_unregister(vector, "third"), HX_OK);
    close_vector(vector);
}

/* SPEC: I1 */
static void there_are_256_vectors_and_a_handler_needs_a_name(void)
{
    static struct device device = {.answer = INTERRUPT_HANDLED};

    EXPECT_EQUAL(HAL_VECTOR_COUNT, 256);
    EXPECT_EQUAL(interrupt_register(255, "last", serve, &device, true), HX_OK);
    EXPECT_EQUAL(interrupt_unregister(255, "last"), HX_OK);
    EXPECT_EQUAL(interrupt_register(255, NULL, serve, &device, true), HX_EINVAL);
    EXPECT_EQUAL(interrupt_register(255, "none", NULL, &device, true), HX_EINVAL);
    EXPECT_EQUAL(interrupt_unregister(255, "none"), HX_ENOENT);
}

/* A handler that is inside until it is let out. */
static struct {
    uint8_t vector;
    _Atomic uint32_t entered;
    _Atomic uint32_t released;
    _Atomic uint32_t left;
    bool had_left; /* when unregistering returned */
} stay;

static enum interrupt_action stay_inside(void *argument, struct hal_frame *frame)
{
    uint64_t deadline = hal_clock_now() + PATIENCE_NS;

    (void)argument;
    (void)frame;
    atomic_store_explicit(&stay.entered, 1, memory_order_release);
    while (atomic_load_explicit(&stay.released, memory_order_acquire) == 0 &&
           hal_clock_now() < deadline) {
    }
    atomic_store_explicit(&stay.left, 1, memory_order_release);
    return INTERRUPT_HANDLED;
}

static void let_out(struct timer *timer)
{
    (void)timer;
    atomic_store_explicit(&stay.released, 1, memory_order_release);
}

/* On the first CPU, while the handler is on the second. */
static void unregister_meanwhile(void *argument)
{
    static struct timer timer;

    (void)argument;
    hal_interrupt_send(crew_cpu(1), stay.vector);
    EXPECT(crew_spin_until(&stay.entered, 1));
    timer_init(&timer, let_out);
    timer_start(&timer, hal_clock_now() + 5 * HAL_NS_PER_MS, 0);
    EXPECT_EQUAL(interrupt_unregister(stay.vector, "stay"), HX_OK);
    stay.had_left = atomic_load_explicit(&stay.left, memory_order_acquire) != 0;
    EXPECT(crew_sleep_until(&stay.left, 1));
    (void)timer_cancel(&timer);
}

/* SPEC: I1 */
static void unregistering_waits_for_the_running_handler(void)
{
    static struct crew crew;

    if (cpu_online_count() < 2) {
        selftest_skip("needs a second CPU");
        return;
    }
    atomic_store_explicit(&stay.entered, 0, memory_order_relaxed);
    atomic_store_explicit(&stay.released, 0, memory_order_relaxed);
    atomic_store_explicit(&stay.left, 0, memory_order_relaxed);
    stay.vector = interrupt_free_vector();
    EXPECT_EQUAL(interrupt_register(stay.vector, "stay", stay_inside, NULL, false), HX_OK);
    crew_open(&crew);
    crew_start(&crew, unregister_meanwhile, NULL, 1ULL << crew_cpu(0));
    EXPECT(crew_join(&crew));
    EXPECT(stay.had_left);
}

/* --- answers ---------------------------------------------------------------------------------- */

static struct {
    uint8_t vector;
    struct crew crew;
    _Atomic uint32_t ran;
    bool ran_at_once;
} other_thread;

static void run_other(void *argument)
{
    (void)argument;
    atomic_store_explicit(&other_thread.ran, 1, memory_order_release);
}

/* What waits on this CPU runs before the interrupted thread goes on. */
static void be_interrupted(void *argument)
{
    (void)argument;
    crew_start(&other_thread.crew, run_other, NULL, 1ULL << crew_cpu(0));
    raise(other_thread.vector);
    other_thread.ran_at_once = atomic_load_explicit(&other_thread.ran, memory_order_acquire) != 0;
}

static bool another_runs_after(enum interrupt_action answer)
{
    struct device device = {.answer = answer};

    other_thread.vector = open_vector(&device, false);
    atomic_store_explicit(&other_thread.ran, 0, memory_order_relaxed);
    crew_open(&other_thread.crew);
    crew_start(&other_thread.crew, be_interrupted, NULL, 1ULL << crew_cpu(0));
    EXPECT(crew_join(&other_thread.crew));
    close_vector(other_thread.vector);
    return other_thread.ran_at_once;
}

/* SPEC: I2 */
static void reschedule_lets_another_thread_run_at_once(void)
{
    unsigned without = 0;

    EXPECT(another_runs_after(INTERRUPT_RESCHEDULE));
    for (unsigned i = 0; i < STORM_TRIES; i++) { /* a time slice may end in any one of them */
        without += another_runs_after(INTERRUPT_HANDLED) ? 0U : 1U;
    }
    EXPECT(without > 0);
}

static uint64_t unhandled(uint8_t vector)
{
    uint64_t count = 0;

    for (uint32_t cpu = 0; cpu < hal_cpu_count(); cpu++) {
        count += interrupt_statistics(vector, cpu).unhandled;
    }
    return count;
}

/* SPEC: I2 I5 */
static void what_nobody_handles_is_counted(void)
{
    struct device device = {.answer = INTERRUPT_NOT_HANDLED};
    uint8_t vector = open_vector(&device, false);
    uint64_t before = unhandled(vector);

    raise(vector);
    raise(vector);
    EXPECT_EQUAL(unhandled(vector), before + 2);
    device.answer = INTERRUPT_HANDLED;
    raise(vector);
    close_vector(vector);
    EXPECT_EQUAL(unhandled(vector), before + 2);
    raise(vector); /* with no handler at all */
    EXPECT_EQUAL(unhandled(vector), before + 3);
    EXPECT(!interrupt_is_masked(vector));
}

/* A storm takes a limit within a window: a slow host may need another try. */
static void raise_a_storm(uint8_t vector)
{
    for (unsigned i = 0; i < STORM_TRIES && !interrupt_is_masked(vector); i++) {
        for (uint32_t n = 0; n < 2 * INTERRUPT_STORM_LIMIT; n++) {
            raise(vector);
        }
    }
}

/* SPEC: I2 I6 */
static void a_storm_is_ended_once_and_said(void)
{
    uint8_t vector = interrupt_free_vector();
    uint64_t storms = interrupt_storms();
    uint64_t from = log_lines_next();

    interrupt_bind_line(vector, INTERRUPT_NO_LINE);
    raise_a_storm(vector);
    EXPECT(interrupt_is_masked(vector));
    EXPECT_EQUAL(interrupt_storms(), storms + 1);
    EXPECT_EQUAL(log_lines_count(from, "*interrupt vector * storms, unhandled*"), 1);
    interrupt_bind_line(vector, INTERRUPT_NO_LINE);
    EXPECT(!interrupt_is_masked(vector));
}

#ifdef HX_DEBUG
static char panic_message[PANIC_MESSAGE_MAX];

static enum panic_action go_on(const struct panic_context *context)
{
    (void)string_copy(panic_message, sizeof panic_message, context->message);
    return PANIC_CONTINUE;
}
#endif

/* SPEC: I2 */
static void a_handler_that_wants_a_panic_gets_it(void)
{
#ifdef HX_DEBUG
    static const struct panic_handler handler = {.name = "going on", .handle_panic = go_on};
    struct device device = {.answer = INTERRUPT_PANIC};
    uint8_t vector = open_vector(&device, false);

    panic_message[0] = '\0';
    panic_set_handler(&handler);
    raise(vector);
    panic_set_handler(NULL);
    close_vector(vector);
    EXPECT(string_matches(panic_message, "*vector * wants a panic"));
#else
    selftest_skip("only in debug builds does a panic come back");
#endif
}

/* --- statistics ------------------------------------------------------------------------------- */

static uint64_t cycles_in(uint64_t nanoseconds)
{
    return nanoseconds * (hal_clock_cycles_per_second() / 1000000) / 1000;
}

/* On one CPU: some short interrupts after a long one. */
static void raise_long_and_short(void *argument)
{
    struct device device = {.answer = INTERRUPT_HANDLED, .linger_ns = LONG_NS};
    uint8_t vector = open_vector(&device, false);
    uint32_t cpu = hal_cpu_id();
    struct interrupt_statistics before = interrupt_statistics(vector, cpu);
    uint64_t elsewhere = arrived(vector) - before.count;
    struct interrupt_statistics now;

    (void)argument;
    raise(vector);
    device.linger_ns = 0;
    for (unsigned i = 1; i < MANY; i++) {
        raise(vector);
    }
    now = interrupt_statistics(vector, cpu);
    EXPECT_EQUAL(now.count - before.count, MANY);
    EXPECT_EQUAL(now.unhandled, before.unhandled);
    EXPECT(now.longest >= cycles_in(LONG_NS) * 9 / 10);
    EXPECT(now.total - before.total >= cycles_in(LONG_NS) * 9 / 10);
    EXPECT(now.total >= now.longest);
    EXPECT_EQUAL(arrived(vector) - now.count, elsewhere);
    close_vector(vector);
}

/* SPEC: I5 */
static void each_vector_counts_per_cpu_and_keeps_the_longest_time(void)
{
    static struct crew crew;

    for (uint32_t n = 0; n < cpu_online_count(); n++) {
        crew_open(&crew);
        crew_start(&crew, raise_long_and_short, NULL, 1ULL << crew_cpu(n));
        EXPECT(crew_join(&crew));
    }
    EXPECT_EQUAL(interrupt_statistics(HAL_VECTOR_TIMER, HAL_CPU_MAX).count, 0);
}

/* SPEC: I5 */
static void the_timer_of_this_cpu_is_counted(void)
{
    uint64_t before = arrived(HAL_VECTOR_TIMER);

    thread_sleep(5 * HAL_NS_PER_MS);
    EXPECT(arrived(HAL_VECTOR_TIMER) > before);
    EXPECT(interrupt_load(hal_cpu_id()) > 0);
}

/* --- exceptions ------------------------------------------------------------------------------- */

static char asked[8];

static enum exception_action refuse_it(struct hal_frame *frame, void *argument)
{
    (void)frame;
    (void)string_copy(asked + string_length(asked), sizeof asked - string_length(asked), argument);
    return EXCEPTION_NOT_MINE;
}

static enum exception_action accept_it(struct hal_frame *frame, void *argument)
{
    (void)refuse_it(frame, argument);
    return EXCEPTION_RESUME;
}

/* SPEC: I3 */
static void exception_handlers_are_asked_in_their_order_until_one_answers(void)
{
    uint64_t before = exception_count(HAL_EXCEPTION_BREAKPOINT);

    asked[0] = '\0';
    EXPECT_EQUAL(
        exception_register(HAL_EXCEPTION_BREAKPOINT, "last", EXCEPTION_ORDER_OWNER, accept_it, "3"),
        HX_OK);
    EXPECT_EQUAL(exception_register(HAL_EXCEPTION_BREAKPOINT, "middle", EXCEPTION_ORDER_MEMORY,
                                    accept_it, "2"),
                 HX_OK);
    EXPECT_EQUAL(exception_register(HAL_EXCEPTION_BREAKPOINT, "first", EXCEPTION_ORDER_DEBUGGER,
                                    refuse_it, "1"),
                 HX_OK);
    hal_debug_break();
    EXPECT(string_equal(asked, "12"));
    EXPECT_EQUAL(exception_count(HAL_EXCEPTION_BREAKPOINT), before + 1);
    EXPECT_EQUAL(exception_unregister(HAL_EXCEPTION_BREAKPOINT, "first"), HX_OK);
    EXPECT_EQUAL(exception_unregister(HAL_EXCEPTION_BREAKPOINT, "middle"), HX_OK);
    EXPECT_EQUAL(exception_unregister(HAL_EXCEPTION_BREAKPOINT, "last"), HX_OK);
    EXPECT(string_equal(exception_name(HAL_EXCEPTION_PAGE), "page fault"));
}

#define TEST(function)                                                                             \
    {                                                                                              \
        .name = "core_interrupts." #function, .run = function                                      \
    }

const struct selftest core_interrupts_tests[] = {
    TEST(a_vector_that_is_not_shared_has_one_handler),
    TEST(every_handler_of_a_shared_vector_is_called),
    TEST(there_are_256_vectors_and_a_handler_needs_a_name),
    TEST(unregistering_waits_for_the_running_handler),
    TEST(reschedule_lets_another_thread_run_at_once),
    TEST(what_nobody_handles_is_counted),
    TEST(a_storm_is_ended_once_and_said),
    TEST(a_handler_that_wants_a_panic_gets_it),
    TEST(each_vector_counts_per_cpu_and_keeps_the_longest_time),
    TEST(the_timer_of_this_cpu_is_counted),
    TEST(exception_handlers_are_asked_in_their_order_until_one_answers),
    {.name = NULL},
};
