/*
 * The switch from one thread to another that it wakes, written out in the caller: for
 * thread_hand_over and for those who call it all the time. What each step is for stands in
 * dispatch.c.
 */
#ifndef KERN_HAND_OVER_H
#define KERN_HAND_OVER_H

#include <hal/clock.h>
#include <hal/cpu.h>
#include <helix/attributes.h>
#include <kern/read_section.h>
#include <kern/spinlock.h>
#include <kern/thread.h>

/* --- steps that dispatch.c takes too ---------------------------------------------------------- */

/* Count the time since run_since as used by the running thread. */
static HX_ALWAYS_INLINE void dispatch_charge(struct thread *self, uint64_t cycles)
{
    uint64_t total = atomic_load_explicit(&self->run_total, memory_order_relaxed);

    atomic_store_explicit(&self->run_total, total + (cycles - self->run_since),
                          memory_order_relaxed);
}

/*
 * Leave the CPU to next. Returns, when self has it again, the thread that ran before, which is then
 * to be moved on to where it belongs.
 */
HX_MUST_USE static HX_ALWAYS_INLINE struct thread *
dispatch_leave_to(struct thread *self, struct thread *next, uint32_t cpu, uint32_t slice_ticks)
{
    uint64_t cycles = hal_clock_cycles();

    dispatch_charge(self, cycles);
    next->run_since = cycles;
    next->slice_ticks = slice_ticks;
    atomic_store_explicit(&next->switches,
                          atomic_load_explicit(&next->switches, memory_order_relaxed) + 1,
                          memory_order_relaxed);
    atomic_store_explicit(&next->cpu, cpu, memory_order_relaxed);
    next->previous = self;
    return hal_thread_switch(self, next);
}

/* A thread whose registers are saved now is Parked, if it is Parking and was not woken meanwhile.
 */
static HX_ALWAYS_INLINE bool dispatch_try_settle_parked(struct thread *previous)
{
    uint32_t expected = THREAD_PARKING;

    /* Release: who wakes it, and so makes another CPU run it, acquires (wake, take_over). */
    return atomic_compare_exchange_strong_explicit(&previous->state, &expected, THREAD_PARKED,
                                                   memory_order_release, memory_order_relaxed);
}

/*
 * Fails when a token is there. Interrupts are off from here to the switch, so nothing can come
 * between on this CPU.
 */
static HX_ALWAYS_INLINE bool dispatch_begin_parking(struct thread *self)
{
    uint32_t expected = THREAD_RUNNING;

    return atomic_compare_exchange_strong_explicit(&self->state, &expected, THREAD_PARKING,
                                                   memory_order_relaxed, memory_order_relaxed);
}

static HX_ALWAYS_INLINE hx_err dispatch_finish_parking(struct thread *self)
{
    /* Only a token can have come to what is Running. Acquire pairs with the release in wake. */
    uint32_t old = atomic_exchange_explicit(&self->state, THREAD_RUNNING, memory_order_acquire);

    hal_interrupts_enable();
    return HX_LIKELY((old & THREAD_TOKEN) != 0) ? HX_OK : HX_ETIMEDOUT;
}

/* A parked thread's affinity stays, and nobody hands it a CPU before it is on one within it: where
 * it ran last it may. */
static HX_ALWAYS_INLINE bool dispatch_may_run_on(const struct thread *parked, uint32_t cpu)
{
    return HX_LIKELY(atomic_load_explicit(&parked->cpu, memory_order_relaxed) == cpu) ||
           HX_LIKELY((thread_affinity(parked) >> cpu & 1) != 0);
}

/*
 * Take a parked thread for this CPU, as wake and pick would do in two steps. Not when the caller's
 * turn is over: then the policy chooses, and who hand the CPU to each other do not keep it for
 * ever.
 */
static HX_ALWAYS_INLINE bool dispatch_take_over(const struct thread *self, struct thread *next,
                                                uint32_t cpu)
{
    uint32_t expected = THREAD_PARKED;

    /* Acquire pairs with settle_parked; release with the consumption in finish_parking. */
    return HX_LIKELY(!self->reschedule) && dispatch_may_run_on(next, cpu) &&
           HX_LIKELY(atomic_compare_exchange_strong_explicit(
               &next->state, &expected, THREAD_RUNNING | THREAD_TOKEN, memory_order_acq_rel,
               memory_order_relaxed));
}

/* --- what is rare (dispatch.c) ---------------------------------------------------------------- */

/* Move a thread that was left on, whatever its state. */
HX_COLD void dispatch_finish_switch(struct thread *previous);

/* What a thread does before it leaves its CPU to next, NULL: perhaps to nobody, while somebody
 * waits for that or records it. */
HX_PRESERVE_REGISTERS void dispatch_make_detour(const struct thread *self,
                                                const struct thread *next);

/* Without taking over: next goes the usual way, and so does the caller. */
HX_COLD hx_err dispatch_wake_and_park(struct thread *next, _Atomic uint32_t *word, uint32_t value,
                                      struct spinlock *lock, uint64_t deadline_ns);

/* The caller does not park after all: a token has come, or the deadline is past. */
HX_COLD hx_err dispatch_give_back(struct thread *next);

/* --- handing over ----------------------------------------------------------------------------- */

/* A deadline is not past; THREAD_NO_DEADLINE as a constant leaves the timer out. */
HX_MUST_USE static HX_ALWAYS_INLINE hx_err dispatch_hand_over(struct thread *next,
                                                              _Atomic uint32_t *word,
                                                              uint32_t value, struct spinlock *lock,
                                                              uint64_t deadline_ns)
{
    struct thread *self = thread_current();
    uint32_t cpu = hal_cpu_id();
    struct thread *previous;

    if (HX_UNLIKELY(!dispatch_take_over(self, next, cpu))) {
        return dispatch_wake_and_park(next, word, value, lock, deadline_ns);
    }
    /* Release: who is woken acquires the word. */
    atomic_store_explicit(word, value, memory_order_release);
    spinlock_release_nested(lock);
    if (HX_UNLIKELY(!dispatch_begin_parking(self))) {
        return dispatch_give_back(next);
    }
    if (deadline_ns != THREAD_NO_DEADLINE) {
        timer_start(&self->park_timer, deadline_ns, 0);
    }
    if (read_makes_detour(cpu)) {
        dispatch_make_detour(self, next);
    }
    previous = dispatch_leave_to(self, next, cpu, self->slice_ticks);
    /* Who hands over is Parking. */
    if (HX_UNLIKELY(!dispatch_try_settle_parked(previous))) {
        dispatch_finish_switch(previous);
    }
    if (deadline_ns != THREAD_NO_DEADLINE) {
        timer_cancel(&thread_current()->park_timer);
    }
    return dispatch_finish_parking(thread_current());
}

/* thread_hand_over; without a deadline it is written out. */
HX_MUST_USE static HX_ALWAYS_INLINE hx_err thread_hand_over_inline(struct thread *next,
                                                                   _Atomic uint32_t *word,
                                                                   uint32_t value,
                                                                   struct spinlock *lock,
                                                                   uint64_t deadline_ns)
{
    return HX_LIKELY(deadline_ns == THREAD_NO_DEADLINE)
               ? dispatch_hand_over(next, word, value, lock, THREAD_NO_DEADLINE)
               : thread_hand_over(next, word, value, lock, deadline_ns);
}

#endif
