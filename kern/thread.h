/*
 * Kernel threads.
 *
 * Rules:
 * - A thread blocks through one primitive: thread_park, woken by thread_unpark or a deadline.
 *   A wake-up that comes before the park is kept (one token), so it is never lost; who parks
 *   re-checks its condition, because a token may be older than the wait.
 * - Core owns a thread's state, priority and CPU; the scheduler's ops only order runnable threads.
 * - A thread that was switched away from becomes runnable (or parked) only after its registers are
 *   saved, by the thread that runs next: no lock is held across a switch.
 * - Preemption: preempt_depth counts the reasons not to switch. Interrupts do not switch by
 *   themselves; their return does, when the depth is zero and `reschedule` is set.
 * - An exited thread's stack and structure are freed by the reaper thread, never by itself.
 * - Who handles an interrupt counts interrupt_depth (nmi_depth) up before and down after its work,
 *   then calls thread_interrupt_return.
 */
#ifndef KERN_THREAD_H
#define KERN_THREAD_H

#include <base/list.h>
#include <base/pairing_heap.h>
#include <hal/entry.h>
#include <hal/gate.h>
#include <hal/interrupt.h>
#include <hal/thread.h>
#include <helix/attributes.h>
#include <helix/error.h>
#include <kern/area.h>
#include <kern/owner.h>
#include <kern/thread_table.h>
#include <kern/timer.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct module_instance;
struct hal_space;
struct process;
struct spinlock;
struct syscall_record;
struct user_thread;

/* How deep calls into modules may nest on one thread. */
#define THREAD_GATE_DEPTH 8

/* One more record: for the scheduler's module, called by an interrupt on top of all others. */
#define THREAD_GATE_RECORDS (THREAD_GATE_DEPTH + 1)

#define THREAD_NAME_MAX    24
#define THREAD_STACK_SIZE  (16U * 1024U)
#define THREAD_NO_DEADLINE UINT64_MAX

#define THREAD_PRIORITY_LOWEST  0
#define THREAD_PRIORITY_NORMAL  16
#define THREAD_PRIORITY_HIGHEST 31

/* Whole life of a thread: New -> Runnable <-> Running -> (Parking -> Parked -> Runnable)* -> Exited
 */
enum thread_state {
    THREAD_NEW,
    THREAD_RUNNABLE, /* in a run queue */
    THREAD_RUNNING,
    THREAD_PARKING,  /* still on its CPU, on the way to Parked */
    THREAD_NOTIFIED, /* Parking, and a wake-up has come */
    THREAD_PARKED,
    THREAD_EXITED,
    THREAD_IDLE, /* a CPU's boot thread, always: runs when nothing else can, is never queued or
                    parked */
};

/*
 * Keys: I = immutable after create, O = the thread itself and interrupts on its CPU, A = atomic,
 *       W = written by its CPU only, read by anyone (relaxed), Q = the run queue's lock,
 *       L = the thread list's lock
 */
