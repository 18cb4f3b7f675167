/*
 * What a port owes the kernel, part one: processors, interrupts, clock, threads, frames, the open
 * gate. Memory is in hal_memory.c. The same tests run on every port; each function group of hal/
 * has at least one.
 */
#include <core/gate/watchdog.h>
#include <core/interrupts/dispatcher.h>
#include <core/interrupts/exceptions.h>
#include <hal/clock.h>
#include <hal/console.h>
#include <hal/cpu.h>
#include <hal/frame.h>
#include <hal/gate.h>
#include <hal/power.h>
#include <kern/cpu.h>
#include <kern/thread.h>
#include <kern/timer.h>
#include <tests/self/crew.h>
#include <tests/self/suites.h>

static struct crew crew;

static uint32_t count_of(const _Atomic uint32_t *word)
{
    return atomic_load_explicit(word, memory_order_acquire);
}

static void count_up(_Atomic uint32_t *word)
{
    atomic_fetch_add_explicit(word, 1, memory_order_release);
}

/* --- processors ------------------------------------------------------------------------------- */

static _Atomic uint32_t ids_seen[HAL_CPU_MAX];

static void note_id(void *argument)
{
    (void)argument;
    count_up(&ids_seen[hal_cpu_id()]);
}

static void every_cpu_knows_its_own_number(void)
{
    uint64_t online = cpu_online_mask();

    EXPECT(hal_cpu_count() >= 1 && hal_cpu_count() <= HAL_CPU_MAX);
    for (uint32_t cpu = 0; cpu < HAL_CPU_MAX; cpu++) {
        atomic_store_explicit(&ids_seen[cpu], 0, memory_order_relaxed);
    }
    for (uint32_t cpu = 0; cpu < hal_cpu_count(); cpu++) {
        cpu_call(1ULL << cpu, note_id, NULL);
    }
    for (uint32_t cpu = 0; cpu < HAL_CPU_MAX; cpu++) {
        EXPECT_EQUAL(count_of(&ids_seen[cpu]), online >> cpu & 1);
    }
}

static void a_cpu_that_does_not_exist_is_not_started(void)
{
    static uint8_t stack[64] HX_ALIGNED(16);
    struct thread *self = thread_current();

    EXPECT_EQUAL(hal_cpu_start(hal_cpu_count(), stack + sizeof stack, self), HX_EINVAL);
    EXPECT_EQUAL(hal_cpu_start(UINT32_MAX, stack + sizeof stack, self), HX_EINVAL);
    EXPECT_EQUAL(hal_cpu_start(0, stack + sizeof stack, self), HX_EINVAL);
}

static void entropy_differs_from_call_to_call(void)
{
    uint64_t numbers[8];

    for (size_t i = 0; i < HX_ARRAY_SIZE(numbers); i++) {
        numbers[i] = hal_cpu_entropy();
        for (size_t k = 0; k < i; k++) {
            EXPECT(numbers[k] != numbers[i]);
        }
    }
}

static void the_processor_has_a_name(void)
{
    EXPECT(hal_cpu_name() != NULL && hal_cpu_name()[0] != '\0');
    EXPECT(hal_cpu_features() != NULL && hal_cpu_features()[0] != '\0');
}

/* --- the interrupt flag ----------------------------------------------------------------------- */

static void saving_and_restoring_the_interrupt_flag_nests(void)
{
    hal_interrupt_state outer;
    hal_interrupt_state inner;
    bool seen[4];

    outer = hal_interrupts_save();
    seen[0] = hal_interrupts_enabled();
    inner = hal_interrupts_save();
    seen[1] = hal_interrupts_enabled();
    hal_interrupts_restore(inner);
    seen[2] = hal_interrupts_enabled();
    hal_interrupts_restore(outer);
    seen[3] = hal_interrupts_enabled();
    EXPECT(!seen[0] && !seen[1] && !seen[2] && seen[3]);

    hal_interrupts_disable();
    seen[0] = hal_interrupts_enabled();
    hal_interrupts_enable();
    EXPECT(!seen[0] && hal_interrupts_enabled());
}

