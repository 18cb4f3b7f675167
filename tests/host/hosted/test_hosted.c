/*
 * The hosted port by itself, under a kernel of a few lines: what only it has (lines that a test
 * raises, machines that start and stop), and what a running kernel would not survive.
 */
#define _GNU_SOURCE
#include <base/assert.h>
#include <hal/clock.h>
#include <hal/console.h>
#include <hal/cpu.h>
#include <hal/entry.h>
#include <hal/frame.h>
#include <hal/gate.h>
#include <hal/memory.h>
#include <hal/power.h>
#include <kern/thread.h>
#include <ports/hosted/hosted.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define CPUS       3U
#define MEMORY_MB  16U
#define STACK_SIZE 65536U
#define VECTOR     100U

/* --- the kernel ------------------------------------------------------------------------------- */

static struct thread boot_threads[HAL_CPU_MAX];
static uint8_t boot_stacks[CPUS][STACK_SIZE] HX_ALIGNED(16);

/* Calls of kernel_interrupt by CPU and vector; the handlers count, the tests read. */
static _Atomic uint32_t interrupts[HAL_CPU_MAX][HAL_VECTOR_COUNT];
static _Atomic uint32_t all_interrupts;
static _Atomic uint8_t last_vector;
static _Atomic bool came_out_of_order; /* a higher vector after a lower one */
static _Atomic uint32_t nmis;
static _Atomic uint64_t timer_at;

/* What kernel_exception does, and the frame it has seen. */
static void (*on_exception)(struct hal_frame *frame);
static struct hal_frame last_frame;

struct thread *thread_boot(uint32_t cpu)
{
    return &boot_threads[cpu];
}

void assert_failed(const char *sentence, const char *expression, const char *file, int line)
{
    fprintf(stderr, "%s:%d: %s (%s)\n", file, line, sentence, expression);
    abort();
}

void kernel_interrupt(uint8_t vector, struct hal_frame *frame)
{
    (void)frame;
    if (hal_interrupts_enabled()) {
        abort();
    }
    if (vector == HAL_VECTOR_TIMER) {
        atomic_store(&timer_at, hal_clock_now());
    }
    hal_interrupt_acknowledge();
    if (vector > atomic_exchange(&last_vector, vector)) {
        atomic_store(&came_out_of_order, true);
    }
    atomic_fetch_add(&all_interrupts, 1);
    atomic_fetch_add(&interrupts[hal_cpu_id()][vector], 1);
}

void kernel_nmi(struct hal_frame *frame)
{
    (void)frame;
    atomic_fetch_add(&nmis, 1);
}

void kernel_exception(struct hal_frame *frame)
{
    last_frame = *frame;
    if (on_exception == NULL) {
        abort();
    }
    on_exception(frame);
}

static _Atomic(void (*)(void)) secondary_work; /* NULL: idle */

void kernel_secondary_main(void)
{
    void (*work)(void) = atomic_load(&secondary_work);

    if (work != NULL) {
        work();
    }
    for (;;) {
        hal_interrupts_disable();
        hal_cpu_idle();
    }
}

int64_t kernel_syscall(uint64_t a0, uint64_t a1, uint64_t a2, uint64_t a3, uint64_t a4, uint64_t a5,
                       uint64_t number)
{
    (void)a0, (void)a1, (void)a2, (void)a3, (void)a4, (void)a5, (void)number;
    abort();
}

void kernel_return_to_user(struct hal_frame *frame)
{
    (void)frame;
    abort();
}

void kernel_callout(struct hal_frame *frame)
{
    (void)frame;
    abort();
}

/* --- the machine ------------------------------------------------------------------------------ */

static void start_secondaries(void)
{
    for (uint32_t cpu = 1; cpu < CPUS; cpu++) {
        assert_int_equal(hal_cpu_start(cpu, boot_stacks[cpu] + STACK_SIZE, &boot_threads[cpu]),
                         HX_OK);
    }
}

