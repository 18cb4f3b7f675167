/* The PC's devices: clocks, timer, messages between CPUs, I/O APIC, CPU features. */
#include <base/string.h>
#include <core/debug/log.h>
#include <core/gate/watchdog.h>
#include <core/interrupts/dispatcher.h>
#include <hal/clock.h>
#include <hal/console.h>
#include <hal/cpu.h>
#include <hal/interrupt.h>
#include <kern/cpu.h>
#include <kern/thread.h>
#include <kern/timer.h>
#include <ports/x86_64/apic.h>
#include <ports/x86_64/clock.h>
#include <ports/x86_64/clock_reference.h>
#include <ports/x86_64/cpu.h>
#include <ports/x86_64/cpu_local.h>
#include <ports/x86_64/instructions.h>
#include <ports/x86_64/ioapic.h>
#include <ports/x86_64/xsave.h>
#include <subsys/console/keyboard.h>
#include <subsys/power/power.h>
#include <tests/self/crew.h>
#include <tests/self/suites.h>

#define US 1000ULL
#define MS HAL_NS_PER_MS

/* --- clocks ----------------------------------------------------------------------------------- */

/* A reading of a reference and of the clock, taken as closely together as a busy host allows. */
struct moment {
    uint64_t now;
    uint32_t ticks;
};

static struct moment read_both(const struct clock_reference *reference)
{
    struct moment best = {0};
    uint64_t best_spread = UINT64_MAX;

    for (unsigned i = 0; i < 20; i++) {
        uint64_t before = hal_clock_now();
        uint32_t ticks = reference->read();
        uint64_t spread = hal_clock_now() - before;

        if (spread < best_spread) {
            best_spread = spread;
            best = (struct moment){.now = before + spread / 2, .ticks = ticks};
        }
    }
    return best;
}

/* The PIT's counter wraps every 54.9 ms: the laps are taken to be those that fit the clock best. */
static void the_clock_agrees_with_the_interval_timer(void)
{
    struct clock_reference pit;
    struct moment start;
    struct moment end;
    uint64_t expected;
    int64_t error;

    if (string_equal(clock_reference_name(), "PIT")) {
        selftest_skip("the clock itself is measured against the PIT");
        return;
    }
    EXPECT(pit_init(&pit));
    start = read_both(&pit);
    while (hal_clock_now() < start.now + 40 * MS) {
        hal_cpu_relax();
    }
    end = read_both(&pit);
    expected = (end.now - start.now) * pit.ticks_per_lap / pit.nanoseconds_per_lap;
    error = (int16_t)(end.ticks - start.ticks - (uint32_t)expected);
    EXPECT(error * 1000 < (int64_t)expected * 2 && error * 1000 > -(int64_t)expected * 2);
}

/* Sleep until the wall clock shows another second; the clock's time then, to within 2 ms. */
static uint64_t next_second(uint64_t *wall)
{
    uint64_t before = hal_clock_wall();

    do {
        thread_sleep(MS);
        *wall = hal_clock_wall();
    } while (*wall == before);
    return hal_clock_now();
}

/* Whether a second of the one is a second of the other; not, when a busy host let us look late. */
static bool seconds_agree(void)
{
    uint64_t first_wall;
    uint64_t second_wall;
    uint64_t first = next_second(&first_wall);
    uint64_t second = next_second(&second_wall);

    EXPECT(first_wall > 1577836800); /* 2020-01-01 */
    return second_wall == first_wall + 1 && second - first > 900 * MS && second - first < 1100 * MS;
}

static void the_clock_agrees_with_the_wall_clock(void)
{
    bool agrees = false;

    if (hal_clock_wall() == 0) {
        selftest_skip("no wall clock");
        return;
    }
    for (unsigned i = 0; i < 10 && !agrees; i++) {
        agrees = seconds_agree();
    }
    EXPECT(agrees);
}

/* A reading of the clock between two of the counter it is made from. */
struct bracket {
    uint64_t before;
    uint64_t now;
    uint64_t after;
};

static struct bracket read_bracket(void)
{
    struct bracket bracket;