/* --- sending ---------------------------------------------------------------------------------- */

/* What the handler of the test's vectors has seen. */
static struct {
    _Atomic uint32_t calls;
    _Atomic uint32_t wrong; /* calls in which something was not as it should be */
    _Atomic uint32_t cpu;
} seen_interrupts;

static bool is_good_frame(const struct hal_frame *frame)
{
    const struct area *stack = thread_current()->stack;
    uintptr_t sp = hal_frame_sp(frame);

    return hal_frame_interrupts_enabled(frame) && hal_frame_pc(frame) != 0 &&
           (hal_frame_is_user(frame) || stack == NULL ||
            sp - stack->base <= stack->pages * HAL_PAGE_SIZE);
}

static enum interrupt_action note_interrupt(void *argument, struct hal_frame *frame)
{
    (void)argument;
    if (hal_interrupts_enabled() || !context_is_interrupt() || !is_good_frame(frame)) {
        count_up(&seen_interrupts.wrong);
    }
    atomic_store_explicit(&seen_interrupts.cpu, hal_cpu_id(), memory_order_relaxed);
    count_up(&seen_interrupts.calls);
    return INTERRUPT_HANDLED;
}

/* A vector that note_interrupt handles, 0 (and a failed test) when there is none. */
static uint8_t open_vector(void)
{
    uint8_t vector = interrupt_free_vector();

    atomic_store_explicit(&seen_interrupts.wrong, 0, memory_order_relaxed);
    atomic_store_explicit(&seen_interrupts.calls, 0, memory_order_relaxed);
    if (vector == 0 ||
        interrupt_register(vector, "conformance", note_interrupt, NULL, false) != HX_OK) {
        selftest_fail(__FILE__, __LINE__, "no vector is free");
        return 0;
    }
    return vector;
}

static void close_vector(uint8_t vector)
{
    EXPECT_EQUAL(interrupt_unregister(vector, "conformance"), HX_OK);
    EXPECT_EQUAL(count_of(&seen_interrupts.wrong), 0);
}

static void linger(uint64_t nanoseconds)
{
    uint64_t end = hal_clock_now() + nanoseconds;

    while (hal_clock_now() < end) {
        hal_cpu_relax();
    }
}

static void an_interrupt_sent_to_oneself_waits_for_the_flag(void)
{
    uint8_t vector = open_vector();
    uint32_t early;

    if (vector == 0) {
        return;
    }
    hal_interrupts_disable();
    hal_interrupt_send(hal_cpu_id(), vector);
    linger(HAL_NS_PER_MS);
    early = count_of(&seen_interrupts.calls);
    hal_interrupts_enable();
    EXPECT(crew_spin_until(&seen_interrupts.calls, 1));
    linger(HAL_NS_PER_MS);
    EXPECT_EQUAL(early, 0);
    EXPECT_EQUAL(count_of(&seen_interrupts.calls), 1);
    close_vector(vector);
}

static void an_interrupt_sent_to_a_cpu_arrives_there(void)
{
    uint8_t vector = open_vector();

    for (uint32_t n = 0; vector != 0 && n < cpu_online_count(); n++) {
        uint32_t before = count_of(&seen_interrupts.calls);

        hal_interrupt_send(crew_cpu(n), vector);
        EXPECT(crew_spin_until(&seen_interrupts.calls, before + 1));
        EXPECT_EQUAL(atomic_load_explicit(&seen_interrupts.cpu, memory_order_relaxed), crew_cpu(n));
    }
    if (vector != 0) {
        EXPECT_EQUAL(count_of(&seen_interrupts.calls), cpu_online_count());
        close_vector(vector);
    }
}

#define STORM_ROUNDS 300U