static void start_machine(void)
{
    memset(interrupts, 0, sizeof interrupts);
    atomic_store(&all_interrupts, 0);
    atomic_store(&nmis, 0);
    atomic_store(&secondary_work, NULL);
    on_exception = NULL;
    assert_true(hosted_start(CPUS, MEMORY_MB));
}

static uint32_t count_of(uint32_t cpu, uint32_t vector)
{
    return atomic_load(&interrupts[cpu][vector]);
}

static void await(uint32_t cpu, uint32_t vector, uint32_t count)
{
    uint64_t deadline = hal_clock_now() + 20 * HAL_NS_PER_S;

    while (count_of(cpu, vector) < count) {
        assert_true(hal_clock_now() < deadline);
        hal_cpu_relax();
    }
}

static void machines_of_impossible_size_are_refused(void **state)
{
    (void)state;
    assert_false(hosted_start(0, MEMORY_MB));
    assert_false(hosted_start(HAL_CPU_MAX + 1, MEMORY_MB));
    assert_false(hosted_start(1, 0));
    assert_false(hosted_start(1, 65537));
}

static void a_machine_can_be_started_again_and_again(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 10; i++) {
        start_machine();
        start_secondaries();
        memset(hal_direct_map(HOSTED_MEMORY_FIRST), 0xff, HAL_PAGE_SIZE);
        hosted_stop();
        assert_int_equal(hal_cpu_count(), 0);
    }
}

static void spin_for_ever(void)
{
    for (;;) {
        hal_cpu_relax();
    }
}

static void halt_for_ever(void)
{
    hal_cpu_halt();
}

static void a_machine_stops_whatever_its_cpus_do(void **state)
{
    void (*const works[])(void) = {spin_for_ever, halt_for_ever, NULL};

    (void)state;
    for (size_t i = 0; i < HX_ARRAY_SIZE(works); i++) {
        start_machine();
        atomic_store(&secondary_work, works[i]);
        start_secondaries();
        hosted_stop();
    }
}

static void a_cpu_is_started_once(void **state)
{
    (void)state;
    start_secondaries();
    assert_int_equal(hal_cpu_start(1, boot_stacks[1] + STACK_SIZE, &boot_threads[1]), HX_EINVAL);
}

static void stopped_cpus_answer_no_more(void **state)
{
    (void)state;
    start_secondaries();
    assert_int_equal(hal_cpu_stop_others(), CPUS - 1);
    hal_interrupt_send(1, VECTOR);
    usleep(20000);
    assert_int_equal(count_of(1, VECTOR), 0);
}

/* --- interrupts ------------------------------------------------------------------------------- */

#define PINGS 20000U

/* Any of them lost would leave the CPU asleep for ever. */
static void no_wake_up_of_an_idle_cpu_is_lost(void **state)
{
    (void)state;
    start_secondaries();
    for (uint32_t cpu = 1; cpu < CPUS; cpu++) {
        for (uint32_t i = 0; i < PINGS; i++) { /* the next comes while the CPU falls asleep */
            hal_interrupt_send(cpu, VECTOR);
            await(cpu, VECTOR, i + 1);
        }
    }
    assert_int_equal(count_of(0, VECTOR), 0);
    assert_int_equal(atomic_load(&all_interrupts), PINGS * (CPUS - 1));
}

static void the_highest_of_the_pending_vectors_comes_first(void **state)
{
    (void)state;
    for (unsigned vector = 40; vector < 240; vector += 50) {
        hal_interrupt_send(0, (uint8_t)vector);
    }
    assert_int_equal(atomic_load(&all_interrupts), 0);
    atomic_store(&last_vector, UINT8_MAX);
    atomic_store(&came_out_of_order, false);
    hal_interrupts_enable();
    hal_interrupts_disable();
    for (unsigned vector = 40; vector < 240; vector += 50) {
        assert_int_equal(count_of(0, vector), 1);
    }
    assert_int_equal(atomic_load(&all_interrupts), 4);
    assert_false(atomic_load(&came_out_of_order));
}

