/*
 * Threads that may not stay where they are: those of a CPU that leaves, and those whose affinity
 * names only CPUs that are off line.
 *
 * Rules:
 * - A thread is displaced when it is to be queued and no CPU of its affinity is open: it may run
 *   anywhere from then on, and keeps in displaced_from what it had. It gets that back when it is
 *   queued or picked the next time while one of those CPUs is open.
 * - While there may be such threads, or a CPU leaves, all that is queued and picked passes here, on
 *   its way to the scheduler's policy: at no other time does anybody pay for it.
 */
#ifndef KERN_DISPLACED_H
#define KERN_DISPLACED_H

#include <helix/attributes.h>
#include <stdbool.h>
#include <stdint.h>

struct scheduler_ops;
struct thread;

/* The policy that the dispatcher is to ask from now on, so that it comes to these ops in the end.
 * Called by dispatch_set_policy under its lock. */
const struct scheduler_ops *displaced_wrap_locked(const struct scheduler_ops *ops);

/* Look at all that is queued and picked, or not any more.  Context: thread, one at a time. */
void displaced_watch(bool watches);

/* A runnable thread that is to be queued may run on none of the CPUs that are open: displace it.
 * Returns where it may run now.  Interrupts off. */
HX_COLD uint64_t displaced_begin(struct thread *thread);

/* Nobody else waits for the CPU, the calling one: whether what runs there may not go on.
 * Interrupts off. */
bool displaced_must_go(const struct thread *self, uint32_t cpu);

/* Send what waits for a CPU that is not open elsewhere.  Context: thread. */
void displaced_sweep(uint32_t cpu);

/* Have threads go back that run displaced, as a CPU is open again.  Context: thread. */
void displaced_call_back(void);

/* Whether there are displaced threads: a walk over all.  Context: thread. */
bool displaced_is_any(void);

#endif