    bracket.before = hal_clock_cycles();
    bracket.now = hal_clock_now();
    bracket.after = hal_clock_cycles();
    return bracket;
}

static uint64_t nanoseconds(uint64_t cycles)
{
    return x86_multiply_divide(cycles, HAL_NS_PER_S, hal_clock_cycles_per_second());
}

static void refining_the_clock_changes_the_slope_and_not_the_value(void)
{
    const uint64_t doubt = 200; /* ns; a jump would be the correction times the time since reset */

    (void)hal_clock_refine();
    for (unsigned i = 0; i < 100; i++) {
        struct bracket first = read_bracket();
        int64_t correction = hal_clock_refine();
        struct bracket second = read_bracket();

        EXPECT(correction > -100 && correction < 100); /* the first one has left noise over */
        EXPECT(second.now - first.now + doubt >= nanoseconds(second.before - first.after));
        EXPECT(second.now - first.now <= nanoseconds(second.after - first.before) + doubt);
    }
}

/*
 * The firmware has run before: its time is in the counter, but not in the clock. The counter's rate
 * is corrected as time goes on, from a first measurement that a busy host may spoil.
 */
static void time_begins_with_the_kernel(void)
{
    uint64_t start = hal_clock_cycles_at_start();
    int64_t least =
        INT64_MAX; /* of what lies between the two readings, some may be a busy host's */
    int64_t doubt = 0;

    EXPECT(nanoseconds(start) > 2 * US && nanoseconds(start) < HAL_NS_PER_S * 3600);
    for (unsigned i = 0; i < 100; i++) {
        uint64_t now = hal_clock_now();
        int64_t beyond = (int64_t)(nanoseconds(hal_clock_cycles() - start) - now);

        least = beyond < least ? beyond : least;
        doubt = (int64_t)(now / 50 + HAL_NS_PER_MS);
    }
    EXPECT(least >= -doubt && least <= doubt);
}

static void the_clock_never_goes_back(void)
{
    uint64_t last = hal_clock_now();
    uint64_t backward = 0;

    for (unsigned i = 0; i < 10000; i++) {
        uint64_t now = hal_clock_now();

        backward += now < last;
        last = now;
    }
    EXPECT_EQUAL(backward, 0);
}

static _Atomic uint64_t other_clock;

static void read_clock(void *unused)
{
    (void)unused;
    atomic_store_explicit(&other_clock, hal_clock_now(), memory_order_relaxed);
}

static void the_clocks_of_all_cpus_are_one(void)
{
    for (uint32_t cpu = 0; cpu < hal_cpu_count(); cpu++) {
        uint64_t before = hal_clock_now();

        cpu_call(1UL << cpu, read_clock, NULL);
        EXPECT(atomic_load_explicit(&other_clock, memory_order_relaxed) + 10 * US >= before);
        EXPECT(atomic_load_explicit(&other_clock, memory_order_relaxed) <=
               hal_clock_now() + 10 * US);
    }
}

/* --- timer ------------------------------------------------------------------------------------ */

static _Atomic uint64_t fired_at;
static _Atomic uint32_t fired_count;

static void note_fired(struct timer *timer)
{
    (void)timer;
    atomic_store_explicit(&fired_at, hal_clock_now(), memory_order_relaxed);
    /* release: pairs with the acquire of who waits for the count */
    atomic_fetch_add_explicit(&fired_count, 1, memory_order_release);
}

static void wait_fired(uint32_t count)
{
    while (atomic_load_explicit(&fired_count, memory_order_acquire) < count) {
        hal_cpu_relax();
    }
}

/* Shoot until one comes less than 1 ms late; a host may take the processor away from many. */
static bool comes_in_time(uint64_t delay)
{
    bool in_time = false;

    for (unsigned i = 0; i < 100 && !in_time; i++) {
        struct timer timer;
        uint64_t deadline = hal_clock_now() + delay;
        uint64_t fired;

        timer_init(&timer, note_fired);
        atomic_store_explicit(&fired_count, 0, memory_order_relaxed);
        timer_start(&timer, deadline, 0);
        wait_fired(1);
        fired = atomic_load_explicit(&fired_at, memory_order_relaxed);
        EXPECT(fired >= deadline);
        in_time = fired < deadline + MS;
    }
    return in_time;
}

