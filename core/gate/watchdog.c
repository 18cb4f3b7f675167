#include <core/debug/log.h>
#include <core/gate/gate.h>
#include <core/gate/watchdog.h>
#include <hal/clock.h>
#include <hal/cpu.h>
#include <hal/frame.h>
#include <hal/watchdog.h>
#include <kern/thread.h>
#include <kern/timer.h>
#include <stdatomic.h>

/* What the last look has found on a CPU. Touched by its non-maskable interrupts alone. */
struct watch {
    const struct hal_activation *call; /* NULL: none */
    uint32_t ticks_left;               /* what it left of the call's deadline */
    uint32_t looks;                    /* in a row that found this */
    uint64_t ticks;                    /* of the CPU, so far */
};

static struct watch watches[HAL_CPU_MAX];
static _Atomic bool runs;
static _Atomic uint32_t period_ticks; /* between two looks; 0: not known yet */

void watchdog_start(void)
{
    struct hal_watchdog source;

    /* First, because one may come at once. */
    atomic_store_explicit(&runs, true, memory_order_relaxed);
    if (!hal_watchdog_start(&source)) {
        atomic_store_explicit(&runs, false, memory_order_relaxed);
        kinfo("watchdog: none, so a module that loops with interrupts off hangs its CPU");
        return;
    }
    atomic_store_explicit(&period_ticks,
                          (uint32_t)(source.period_ms * HAL_NS_PER_MS / TIMER_TICK_NS),
                          memory_order_relaxed);
    kinfo("watchdog: %s, every %u ms", source.source, (unsigned)source.period_ms);
}

void watchdog_stop(void)
{
    hal_watchdog_stop();
    atomic_store_explicit(&runs, false, memory_order_relaxed);
}

bool watchdog_is_running(void)
{
    return atomic_load_explicit(&runs, memory_order_relaxed);
}

/* A deadline is left with its last tick: what ends the call is here, or the tick. */
static void charge(struct hal_activation *call, uint32_t ticks)
{
    uint32_t most = call->ticks_left > 0 ? call->ticks_left - 1 : 0;

    call->ticks_left -= ticks < most ? ticks : most;
}

/*
 * Charge the call with what has passed since the last look, if that was in this very call. What
 * that look left tells it from a later one in the same record, which begins with all of its
 * deadline.
 */
static void note(struct watch *watch, struct hal_activation *call, uint64_t ticks)
{
    if (watch->call == call && watch->ticks == ticks && watch->ticks_left == call->ticks_left) {
        charge(call, atomic_load_explicit(&period_ticks, memory_order_relaxed));
    } else {
        *watch = (struct watch){.call = call, .ticks = ticks};
        charge(call, 1);
    }
    watch->ticks_left = call->ticks_left;
    watch->looks++;
}

static bool is_over(const struct watch *watch)
{
    return watch->looks >= WATCHDOG_LOOKS && watch->ticks_left <= 1;
}

void watchdog_look(struct hal_frame *frame)
{
    uint32_t cpu = hal_cpu_id();
    struct hal_activation *call = gate_activation(thread_current());
    struct module_instance *instance;

    if (call == NULL) {
        watches[cpu].call = NULL;
        return;
    }
    note(&watches[cpu], call, thread_tick_count(cpu));
    instance = gate_interrupted(frame, call);
    if (instance == NULL) {
        return;
    }
    if (is_over(&watches[cpu])) {
        instance_doom(instance, DEATH_UNINTERRUPTIBLE, 0, hal_frame_pc(frame), 0);
    }
    if (atomic_load_explicit(&instance->is_doomed, memory_order_relaxed)) {
        gate_abandon(frame, call);
    }
}
