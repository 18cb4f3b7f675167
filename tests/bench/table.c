/* What is measured, and how: the kernel's figures, and the list of all tables. */
#include <core/config/kernel_configuration.h>
#include <core/debug/console.h>
#include <core/debug/log.h>
#include <core/debug/recorder_control.h>
#include <core/gate/gate.h>
#include <core/interrupts/dispatcher.h>
#include <hal/clock.h>
#include <hal/interrupt.h>
#include <helix/demo.h>
#include <kern/frames.h>
#include <kern/heap.h>
#include <kern/thread.h>
#include <subsys/modules/modules.h>
#include <tests/bench/bench.h>
#include <tests/bench/measure.h>

/* --- boot ------------------------------------------------------------------------------------- */

/* From the first instruction of the image to the state Running; taken once. */
static uint64_t boot_to_running(uint32_t runs)
{
    return bench_boot_cycles() * runs;
}

static uint64_t ram_at_running(uint32_t runs)
{
    return bench_boot_memory() * runs;
}

/* --- interrupts ------------------------------------------------------------------------------- */

static enum interrupt_action do_nothing(void *argument, struct hal_frame *frame)
{
    (void)argument;
    (void)frame;
    return INTERRUPT_HANDLED;
}

/* Entry, one handler, return: a vector sent to oneself arrives at the next instruction. */
static uint64_t irq_dispatch(uint32_t runs)
{
    uint8_t vector = interrupt_free_vector();
    uint64_t cycles = 0;

    if (interrupt_register(vector, "bench", do_nothing, NULL, false) != HX_OK) {
        return 0;
    }
    for (uint32_t i = 0; i < runs; i++) {
        uint64_t start;

        hal_interrupts_disable();
        hal_interrupt_send(hal_cpu_id(), vector);
        start = begin();
        hal_interrupts_enable();
        __asm__ volatile("nop"); /* sti lets one instruction pass */
        cycles += cycles_since(start);
    }
    (void)!interrupt_unregister(vector, "bench");
    return cycles - 5ULL * runs; /* rdtsc, sti, nop and what joins its two halves */
}

/* --- threads ---------------------------------------------------------------------------------- */

struct partner {
    _Atomic bool stop;
    _Atomic bool stopped;
};

static void yield_back(void *argument)
{
    struct partner *partner = argument;

    while (!atomic_load_explicit(&partner->stop, memory_order_relaxed)) {
        thread_yield();
    }
    atomic_store_explicit(&partner->stopped, true, memory_order_relaxed);
}

/* Two threads hand the CPU to each other: a round is two of the switches wanted. */
static uint64_t kthread_switch(uint32_t runs)
{
    struct partner partner = {0};
    struct thread *thread;
    uint64_t start;
    uint64_t cycles;

    if (thread_create(&(struct thread_options){.name = "bench-partner",
                                               .entry = yield_back,
                                               .argument = &partner,
                                               .priority = thread_priority(thread_current()),
                                               .affinity = 1ULL << hal_cpu_id()},
                      &thread) != HX_OK) {
        return 0;
    }
    thread_start(thread);
    thread_yield();
    start = begin();
    for (uint32_t i = 0; i < (runs + 1) / 2; i++) {
        thread_yield();
    }
    cycles = cycles_since(start);
    atomic_store_explicit(&partner.stop, true, memory_order_relaxed);
    while (!atomic_load_explicit(&partner.stopped, memory_order_relaxed)) {
        thread_yield();
    }
    return cycles;
}

/* --- memory ----------------------------------------------------------------------------------- */

static uint64_t kmalloc_free_64(uint32_t runs)
{
    uint64_t start = begin();

    for (uint32_t i = 0; i < runs; i++) {
        heap_free(heap_allocate(64, OWNER_CORE));
    }
    return without_loop(cycles_since(start), runs);
}

static uint64_t frame_alloc_free(uint32_t runs)
{
    uint64_t start = begin();

    for (uint32_t i = 0; i < runs; i++) {
        uint64_t physical;

        if (frames_allocate(0, OWNER_CORE, &physical) == HX_OK) {
            frames_free(physical, 0);
        }
    }
    return without_loop(cycles_since(start), runs);
}

/* --- log -------------------------------------------------------------------------------------- */

