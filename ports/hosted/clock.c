/* The clock, and the host's futex that waits by it. */
#define _GNU_SOURCE
#include <hal/clock.h>
#include <linux/futex.h>
#include <ports/hosted/machine.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* How long the first measurement of the counter's rate takes. */
#define CALIBRATION_NS (1 * HAL_NS_PER_MS)
#define MOMENT_TRIES   8

/* The same moment on both clocks. */
struct moment {
    uint64_t ns; /* the host's */
    uint64_t cycles;
};

static struct moment base; /* at start */
static _Atomic uint64_t cycles_per_second;

static uint64_t host_time(clockid_t clock)
{
    struct timespec now;

    clock_gettime(clock, &now);
    return (uint64_t)now.tv_sec * HAL_NS_PER_S + (uint64_t)now.tv_nsec;
}

/* Read both clocks; of several tries, the one that the host interrupted least. */
static struct moment read_moment(void)
{
    struct moment best = {.ns = 0};
    uint64_t best_width = UINT64_MAX;

    for (int i = 0; i < MOMENT_TRIES; i++) {
        uint64_t before = hal_clock_cycles();
        uint64_t ns = host_time(CLOCK_MONOTONIC);
        uint64_t width = hal_clock_cycles() - before;

        if (width < best_width) {
            best = (struct moment){.ns = ns, .cycles = before + width / 2};
            best_width = width;
        }
    }
    return best;
}

uint64_t hosted_clock_base(void)
{
    return base.ns;
}

uint64_t hal_clock_now(void)
{
    return host_time(CLOCK_MONOTONIC) - base.ns;
}

/* The rate over all the time since start. */
static uint64_t measure_rate(void)
{
    struct moment now = read_moment();
    unsigned __int128 cycles = now.cycles - base.cycles;

    return (uint64_t)(cycles * HAL_NS_PER_S / (now.ns - base.ns));
}

void hosted_clock_start(void)
{
    base = read_moment();
    while (hal_clock_now() < CALIBRATION_NS) {
        __builtin_ia32_pause();
    }
    atomic_store_explicit(&cycles_per_second, measure_rate(), memory_order_relaxed);
}

uint64_t hal_clock_cycles_at_start(void)
{
    return base.cycles;
}

uint64_t hal_clock_cycles_per_second(void)
{
    return atomic_load_explicit(&cycles_per_second, memory_order_relaxed);
}

int64_t hal_clock_refine(void)
{
    int64_t before = (int64_t)hal_clock_cycles_per_second();
    int64_t after = (int64_t)measure_rate();

    atomic_store_explicit(&cycles_per_second, (uint64_t)after, memory_order_relaxed);
    return (after - before) * 1000000 / before;
}

bool hal_clock_scale(struct hal_clock_scale *scale)
{
    (void)scale;
    return false;
}

uint64_t hal_clock_wall(void)
{
    return host_time(CLOCK_REALTIME) / HAL_NS_PER_S;
}

/* --- futex (futex(2)); absolute times, CLOCK_MONOTONIC ---------------------------------------- */

void hosted_futex_wait(_Atomic uint32_t *word, uint32_t expected, uint64_t host_deadline_ns)
{
    const struct timespec deadline = {
        .tv_sec = (time_t)(host_deadline_ns / HAL_NS_PER_S),
        .tv_nsec = (long)(host_deadline_ns % HAL_NS_PER_S),
    };
    bool is_timed = host_deadline_ns != HOSTED_NO_DEADLINE;

    syscall(SYS_futex, word, FUTEX_WAIT_BITSET_PRIVATE, expected, is_timed ? &deadline : NULL, NULL,
            FUTEX_BITSET_MATCH_ANY);
}

void hosted_futex_wake(_Atomic uint32_t *word)
{
    syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}