struct thread {
    struct hal_thread hal;      /* O  first: the port finds it here, and behind it … */
    _Atomic uint32_t user_work; /* A  THREAD_WORK_*: to be looked at before user mode goes on */
    uint32_t preempt_depth;     /* O  0: may be switched away from */
    union {
        struct {
            uint16_t interrupt_depth; /* O  nesting of interrupt handlers on top of this thread */
            uint16_t nmi_depth;       /* O */
        };
        uint32_t interruptions; /* O  both at once: 0 in thread context */
    };
    bool reschedule;             /* O  switch at the next chance */
    struct hal_space *space;     /* I  address space activated when it first runs */
    struct process *process;     /* I  NULL for a kernel thread */
    struct user_thread *user;    /* I  a process's thread: what subsys/process keeps of it */
    _Atomic uint64_t subject;    /* A  of core/capability; of a thread of a process */
    uint32_t process_number;     /* O  its process's id; 0: a kernel thread */
    uint32_t thread_number;      /* O  what programs know it by */
    struct syscall_record *call; /* O  core/syscall's: the innermost call recorded, NULL: none */
    _Atomic uint32_t state;      /* A  enum thread_state | THREAD_TOKEN */
    _Atomic uint32_t cpu;        /* A  where it runs or is queued, or ran last */
    struct thread *previous;     /* O  who ran on its CPU just before it */
    _Atomic uint64_t affinity;   /* A  bit n: may run on CPU n; changed by itself, and by who
                                    queues it (kern/displaced.h) */
    _Atomic uint64_t displaced_from; /* A  its own affinity while that names no CPU that is there,
                                        else 0; changed by the same */
    _Atomic uint16_t priority_word;  /* A  thread_priority, thread_nice in the upper byte */
    uint8_t own_priority;            /* I  without what is lent to it (kern/inheritance.h) */
    _Atomic bool waits_for_mutex;  /* A  set and cleared by itself: a wake-up makes it look again */
    struct list run_link;          /* Q  (L once exited) */
    struct thread_place *place;    /* I  in the table by handle; NULL for a boot thread */
    uint64_t handle;               /* I  (kern/thread_table.h) */
    uint32_t slice_ticks;          /* O  ticks since it was last switched to */
    uint64_t run_since;            /* O  cycle counter when run_total was last brought up to date */
    _Atomic uint64_t run_total;    /* W  cycles it has run, to within a tick */
    _Atomic uint64_t switches;     /* W  times it was switched to */
    struct timer park_timer;       /* O */
    struct list all_link;          /* L */
    uint32_t id;                   /* I  1.. */
    owner_tag owner;               /* I */
    uint64_t charge;               /* I  what the accounting's charge gave */
    struct area *stack;            /* I  NULL for a CPU's boot thread */
    void (*entry)(void *argument); /* I */
    void *argument;                /* I */
    char name[THREAD_NAME_MAX];    /* I */
    struct loan *loans;            /* O  core/gate's: what its calls into modules may reach */
    struct hal_activation
        gate_records[THREAD_GATE_RECORDS]; /* O  calls into modules (hal/gate.h) */
};

/* Reasons in user_work. Any of them makes the port call kernel_return_to_user (hal/entry.h). */
#define THREAD_WORK_SIGNAL 1U /* a signal that is not blocked may be pending: waits end early */
#define THREAD_WORK_EXIT   2U /* the thread is to end: waits end early */
#define THREAD_WORK_RESTORE                                                                        \
    4U /* something is to be put back on the way out; no wait ends for it                          \
        */
#define THREAD_WORK_CPU_TIME                                                                       \
    8U /* its process's CPU time is to be looked at; no wait ends for it                           \
        */
#define THREAD_WORK_INTERRUPTS (THREAD_WORK_SIGNAL | THREAD_WORK_EXIT)

/* A wake-up that no park has consumed yet; beside the state, in the same word. */
#define THREAD_TOKEN      0x100U
#define THREAD_STATE_MASK 0xffU

static inline struct thread *thread_current(void)
{
    return hal_thread_current();
}

/* --- preemption and context ------------------------------------------------------------------- */

/*
 * Switch away because `reschedule` was set; nothing while the caller may not block: then the return
 * from the next interrupt, or the next preempt_enable, does it.  Context: any but nmi.
 */
void thread_preempt(void);

static inline void preempt_disable(void)
{
    thread_current()->preempt_depth++;
    atomic_signal_fence(memory_order_seq_cst);
}

/*
 * Count down only; returns whether to call thread_preempt (which checks everything), best as the
 * caller's last act: a hot path that ends in a tail call saves no registers.
 */
HX_MUST_USE static inline bool preempt_enable_deferred(void)
{
    struct thread *self = thread_current();

    atomic_signal_fence(memory_order_seq_cst);
    self->preempt_depth--;
    return HX_UNLIKELY(self->reschedule);
}

static inline void preempt_enable(void)
{
    if (preempt_enable_deferred()) {
        thread_preempt();
    }
}

/* Whether the caller runs in an interrupt handler or NMI: what it must then not do is block. */
static inline bool context_is_interrupt(void)
{
    const struct thread *self = thread_current();

    return self->interruptions != 0;
}

/* Whether the caller may block: thread context, preemption and interrupts on. */
static inline bool context_can_block(void)
{
    return !context_is_interrupt() && thread_current()->preempt_depth == 0 &&
           hal_interrupts_enabled();
}

/* --- start-up --------------------------------------------------------------------------------- */

/*
 * Make the calling flow of control the boot CPU's idle-to-be thread ("boot/0"), and prepare
 * scheduling, timers, read sections and calls between CPUs: called once for each start of the
 * machine, first thing in kernel_main; the port has already pointed hal_thread_current() at
 * thread_boot(0). CPU 0 is online afterwards.
 */