static void the_timer_fires_at_its_deadline(void)
{
    EXPECT(comes_in_time(20 * US));
    EXPECT(comes_in_time(MS));
    EXPECT(comes_in_time(7 * MS));
}

/* Whether it has; kern skips a period that a busy host has swallowed. Never more than its due. */
static bool keeps_the_clocks_pace(void)
{
    const uint32_t periods = 50;
    uint64_t start = hal_clock_now();
    struct timer timer;
    uint64_t elapsed;

    timer_init(&timer, note_fired);
    atomic_store_explicit(&fired_count, 0, memory_order_relaxed);
    timer_start(&timer, start + MS, MS);
    wait_fired(periods);
    elapsed = hal_clock_now() - start;
    (void)timer_cancel(&timer);
    EXPECT(elapsed >= periods * MS);
    return elapsed < 10 * periods * MS;
}

static void a_periodic_timer_keeps_the_clocks_pace(void)
{
    bool keeps_pace = false;

    for (unsigned i = 0; i < 10 && !keeps_pace; i++) {
        keeps_pace = keeps_the_clocks_pace();
    }
    EXPECT(keeps_pace);
}

/* --- CPUs ------------------------------------------------------------------------------------- */

/* QEMU configuration device (docs/specs/fw_cfg.txt): 16-bit items, least significant byte first. */
#define FW_CFG_SELECT    0x510
#define FW_CFG_DATA      0x511
#define FW_CFG_SIGNATURE 0x00
#define FW_CFG_CPUS      0x05

static uint32_t fw_cfg_read(uint16_t item)
{
    uint32_t low;

    x86_out16(FW_CFG_SELECT, item);
    low = x86_in8(FW_CFG_DATA);
    return low | (uint32_t)x86_in8(FW_CFG_DATA) << 8;
}

static void every_cpu_the_emulator_was_given_is_known(void)
{
    if (fw_cfg_read(FW_CFG_SIGNATURE) != (uint32_t)('Q' | 'E' << 8)) {
        selftest_skip("not QEMU");
        return;
    }
    EXPECT_EQUAL(hal_cpu_count(), fw_cfg_read(FW_CFG_CPUS));
}

static void every_cpu_of_the_machine_is_online(void)
{
    EXPECT_EQUAL(cpu_online_count(), hal_cpu_count());
    EXPECT_EQUAL(cpu_online_mask(), (1UL << hal_cpu_count()) - 1);
    for (uint32_t i = 0; i < hal_cpu_count(); i++) {
        EXPECT_EQUAL(x86_cpus[i].id, i);
        for (uint32_t j = 0; j < i; j++) {
            EXPECT(x86_cpus[i].apic_id != x86_cpus[j].apic_id);
        }
    }
}

static void a_cpu_that_is_not_there_or_runs_already_is_not_started(void)
{
    static char stack[256] HX_ALIGNED(16);

    EXPECT_EQUAL(hal_cpu_start(0, stack + sizeof(stack), NULL), HX_EINVAL);
    EXPECT_EQUAL(hal_cpu_start(hal_cpu_count(), stack + sizeof(stack), NULL), HX_EINVAL);
    EXPECT_EQUAL(hal_cpu_start(UINT32_MAX, stack + sizeof(stack), NULL), HX_EINVAL);
    EXPECT_EQUAL(hal_cpu_start(hal_cpu_count() - 1, stack + sizeof(stack), NULL), HX_EINVAL);
}

static _Atomic uint32_t messages[HAL_CPU_MAX];
static _Atomic uint32_t strange_ids;

static void note_message(void *unused)
{
    uint32_t cpu = hal_cpu_id();

    (void)unused;
    atomic_fetch_add_explicit(&messages[cpu], 1, memory_order_relaxed);
    if (x86_cpus[cpu].apic_id != apic_id() || x86_cpu_this() != &x86_cpus[cpu]) {
        atomic_fetch_add_explicit(&strange_ids, 1, memory_order_relaxed);
    }
}