/* One after the other, so that none may be merged with the one before. */
static void no_interrupt_between_cpus_is_lost(void)
{
    uint8_t vector = open_vector();

    if (vector == 0) {
        return;
    }
    for (uint32_t i = 0; i < STORM_ROUNDS; i++) {
        hal_interrupt_send(crew_cpu(i % cpu_online_count()), vector);
        if (!crew_spin_until(&seen_interrupts.calls, i + 1)) {
            selftest_fail(__FILE__, __LINE__, "interrupt %u did not come", (unsigned)i);
            break;
        }
    }
    close_vector(vector);
}

static void an_idle_cpu_is_woken_by_an_interrupt(void)
{
    uint8_t vector = open_vector();
    uint32_t target = crew_cpu(cpu_online_count() - 1);

    if (vector == 0) {
        return;
    }
    for (uint32_t i = 0; i < 20; i++) {
        uint64_t sent;

        thread_sleep(2 * HAL_NS_PER_MS); /* this thread's CPU and the others fall idle */
        sent = hal_clock_now();
        hal_interrupt_send(target, vector);
        EXPECT(crew_spin_until(&seen_interrupts.calls, i + 1));
        EXPECT(hal_clock_now() - sent < 5 * HAL_NS_PER_S);
    }
    close_vector(vector);
}

/* --- non-maskable interrupts ------------------------------------------------------------------ */

static _Atomic uint32_t nmis;

static enum exception_action note_nmi(struct hal_frame *frame, void *argument)
{
    (void)frame;
    (void)argument;
    count_up(&nmis);
    return EXCEPTION_RESUME;
}

/* SPEC: I3 */
static void a_non_maskable_interrupt_comes_with_interrupts_off(void)
{
    hal_interrupt_state state;
    hx_err sent;

    watchdog_stop(); /* so that there are no others */
    atomic_store_explicit(&nmis, 0, memory_order_relaxed);
    EXPECT_EQUAL(
        exception_register(EXCEPTION_NMI, "conformance", EXCEPTION_ORDER_DEBUGGER, note_nmi, NULL),
        HX_OK);
    state = hal_interrupts_save();
    sent = hal_interrupt_send_nmi(hal_cpu_id());
    linger(HAL_NS_PER_MS);
    EXPECT(sent == HX_ENOSYS || count_of(&nmis) == 1);
    EXPECT(!hal_interrupts_enabled());
    hal_interrupts_restore(state);
    for (uint32_t n = 0; sent == HX_OK && n < cpu_online_count(); n++) {
        EXPECT_EQUAL(hal_interrupt_send_nmi(crew_cpu(n)), HX_OK);
        EXPECT(crew_spin_until(&nmis, n + 2));
    }
    EXPECT_EQUAL(exception_unregister(EXCEPTION_NMI, "conformance"), HX_OK);
    watchdog_start();
    if (sent == HX_ENOSYS) {
        selftest_skip("this machine has none");
    }
}

static void a_watchdog_that_was_stopped_is_not_heard_again(void)
{
    watchdog_stop();
    linger(HAL_NS_PER_MS); /* one may have been on its way */
    atomic_store_explicit(&nmis, 0, memory_order_relaxed);
    EXPECT_EQUAL(
        exception_register(EXCEPTION_NMI, "conformance", EXCEPTION_ORDER_DEBUGGER, note_nmi, NULL),
        HX_OK);
    thread_sleep(250 * HAL_NS_PER_MS); /* more than two periods of any */
    EXPECT_EQUAL(count_of(&nmis), 0);
    EXPECT_EQUAL(exception_unregister(EXCEPTION_NMI, "conformance"), HX_OK);
    watchdog_start();
}

/* --- external lines --------------------------------------------------------------------------- */