void thread_init_boot(void);

/*
 * From here on the boot CPU schedules: other threads may run, and the boot thread goes on only
 * while none wants to. Starts the reaper (needs heap and areas). Context: boot, once, by the boot
 * CPU.  Errors: HX_ENOMEM.
 */
HX_MUST_USE hx_err thread_start_scheduling(void);

/*
 * Turn the calling boot thread into this CPU's idle loop; a secondary CPU schedules from here on.
 * Context: boot, after cpu_set_online.
 */
HX_NORETURN void thread_idle(void);

/* --- threads ---------------------------------------------------------------------------------- */

/*
 * Who counts threads, and may refuse one. charge comes before a thread exists, release when it
 * exits, with what charge gave. Both are called in thread context and do not block.
 */
struct thread_accounting {
    hx_err (*charge)(owner_tag owner, uint64_t *charge);
    void (*release)(owner_tag owner, uint64_t charge);
};

/* Make the boot thread of a CPU that is off line as it was before that CPU first ran.  Called
 * before it starts. */
void thread_reset_boot(uint32_t cpu);

/* Count all threads from now on.  Context: boot, once, before the first thread_create. */
void thread_set_accounting(const struct thread_accounting *ops);

struct thread_options {
    const char *name;
    void (*entry)(void *argument);
    void *argument;
    uint8_t priority;        /* 0 is lowest */
    uint64_t affinity;       /* CPUs it may run on, 0: any */
    owner_tag owner;         /* 0: OWNER_CORE */
    size_t stack_size;       /* bytes, rounded up to pages; 0: THREAD_STACK_SIZE */
    struct process *process; /* NULL: kernel thread */
    struct user_thread *user;
    struct hal_space *space; /* NULL: the kernel's */
};

/*
 * Create a thread, not yet started, on a stack with guard pages. When entry returns, it exits.
 * The name is copied, cut to THREAD_NAME_MAX - 1 bytes; NULL is "unnamed".
 * Context: thread.  Blocks: no.  Errors: HX_EINVAL no entry, a priority above
 * THREAD_PRIORITY_HIGHEST, an affinity without any CPU that is online; HX_ENOMEM; what the
 * accounting refuses with.
 */
HX_MUST_USE hx_err thread_create(const struct thread_options *options, struct thread **thread);

/* Make a new thread runnable. Afterwards the pointer is valid only until the thread exits. Context:
 * any. */
void thread_start(struct thread *thread);

HX_NORETURN void thread_exit(void);

/*
 * Free threads that have exited, before the reaper comes to it. Returns whether there were any.
 * Context: thread, interrupts on.  Blocks: spins.
 */
bool thread_reap(void);

/*
 * Change which CPUs the calling thread may run on; it goes to one of them at once. While all of
 * them are off line later, it runs where it can, and afterwards within them again.
 * Context: thread, may block.  Errors: HX_EINVAL none of them is online.
 */
HX_MUST_USE hx_err thread_set_own_affinity(uint64_t affinity);

/*
 * How long a thread runs before others of its priority have their turn: at 0 the policy's slice,
 * five times as long at -20, a twentieth of it (but a tick at least) at 19.
 * Context: any; the thread cannot go away meanwhile.
 */
#define THREAD_NICE_LEAST (-20)
#define THREAD_NICE_MOST  19
void thread_set_nice(struct thread *thread, int nice);

/* Both in one word, as schedulers are told: the priority in the low byte, the niceness above it. */
static inline uint16_t thread_priority_word(const struct thread *thread)
{
    return atomic_load_explicit(&thread->priority_word, memory_order_relaxed);
}

/* With what is lent to it (kern/inheritance.h). */
static inline uint8_t thread_priority(const struct thread *thread)
{
    return (uint8_t)thread_priority_word(thread);
}

/* CPUs it may run on: all, while those that were asked for are off line.  Context: any. */
static inline uint64_t thread_affinity(const struct thread *thread)
{
    return atomic_load_explicit(&thread->affinity, memory_order_relaxed);
}

static inline uint64_t thread_displaced_from(const struct thread *thread)
{
    return atomic_load_explicit(&thread->displaced_from, memory_order_relaxed);
}

static inline int thread_nice(const struct thread *thread)
{
    return (int8_t)(thread_priority_word(thread) >> 8);
}