static void a_message_reaches_the_cpu_it_is_sent_to_and_no_other(void)
{
    atomic_store_explicit(&strange_ids, 0, memory_order_relaxed);
    for (uint32_t target = 0; target < hal_cpu_count(); target++) {
        for (uint32_t cpu = 0; cpu < HAL_CPU_MAX; cpu++) {
            atomic_store_explicit(&messages[cpu], 0, memory_order_relaxed);
        }
        cpu_call(1UL << target, note_message, NULL);
        for (uint32_t cpu = 0; cpu < HAL_CPU_MAX; cpu++) {
            EXPECT_EQUAL(atomic_load_explicit(&messages[cpu], memory_order_relaxed),
                         cpu == target ? 1 : 0);
        }
    }
    EXPECT_EQUAL(atomic_load_explicit(&strange_ids, memory_order_relaxed), 0);
}

/* --- I/O APIC --------------------------------------------------------------------------------- */

/* A line that nobody has routed; hal_line_count() when all are taken. */
static uint32_t unused_line(void)
{
    uint32_t line = hal_line_count();

    while (line > 0 && ioapic_entry(line - 1) != IOAPIC_MASKED) {
        line--;
    }
    return line > 0 ? line - 1 : hal_line_count();
}

/* Route and read back; whatever the destination, it is kept apart from the low half's bits. */
static void expect_entry(uint32_t line, uint64_t cpu_mask, struct hal_line_mode mode,
                         uint64_t destination)
{
    uint64_t wanted = destination | 77 | IOAPIC_MASKED | (mode.level ? IOAPIC_LEVEL : 0) |
                      (mode.active_low ? IOAPIC_ACTIVE_LOW : 0);

    EXPECT_EQUAL(hal_line_route(line, 77, cpu_mask, mode), HX_OK);
    EXPECT_EQUAL(ioapic_entry(line), wanted);
    hal_line_unmask(line);
    EXPECT_EQUAL(ioapic_entry(line), wanted & ~IOAPIC_MASKED);
    EXPECT_EQUAL(hal_line_route(line, 77, cpu_mask, mode), HX_OK);
    EXPECT_EQUAL(ioapic_entry(line), wanted & ~IOAPIC_MASKED);
    hal_line_mask(line);
    EXPECT_EQUAL(ioapic_entry(line), wanted);
}

/* SPEC: I4 */
static void the_controller_holds_what_was_routed(void)
{
    const struct hal_line_mode edge = {.level = false, .active_low = false};
    const struct hal_line_mode pci = {.level = true, .active_low = true};
    uint32_t line = unused_line();

    if (line >= hal_line_count()) {
        selftest_skip("every line is in use");
        return;
    }
    for (uint32_t cpu = 0; cpu < hal_cpu_count(); cpu++) {
        uint64_t destination = (uint64_t)x86_cpus[cpu].apic_id << IOAPIC_DESTINATION_SHIFT;

        expect_entry(line, 1UL << cpu, edge, destination);
        expect_entry(line, 1UL << cpu, pci, destination);
    }
    if (hal_cpu_count() >= 2) {
        expect_entry(line, 3, edge, 3UL << IOAPIC_DESTINATION_SHIFT | IOAPIC_LOGICAL);
    }
    if (hal_cpu_count() > 8) {
        expect_entry(line, 0x101, edge, IOAPIC_BROADCAST << IOAPIC_DESTINATION_SHIFT);
    }
}