static void a_non_maskable_interrupt_needs_no_flag(void **state)
{
    (void)state;
    assert_int_equal(hal_interrupt_send_nmi(0), HX_OK);
    assert_int_equal(atomic_load(&nmis), 0);
    hal_cpu_relax();
    assert_int_equal(atomic_load(&nmis), 1);
    assert_false(hal_interrupts_enabled());
}

static const struct hal_line_mode edge = {.level = false};
static const struct hal_line_mode level = {.level = true};

static void let_in(void)
{
    hal_interrupts_enable();
    hal_interrupts_disable();
}

static void an_edge_on_a_masked_line_is_lost(void **state)
{
    (void)state;
    assert_int_equal(hal_line_route(5, VECTOR, 1, edge), HX_OK);
    hosted_raise_line(5); /* masked at first */
    hal_line_unmask(5);
    let_in();
    assert_int_equal(count_of(0, VECTOR), 0);
    hosted_raise_line(5);
    let_in();
    assert_int_equal(count_of(0, VECTOR), 1);
    hal_line_mask(5);
    hosted_raise_line(5);
    hal_line_unmask(5);
    let_in();
    assert_int_equal(count_of(0, VECTOR), 1);
}

static void a_level_on_a_masked_line_waits(void **state)
{
    (void)state;
    assert_int_equal(hal_line_route(6, VECTOR, 1, level), HX_OK);
    hosted_raise_line(6);
    hosted_raise_line(6);
    let_in();
    assert_int_equal(count_of(0, VECTOR), 0);
    hal_line_unmask(6);
    let_in();
    assert_int_equal(count_of(0, VECTOR), 1);
    hal_line_mask(6);
    hal_line_unmask(6);
    let_in();
    assert_int_equal(count_of(0, VECTOR), 1);
}

static void a_line_reaches_every_cpu_of_its_mask(void **state)
{
    (void)state;
    start_secondaries();
    assert_int_equal(hal_line_route(7, VECTOR, 6, edge), HX_OK);
    hal_line_unmask(7);
    hosted_raise_line(7);
    await(1, VECTOR, 1);
    await(2, VECTOR, 1);
    let_in();
    assert_int_equal(count_of(0, VECTOR), 0);
    assert_int_equal(hal_line_route(7, VECTOR, 1U << CPUS, edge), HX_EINVAL);
    hosted_raise_line(HOSTED_LINE_COUNT); /* nothing happens */
}

/* --- timer ------------------------------------------------------------------------------------ */

static void a_deadline_in_the_past_fires_at_once(void **state)
{
    (void)state;
    hal_timer_arm(0);
    let_in();
    assert_int_equal(count_of(0, HAL_VECTOR_TIMER), 1);
    hal_timer_arm(hal_clock_now());
    let_in();
    assert_int_equal(count_of(0, HAL_VECTOR_TIMER), 2);
}

static void the_timer_is_never_early(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < 100; i++) {
        uint64_t deadline = hal_clock_now() + i * 20000;

        hal_timer_arm(deadline);
        while (count_of(0, HAL_VECTOR_TIMER) <= i) {
            hal_cpu_idle();
            hal_interrupts_disable();
        }
        assert_true(atomic_load(&timer_at) >= deadline);
        assert_int_equal(count_of(0, HAL_VECTOR_TIMER), i + 1);
    }
}

static void an_earlier_deadline_replaces_a_later_one(void **state)
{
    uint64_t began = hal_clock_now();

    (void)state;
    hal_timer_arm(began + 1000 * HAL_NS_PER_S);
    usleep(2000); /* the helper sleeps until then */
    hal_timer_arm(began + 5 * HAL_NS_PER_MS);
    hal_cpu_idle();
    assert_true(hal_clock_now() - began < 10 * HAL_NS_PER_S);
    assert_int_equal(count_of(0, HAL_VECTOR_TIMER), 1);
}

