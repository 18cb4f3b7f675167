#include <core/config/kernel_configuration.h>
#include <hal/clock.h>
#include <hal/cpu.h>
#include <kern/cpu.h>
#include <stddef.h>
#include <tests/self/crew.h>
#include <tests/self/selftest.h>

#define JOIN_LIMIT_NS (90 * HAL_NS_PER_S)
#define SPIN_LIMIT_NS CREW_PATIENCE_NS
#define SOAK_PATIENCE 30U /* times as long, where the tests run their full counts */

static uint64_t deadline_after(uint64_t nanoseconds)
{
    bool is_soak = command_line_has(kernel_command_line(), "soak");

    return hal_clock_now() + (is_soak ? SOAK_PATIENCE : 1) * nanoseconds;
}

void crew_open(struct crew *crew)
{
    crew->tester = thread_current();
    crew->threads_before = thread_count();
    atomic_store_explicit(&crew->started, 0, memory_order_relaxed);
    atomic_store_explicit(&crew->done, 0, memory_order_relaxed);
}

static void member_main(void *argument)
{
    struct crew_member *member = argument;
    struct crew *crew = member->crew;

    member->work(member->argument);
    /* Release pairs with the load in crew_join. The tester outlives its crew, so it can be woken.
     */
    atomic_fetch_add_explicit(&crew->done, 1, memory_order_release);
    thread_unpark(crew->tester);
}

struct crew_member *crew_start(struct crew *crew, void (*work)(void *argument), void *argument,
                               uint64_t affinity)
{
    uint32_t started = atomic_load_explicit(&crew->started, memory_order_relaxed);

    if (started == CREW_MAX) {
        selftest_fail(__FILE__, __LINE__, "a crew has at most %u members", CREW_MAX);
        return NULL;
    }

    struct crew_member *member = &crew->members[started];
    const struct thread_options options = {
        .name = "crew",
        .entry = member_main,
        .argument = member,
        .priority = THREAD_PRIORITY_NORMAL,
        .affinity = affinity,
    };

    *member = (struct crew_member){.crew = crew, .work = work, .argument = argument};
    if (thread_create(&options, &member->thread) != HX_OK) {
        selftest_fail(__FILE__, __LINE__, "member %u cannot be created", started);
        return NULL;
    }
    atomic_store_explicit(&crew->started, started + 1, memory_order_relaxed);
    thread_start(member->thread);
    return member;
}

/* Exited threads are freed by the reaper, a little later. */
static bool are_freed(const struct crew *crew, uint64_t deadline)
{
    while (thread_count() > crew->threads_before) {
        if (hal_clock_now() > deadline) {
            return false;
        }
        thread_sleep(HAL_NS_PER_MS);
    }
    return true;
}

/* A member that has started another has done so before it is done itself. */
static uint32_t still_out(struct crew *crew)
{
    uint32_t done = atomic_load_explicit(&crew->done, memory_order_acquire);

    return atomic_load_explicit(&crew->started, memory_order_relaxed) - done;
}

bool crew_join(struct crew *crew)
{
    uint64_t deadline = deadline_after(JOIN_LIMIT_NS);
    hx_err error = HX_OK;
    uint32_t out;

    while (still_out(crew) > 0 && error == HX_OK) {
        error = thread_park(deadline);
    }

    out = still_out(crew);
    if (out > 0) {
        selftest_fail(__FILE__, __LINE__, "%u of %u threads did not come back", out,
                      atomic_load_explicit(&crew->started, memory_order_relaxed));
        return false;
    }
    if (!are_freed(crew, deadline)) {
        selftest_fail(__FILE__, __LINE__, "exited threads are not freed");
        return false;
    }
    return true;
}

bool crew_spin_until(const _Atomic uint32_t *word, uint32_t value)
{
    uint64_t deadline = deadline_after(SPIN_LIMIT_NS);

    while (atomic_load_explicit(word, memory_order_acquire) < value) {
        if (hal_clock_now() > deadline) {
            return false;
        }
        hal_cpu_relax();
    }
    return true;
}

bool crew_sleep_until(const _Atomic uint32_t *word, uint32_t value)
{
    uint64_t deadline = deadline_after(SPIN_LIMIT_NS);

    while (atomic_load_explicit(word, memory_order_acquire) < value) {
        if (hal_clock_now() > deadline) {
            return false;
        }
        thread_sleep(HAL_NS_PER_MS);
    }
    return true;
}

static void nothing(void *argument)
{
    (void)argument;
}

void crew_settle_cpus(void)
{
    for (unsigned i = 0; i < 2; i++) {
        cpu_call(cpu_online_mask(), nothing, NULL);
        thread_sleep(2 * HAL_NS_PER_MS);
    }
}

uint64_t crew_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

uint32_t crew_cpu(uint32_t n)
{
    uint64_t mask = cpu_online_mask();

    while (n-- > 0) {
        mask &= mask - 1;
    }
    return (uint32_t)__builtin_ctzll(mask);
}