/* SPEC: I4 */
static void an_impossible_route_is_refused_and_changes_nothing(void)
{
    const struct hal_line_mode mode = {.level = true, .active_low = true};
    uint32_t line = unused_line();
    uint64_t before = ioapic_entry(line);

    if (line >= hal_line_count()) {
        selftest_skip("every line is in use");
        return;
    }
    EXPECT_EQUAL(hal_line_route(hal_line_count(), 77, 1, mode), HX_EINVAL);
    EXPECT_EQUAL(hal_line_route(UINT32_MAX, 77, 1, mode), HX_EINVAL);
    EXPECT_EQUAL(hal_line_route(line, HAL_VECTOR_FIRST - 1, 1, mode), HX_EINVAL);
    EXPECT_EQUAL(hal_line_route(line, HAL_VECTOR_LAST + 1, 1, mode), HX_EINVAL);
    EXPECT_EQUAL(hal_line_route(line, 77, 0, mode), HX_EINVAL);
    EXPECT_EQUAL(hal_line_route(line, 77, 1UL << hal_cpu_count(), mode), HX_EINVAL);
    EXPECT_EQUAL(hal_line_route(line, 77, UINT64_MAX, mode), HX_EINVAL);
    EXPECT_EQUAL(ioapic_entry(line), before);
    hal_line_unmask(hal_line_count()); /* a line there is not: nothing happens */
    hal_line_mask(UINT32_MAX);
}

static void legacy_lines_have_a_line_and_others_have_none(void)
{
    struct hal_line_mode mode;
    uint32_t line;

    for (uint32_t isa = 0; isa < 16; isa++) {
        EXPECT_EQUAL(hal_line_of_isa(isa, &line, &mode), HX_OK);
        EXPECT(line < hal_line_count());
    }
    EXPECT_EQUAL(hal_line_of_isa(16, &line, &mode), HX_EINVAL);
    EXPECT_EQUAL(hal_line_of_isa(UINT32_MAX, &line, &mode), HX_EINVAL);
    EXPECT(hal_console_line() < (int)hal_line_count());
}

/* Channel 0 of the PIT, the only device on every PC that interrupts by itself. */
#define PIT_COMMAND        0x43
#define PIT_CHANNEL_0      0x40
#define PIT_RATE           0x34 /* both bytes, mode 2 */
#define PIT_STOP           0x30 /* mode 0: waits for a count */
#define PIT_1_KHZ          1193
#define INTERRUPTS_COUNTED 5

static _Atomic uint32_t pit_interrupts[HAL_CPU_MAX];

static enum interrupt_action note_pit(void *unused, struct hal_frame *frame)
{
    (void)unused;
    (void)frame;
    atomic_fetch_add_explicit(&pit_interrupts[hal_cpu_id()], 1, memory_order_relaxed);
    return INTERRUPT_HANDLED;
}

static void pit_start(void)
{
    x86_out8(PIT_COMMAND, PIT_RATE);
    x86_out8(PIT_CHANNEL_0, PIT_1_KHZ & 0xFF);
    x86_out8(PIT_CHANNEL_0, PIT_1_KHZ >> 8);
}

static uint32_t pit_count(uint32_t cpu)
{
    return atomic_load_explicit(&pit_interrupts[cpu], memory_order_relaxed);
}

/* Interrupts arrive on each CPU of the mask, and on no other. */
static void expect_arrivals(uint32_t line, uint8_t vector, uint64_t cpu_mask)
{
    const struct hal_line_mode edge = {.level = false, .active_low = false};
    uint64_t deadline = hal_clock_now() + CREW_PATIENCE_NS;

    for (uint32_t cpu = 0; cpu < HAL_CPU_MAX; cpu++) {
        atomic_store_explicit(&pit_interrupts[cpu], 0, memory_order_relaxed);
    }
    EXPECT_EQUAL(hal_line_route(line, vector, cpu_mask, edge), HX_OK);
    hal_line_unmask(line);
    for (uint32_t cpu = 0; cpu < hal_cpu_count(); cpu++) {
        while ((cpu_mask >> cpu & 1) != 0 && pit_count(cpu) < INTERRUPTS_COUNTED &&
               hal_clock_now() < deadline) {
            thread_sleep(MS);
        }
    }
    hal_line_mask(line);
    crew_settle_cpus();
    for (uint32_t cpu = 0; cpu < hal_cpu_count(); cpu++) {
        if ((cpu_mask >> cpu & 1) != 0) {
            EXPECT(pit_count(cpu) >= INTERRUPTS_COUNTED);
        } else {
            EXPECT_EQUAL(pit_count(cpu), 0);
        }
    }
}