/* Once more when the host was so busy that it was time before the timer was disarmed. */
static void a_disarmed_timer_is_silent(void **state)
{
    bool was_in_time;

    (void)state;
    do {
        uint32_t before = count_of(0, HAL_VECTOR_TIMER);
        uint64_t deadline = hal_clock_now() + 10 * HAL_NS_PER_MS;

        hal_timer_arm(deadline);
        hal_timer_disarm();
        was_in_time = hal_clock_now() < deadline;
        usleep(30000);
        let_in();
        assert_true(!was_in_time || count_of(0, HAL_VECTOR_TIMER) == before);
    } while (!was_in_time);
}

/* --- exceptions ------------------------------------------------------------------------------- */

/* Resume behind an instruction whose length the test knows. */
static unsigned instruction_length;

static void step_over(struct hal_frame *frame)
{
    hal_frame_set_pc(frame, hal_frame_pc(frame) + instruction_length);
}

static void each_signal_becomes_its_exception(void **state)
{
    uint64_t rax = 1;
    uint64_t rdx = 0;

    (void)state;
    on_exception = step_over;
    instruction_length = 2;
    __asm__ volatile("ud2");
    assert_int_equal(last_frame.exception, HAL_EXCEPTION_INVALID_OPCODE);
    instruction_length = 3;
    __asm__ volatile("divq %%rcx" : "+a"(rax), "+d"(rdx) : "c"(0UL) : "cc");
    assert_int_equal(last_frame.exception, HAL_EXCEPTION_DIVIDE);
    assert_int_equal(last_frame.rax, 1);
    instruction_length = 1;
    __asm__ volatile("cli");
    assert_int_equal(last_frame.exception, HAL_EXCEPTION_PROTECTION);
    instruction_length = 0;
    __asm__ volatile("int3");
    assert_int_equal(last_frame.exception, HAL_EXCEPTION_BREAKPOINT);
}

static void spoil_vector_registers(struct hal_frame *frame)
{
    __asm__ volatile("pxor %%xmm3, %%xmm3\n\tpxor %%xmm12, %%xmm12" ::: "xmm3", "xmm12");
    step_over(frame);
}

static void an_exception_leaves_all_registers_as_they_were(void **state)
{
    uint64_t low;
    uint64_t high;
    uint64_t r11;

    (void)state;
    on_exception = spoil_vector_registers;
    instruction_length = 2;
    __asm__ volatile("movq %3, %%xmm3\n\t"
                     "movq %4, %%xmm12\n\t"
                     "movq $77, %%r11\n\t"
                     "ud2\n\t"
                     "movq %%xmm3, %0\n\t"
                     "movq %%xmm12, %1\n\t"
                     "movq %%r11, %2"
                     : "=&r"(low), "=&r"(high), "=&r"(r11)
                     : "r"(0x1111222233334444UL), "r"(0x5555666677778888UL)
                     : "xmm3", "xmm12", "r11");
    assert_int_equal(low, 0x1111222233334444UL);
    assert_int_equal(high, 0x5555666677778888UL);
    assert_int_equal(r11, 77);
}

static struct thread deep_thread;
static bool came_back;

static void leave_deep_thread(void)
{
    came_back = true;
    hal_thread_switch(&deep_thread, &boot_threads[0]);
}

static void redirect_to_a_fresh_stack(struct hal_frame *frame)
{
    hal_frame_set_pc(frame, (uintptr_t)leave_deep_thread);
    frame->rsp = (uintptr_t)deep_thread.hal.stack + STACK_SIZE - 8;
}

static volatile bool is_deep_enough;

static HX_NOINLINE uint32_t dig(volatile uint32_t *above)
{
    volatile uint32_t here[64];

    here[0] = above[0] + 1;
    return is_deep_enough ? 0 : dig(here) + here[0];
}

static void overflow(void *argument)
{
    (void)dig(argument);
}