/* What the caller of the log pays for a line of 40 characters with two numbers. */
static uint64_t log_line(uint32_t runs)
{
    uint64_t cycles = 0;

    for (uint32_t i = 0; i < runs; i++) {
        uint64_t start;

        preempt_disable();
        start = begin();
        log_write(LOG_DEBUG, "bench: line %u of %u, with forty bytes", (unsigned)i + 100,
                  (unsigned)runs);
        cycles += cycles_since(start);
        preempt_enable();
    }
    return without_readings(cycles, runs);
}

/* --- the gate --------------------------------------------------------------------------------- */

static uint64_t call_loop(uint32_t runs)
{
    struct slot *slot = slot_find("demo");
    uint64_t start = begin();

    for (uint32_t i = 0; i < runs; i++) {
        (void)gate_call(slot, DEMO_NOTHING, 0, 0, 0, 0);
    }
    return cycles_since(start);
}

/* The same loop with a plain call of the same function. */
static uint64_t direct_loop(uint32_t runs)
{
    struct slot *slot = slot_find("demo");
    uint64_t (*volatile target)(uint64_t, uint64_t, uint64_t, uint64_t) =
        (uint64_t(*)(uint64_t, uint64_t, uint64_t, uint64_t))slot_instance(slot)
            ->gate.operations[DEMO_NOTHING];
    uint64_t start = hal_clock_cycles();

    for (uint32_t i = 0; i < runs; i++) {
        (void)target(0, 0, 0, 0);
    }
    return hal_clock_cycles() - start;
}

/* Over a direct call. */
static uint64_t gate_open(uint32_t runs)
{
    struct slot *slot = slot_find("demo");
    uint64_t direct;

    if (slot == NULL || modules_reload(SUBJECT_KERNEL, slot, HAL_GATE_OPEN) != HX_OK) {
        return 0;
    }
    direct = direct_loop(runs);
    return call_loop(runs) - direct;
}

/* There and back, the module's own few instructions included. */
static uint64_t gate_user(uint32_t runs)
{
    struct slot *slot = slot_find("demo");
    uint64_t cycles;

    if (slot == NULL || modules_reload(SUBJECT_KERNEL, slot, HAL_GATE_USER) != HX_OK) {
        return 0;
    }
    cycles = without_loop(call_loop(runs), runs);
    (void)!modules_reload(SUBJECT_KERNEL, slot, slot->backend);
    return cycles;
}

/* --- the flight recorder ---------------------------------------------------------------------- */

static uint64_t recorder_record(uint32_t runs)
{
    uint64_t start = begin();

    for (uint32_t i = 0; i < runs; i++) {
        recorder_write(RECORDER_MARK, i, i, i);
    }
    return without_loop(cycles_since(start), runs);
}

/* A switch as above, while switches are recorded. */
static uint64_t kthread_switch_recorded(uint32_t runs)
{
    uint64_t cycles;

    if (recorder_switch_on(RECORDER_BIT(RECORDER_SWITCH)) != HX_OK) {
        return 0;
    }
    cycles = kthread_switch(runs);
    (void)!recorder_switch_off(RECORDER_BIT(RECORDER_SWITCH));
    return cycles;
}

static const struct benchmark kernel_benchmarks[] = {
    {"boot_to_running", "instructions", 1, boot_to_running},
    {"ram_at_running", "bytes", 1, ram_at_running},
    {"irq_dispatch", "instructions", 1000, irq_dispatch},
    {"kthread_switch", "instructions", 1000, kthread_switch},
    {"kthread_switch_recorded", "instructions", 1000, kthread_switch_recorded},
    {"recorder_record", "instructions", 1000, recorder_record},
    {"kmalloc_free_64", "instructions", 1000, kmalloc_free_64},
    {"frame_alloc_free", "instructions", 1000, frame_alloc_free},
    {"log_line", "instructions", 200, log_line},
    {"gate_open", "instructions", 1000, gate_open},
    {"gate_user", "instructions", 1000, gate_user},
    {0},
};

const struct benchmark *const bench_tables[] = {
    kernel_benchmarks,     capability_benchmarks,   channel_benchmarks,   ipc_benchmarks,
    resource_benchmarks,   orchestrator_benchmarks, vm_benchmarks,        block_benchmarks,
    hot_reload_benchmarks, screen_benchmarks,       self_heal_benchmarks, NULL,
};