/* SPEC: I4 */
static void interrupts_arrive_on_the_cpus_they_are_routed_to(void)
{
    uint8_t vector = interrupt_free_vector();
    struct hal_line_mode mode;
    uint32_t line;

    if (vector == 0 || hal_line_of_isa(0, &line, &mode) != HX_OK) {
        selftest_skip("no vector, or no interval timer's line");
        return;
    }
    EXPECT_EQUAL(interrupt_register(vector, "x86_64_devices", note_pit, NULL, false), HX_OK);
    watchdog_stop(); /* its line */
    pit_start();
    for (uint32_t cpu = 0; cpu < hal_cpu_count(); cpu++) {
        expect_arrivals(line, vector, 1UL << cpu);
    }
    if (hal_cpu_count() >= 2) {
        expect_arrivals(line, vector, 3);
    }
    x86_out8(PIT_COMMAND, PIT_STOP);
    watchdog_start();
    EXPECT_EQUAL(interrupt_unregister(vector, "x86_64_devices"), HX_OK);
}

/* --- the keyboard ----------------------------------------------------------------------------- */

#define KEYBOARD_DATA    0x60
#define KEYBOARD_COMMAND 0x64
#define READ_MODE        0x20U
#define WRITE_MODE       0x60U
#define WRITE_CODE       0xd2U /* the next byte is taken to be a key's code */
#define MODE_DEAF        0x70U /* no keyboard, no interrupt of it */
#define MODE_OFF         0x10U
#define MODE_INTERRUPT   0x01U
#define CODE_NOTHING     0xd7U /* a key that means nothing is let go */

static void write_controller(uint8_t command, uint8_t byte)
{
    x86_out8(KEYBOARD_COMMAND, command);
    x86_out8(KEYBOARD_DATA, byte);
}

/* On the CPU that its interrupts go to. */
static void read_mode(void *mode)
{
    hal_interrupt_state state = hal_interrupts_save();

    x86_out8(KEYBOARD_COMMAND, READ_MODE);
    *(uint8_t *)mode = x86_in8(KEYBOARD_DATA);
    hal_interrupts_restore(state);
}

/* Whether a code that the controller has arrives. */
static bool is_heard(void)
{
    uint64_t codes = keyboard_statistics().codes;
    uint64_t deadline = hal_clock_now() + 200 * MS;

    write_controller(WRITE_CODE, CODE_NOTHING);
    while (keyboard_statistics().codes == codes && hal_clock_now() < deadline) {
        thread_sleep(MS);
    }
    return keyboard_statistics().codes != codes;
}

/* SPEC: O7 */
static void a_keyboard_that_was_off_is_on_after_a_sleep(void)
{
    static struct subsystem_failure failure;
    static struct crew crew;
    uint8_t mode = 0;

    if (!keyboard_statistics().is_there) {
        selftest_skip("the machine has no keyboard");
        return;
    }
    EXPECT(is_heard());
    write_controller(WRITE_MODE, MODE_DEAF);
    EXPECT(!is_heard());
    EXPECT_EQUAL(power_suspend(hal_clock_now() + 10 * MS, &failure), HX_OK);
    crew_open(&crew);
    crew_start(&crew, read_mode, &mode, 1);
    EXPECT(crew_join(&crew));
    EXPECT_EQUAL(mode & (MODE_OFF | MODE_INTERRUPT), MODE_INTERRUPT);
    EXPECT(is_heard());
}

/* --- features --------------------------------------------------------------------------------- */

