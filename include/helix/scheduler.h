/*
 * Schedulers: modules that decide which runnable thread a CPU runs next.
 *
 * Rules:
 * - The kernel owns threads, their states, priorities and affinities; the scheduler orders handles.
 * A thread that was enqueued is the scheduler's until pick hands it back.
 * - Operations are called with interrupts off, on several CPUs at once, also from interrupts. They
 * do not wait, and call no function of the kernel but hx_log and hx_fail.
 * - A handle that pick answers and that is not enqueued, or may not run on that CPU, ends the
 * instance. Then, and while the slot is closed or empty, the kernel's own first-in-first-out queues
 * serve.
 * - One that loses a thread dies of it: it answers a CPU that there is nothing to run, for a
 * second, while a thread that may run there waits.
 * - activate and cancel_unload begin with no thread at all and ask hx_runnable_threads for those
 * that are to be enqueued; there is no other state but statistics.
 */
#ifndef HELIX_SCHEDULER_H
#define HELIX_SCHEDULER_H

#include <helix/error.h>
#include <helix/operation.h>
#include <stdint.h>

#define HX_SCHEDULER_CPU_MAX 64U

/* Handles: the low bits are an index, dense from 0, of which no two threads have the same at once.
 */
#define HX_THREAD_INDEX_BITS    20U
#define HX_THREAD_INDEX(thread) ((uint32_t)((thread) & ((1U << HX_THREAD_INDEX_BITS) - 1)))

/* A priority word: 0 (lowest) to 31 in the low byte, niceness -20 to 19 in the next. */
#define HX_PRIORITY_LEVEL(word) ((word)&0xffU)
#define HX_PRIORITY_NICE(word)  ((int)(int8_t)((word) >> 8))
#define HX_PRIORITY_LEVELS      32U

/* What enqueue answers. */
enum hx_scheduler_enqueued {
    HX_SCHEDULER_QUEUED,
    HX_SCHEDULER_PREEMPTS, /* and it should run at once, instead of what runs on that CPU */
    HX_SCHEDULER_REFUSED,  /* not taken: the kernel queues it itself */
};

/*
 * - enqueue: a thread is runnable; cpu is where it is to wait, affinity where it may run.
 * - pick: the next thread for a CPU, 0: none; from another CPU's queue if its own is empty.
 * - is_over: whether the turn of what runs on the CPU is over after so many ticks of 1 ms, as
 * others wait.
 * - length: how many threads wait for a CPU.
 * - number: statistic number index (enum hx_scheduler_statistic), 0 where there is none.
 * - reprioritize: the priority of a thread is now this one, and stays until it is enqueued again or
 *   this is called again. It waits where it was enqueued, or runs (is_running) on that CPU, or is
 * on its way from one to the other; it may be told of again. Answers as enqueue, never REFUSED. A
 *   module without it learns of a thread's priority when it is enqueued.
 */
#define HX_SCHEDULER_OPERATION_LIST(X)                                                             \
    X(SCHEDULER_ENQUEUE, enqueue, uint64_t,                                                        \
      (uint64_t thread, uint64_t cpu, uint64_t priority, uint64_t affinity), HX_OPERATION_READS)   \
    X(SCHEDULER_PICK, pick, uint64_t, (uint64_t cpu), HX_OPERATION_READS)                          \
    X(SCHEDULER_IS_OVER, is_over, uint64_t, (uint64_t cpu, uint64_t ticks, uint64_t priority),     \
      HX_OPERATION_READS)                                                                          \
    X(SCHEDULER_LENGTH, length, uint64_t, (uint64_t cpu), HX_OPERATION_READS)                      \
    X(SCHEDULER_NUMBER, number, uint64_t, (uint64_t index), HX_OPERATION_READS)                    \
    X(SCHEDULER_REPRIORITIZE, reprioritize, uint64_t,                                              \
      (uint64_t thread, uint64_t cpu, uint64_t priority, uint64_t is_running), HX_OPERATION_READS)

enum hx_scheduler_operation {
    HX_SCHEDULER_OPERATION_LIST(HX_OPERATION_ENUM) SCHEDULER_OPERATION_COUNT
};

struct hx_scheduler_operations {
    HX_SCHEDULER_OPERATION_LIST(HX_OPERATION_MEMBER)
};

enum hx_scheduler_statistic {
    HX_SCHEDULER_PICKS,       /* threads given to a CPU from its own queue */
    HX_SCHEDULER_STEALS,      /* and from another's */
    HX_SCHEDULER_PREEMPTIONS, /* enqueued ones that should run at once */
    HX_SCHEDULER_TURNS,       /* turns that were over at a tick, as others waited */
    HX_SCHEDULER_LONGEST,     /* the most threads that waited for one CPU at a tick of it */
    HX_SCHEDULER_STATISTICS,
};

/* A thread that waits to run. */
struct hx_runnable {
    uint64_t thread;
    uint64_t affinity;
    uint32_t cpu; /* where it is to wait */
    uint32_t priority;
};

#define HX_RUNNABLE_MAX 128U

/*
 * Threads that are to be enqueued, at most max of them; *cursor is 0 at first and says where to go
 * on. *count says how many: 0, that was all. In activate and cancel_unload only, where the module
 * is alone. Errors: HX_EFAULT, HX_EINVAL max is 0 or above HX_RUNNABLE_MAX, HX_ECONTEXT.
 */
hx_err hx_runnable_threads(uint64_t *cursor, struct hx_runnable *threads, uint64_t max,
                           uint64_t *count);

/*
 * Do not take one of those threads: the kernel queues it itself. In activate and cancel_unload
 * only. Errors: HX_ENOENT it is none of them, HX_ECONTEXT.
 */
hx_err hx_runnable_refuse(uint64_t thread);

#endif