static void a_stack_overflow_is_told_from_other_faults(void **state)
{
    uintptr_t stack = hal_area_window().base + HAL_PAGE_SIZE;
    uint32_t depth = 0;

    (void)state;
    assert_int_equal(hal_space_map(hal_space_kernel(), stack, 0x100000, STACK_SIZE / HAL_PAGE_SIZE,
                                   HAL_READ | HAL_WRITE),
                     HX_OK);
    on_exception = redirect_to_a_fresh_stack;
    came_back = false;
    hal_thread_init(&deep_thread.hal, (void *)stack, STACK_SIZE, overflow, &depth);
    assert_ptr_equal(hal_thread_switch(&boot_threads[0], &deep_thread), &deep_thread);
    hal_thread_fini(&deep_thread.hal);
    assert_true(came_back);
    assert_int_equal(hal_frame_exception(&last_frame), HAL_EXCEPTION_STACK_OVERFLOW);
    assert_true(hal_frame_fault_address(&last_frame) < stack);
}

static void code_runs_in_the_module_window(void **state)
{
    static const uint8_t code[] = {0xb8, 42, 0, 0, 0, 0xc3}; /* movl $42, %eax; ret */
    struct hal_range window = hal_module_window();
    uint32_t (*function)(void) = (uint32_t(*)(void))window.base;

    (void)state;
    assert_true(window.size != 0 && window.base + window.size < 1UL << 31);
    memcpy(hal_direct_map(0x200000), code, sizeof code);
    assert_int_equal(
        hal_space_map(hal_space_kernel(), window.base, 0x200000, 1, HAL_READ | HAL_EXECUTE), HX_OK);
    assert_int_equal(function(), 42);
}

/* --- the gate --------------------------------------------------------------------------------- */

enum { OPERATION_ADD, OPERATION_FAULT, OPERATION_GIVE_UP, OPERATION_FLAG, OPERATION_MISSING };

static struct hal_activation records[3];
static struct hal_gate_instance instance;
static struct hal_gate_slot slot;
static uint32_t calls_left;
static uint32_t calls_failed;

struct hal_gate_result kernel_gate_failed(struct hal_activation *activation)
{
    calls_failed++;
    hal_gate_pop((struct hal_thread *)hal_thread_current());
    return (struct hal_gate_result){.error = activation->outcome, .may_have_run = true};
}

struct hal_gate_result kernel_gate_diverted(uint64_t a0, uint64_t a1, uint64_t a2, uint64_t a3,
                                            struct hal_gate_slot *diverted, uint64_t operation)
{
    assert_ptr_equal(diverted, &slot);
    (void)a1, (void)a2, (void)a3;
    return (struct hal_gate_result){.error = HX_ECLOSED, .value = a0 + operation};
}

void kernel_gate_left(void)
{
    calls_left++;
}

static struct hal_activation *innermost(void)
{
    return hal_gate_top((struct hal_thread *)hal_thread_current()) - 1;
}

static uint64_t add(uint64_t a, uint64_t b, uint64_t c, uint64_t d)
{
    return a + b + c + d;
}

/* Frames with arrays, which ASan surrounds with red zones, are what an abandoned call leaves. */
static HX_NOINLINE uint64_t give_up_deeply(uint64_t depth)
{
    volatile uint8_t bytes[64];

    bytes[depth % 64] = 1;
    if (depth == 0 && !is_deep_enough) {
        innermost()->outcome = HX_EDIED;
        hal_gate_abandon(innermost());
    }
    return is_deep_enough ? 0 : give_up_deeply(depth - 1) + bytes[0];
}

static void spoil_callee_saved_registers(void)
{
    __asm__ volatile("xorl %%ebx, %%ebx\n\txorl %%r12d, %%r12d\n\txorl %%r13d, %%r13d\n\t"
                     "xorl %%r14d, %%r14d\n\txorl %%r15d, %%r15d" ::
                         : "rbx", "r12", "r13", "r14", "r15");
}

static uint64_t give_up(uint64_t depth)
{
    spoil_callee_saved_registers();
    hal_interrupts_disable();
    return give_up_deeply(depth);
}

