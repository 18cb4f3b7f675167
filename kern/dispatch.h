/*
 * Which thread a CPU runs: switching, parking, idling, ticking. The public half is thread.h; this
 * header is what thread.c, which makes and frees threads, asks of dispatch.c, and the other way
 * round.
 */
#ifndef KERN_DISPATCH_H
#define KERN_DISPATCH_H

#include <helix/attributes.h>
#include <stdint.h>

struct thread;
struct timer;

/* Tell each CPU's idle thread, and empty the policy's queues. */
void dispatch_init(struct thread *(*idle_of)(uint32_t cpu));

/* Have another policy order threads from now on: one that knows of those that wait in
 * scheduler_fifo's queues.  Context: any. */
struct scheduler_ops;
void dispatch_set_policy(const struct scheduler_ops *ops);

/* Let other threads run on this CPU; its boot thread is the one that calls. */
void dispatch_begin(void);

/* Queue a thread in state Runnable on the CPU that suits it, and have that CPU look.  Interrupts
 * off. */
void dispatch_enqueue(struct thread *thread);

/*
 * Give a thread that cannot go away another priority, and tell the scheduler.  Context: any but
 * nmi. Locks: LOCK_RANK_INHERITANCE, so that changes are told in their order.
 */
void dispatch_change_priority(struct thread *thread, uint8_t priority);

/* Tell the scheduler of its priority again.  Context, locks: the same. */
void dispatch_tell_priority(struct thread *thread);

/* The low byte of the priority word.  (thread.c) */
void thread_set_priority(struct thread *thread, uint8_t priority);

/* The first thing a new thread does: finish the switch that led to it.  Interrupts off. */
void dispatch_arrive(void);

/* Leave the calling thread for ever; thread_bury gets it when its stack is no longer in use. */
HX_NORETURN void dispatch_exit(void);

/* This CPU, in its idle thread, runs no thread any more until dispatch_begin.  Interrupts off. */
void dispatch_end(void);

/* Have a CPU that is online look for the next thread.  Context: any but nmi. */
void dispatch_kick(uint32_t cpu);

/*
 * Give the calling thread an affinity, and return when it runs within it, or is displaced from it:
 * at no moment is it queued where it may not run.  Context: thread, may block.
 */
void dispatch_move_within(uint64_t affinity);

/* The function of every thread's park_timer. */
void dispatch_park_expired(struct timer *timer);

/* Have the calling boot thread in the list of all threads.  (thread.c) */
void thread_adopt_boot(void);

/* Hand an exited thread to the reaper.  Interrupts off.  (thread.c) */
void thread_bury(struct thread *thread);

#endif