static void an_impossible_line_or_vector_is_not_routed(void)
{
    const struct hal_line_mode mode = {.level = false};
    uint32_t line = hal_line_count();
    struct hal_line_mode isa_mode;
    hx_err error;

    EXPECT_EQUAL(hal_line_route(line, HAL_VECTOR_FIRST, 1, mode), HX_EINVAL);
    EXPECT_EQUAL(hal_line_of_isa(16, &line, &isa_mode), HX_EINVAL);
    error = hal_line_of_isa(1, &line, &isa_mode);
    EXPECT(error == HX_ENOSYS || (error == HX_OK && line < hal_line_count()));
    if (hal_line_count() == 0) {
        return;
    }
    line = hal_line_count() - 1;
    EXPECT_EQUAL(hal_line_route(line, HAL_VECTOR_FIRST, 0, mode), HX_EINVAL);
    EXPECT_EQUAL(hal_line_route(line, 3, 1, mode), HX_EINVAL);
    hal_line_mask(hal_line_count()); /* nothing happens */
    hal_line_unmask(hal_line_count());
}

static void the_console_has_a_line_or_says_so(void)
{
    int line = hal_console_line();

    EXPECT(line == -1 || (line >= 0 && (uint32_t)line < hal_line_count()));
    hal_console_flush();
}

/* --- clock ------------------------------------------------------------------------------------ */

static void the_clock_never_goes_back(void)
{
    uint64_t last = hal_clock_now();
    uint64_t end = last + 20 * HAL_NS_PER_MS;

    while (last < end) {
        uint64_t now = hal_clock_now();

        if (now < last) {
            selftest_fail(__FILE__, __LINE__, "back by %llu ns", (unsigned long long)(last - now));
            break;
        }
        last = now;
    }
}

#define CLOCK_TOLERANCE_NS 10000U

static void read_clock(void *time)
{
    *(uint64_t *)time = hal_clock_now();
}

static void all_cpus_have_the_same_time(void)
{
    for (uint32_t round = 0; round < 20; round++) {
        uint32_t cpu = crew_cpu(round % cpu_online_count());
        uint64_t before = hal_clock_now();
        uint64_t there = 0;
        uint64_t after;

        cpu_call(1ULL << cpu, read_clock, &there);
        after = hal_clock_now();
        EXPECT(there + CLOCK_TOLERANCE_NS >= before);
        EXPECT(there <= after + CLOCK_TOLERANCE_NS);
    }
}

/* Whether the two agree over 50 ms; not, when a busy host came between two readings. */
static bool counter_keeps_pace(void)
{
    uint64_t began = hal_clock_now();
    uint64_t cycles = hal_clock_cycles();
    uint64_t expected;
    uint64_t elapsed;

    thread_sleep(50 * HAL_NS_PER_MS);
    cycles = hal_clock_cycles() - cycles;
    elapsed = hal_clock_now() - began;
    expected = hal_clock_cycles_per_second() / 1000 * elapsed / HAL_NS_PER_MS;
    return cycles > expected - expected / 20 && cycles < expected + expected / 20;
}

static void the_counter_runs_at_its_rate(void)
{
    bool keeps_pace = false;

    for (unsigned i = 0; i < 10 && !keeps_pace; i++) {
        keeps_pace = counter_keeps_pace();
    }
    EXPECT(keeps_pace);
}

/* The clock's slope may change, its value may not jump. */
static void refining_the_rate_does_not_move_the_clock(void)
{
    uint64_t before;
    uint64_t after;
    int64_t correction;

    before = hal_clock_now();
    correction = hal_clock_refine();
    after = hal_clock_now();
    EXPECT(correction > -100000 && correction < 100000);
    EXPECT(after >= before && after - before < HAL_NS_PER_S);
}

#define YEAR_2020 1577836800ULL

static void the_wall_clock_is_plausible_or_absent(void)
{
    uint64_t seconds = hal_clock_wall();

    EXPECT(seconds == 0 || seconds > YEAR_2020);
}

/* --- timer ------------------------------------------------------------------------------------ */

#define TIMER_ROUNDS  20U
#define TIMER_LATE_NS (100 * HAL_NS_PER_MS) /* the host of the machine may be busy: most times */

static struct {
    struct timer timer;
    uint64_t fired_at;
    _Atomic uint32_t calls;
} alarm;