static uint64_t touch(uint64_t address)
{
    spoil_callee_saved_registers();
    *(volatile uint8_t *)address = 1;
    return 0;
}

static uint64_t switch_the_flag(void)
{
    hal_interrupts_disable();
    return 5;
}

static void kill_the_call(struct hal_frame *frame)
{
    innermost()->outcome = HX_EDIED;
    hal_gate_abandon_frame(frame, innermost());
}

static void open_gate(void)
{
    hal_gate_init_thread((struct hal_thread *)hal_thread_current(), records);
    instance = (struct hal_gate_instance){
        .operations = {[OPERATION_ADD] = (uintptr_t)add,
                       [OPERATION_FAULT] = (uintptr_t)touch,
                       [OPERATION_GIVE_UP] = (uintptr_t)give_up,
                       [OPERATION_FLAG] = (uintptr_t)switch_the_flag,
                       [OPERATION_MISSING] = hal_gate_no_operation()},
        .backend = HAL_GATE_OPEN,
    };
    slot = (struct hal_gate_slot){.active = &instance, .deadline_ticks = 10};
    calls_left = 0;
    calls_failed = 0;
    on_exception = kill_the_call;
    hal_interrupts_enable();
}

static void close_gate(void)
{
    assert_ptr_equal(hal_gate_top((struct hal_thread *)hal_thread_current()), records);
    assert_true(hal_interrupts_enabled());
    hal_interrupts_disable();
}

static void expect_failure(uint64_t a0, uint64_t operation, hx_err error)
{
    uint32_t failed = calls_failed;
    struct hal_gate_result result = hal_gate_call(a0, 0, 0, 0, &slot, operation);

    assert_int_equal(result.error, error);
    assert_int_equal(calls_failed, failed + 1);
    assert_true(hal_interrupts_enabled());
}

static void every_failure_of_a_call_comes_back_once(void **state)
{
    (void)state;
    open_gate();
    for (unsigned i = 0; i < 100; i++) {
        expect_failure(16, OPERATION_FAULT, HX_EDIED);
        expect_failure(i % 20, OPERATION_GIVE_UP, HX_EDIED);
    }
    expect_failure(0, OPERATION_FLAG, HX_ESTATE);
    expect_failure(0, OPERATION_MISSING, HX_ENOSYS);
    instance.backend = HAL_GATE_NONE;
    expect_failure(0, OPERATION_ADD, HX_ENOENT);
    close_gate();
}

static void a_call_that_leaves_tells_who_drains(void **state)
{
    (void)state;
    open_gate();
    assert_int_equal(hal_gate_call(1, 2, 3, 4, &slot, OPERATION_ADD).value, 10);
    assert_int_equal(calls_left, 0);
    atomic_store(&hal_gate_drains, 1);
    assert_int_equal(hal_gate_call(1, 2, 3, 4, &slot, OPERATION_ADD).value, 10);
    atomic_store(&hal_gate_drains, 0);
    assert_int_equal(calls_left, 1);
    assert_int_equal(calls_failed, 0);
    close_gate();
}

/* --- power and console ------------------------------------------------------------------------ */