/* Every CR4 bit that is defined for ring 0 to set, and the CPUID bit that allows it. */
static const struct {
    unsigned cr4_bit;
    uint32_t leaf;
    enum x86_cpuid_register reg;
    unsigned bit;
} cr4_rules[] = {
    /* Intel SDM 3A 2.5 */
    {0, 1, X86_EDX, 1},   {1, 1, X86_EDX, 1},   {2, 1, X86_EDX, 4},   {3, 1, X86_EDX, 2},
    {4, 1, X86_EDX, 3},   {5, 1, X86_EDX, 6},   {6, 1, X86_EDX, 7},   {7, 1, X86_EDX, 13},
    {9, 1, X86_EDX, 24},  {10, 1, X86_EDX, 25}, {11, 7, X86_ECX, 2},  {12, 7, X86_ECX, 16},
    {13, 1, X86_ECX, 5},  {16, 7, X86_EBX, 0},  {17, 1, X86_ECX, 17}, {18, 1, X86_ECX, 26},
    {20, 7, X86_EBX, 7},  {21, 7, X86_EBX, 20}, {22, 7, X86_ECX, 3},  {23, 7, X86_ECX, 7},
    {24, 7, X86_ECX, 31},
};

static bool cpuid_says(uint32_t leaf, enum x86_cpuid_register reg, unsigned bit)
{
    return x86_cpuid(leaf & 0x80000000, 0).registers[X86_EAX] >= leaf &&
           (x86_cpuid(leaf, 0).registers[reg] >> bit & 1) != 0;
}

static uint64_t cr4_allowed(void)
{
    uint64_t allowed = 0;

    for (size_t i = 0; i < HX_ARRAY_SIZE(cr4_rules); i++) {
        if (cpuid_says(cr4_rules[i].leaf, cr4_rules[i].reg, cr4_rules[i].bit)) {
            allowed |= 1UL << cr4_rules[i].cr4_bit;
        }
    }
    return allowed;
}

static _Atomic uint32_t cpus_with_foreign_bits;
static _Atomic uint32_t cpus_without_protection;

static void check_control_registers(void *unused)
{
    uint64_t allowed = cr4_allowed();
    uint64_t protections = (CR4_SMEP | CR4_SMAP | CR4_UMIP) & allowed;

    (void)unused;
    if ((x86_cr4_read() & ~allowed) != 0) {
        atomic_fetch_add_explicit(&cpus_with_foreign_bits, 1, memory_order_relaxed);
    }
    if ((x86_cr4_read() & protections) != protections ||
        (x86_cr0_read() & CR0_WRITE_PROTECT) == 0 || (x86_msr_read(MSR_EFER) & EFER_NX) == 0) {
        atomic_fetch_add_explicit(&cpus_without_protection, 1, memory_order_relaxed);
    }
}

static void every_cpu_has_the_protections_it_can_and_no_unsupported_bit(void)
{
    atomic_store_explicit(&cpus_with_foreign_bits, 0, memory_order_relaxed);
    atomic_store_explicit(&cpus_without_protection, 0, memory_order_relaxed);
    cpu_call(cpu_online_mask(), check_control_registers, NULL);
    EXPECT_EQUAL(atomic_load_explicit(&cpus_with_foreign_bits, memory_order_relaxed), 0);
    EXPECT_EQUAL(atomic_load_explicit(&cpus_without_protection, memory_order_relaxed), 0);
}

static bool line_names(const char *word)
{
    char pattern[16] = "*";

    string_copy(pattern + 1, sizeof(pattern) - 2, word);
    pattern[string_length(pattern)] = '*';
    return string_matches(hal_cpu_features(), pattern);
}

static void the_line_of_features_tells_the_truth(void)
{
    EXPECT(line_names("wp"));
    EXPECT_EQUAL(line_names(" nx"), (x86_msr_read(MSR_EFER) & EFER_NX) != 0);
    EXPECT_EQUAL(line_names(" smep"), (x86_cr4_read() & CR4_SMEP) != 0);
    EXPECT_EQUAL(line_names(" smap"), (x86_cr4_read() & CR4_SMAP) != 0);
    EXPECT_EQUAL(line_names(" umip"), (x86_cr4_read() & CR4_UMIP) != 0);
    EXPECT(hal_cpu_name()[0] != '\0');
}

