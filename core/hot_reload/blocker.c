/* Threads inside an instance, and where they are. */
#include <core/debug/symbols.h>
#include <core/gate/slot.h>
#include <core/hot_reload/blocker.h>
#include <core/hot_reload/cpu_probe.h>
#include <hal/frame.h>
#include <kern/thread.h>
#include <kern/timer.h>

#define DEPTH_MAX  12U
#define BUSY_MAX   8U
#define TICK_STEPS 20U /* a tick comes in one; more where the host is busy */

static void add_place(struct text *text, uintptr_t pc)
{
    char name[80];

    (void)symbol_text(pc, name, sizeof(name));
    text_add(text, "    %s\n", name);
}

/* The stack of one that is not running. Of one that was running when asked, it is where it was
 * before. */
static void add_stack(struct thread *thread, struct text *text)
{
    uintptr_t pc;
    uintptr_t fp;

    if (!hal_thread_saved_place(&thread->hal, &pc, &fp)) {
        return;
    }
    for (unsigned depth = 0; depth < DEPTH_MAX; depth++) {
        add_place(text, pc);
        if (!hal_frame_walk(&fp, &pc)) {
            return;
        }
    }
}

/* It runs, or would if it had a CPU: its saved place says nothing, or only that it was preempted.
 */
static bool is_busy(const struct thread *thread)
{
    uint32_t state = atomic_load_explicit(&thread->state, memory_order_relaxed) & THREAD_STATE_MASK;

    return state == THREAD_RUNNING || state == THREAD_RUNNABLE;
}

struct report {
    struct module_instance *instance;
    struct text *text;
    struct {
        uint32_t thread; /* its id */
        uint32_t cpu;
    } busy[BUSY_MAX]; /* threads found that are; of more the places are not told */
    uint32_t busy_count;
};

static bool add_thread(struct thread *thread, void *argument)
{
    struct report *report = argument;

    uint32_t cpu = atomic_load_explicit(&thread->cpu, memory_order_relaxed);
    /* Its CPU's to write: what it was a moment ago. */
    bool is_interrupted = __atomic_load_n(&thread->interrupt_depth, __ATOMIC_RELAXED) != 0;

    text_add(report->text, "thread %u (%s) is %s%s, CPU %u\n", thread->id, thread->name,
             thread_state_name(thread), is_interrupted ? " in an interrupt" : "", cpu);
    if (!is_busy(thread)) {
        add_stack(thread, report->text);
    } else if (report->busy_count < BUSY_MAX) {
        report->busy[report->busy_count].thread = thread->id;
        report->busy[report->busy_count++].cpu = cpu;
    }
    return true;
}

/* Have the next tick that finds the thread in the instance's code say where it is. */
static uint32_t ask_ticks(struct instance_probe *probe, uint32_t thread,
                          uintptr_t places[INSTANCE_PROBE_DEPTH])
{
    uint32_t depth = 0;

    atomic_store_explicit(&probe->depth, 0, memory_order_relaxed);
    atomic_store_explicit(&probe->thread, thread, memory_order_release);
    for (unsigned step = 0; depth == 0 && step < TICK_STEPS; step++) {
        thread_sleep(TIMER_TICK_NS);
        /* Acquire: pairs with the release in gate_handle_interrupt. */
        depth = atomic_load_explicit(&probe->depth, memory_order_acquire);
    }
    atomic_store_explicit(&probe->thread, 0, memory_order_relaxed);
    for (uint32_t i = 0; i < depth; i++) {
        places[i] = probe->places[i];
    }
    return depth;
}

/* One that no tick finds has interrupts off, or is in a callout. */
static void add_busy(const struct report *report, uint32_t thread, uint32_t cpu)
{
    uintptr_t places[INSTANCE_PROBE_DEPTH];
    const char *how = "as a tick found it:";
    uint32_t depth = ask_ticks(&report->instance->probe, thread, places);

    if (depth == 0) {
        depth = cpu_probe(cpu, thread, places);
        how = depth != 0 ? "where it is, with no tick in the module's code:"
                         : "which no tick finds in the module's code";
    }
    text_add(report->text, "  thread %u, %s\n", thread, how);
    for (uint32_t i = 0; i < depth; i++) {
        add_place(report->text, places[i]);
    }
}

void blocker_report(struct module_instance *instance, struct text *text)
{
    struct report report = {.instance = instance, .text = text};

    slot_find_inside(instance, add_thread, &report);
    for (uint32_t i = 0; i < report.busy_count; i++) {
        add_busy(&report, report.busy[i].thread, report.busy[i].cpu);
    }
}
