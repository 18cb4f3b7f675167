/*
 * The CPUs' deadline timers: one helper pthread sleeps until the earliest deadline and raises the
 * vector; who takes a deadline out of its CPU's field (compare-exchange) is the one who raises.
 */
#define _GNU_SOURCE
#include <hal/clock.h>
#include <ports/hosted/machine.h>
#include <sys/prctl.h>

static pthread_t helper;
static _Atomic bool is_stopping;
static _Atomic uint32_t changes;      /* futex word: counts deadlines the helper should look at */
static _Atomic uint64_t helper_wakes; /* when it will look by itself, ns; MAX: it is looking */

static void fire_if_due(struct hosted_cpu *cpu, uint64_t deadline, uint64_t now)
{
    if (deadline <= now &&
        atomic_compare_exchange_strong_explicit(&cpu->deadline, &deadline, HOSTED_NO_DEADLINE,
                                                memory_order_seq_cst, memory_order_relaxed)) {
        hal_interrupt_send(cpu->number, HAL_VECTOR_TIMER);
    }
}

/* Raise what is due; the earliest deadline that is not. */
static uint64_t fire_due(void)
{
    uint64_t earliest = HOSTED_NO_DEADLINE;
    uint64_t now = hal_clock_now();

    for (uint32_t i = 0; i < hal_cpu_count(); i++) {
        struct hosted_cpu *cpu = hosted_cpu_at(i);
        uint64_t deadline = atomic_load_explicit(&cpu->deadline, memory_order_seq_cst);

        fire_if_due(cpu, deadline, now);
        if (deadline > now && deadline < earliest) {
            earliest = deadline;
        }
    }
    return earliest;
}

static void *helper_main(void *argument)
{
    (void)argument;
    prctl(PR_SET_TIMERSLACK, 1UL);
    while (!atomic_load_explicit(&is_stopping, memory_order_acquire)) {
        uint32_t seen = atomic_load_explicit(&changes, memory_order_seq_cst);
        uint64_t earliest;

        /* From here until the next store every hal_timer_arm reports; pairs with notify_helper. */
        atomic_store_explicit(&helper_wakes, HOSTED_NO_DEADLINE, memory_order_seq_cst);
        earliest = fire_due();
        atomic_store_explicit(&helper_wakes, earliest, memory_order_seq_cst);
        hosted_futex_wait(&changes, seen,
                          earliest == HOSTED_NO_DEADLINE ? earliest
                                                         : earliest + hosted_clock_base());
    }
    return NULL;
}

static void notify_helper(void)
{
    atomic_fetch_add_explicit(&changes, 1, memory_order_seq_cst);
    hosted_futex_wake(&changes);
}

void hal_timer_arm(uint64_t deadline_ns)
{
    struct hosted_cpu *cpu = hosted_cpu();

    /* Stored before helper_wakes is read, as the helper stores that before it reads deadlines. */
    atomic_store_explicit(&cpu->deadline, deadline_ns, memory_order_seq_cst);
    if (deadline_ns <= hal_clock_now()) {
        fire_if_due(cpu, deadline_ns, UINT64_MAX);
    } else if (deadline_ns < atomic_load_explicit(&helper_wakes, memory_order_seq_cst)) {
        notify_helper();
    }
}

void hal_timer_disarm(void)
{
    atomic_store_explicit(&hosted_cpu()->deadline, HOSTED_NO_DEADLINE, memory_order_seq_cst);
}

bool hosted_timer_start(void)
{
    atomic_store_explicit(&is_stopping, false, memory_order_relaxed);
    return pthread_create(&helper, NULL, helper_main, NULL) == 0;
}

void hosted_timer_stop(void)
{
    atomic_store_explicit(&is_stopping, true, memory_order_release);
    notify_helper();
    pthread_join(helper, NULL);
}