static void note_alarm(struct timer *timer)
{
    (void)timer;
    alarm.fired_at = hal_clock_now();
    count_up(&alarm.calls);
}

static void the_timer_fires_at_its_deadline_and_not_before(void)
{
    uint32_t late = 0;

    timer_init(&alarm.timer, note_alarm);
    atomic_store_explicit(&alarm.calls, 0, memory_order_relaxed);
    for (uint32_t i = 0; i < TIMER_ROUNDS; i++) {
        uint64_t deadline = hal_clock_now() + (i + 1) * HAL_NS_PER_MS / 4;

        timer_start(&alarm.timer, deadline, 0);
        EXPECT(crew_sleep_until(&alarm.calls, i + 1));
        EXPECT(alarm.fired_at >= deadline);
        late += alarm.fired_at - deadline < TIMER_LATE_NS ? 0U : 1U;
    }
    EXPECT(late < TIMER_ROUNDS / 2);
    (void)timer_cancel(&alarm.timer);
}

/* --- threads ---------------------------------------------------------------------------------- */

/* A thread of the port's only; kern never hears of it. */
static struct {
    struct thread thread;
    struct thread *tester;
    uint8_t stack[THREAD_STACK_SIZE] HX_ALIGNED(16);
    void *argument;
    bool interrupts_were_off;
    bool was_current;
    uint32_t rounds;
} raw;

static void raw_entry(void *argument)
{
    raw.argument = argument;
    raw.interrupts_were_off = !hal_interrupts_enabled();
    raw.was_current = hal_thread_current() == &raw.thread;
    for (;;) {
        raw.rounds++;
        if (hal_thread_switch(&raw.thread, raw.tester) != raw.tester) {
            raw.was_current = false;
        }
    }
}

/* Many values that live across the switch: more than there are registers to keep them in. */
static HX_NOINLINE uint64_t mix(uint64_t seed, void (*between)(void))
{
    uint64_t a = seed, b = seed * 3, c = seed * 5, d = seed * 7;
    uint64_t e = seed * 11, f = seed * 13, g = seed * 17, h = seed * 19;

    for (uint32_t i = 0; i < 50; i++) {
        between();
        a += b ^ (c << 1);
        b += c ^ (d >> 3);
        c += d ^ (e << 5);
        d += e ^ (f >> 7);
        between();
        e += f ^ (g << 2);
        f += g ^ (h >> 9);
        g += h ^ (a << 4);
        h += a ^ (b >> 11);
    }
    return a ^ b ^ c ^ d ^ e ^ f ^ g ^ h;
}

static void no_switch(void)
{
}

static void visit_raw_thread(void)
{
    if (hal_thread_switch(raw.tester, &raw.thread) != &raw.thread) {
        raw.was_current = false;
    }
}

static void a_switch_to_a_new_thread_and_back_keeps_the_registers(void)
{
    hal_interrupt_state state = hal_interrupts_save();
    uint64_t mixed;

    raw.tester = thread_current();
    raw.rounds = 0;
    hal_thread_init(&raw.thread.hal, raw.stack, sizeof raw.stack, raw_entry, &raw);
    mixed = mix(42, visit_raw_thread);
    hal_thread_fini(&raw.thread.hal);
    hal_interrupts_restore(state);
    EXPECT_EQUAL(mixed, mix(42, no_switch));
    EXPECT_EQUAL(raw.rounds, 100);
    EXPECT(raw.argument == &raw);
    EXPECT(raw.interrupts_were_off && raw.was_current);
    EXPECT(hal_thread_current() == raw.tester);
}

static void mix_in_a_crew(void *argument)
{
    uint64_t seed = (uint64_t)(uintptr_t)argument;
    struct thread *self = hal_thread_current();

    EXPECT_EQUAL(mix(seed, thread_yield), mix(seed, no_switch));
    EXPECT(hal_thread_current() == self);
}

