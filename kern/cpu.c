#include <base/assert.h>
#include <hal/clock.h>
#include <hal/interrupt.h>
#include <hal/memory.h>
#include <kern/cpu.h>
#include <kern/cpu_hotplug.h>
#include <kern/read_section.h>
#include <kern/thread.h>
#include <stdatomic.h>
#include <stddef.h>

_Atomic uint64_t cpu_online_bits;
_Atomic uint64_t cpu_open_bits;

/*
 * What a CPU asks of others: one call at a time, since it asks with preemption off, and waits for
 * one that was given up before it asks again. The targets
 * learn of it through their `callers`. Keys: C = the calling CPU, before it sets a bit of callers;
 * A = atomic
 */
struct cpu_call_slot {
    void (*function)(void *argument); /* C */
    void *argument;                   /* C */
    _Atomic uint32_t remaining;       /* A  targets that have not returned yet */
    _Atomic uint64_t callers;         /* A  CPUs whose calls this CPU has to serve */
} HX_ALIGNED(HX_CACHE_LINE);

static struct cpu_call_slot slots[HAL_CPU_MAX];

void cpu_init(void)
{
    atomic_store_explicit(&cpu_online_bits, 0, memory_order_relaxed);
    atomic_store_explicit(&cpu_open_bits, 0, memory_order_relaxed);
    for (uint32_t cpu = 0; cpu < HAL_CPU_MAX; cpu++) {
        atomic_store_explicit(&slots[cpu].callers, 0, memory_order_relaxed);
    }
    cpu_hotplug_init();
}

uint32_t cpu_online_count(void)
{
    return (uint32_t)__builtin_popcountll(cpu_online_mask());
}

void cpu_set_online(void)
{
    read_section_join();
    /* Release pairs with cpu_online_mask: what the CPU has set up is visible. */
    atomic_fetch_or_explicit(&cpu_online_bits, 1ULL << hal_cpu_id(), memory_order_release);
    atomic_fetch_or_explicit(&cpu_open_bits, 1ULL << hal_cpu_id(), memory_order_relaxed);
}

/* --- calls ------------------------------------------------------------------------------------ */

/* Serve what other CPUs have asked of this one; interrupts off. */
void cpu_call_interrupt(void)
{
    /* Acquire pairs with the release in post: function and argument are visible. */
    uint64_t callers =
        atomic_exchange_explicit(&slots[hal_cpu_id()].callers, 0, memory_order_acquire);

    for (; callers != 0; callers &= callers - 1) {
        struct cpu_call_slot *caller = &slots[__builtin_ctzll(callers)];

        caller->function(caller->argument);
        /* Release pairs with await; the slot may be used again from here on. */
        atomic_fetch_sub_explicit(&caller->remaining, 1, memory_order_release);
    }
}

static void post(uint32_t self, uint64_t targets)
{
    for (; targets != 0; targets &= targets - 1) {
        uint32_t target = (uint32_t)__builtin_ctzll(targets);

        atomic_fetch_or_explicit(&slots[target].callers, 1ULL << self, memory_order_release);
        hal_interrupt_send(target, HAL_VECTOR_CALL);
    }
}

static void serve_with_interrupts_off(void)
{
    hal_interrupt_state state = hal_interrupts_save();

    cpu_call_interrupt();
    hal_interrupts_restore(state);
}

/* Wait for the targets, serving whoever calls this CPU meanwhile: it may be waiting for us. Returns
 * whether all have returned. */
static bool await(const struct cpu_call_slot *slot, uint64_t deadline_ns)
{
    while (atomic_load_explicit(&slot->remaining, memory_order_acquire) != 0) {
        if (deadline_ns != THREAD_NO_DEADLINE && hal_clock_now() >= deadline_ns) {
            return false;
        }
        serve_with_interrupts_off();
        hal_cpu_relax();
    }
    return true;
}

static void call_here(void (*function)(void *argument), void *argument)
{
    hal_interrupt_state state = hal_interrupts_save();

    function(argument);
    hal_interrupts_restore(state);
}

/* Preemption is off. */
static bool call(uint64_t mask, void (*function)(void *argument), void *argument,
                 uint64_t deadline_ns)
{
    uint32_t self = hal_cpu_id();
    uint64_t targets = mask & cpu_online_mask() & ~(1ULL << self);
    struct cpu_call_slot *slot = &slots[self];

    HX_ASSERT(targets == 0 || hal_interrupts_enabled(),
              "who waits for other CPUs lets them interrupt");
    if (!await(slot, deadline_ns)) {
        return false;
    }
    slot->function = function;
    slot->argument = argument;
    atomic_store_explicit(&slot->remaining, (uint32_t)__builtin_popcountll(targets),
                          memory_order_relaxed);
    post(self, targets);
    if ((mask >> self & 1) != 0) {
        call_here(function, argument);
    }
    return await(slot, deadline_ns);
}

bool cpu_call_until(uint64_t mask, void (*function)(void *argument), void *argument,
                    uint64_t deadline_ns)
{
    bool have_returned;

    HX_ASSERT(!context_is_interrupt(), "other CPUs are called in thread context");
    preempt_disable();
    have_returned = call(mask, function, argument, deadline_ns);
    preempt_enable();
    return have_returned;
}

void cpu_call(uint64_t mask, void (*function)(void *argument), void *argument)
{
    (void)!cpu_call_until(mask, function, argument, THREAD_NO_DEADLINE);
}

/* --- translations ----------------------------------------------------------------------------- */

struct tlb_range {
    uintptr_t address;
    size_t pages;
};

static void flush_range(void *argument)
{
    const struct tlb_range *range = argument;

    hal_tlb_flush_local(range->address, range->pages);
}

void cpu_tlb_shootdown_on(uint64_t mask, uintptr_t address, size_t pages)
{
    struct tlb_range range = {.address = address, .pages = pages};

    if (mask != 0) {
        cpu_call(mask, flush_range, &range);
    }
}

void cpu_tlb_shootdown(uintptr_t address, size_t pages)
{
    cpu_tlb_shootdown_on(cpu_online_mask(), address, pages);
}
