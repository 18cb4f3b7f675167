/*
 * CPUs off line and back.
 *
 * A CPU (C) leaves in these steps; who asks for it (A) runs elsewhere by the second at the latest:
 *  A  closes it, so that nothing new is sent there by whoever looks from now on;
 *  A  has its threads go (kern/displaced.h), until the idle thread is the one that runs there;
 *  C  the CPU itself, interrupts off for good: stops its clock, leaves the read sections and the
 *     online mask, and from here on only answers calls that were on their way;
 *  A  takes over its timers, and waits for a grace period: now nobody thinks any more that it is
 *     open or online, and A moves what was sent to it until then;
 *  C  answers the last calls, and stops (hal_cpu_leave);
 *  A  gives back what it had cached.
 */
#include <base/assert.h>
#include <hal/clock.h>
#include <hal/interrupt.h>
#include <kern/area.h>
#include <kern/cpu.h>
#include <kern/cpu_hotplug.h>
#include <kern/dispatch.h>
#include <kern/displaced.h>
#include <kern/frames.h>
#include <kern/heap.h>
#include <kern/mutex.h>
#include <kern/read_section.h>
#include <kern/thread.h>
#include <kern/timer.h>

#define NOBODY     UINT32_MAX
#define ARRIVAL_NS (10 * HAL_NS_PER_S) /* as hal_cpu_start's: an emulator's host may be busy */

enum leave_step {
    LEAVE_ASKED,    /* A  the idle thread is to see it */
    LEAVE_GONE,     /* C  it is not online any more */
    LEAVE_RELEASED, /* A  nobody calls it: it may stop */
};

/* Keys: T = turn, A = atomic */
static struct {
    struct mutex turn;                /* of who takes a CPU off line or back */
    uint64_t limit_ns;                /* T */
    _Atomic uint32_t leaver;          /* A  the CPU that is to leave, NOBODY: none */
    _Atomic uint32_t step;            /* A  enum leave_step */
    struct area *stacks[HAL_CPU_MAX]; /* T  of the boot threads; NULL: never started */
} hotplug = {
    .turn = {.lock = SPINLOCK_INIT(LOCK_RANK_MUTEX, "CPU hotplug"),
             .waiters = LIST_INIT(hotplug.turn.waiters)},
    .limit_ns = CPU_LEAVE_LIMIT_NS,
    .leaver = NOBODY,
};

void cpu_hotplug_init(void)
{
    hotplug.limit_ns = CPU_LEAVE_LIMIT_NS;
    atomic_store_explicit(&hotplug.leaver, NOBODY, memory_order_relaxed);
    for (uint32_t cpu = 0; cpu < HAL_CPU_MAX; cpu++) {
        hotplug.stacks[cpu] = NULL;
    }
}

void cpu_set_leave_limit(uint64_t nanoseconds)
{
    mutex_lock(&hotplug.turn);
    hotplug.limit_ns = nanoseconds;
    mutex_unlock(&hotplug.turn);
}

/* --- on the CPU that leaves ------------------------------------------------------------------- */

static bool has_come_to(enum leave_step step)
{
    return atomic_load_explicit(&hotplug.step, memory_order_acquire) == (uint32_t)step;
}

/* Calls that were sent before the mask changed are answered here: who sent them waits. */
static HX_NORETURN void leave(uint32_t cpu)
{
    dispatch_end();
    read_section_leave();
    atomic_fetch_and_explicit(&cpu_online_bits, ~(1ULL << cpu), memory_order_relaxed);
    /* Release: pairs with has_come_to of who has asked, and with what it then does for this CPU. */
    atomic_store_explicit(&hotplug.step, LEAVE_GONE, memory_order_release);
    while (!has_come_to(LEAVE_RELEASED)) {
        cpu_call_interrupt();
        hal_cpu_relax();
    }
    cpu_call_interrupt();
    hal_cpu_leave();
}

void cpu_leave_if_asked(void)
{
    uint32_t cpu = hal_cpu_id();
    uint32_t asked = cpu;

    if (HX_LIKELY(atomic_load_explicit(&hotplug.leaver, memory_order_relaxed) != cpu)) {
        return;
    }
    hal_interrupts_disable();
    /* The question may be taken back: one of the two wins. */
    if (atomic_compare_exchange_strong_explicit(&hotplug.leaver, &asked, NOBODY,
                                                memory_order_acquire, memory_order_relaxed)) {
        leave(cpu);
    }
    hal_interrupts_enable();
}

/* --- off line --------------------------------------------------------------------------------- */