static void a_thread_that_migrates_keeps_its_registers_and_itself(void)
{
    static uint64_t seeds[8];

    crew_open(&crew);
    for (size_t i = 0; i < HX_ARRAY_SIZE(seeds); i++) {
        crew_start(&crew, mix_in_a_crew, &seeds[i], 0);
    }
    (void)crew_join(&crew);
}

/* --- frames ----------------------------------------------------------------------------------- */

#define WALK_MAX 64U

static bool is_kernel_text(uintptr_t address)
{
    struct hal_range text = hal_kernel_image().text;

    return address - text.base < text.size;
}

static HX_NOINLINE uint32_t walk_own_stack(struct hal_frame *frame)
{
    uint32_t steps = 0;
    uint32_t in_text = 0;
    uintptr_t address;
    uintptr_t fp;

    hal_frame_capture(frame);
    fp = hal_frame_fp(frame);
    while (steps < WALK_MAX && hal_frame_walk(&fp, &address)) {
        in_text += is_kernel_text(address) ? 1U : 0U;
        steps++;
    }
    EXPECT(steps < WALK_MAX);
    return in_text;
}

static void a_captured_frame_shows_where_it_was_taken(void)
{
    struct hal_frame frame;

    EXPECT(walk_own_stack(&frame) >= 3); /* this test, the runner, who called it */
    EXPECT(is_kernel_text(hal_frame_pc(&frame)));
    EXPECT(!hal_frame_is_user(&frame));
    EXPECT(hal_frame_interrupts_enabled(&frame));
    EXPECT(hal_frame_sp(&frame) - thread_current()->stack->base < THREAD_STACK_SIZE);
    hal_frame_set_pc(&frame, 0x1234);
    EXPECT_EQUAL(hal_frame_pc(&frame), 0x1234);
}

static void the_walk_ends_at_bad_pointers(void)
{
    static const uintptr_t outermost[2]; /* a frame without a caller */
    static const uintptr_t shifted[3] = {UINTPTR_MAX, UINTPTR_MAX, UINTPTR_MAX};
    const uintptr_t bad[] = {
        0,
        1,
        8,
        (uintptr_t)shifted + 1,
        hal_area_window().base + hal_area_window().size - 16,
        UINTPTR_MAX,
        UINTPTR_MAX - 7,
        (uintptr_t)1 << (sizeof(uintptr_t) * 8 - 2), /* not canonical on x86-64 */
        (uintptr_t)outermost,
    };

    for (size_t i = 0; i < HX_ARRAY_SIZE(bad); i++) {
        uintptr_t fp = bad[i];
        uintptr_t address = 0;

        if (hal_frame_walk(&fp, &address)) {
            selftest_fail(__FILE__, __LINE__, "bad pointer %p was followed", (void *)bad[i]);
        }
    }
}

static void a_frame_lists_its_registers_by_name(void)
{
    struct hal_frame frame;
    uint64_t value = 0;
    bool has_pc = false;
    unsigned count = 0;

    hal_frame_capture(&frame);
    for (const char *name; (name = hal_frame_register(&frame, count, &value)) != NULL; count++) {
        EXPECT(name[0] != '\0');
        has_pc |= value == hal_frame_pc(&frame);
    }
    EXPECT(count >= 16 && has_pc);
    EXPECT(hal_frame_register(&frame, count + 1000, &value) == NULL);
}

/* What the breakpoint's handler saw; the test prints it, not the handler. */
static struct {
    uint32_t calls;
    enum hal_exception exception;
    bool interrupts_on;
    bool was_in_text;
} breakpoint;

static enum exception_action note_breakpoint(struct hal_frame *frame, void *argument)
{
    (void)argument;
    breakpoint.calls++;
    breakpoint.exception = hal_frame_exception(frame);
    breakpoint.interrupts_on = hal_frame_interrupts_enabled(frame);
    breakpoint.was_in_text = is_kernel_text(hal_frame_pc(frame));
    return EXCEPTION_RESUME;
}

