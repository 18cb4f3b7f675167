#include <hal/clock.h>
#include <hal/cpu.h>
#include <hal/interrupt.h>
#include <helix/clock_page.h>
#include <ports/x86_64/acpi_tables.h>
#include <ports/x86_64/apic.h>
#include <ports/x86_64/clock.h>
#include <ports/x86_64/clock_reference.h>
#include <ports/x86_64/instructions.h>
#include <ports/x86_64/rtc.h>
#include <stdatomic.h>

#define WINDOW_NS 100000 /* of the first measurement: 10 ns of doubt in it are 100 ppm */
#define WINDOWS_MAX                                                                                \
    4 /* one, unless the machine was disturbed: a host may take the processor away */
#define SAMPLE_TRIES       4
#define EDGE_POLLS_MAX     1000
#define WINDOW_CYCLES_MAX  4000000000UL   /* a second or so: of a reference that only quivers */
#define NOMINAL_HZ         1000000000     /* what is assumed of the TSC until it is measured */
#define TSC_HZ_MIN         100000000UL    /* what a processor states, or a timer says, below it */
#define TSC_HZ_MAX         100000000000UL /* or above it is no rate of a TSC */
#define ASSUMED_WINDOW     1000000 /* cycles for the timer's rate, where there is no reference */
#define REFINE_NS_MIN      (50 * HAL_NS_PER_MS)
#define CORRECTION_MAX     100000 /* ppm; more is a stopped clock, not a better measurement */
#define MILLION            1000000
#define FRACTION_BITS      HX_CLOCK_FRACTION_BITS /* of both multipliers */
#define FRACTION_ONE       (1UL << FRACTION_BITS)
#define APIC_TIMER_LONGEST UINT32_MAX
#define CPUID_CRYSTAL      0x15
#define CPUID_FREQUENCY    0x16

/* A moment, as the three counters show it. */
struct clock_sample {
    uint64_t cycles;
    uint32_t reference;
    uint32_t timer;  /* counts down */
    uint64_t spread; /* cycles between the first reading and the last */
};

/*
 * now = cycles * multiplier / 2^32 + offset, the sum modulo 2^64.
 *
 * There are two scales, one in force: its index is the low byte of the version. A writer fills the
 * other one and then moves to the next version, so that a reader never waits for it, not even in an
 * NMI that interrupts it; a reader that the version has left behind reads again.
 */
static uint64_t scale_multiplier[2]; /* nanoseconds per cycle */
static uint64_t scale_offset[2];     /* ns */
static _Atomic uint32_t clock_version;
#define VERSION_STEP     0x100U
#define VERSION_INDEX(v) ((uint8_t)(v))

static _Atomic uint64_t clock_hz = NOMINAL_HZ;
static _Atomic uint64_t timer_multiplier; /* APIC timer ticks per nanosecond */

/* Set once by clock_init. */
static struct clock_reference clock_reference;
static struct clock_sample clock_first;
static uint64_t window_cycles;
static uint64_t window_timer;

static _Atomic bool clock_refining; /* somebody is at it */

/* --- reading ---------------------------------------------------------------------------------- */

static uint64_t scale_apply(unsigned index, uint64_t cycles)
{
    return hx_clock_apply(cycles, scale_multiplier[index], scale_offset[index]);
}

/*
 * Loads stay in order on x86 and only the compiler must be kept from moving them: acquire on the
 * version (partner: clock_publish) before, a signal fence after.
 */
uint64_t hal_clock_now(void)
{
    uint32_t version;
    uint64_t now;

    do {
        version = atomic_load_explicit(&clock_version, memory_order_acquire);
        now = scale_apply(VERSION_INDEX(version), hal_clock_cycles());
        atomic_signal_fence(memory_order_acquire);
    } while (HX_UNLIKELY(version != atomic_load_explicit(&clock_version, memory_order_relaxed)));
    return now;
}

/* relaxed, at the end: the fence before it keeps what was read before it */
bool hal_clock_scale(struct hal_clock_scale *scale)
{
    uint32_t version;

    do {
        version = atomic_load_explicit(&clock_version, memory_order_acquire);
        scale->multiplier = scale_multiplier[VERSION_INDEX(version)];
        scale->offset = scale_offset[VERSION_INDEX(version)];
        atomic_signal_fence(memory_order_acquire);
    } while (version != atomic_load_explicit(&clock_version, memory_order_relaxed));
    return true;
}

uint64_t hal_clock_cycles_per_second(void)
{
    return atomic_load_explicit(&clock_hz, memory_order_relaxed);
}

static bool has_reference(void)
{
    return clock_reference.read != NULL;
}

const char *clock_reference_name(void)
{
    return has_reference() ? clock_reference.name : "no timer of known rate";
}

/* --- measuring -------------------------------------------------------------------------------- */

/*
 * Read the three counters just after the reference has ticked. What comes between the first and
 * the last reading, an interrupt or the emulator's host, makes the sample worse: its spread says
 * by how much. False: it does not tick, or no more; firmware may describe a timer that is switched
 * off, or no timer at all.
 */
