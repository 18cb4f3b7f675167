/*
 * Read sections and grace periods (RCU: McKenney and Slingwine 1998), non-preemptible readers.
 *
 * Rules:
 * - Readers: read_enter, load a published pointer with memory_order_acquire (or consume), use it,
 *   read_leave. A section nests, never blocks, and costs two increments of the thread's own
 * counter.
 * - Writers: publish the new version with memory_order_release, read_synchronize, then free the
 * old.
 * - A CPU is quiescent when it switches threads, idles, or takes a timer tick with preempt_depth 0;
 *   one that is off line always is.
 * - Interrupt handlers, and any code with preemption or interrupts off, are readers by nature.
 */
#ifndef KERN_READ_SECTION_H
#define KERN_READ_SECTION_H

#include <hal/cpu.h>
#include <kern/thread.h>
#include <stdatomic.h>
#include <stdbool.h>

static inline void read_enter(void)
{
    preempt_disable();
}

static inline void read_leave(void)
{
    preempt_enable();
}

/*
 * Wait until every read section that was open at the call has ended. Callers that come while a
 * grace period is under way share the next one. Context: thread, may block.  Never inside a read
 * section (asserted).
 */
void read_synchronize(void);

/*
 * CPUs that make a detour on their way from one thread to another, in the lower half: those that
 * the grace period under way still waits for, which are in the upper half too, and all while
 * switches are recorded; one look serves for both.  read_section.c writes it.
 */
extern _Atomic uint64_t read_detours;
#define READ_PENDING_SHIFT 32
_Static_assert(HAL_CPU_MAX <= READ_PENDING_SHIFT, "CPUs are bits of half a word");

/* CPUs that the grace period under way still waits for.  Context: any. */
static inline uint64_t read_pending_cpus(void)
{
    return atomic_load_explicit(&read_detours, memory_order_relaxed) >> READ_PENDING_SHIFT;
}

/* Have all CPUs make the detour at every switch, or not any more.  Context: any but nmi. */
void read_detour_always(bool always);

/* The rest of read_quiescent, when somebody may wait for this CPU. */
HX_PRESERVE_REGISTERS void read_report_quiescent(void);

/* Whether a CPU that switches threads has more to do than that: read_report_quiescent, and what the
 * dispatcher records.  Called by the CPU itself, interrupts off. */
static HX_ALWAYS_INLINE bool read_makes_detour(uint32_t cpu)
{
    uint64_t detours = atomic_load_explicit(&read_detours, memory_order_relaxed);

    return HX_UNLIKELY((detours >> cpu & 1) != 0);
}

/*
 * Note that this CPU is in no read section.  Called by the scheduler and the tick; interrupts off.
 * A bit that this load misses is seen at the next switch: who set it has sent a message for that.
 */
static inline void read_quiescent(uint32_t cpu)
{
    if (read_makes_detour(cpu)) {
        read_report_quiescent();
    }
}

/* Grace periods include this CPU from now on.  Called by cpu_set_online. */
void read_section_join(void);

/* And not any more: it enters no read section from here on.  Called by the CPU itself as it leaves,
 * interrupts off, outside of any. */
void read_section_leave(void);

/* No CPU takes part.  Called by thread_init_boot. */
void read_section_init(void);

#endif