/* Let others of the same priority run first.  Context: thread. */
void thread_yield(void);

/*
 * Wait for a wake-up token or the absolute time (THREAD_NO_DEADLINE: for ever), and consume the
 * token. Everything the waker wrote before thread_unpark is visible afterwards. Context: thread,
 * may block; not a boot thread.  Errors: HX_ETIMEDOUT the deadline has passed and no wake-up has
 * come.
 */
HX_MUST_USE hx_err thread_park(uint64_t deadline_ns);

/*
 * thread_unpark(next), store value to *word, release the lock, thread_park(deadline_ns), in one
 * step. A next that is parked and may run on this CPU takes the caller's place at once, without a
 * run queue, for the rest of the caller's turn. The store is the last that is done with next, so
 * that it can exit as soon as it has seen the word; until then the lock keeps it. The caller, who
 * may block, has interrupts off and the lock.
 * Context: thread, may block; not a boot thread.  Errors: as thread_park.
 */
HX_MUST_USE hx_err thread_hand_over(struct thread *next, _Atomic uint32_t *word, uint32_t value,
                                    struct spinlock *lock, uint64_t deadline_ns);

/* Park without a deadline.  Context: thread, may block; not a boot thread. */
void thread_wait(void);

/* Wake a thread, or keep the token for its next park. Idempotent until it is consumed.  Context:
 * any but nmi. */
void thread_unpark(struct thread *thread);

/*
 * Give a thread something to look at before it goes on in user mode: set the reasons, wake it if it
 * waits (wait_queue_wait_interruptible then answers HX_EINTR), and make the CPU that runs it enter
 * the kernel. The thread cannot exit meanwhile: the caller sees to that.  Context: any but nmi.
 */
void thread_interrupt(struct thread *thread, uint32_t reasons);

/* Whether the calling thread's interruptible waits are to end early.  Context: thread. */
static inline bool thread_is_interrupted(void)
{
    /* relaxed: who set it unparks afterwards, and that orders */
    return (atomic_load_explicit(&thread_current()->user_work, memory_order_relaxed) &
            THREAD_WORK_INTERRUPTS) != 0;
}

/* Sleep at least so long; consumes a token that comes meanwhile.  Context: thread, may block. */
void thread_sleep(uint64_t nanoseconds);

/*
 * Call back for every thread under the list's lock; callback must not block or take locks of rank
 * THREAD_LIST or below. Stops when it returns false.
 */
void thread_for_each(bool (*callback)(struct thread *thread, void *argument), void *argument);

/*
 * The same for the threads that are inside a call into a module, or were a moment ago: the record
 * of their outermost call names an instance. A call made by an interrupt that came before the
 * interrupted thread's own record was written is passed over; such a call has interrupts off.
 */
void thread_for_each_in_call(bool (*callback)(struct thread *thread, void *argument),
                             void *argument);

const char *thread_state_name(const struct thread *thread);

/* CPU time a thread has used so far, ns, to within a tick.  Context: any. */
uint64_t thread_run_time(const struct thread *thread);

/* Threads that exist: boot threads of CPUs that schedule, and exited ones not freed yet, included.
 */
uint32_t thread_count(void);

/*
 * How long a CPU has had no thread to run since its start, interrupts included, in
 * hal_clock_cycles() units.  Context: any.
 */
uint64_t thread_idle_cycles(uint32_t cpu);

/*
 * Ticks of a CPU since its start. It ticks each millisecond while it is not idle.  Context: any.
 */
uint64_t thread_tick_count(uint32_t cpu);

/* --- called by interrupts --------------------------------------------------------------------- */

/* Call back at each tick of a CPU that runs a process's thread, with interrupts off.  Context:
 * boot, once. */
void thread_set_tick_hook(void (*hook)(struct thread *thread));

/* This CPU's timer interrupt: runs due timers, ends time slices.  Context: irq. */
void thread_timer_interrupt(void);

/* A message from another CPU asking this one to look at its run queue.  Context: irq. */
void thread_reschedule_interrupt(void);

/* The rest of thread_interrupt_return. */
void thread_preempt_interrupted(void);

/* The last thing of every interrupt: switch if wanted and allowed.  Context: irq epilogue, irqs
 * off. */
static inline void thread_interrupt_return(void)
{
    if (HX_UNLIKELY(thread_current()->reschedule)) {
        thread_preempt_interrupted();
    }
}

#endif