/* SPEC: I3 */
static void a_breakpoint_is_an_exception_one_can_return_from(void)
{
    breakpoint.calls = 0;
    EXPECT_EQUAL(exception_register(HAL_EXCEPTION_BREAKPOINT, "conformance",
                                    EXCEPTION_ORDER_DEBUGGER, note_breakpoint, NULL),
                 HX_OK);
    hal_debug_break();
    hal_interrupts_disable();
    hal_debug_break();
    bool still_off = !hal_interrupts_enabled();
    hal_interrupts_enable();
    EXPECT_EQUAL(exception_unregister(HAL_EXCEPTION_BREAKPOINT, "conformance"), HX_OK);
    EXPECT_EQUAL(breakpoint.calls, 2);
    EXPECT_EQUAL(breakpoint.exception, HAL_EXCEPTION_BREAKPOINT);
    EXPECT(breakpoint.was_in_text && !breakpoint.interrupts_on && still_off);
}

/* --- the open gate ---------------------------------------------------------------------------- */

static uint64_t weigh(uint64_t a, uint64_t b, uint64_t c, uint64_t d)
{
    return a + 10 * b + 100 * c + 1000 * d;
}

static void a_call_through_the_open_gate_takes_four_arguments(void)
{
    static struct hal_gate_instance instance;
    struct hal_gate_slot slot = {.active = &instance, .deadline_ticks = 1000};
    struct thread *self = thread_current();
    struct hal_activation *top = hal_gate_top(&self->hal);
    struct hal_gate_result result;

    instance.operations[3] = (uintptr_t)weigh;
    instance.backend = HAL_GATE_OPEN;
    result = hal_gate_call(1, 2, 3, 4, &slot, 3);
    EXPECT_EQUAL(result.error, HX_OK);
    EXPECT_EQUAL(result.value, 4321);
    EXPECT(hal_gate_top(&self->hal) == top);
    EXPECT(atomic_load_explicit(&top->instance, memory_order_relaxed) == NULL);
    EXPECT(hal_interrupts_enabled());
}

#define TEST(function)                                                                             \
    {                                                                                              \
        .name = "hal_conformance." #function, .run = (function)                                    \
    }

const struct selftest hal_conformance_tests[] = {
    TEST(every_cpu_knows_its_own_number),
    TEST(a_cpu_that_does_not_exist_is_not_started),
    TEST(entropy_differs_from_call_to_call),
    TEST(the_processor_has_a_name),
    TEST(saving_and_restoring_the_interrupt_flag_nests),
    TEST(an_interrupt_sent_to_oneself_waits_for_the_flag),
    TEST(an_interrupt_sent_to_a_cpu_arrives_there),
    TEST(no_interrupt_between_cpus_is_lost),
    TEST(an_idle_cpu_is_woken_by_an_interrupt),
    TEST(a_non_maskable_interrupt_comes_with_interrupts_off),
    TEST(a_watchdog_that_was_stopped_is_not_heard_again),
    TEST(an_impossible_line_or_vector_is_not_routed),
    TEST(the_console_has_a_line_or_says_so),
    TEST(the_clock_never_goes_back),
    TEST(all_cpus_have_the_same_time),
    TEST(the_counter_runs_at_its_rate),
    TEST(refining_the_rate_does_not_move_the_clock),
    TEST(the_wall_clock_is_plausible_or_absent),
    TEST(the_timer_fires_at_its_deadline_and_not_before),
    TEST(a_switch_to_a_new_thread_and_back_keeps_the_registers),
    TEST(a_thread_that_migrates_keeps_its_registers_and_itself),
    TEST(a_captured_frame_shows_where_it_was_taken),
    TEST(the_walk_ends_at_bad_pointers),
    TEST(a_frame_lists_its_registers_by_name),
    TEST(a_breakpoint_is_an_exception_one_can_return_from),
    TEST(a_call_through_the_open_gate_takes_four_arguments),
    {.name = NULL},
};