static bool clock_sample_edge(struct clock_sample *sample)
{
    uint32_t before = clock_reference.read();

    for (unsigned polls = 0; polls < EDGE_POLLS_MAX; polls++) {
        sample->cycles = hal_clock_cycles();
        sample->reference = clock_reference.read();
        if (sample->reference != before) {
            sample->timer = apic_timer_left();
            sample->spread = hal_clock_cycles() - sample->cycles;
            return true;
        }
    }
    return false;
}

/* The best of a few. */
static bool clock_sample(struct clock_sample *best)
{
    struct clock_sample sample;

    best->spread = UINT64_MAX;
    for (unsigned i = 0; i < SAMPLE_TRIES; i++) {
        if (!clock_sample_edge(&sample)) {
            return false;
        }
        if (sample.spread < best->spread) {
            *best = sample;
        }
    }
    return true;
}

static uint64_t reference_ticks(uint64_t nanoseconds)
{
    return x86_multiply_divide(nanoseconds, clock_reference.ticks_per_lap,
                               clock_reference.nanoseconds_per_lap);
}

static uint64_t reference_nanoseconds(uint64_t ticks)
{
    return x86_multiply_divide(ticks, clock_reference.nanoseconds_per_lap,
                               clock_reference.ticks_per_lap);
}

/*
 * Ticks from one reading to a later one, given about how many they are: the counter's laps are
 * those that come nearest to the estimate.
 */
static uint64_t reference_elapsed(uint32_t from, uint32_t to, uint64_t estimate)
{
    unsigned unused_bits = 64 - clock_reference.bits;
    uint64_t error = (uint64_t)(to - from) - estimate;

    return estimate + (uint64_t)((int64_t)(error << unused_bits) >> unused_bits);
}

/* --- publishing ------------------------------------------------------------------------------- */

/*
 * Let the other scale begin at this moment with the value that the present one gives it. A CPU that
 * reads the present one until it sees the new version is off by that time multiplied by the
 * correction: less than a nanosecond.
 */
static void clock_publish(uint64_t hz)
{
    uint32_t version = atomic_load_explicit(&clock_version, memory_order_relaxed);
    unsigned present = VERSION_INDEX(version);
    unsigned next = present ^ 1U;
    hal_interrupt_state state = hal_interrupts_save();
    uint64_t cycles = hal_clock_cycles();

    scale_multiplier[next] = (HAL_NS_PER_S << FRACTION_BITS) / hz;
    scale_offset[next] = 0;
    scale_offset[next] = scale_apply(present, cycles) - scale_apply(next, cycles);
    /* release: pairs with the acquire in hal_clock_now */
    atomic_store_explicit(&clock_version, (version + VERSION_STEP) ^ 1U, memory_order_release);
    hal_interrupts_restore(state);
}

/* The two were measured together, so a better rate of the one is a better rate of the other. */
static void clock_set_rate(uint64_t hz)
{
    uint64_t timer_hz = x86_multiply_divide(hz, window_timer, window_cycles);

    clock_publish(hz);
    atomic_store_explicit(&clock_hz, hz, memory_order_relaxed);
    atomic_store_explicit(&timer_multiplier,
                          x86_multiply_divide(timer_hz, FRACTION_ONE, HAL_NS_PER_S),
                          memory_order_relaxed);
}

/* --- the first measurement -------------------------------------------------------------------- */

/* Sample until the window that began with clock_first is over; *ticks: its true length. */
static bool window_end(struct clock_sample *last, uint64_t *ticks)
{
    uint64_t half_lap = 1UL << (clock_reference.bits - 1);

    do {
        if (!clock_sample(last) || last->cycles - clock_first.cycles > WINDOW_CYCLES_MAX) {
            return false;
        }
        *ticks = reference_elapsed(clock_first.reference, last->reference, half_lap);
    } while (*ticks < reference_ticks(WINDOW_NS));
    return true;
}

/* Whether two samples are about as good as each other: what both lack cancels out. */
static bool is_balanced(const struct clock_sample *a, const struct clock_sample *b)
{
    return a->spread <= 2 * b->spread && b->spread <= 2 * a->spread;
}

/* A window between two samples that are about as good, if one can be had. */
static bool window_measure(struct clock_sample *last, uint64_t *ticks)
{
    bool has_ended = clock_sample(&clock_first) && window_end(last, ticks);

    for (unsigned i = 1; i < WINDOWS_MAX && has_ended && !is_balanced(&clock_first, last); i++) {
        clock_first = *last;
        has_ended = window_end(last, ticks);
    }
    return has_ended;
}

static bool is_tsc_rate(uint64_t hz)
{
    return hz >= TSC_HZ_MIN && hz <= TSC_HZ_MAX;
}

/* Against the reference found. False: it is none, as it does not count or makes the TSC impossibly
 * slow or fast. */
