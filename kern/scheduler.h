/*
 * The choice of the next thread, behind ops that become the scheduler slot.
 *
 * Rules:
 * - All ops are called with interrupts off and never block, allocate or take locks above
 *   LOCK_RANK_RUN_QUEUE.
 * - A thread given to enqueue belongs to the policy until pick or dequeue hands it back.
 * - pick may take from another CPU's queue (stealing) but only threads whose affinity allows it.
 */
#ifndef KERN_SCHEDULER_H
#define KERN_SCHEDULER_H

#include <stdbool.h>
#include <stdint.h>

struct thread;

/* A turn of a thread of niceness 0, as core's own policy has it and programs are told. */
#define SCHEDULER_SLICE_NS 4000000ULL

struct scheduler_ops {
    const char *name;
    /* Make all queues empty.  Called once at boot. */
    void (*init)(void);
    /* Accept a runnable thread for a CPU's queue. Returns whether it should preempt what runs
     * there. */
    bool (*enqueue)(struct thread *thread, uint32_t cpu);
    /*
     * The same for what ran until now on the calling CPU, which has been given to another thread
     * meanwhile. If it should preempt that one, the CPU looks again as soon as interrupts are on.
     */
    void (*requeue)(struct thread *thread, uint32_t cpu);
    /*
     * The next thread for a CPU, removed from its queue; NULL: none. The CPU that idles has
     * announced so before, and relies on this: a thread enqueued by someone who did not see the
     * announcement is found. (Both take the queue's lock: whichever is second sees what the first
     * one did.)
     */
    struct thread *(*pick)(uint32_t cpu);
    /* Threads waiting in a CPU's queue. */
    uint32_t (*length)(uint32_t cpu);
    /* At a tick, while others wait: whether the turn of what runs on the CPU is over. */
    bool (*is_over)(const struct thread *running, uint32_t cpu);
    /*
     * A thread's priority is another one than when it was enqueued or picked; it may be neither,
     * and be told of again. Returns whether it should preempt what runs on its CPU. NULL: no
     * matter.
     */
    bool (*reprioritize)(struct thread *thread);
};

/* Core's own first-in-first-out policy, per-CPU queues, stealing by idle CPUs. */
extern const struct scheduler_ops scheduler_fifo;

#endif