/* Run a machine in a child until it ends its process; returns the exit status. */
static int status_of(void (*end)(void))
{
    int status = 0;
    pid_t child;

    fflush(NULL);
    child = fork();
    if (child == 0) {
        if (!hosted_start(CPUS, MEMORY_MB)) {
            _exit(100);
        }
        start_secondaries();
        end();
        _exit(101);
    }
    assert_true(child > 0);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void leave_with_seven(void)
{
    hal_power_exit(7);
}

static void leave_from_a_thread(void *argument)
{
    (void)argument;
    hal_power_exit(9);
}

static void leave_from_a_small_stack(void)
{
    static uint8_t stack[16384] HX_ALIGNED(16);

    hal_thread_init(&deep_thread.hal, stack, sizeof stack, leave_from_a_thread, NULL);
    hal_thread_switch(&boot_threads[0], &deep_thread);
}

static void the_process_ends_with_the_machine(void **state)
{
    (void)state;
    assert_int_equal(status_of(hal_power_off), 0);
    assert_int_equal(status_of(hal_power_reset), 0);
    assert_int_equal(status_of(leave_with_seven), 7);
    assert_int_equal(status_of(leave_from_a_small_stack), 9);
}

static void read_two_lines(void)
{
    uint32_t line = (uint32_t)hal_console_line();
    int bytes[4];

    if (hal_line_route(line, VECTOR, 1, edge) != HX_OK) {
        _exit(102);
    }
    hal_line_unmask(line);
    hal_console_enable_input();
    await(0, VECTOR, 0);
    for (unsigned i = 0; i < 4; i++) {
        while ((bytes[i] = hal_console_read()) < 0) {
            hal_interrupts_disable();
            hal_cpu_idle();
        }
    }
    hal_power_exit(bytes[0] == 'a' && bytes[1] == 'b' && bytes[2] == 'c' && bytes[3] == 'd' ? 0
                                                                                            : 1);
}

static void input_raises_the_consoles_line(void **state)
{
    int ends[2];
    pid_t writer;

    (void)state;
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(dup2(ends[0], STDIN_FILENO), STDIN_FILENO);
    fflush(NULL);
    writer = fork();
    if (writer == 0) {
        usleep(50000);
        _exit(write(ends[1], "ab", 2) == 2 && usleep(50000) == 0 && write(ends[1], "cd", 2) == 2
                  ? 0
                  : 1);
    }
    assert_int_equal(status_of(read_two_lines), 0);
    waitpid(writer, NULL, 0);
    close(ends[0]);
    close(ends[1]);
}

/* Not a fixture: cmocka takes the signals of exceptions for itself when it starts a test. */
static void on_a_machine(void **state)
{
    CMUnitTestFunction test = (CMUnitTestFunction)*state;

    start_machine();
    test(state);
    hosted_stop();
}

#define ON_A_MACHINE(test)                                                                         \
    {                                                                                              \
#test, on_a_machine, NULL, NULL, (void *)(test)                                            \
    }

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_process_ends_with_the_machine),
        cmocka_unit_test(input_raises_the_consoles_line),
        cmocka_unit_test(machines_of_impossible_size_are_refused),
        cmocka_unit_test(a_machine_can_be_started_again_and_again),
        cmocka_unit_test(a_machine_stops_whatever_its_cpus_do),
        ON_A_MACHINE(a_cpu_is_started_once),
        ON_A_MACHINE(stopped_cpus_answer_no_more),
        ON_A_MACHINE(no_wake_up_of_an_idle_cpu_is_lost),
        ON_A_MACHINE(the_highest_of_the_pending_vectors_comes_first),
        ON_A_MACHINE(a_non_maskable_interrupt_needs_no_flag),
        ON_A_MACHINE(an_edge_on_a_masked_line_is_lost),
        ON_A_MACHINE(a_level_on_a_masked_line_waits),
        ON_A_MACHINE(a_line_reaches_every_cpu_of_its_mask),
        ON_A_MACHINE(a_deadline_in_the_past_fires_at_once),
        ON_A_MACHINE(the_timer_is_never_early),
        ON_A_MACHINE(an_earlier_deadline_replaces_a_later_one),
        ON_A_MACHINE(a_disarmed_timer_is_silent),
        ON_A_MACHINE(each_signal_becomes_its_exception),
        ON_A_MACHINE(an_exception_leaves_all_registers_as_they_were),
        ON_A_MACHINE(a_stack_overflow_is_told_from_other_faults),
        ON_A_MACHINE(code_runs_in_the_module_window),
        ON_A_MACHINE(every_failure_of_a_call_comes_back_once),
        ON_A_MACHINE(a_call_that_leaves_tells_who_drains),
    };

    return cmocka_run_group_tests_name("hosted", tests, NULL, NULL);
}