static bool clock_measure(void)
{
    struct clock_sample last;
    uint64_t ticks;
    uint64_t hz;
    bool has_ended;

    apic_timer_start(APIC_TIMER_LONGEST);
    has_ended = window_measure(&last, &ticks);
    apic_timer_start(0);
    if (!has_ended) {
        return false;
    }
    window_cycles = last.cycles - clock_first.cycles;
    window_timer = clock_first.timer - last.timer;
    hz = x86_multiply_divide(window_cycles, HAL_NS_PER_S, reference_nanoseconds(ticks));
    if (!is_tsc_rate(hz)) {
        return false;
    }
    clock_set_rate(hz);
    return true;
}

static bool clock_measure_any(const struct acpi_summary *summary)
{
    if ((hpet_init(summary, &clock_reference) && clock_measure()) ||
        (pm_timer_init(summary, &clock_reference) && clock_measure()) ||
        (pit_init(&clock_reference) && clock_measure())) {
        return true;
    }
    clock_reference = (struct clock_reference){.read = NULL};
    return false;
}

/* Of the TSC (SDM 2A, CPUID leaf 15H, else the base frequency in 16H); 0: the processor is silent.
 */
static uint64_t stated_rate(void)
{
    uint32_t highest = x86_cpuid(0, 0).registers[X86_EAX];
    struct x86_cpuid crystal = {{0}};
    struct x86_cpuid frequency = {{0}};

    if (highest >= CPUID_CRYSTAL) {
        crystal = x86_cpuid(CPUID_CRYSTAL, 0);
    }
    if (highest >= CPUID_FREQUENCY) {
        frequency = x86_cpuid(CPUID_FREQUENCY, 0);
    }
    if (crystal.registers[X86_EAX] != 0 && crystal.registers[X86_ECX] != 0) {
        return (uint64_t)crystal.registers[X86_ECX] * crystal.registers[X86_EBX] /
               crystal.registers[X86_EAX];
    }
    return (uint64_t)(frequency.registers[X86_EAX] & UINT16_MAX) * MILLION;
}

/* With nothing to measure against: the timer's rate is measured in that of the TSC. */
static void clock_assume(void)
{
    uint64_t hz = stated_rate();
    uint64_t start;

    apic_timer_start(APIC_TIMER_LONGEST);
    start = hal_clock_cycles();
    do {
        window_cycles = hal_clock_cycles() - start;
    } while (window_cycles < ASSUMED_WINDOW);
    window_timer = APIC_TIMER_LONGEST - apic_timer_left();
    apic_timer_start(0);
    clock_set_rate(is_tsc_rate(hz) ? hz : NOMINAL_HZ);
}

bool clock_init(const struct acpi_summary *summary)
{
    rtc_init(summary);
    if (!clock_measure_any(summary)) {
        clock_assume();
    }
    return has_reference();
}

/* --- refining --------------------------------------------------------------------------------- */

/* The rate over the time since the first sample, 0 while that is too short, and when the reference
 * has stopped. */
static uint64_t clock_measure_again(void)
{
    struct clock_sample now;
    uint64_t cycles;
    uint64_t estimate;
    uint64_t ticks;

    if (!clock_sample(&now)) {
        return 0;
    }
    cycles = now.cycles - clock_first.cycles;
    estimate = x86_multiply_divide(cycles, HAL_NS_PER_S, hal_clock_cycles_per_second());
    if (estimate < REFINE_NS_MIN) {
        return 0;
    }
    ticks = reference_elapsed(clock_first.reference, now.reference, reference_ticks(estimate));
    return x86_multiply_divide(cycles, HAL_NS_PER_S, reference_nanoseconds(ticks));
}

int64_t hal_clock_refine(void)
{
    int64_t old_hz = (int64_t)hal_clock_cycles_per_second();
    int64_t correction = 0;
    uint64_t hz;

    if (!has_reference()) {
        return 0;
    }
    /* acquire: pairs with the release below; who comes second leaves the work to the first */
    if (atomic_exchange_explicit(&clock_refining, true, memory_order_acquire)) {
        return 0;
    }
    hz = clock_measure_again();
    if (hz != 0) {
        correction = ((int64_t)hz - old_hz) * MILLION / old_hz;
        if (correction > -CORRECTION_MAX && correction < CORRECTION_MAX) {
            clock_set_rate(hz);
        } else {
            correction = 0;
        }
    }
    atomic_store_explicit(&clock_refining, false, memory_order_release);
    return correction;
}

/* --- deadlines -------------------------------------------------------------------------------- */

void hal_timer_arm(uint64_t deadline_ns)
{
    uint64_t multiplier = atomic_load_explicit(&timer_multiplier, memory_order_relaxed);
    uint64_t now = hal_clock_now();
    unsigned __int128 ticks = 0;

    if (deadline_ns > now) {
        ticks = ((unsigned __int128)(deadline_ns - now) * multiplier) >> FRACTION_BITS;
    }
    apic_timer_start(ticks < APIC_TIMER_LONGEST ? (uint32_t)ticks + 1 : APIC_TIMER_LONGEST);
}

void hal_timer_disarm(void)
{
    apic_timer_start(0);
}