static void no_bit_of_the_entropy_is_constant(void)
{
    uint64_t ones = UINT64_MAX;
    uint64_t zeros = UINT64_MAX;
    uint64_t last = hal_cpu_entropy();

    for (unsigned i = 0; i < 256; i++) {
        uint64_t value = hal_cpu_entropy();

        EXPECT(value != last);
        ones &= value;
        zeros &= ~value;
        last = value;
    }
    EXPECT_EQUAL(ones, 0);
    EXPECT_EQUAL(zeros, 0);
}

/* --- floating point state --------------------------------------------------------------------- */

static void xmm_set(uint64_t value)
{
    __asm__ volatile("movq %0, %%xmm7" : : "r"(value));
}

static uint64_t xmm_get(void)
{
    uint64_t value;

    __asm__ volatile("movq %%xmm7, %0" : "=r"(value));
    return value;
}

static void saved_registers_come_back_and_cleared_ones_are_zero(void)
{
    static struct x86_fpu saved;
    static struct x86_fpu cleared;
    hal_interrupt_state state = hal_interrupts_save();

    /* No program's registers are at stake: the switch to this thread has saved them. */
    EXPECT(x86_fpu_area_size() >= 512 && x86_fpu_area_size() <= X86_FPU_AREA_MAX);
    x86_fpu_clear(&saved);
    x86_fpu_clear(&cleared);
    xmm_set(0x1122334455667788);
    x86_fpu_save(&saved);
    x86_fpu_restore(&cleared);
    EXPECT_EQUAL(xmm_get(), 0);
    xmm_set(UINT64_MAX);
    x86_fpu_restore(&saved);
    EXPECT_EQUAL(xmm_get(), 0x1122334455667788);
    x86_fpu_restore(&cleared);
    hal_interrupts_restore(state);
}

/* --- stack canaries --------------------------------------------------------------------------- */

/* One for all CPUs, for threads move; that each boot draws another, a scenario sees. */
static void the_canary_is_the_same_on_every_cpu(void)
{
    uint64_t canary = x86_cpus[0].canary;

    EXPECT(canary != 0);
    for (uint32_t cpu = 0; cpu < hal_cpu_count(); cpu++) {
        EXPECT_EQUAL(x86_cpus[cpu].canary, canary);
    }
    kprintln("# canary %016llx", (unsigned long long)canary);
}

/* ---------------------------------------------------------------------------------------------- */

#define TEST(function)                                                                             \
    {                                                                                              \
        .name = "x86_64_devices." #function, .run = (function), .flags = SELFTEST_METAL_ONLY       \
    }

const struct selftest x86_64_devices_tests[] = {
    TEST(the_canary_is_the_same_on_every_cpu),
    TEST(the_clock_agrees_with_the_interval_timer),
    TEST(the_clock_agrees_with_the_wall_clock),
    TEST(refining_the_clock_changes_the_slope_and_not_the_value),
    TEST(time_begins_with_the_kernel),
    TEST(the_clock_never_goes_back),
    TEST(the_clocks_of_all_cpus_are_one),
    TEST(the_timer_fires_at_its_deadline),
    TEST(a_periodic_timer_keeps_the_clocks_pace),
    TEST(every_cpu_the_emulator_was_given_is_known),
    TEST(every_cpu_of_the_machine_is_online),
    TEST(a_cpu_that_is_not_there_or_runs_already_is_not_started),
    TEST(a_message_reaches_the_cpu_it_is_sent_to_and_no_other),
    TEST(the_controller_holds_what_was_routed),
    TEST(an_impossible_route_is_refused_and_changes_nothing),
    TEST(legacy_lines_have_a_line_and_others_have_none),
    TEST(interrupts_arrive_on_the_cpus_they_are_routed_to),
    TEST(a_keyboard_that_was_off_is_on_after_a_sleep),
    TEST(every_cpu_has_the_protections_it_can_and_no_unsupported_bit),
    TEST(the_line_of_features_tells_the_truth),
    TEST(no_bit_of_the_entropy_is_constant),
    TEST(saved_registers_come_back_and_cleared_ones_are_zero),
    {.name = NULL},
};
