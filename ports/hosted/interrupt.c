/* The interrupt flag, pending vectors, and their delivery. */
#define _GNU_SOURCE
#include <base/assert.h>
#include <ports/hosted/machine.h>

void hosted_attend(struct hosted_cpu *cpu, uint32_t bits)
{
    /* Pairs with hosted_sleep: one of the two sees what the other stored first. */
    atomic_fetch_or_explicit(&cpu->attention, bits, memory_order_seq_cst);
    if (atomic_load_explicit(&cpu->asleep, memory_order_seq_cst) != 0) {
        hosted_futex_wake(&cpu->attention);
    }
}

void hosted_sleep(struct hosted_cpu *cpu, uint32_t seen)
{
    /* Pairs with hosted_attend. */
    atomic_store_explicit(&cpu->asleep, 1, memory_order_seq_cst);
    while (atomic_load_explicit(&cpu->attention, memory_order_seq_cst) == seen) {
        hosted_futex_wait(&cpu->attention, seen, HOSTED_NO_DEADLINE);
    }
    atomic_store_explicit(&cpu->asleep, 0, memory_order_relaxed);
}

/* --- raising ---------------------------------------------------------------------------------- */

void hal_interrupt_send(uint32_t cpu, uint8_t vector)
{
    struct hosted_cpu *target = hosted_cpu_at(cpu);
    uint64_t bit = 1ULL << (vector % 64);

    /* Pairs with take_vector. */
    atomic_fetch_or_explicit(&target->pending[vector / 64], bit, memory_order_release);
    hosted_attend(target, HOSTED_INTERRUPT);
}

hx_err hal_interrupt_send_nmi(uint32_t cpu)
{
    hosted_attend(hosted_cpu_at(cpu), HOSTED_NMI);
    return HX_OK;
}

/* --- delivering ------------------------------------------------------------------------------- */

static bool has_pending(const struct hosted_cpu *cpu)
{
    for (size_t word = 0; word < HOSTED_PENDING_WORDS; word++) {
        if (atomic_load_explicit(&cpu->pending[word], memory_order_relaxed) != 0) {
            return true;
        }
    }
    return false;
}

/* Take the highest pending vector, as an x86 local APIC does (Intel SDM 3A, 10.8.3); -1: none. */
static int take_vector(struct hosted_cpu *cpu)
{
    for (int word = HOSTED_PENDING_WORDS - 1; word >= 0; word--) {
        uint64_t bits = atomic_load_explicit(&cpu->pending[word], memory_order_relaxed);

        if (bits != 0) {
            int bit = 63 - __builtin_clzll(bits);

            /* Pairs with hal_interrupt_send. */
            atomic_fetch_and_explicit(&cpu->pending[word], ~(1ULL << bit), memory_order_acquire);
            return word * 64 + bit;
        }
    }
    return -1;
}

/* One vector, on the CPU that calls; the handler may come back on another one. */
static void deliver_interrupt(struct hosted_cpu *cpu)
{
    struct hal_frame frame;
    int vector;

    /* Cleared before looking, so that a vector raised after the look sets it again. */
    atomic_fetch_and_explicit(&cpu->attention, ~(uint32_t)HOSTED_INTERRUPT, memory_order_acquire);
    vector = take_vector(cpu);
    if (vector < 0) {
        return;
    }
    if (has_pending(cpu)) {
        atomic_fetch_or_explicit(&cpu->attention, HOSTED_INTERRUPT, memory_order_relaxed);
    }
    hal_frame_capture(&frame);
    cpu->interrupts_on = false;
    kernel_interrupt((uint8_t)vector, &frame);
    hosted_cpu()->interrupts_on = true;
}

static void deliver_nmi(struct hosted_cpu *cpu)
{
    struct hal_frame frame;
    bool interrupts_on = cpu->interrupts_on;

    atomic_fetch_and_explicit(&cpu->attention, ~(uint32_t)HOSTED_NMI, memory_order_acquire);
    hal_frame_capture(&frame);
    cpu->interrupts_on = false;
    cpu->in_nmi = true;
    kernel_nmi(&frame);
    cpu->in_nmi = false;
    cpu->interrupts_on = interrupts_on;
}

/* What reaches a CPU whatever its flag says. */
static void deliver_urgent(struct hosted_cpu *cpu, uint32_t attention)
{
    if (attention & HOSTED_LEAVE) {
        hosted_cpu_leave(cpu);
    }
    if (attention & HOSTED_STOP) {
        hal_cpu_halt();
    }
    if ((attention & HOSTED_NMI) && !cpu->in_nmi) {
        deliver_nmi(cpu);
    }
}

void hosted_deliver(void)
{
    for (;;) {
        struct hosted_cpu *cpu = hosted_cpu();
        uint32_t attention = atomic_load_explicit(&cpu->attention, memory_order_acquire);

        if (HX_LIKELY(attention == 0)) {
            return;
        }
        deliver_urgent(cpu, attention);
        if (!(attention & HOSTED_INTERRUPT) || !cpu->interrupts_on) {
            return;
        }
        deliver_interrupt(cpu);
    }
}

/* --- the flag --------------------------------------------------------------------------------- */

HX_NOINLINE hal_interrupt_state hosted_interrupts_save(void)
{
    struct hosted_cpu *cpu = hosted_cpu();
    bool were_on = cpu->interrupts_on;

    cpu->interrupts_on = false;
    return were_on ? 1 : 0;
}

HX_NOINLINE void hosted_interrupts_restore(hal_interrupt_state state)
{
    hosted_cpu()->interrupts_on = state != 0;
    hosted_deliver();
}

HX_NOINLINE bool hosted_interrupts_enabled(void)
{
    return hosted_cpu()->interrupts_on;
}