static void close_cpu(uint32_t cpu)
{
    displaced_watch(true);
    atomic_fetch_and_explicit(&cpu_open_bits, ~(1ULL << cpu), memory_order_relaxed);
    thread_yield(); /* not on that CPU any more: what waits for a time there may wait until the end
                     */
}

static void open_cpu(uint32_t cpu)
{
    atomic_fetch_or_explicit(&cpu_open_bits, 1ULL << cpu, memory_order_relaxed);
}

/* Ask it to leave, until it does or the deadline has passed. */
static bool ask_to_leave(uint32_t cpu, uint64_t deadline_ns)
{
    uint32_t asked = cpu;

    atomic_store_explicit(&hotplug.step, LEAVE_ASKED, memory_order_relaxed);
    atomic_store_explicit(&hotplug.leaver, cpu, memory_order_release); /* pairs with the idle one */
    while (atomic_load_explicit(&hotplug.leaver, memory_order_relaxed) == cpu) {
        if (hal_clock_now() >= deadline_ns) {
            return !atomic_compare_exchange_strong_explicit(
                &hotplug.leaver, &asked, NOBODY, memory_order_relaxed, memory_order_relaxed);
        }
        dispatch_kick(cpu);
        displaced_sweep(cpu);
        thread_sleep(TIMER_TICK_NS / 4);
    }
    return true;
}

static void wait_until_gone(void)
{
    while (!has_come_to(LEAVE_GONE)) {
        hal_cpu_relax();
    }
}

/* It is gone, and nothing of it is touched by itself any more. */
static void inherit(uint32_t cpu)
{
    displaced_sweep(cpu);
    timer_take_from(cpu);
    read_synchronize(); /* who has seen it open has sent what he wanted, who has seen it online has
                           had his answer */
    displaced_sweep(cpu);
    atomic_store_explicit(&hotplug.step, LEAVE_RELEASED, memory_order_release);
    hal_cpu_wait_left(cpu);
    heap_give_back(cpu);
    frames_give_back(cpu);
}

static hx_err take_off(uint32_t cpu)
{
    hx_err error = HX_ETIMEDOUT;

    close_cpu(cpu);
    if (ask_to_leave(cpu, hal_clock_now() + hotplug.limit_ns)) {
        wait_until_gone();
        inherit(cpu);
        error = HX_OK;
    } else {
        open_cpu(cpu);
    }
    displaced_watch(displaced_is_any());
    return error;
}

static hx_err check_offline(uint32_t cpu)
{
    if (cpu >= hal_cpu_count()) {
        return HX_ENODEV;
    }
    if (!cpu_is_online(cpu)) {
        return HX_ENOENT;
    }
    return cpu == 0 ? HX_EBUSY : HX_OK;
}

hx_err cpu_offline(uint32_t cpu)
{
    hx_err error;

    mutex_lock(&hotplug.turn);
    error = check_offline(cpu);
    if (error == HX_OK) {
        error = take_off(cpu);
    }
    mutex_unlock(&hotplug.turn);
    return error;
}

/* --- on line ---------------------------------------------------------------------------------- */

/* A boot stack stays for ever: it becomes the idle thread's. */
static hx_err make_stack(uint32_t cpu)
{
    return hotplug.stacks[cpu] != NULL
               ? HX_OK
               : area_allocate(THREAD_STACK_SIZE / HAL_PAGE_SIZE, HAL_READ | HAL_WRITE, OWNER_CORE,
                               &hotplug.stacks[cpu]);
}

/* It has arrived, and gets ready by itself. */
static void wait_until_open(uint32_t cpu)
{
    while (!cpu_is_open(cpu)) {
        hal_cpu_relax();
    }
}

static hx_err bring_on(uint32_t cpu)
{
    hx_err error = make_stack(cpu);

    if (error != HX_OK) {
        return error;
    }
    thread_reset_boot(cpu);
    error =
        hal_cpu_start(cpu, (char *)hotplug.stacks[cpu]->base + THREAD_STACK_SIZE, thread_boot(cpu));
    if (error == HX_OK) {
        wait_until_open(cpu);
        displaced_call_back();
        displaced_watch(displaced_is_any());
    }
    return error;
}

hx_err cpu_online(uint32_t cpu)
{
    hx_err error = HX_ENODEV;

    mutex_lock(&hotplug.turn);
    if (cpu < hal_cpu_count()) {
        error = cpu_is_online(cpu) ? HX_EEXIST : bring_on(cpu);
    }
    mutex_unlock(&hotplug.turn);
    return error;
}
