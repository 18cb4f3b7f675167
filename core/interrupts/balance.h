/*
 * Where lines go that are to be where least is done: a function of numbers alone (SPEC I4).
 *
 * Rules:
 * - Loads are per mille of a CPU's time.
 * - When two CPUs differ by the margin or more, all lines are placed anew: the heaviest first, each
 *   on the CPU that is the least busy by then (R. L. Graham, Bounds on Multiprocessing Timing
 *   Anomalies, 1969). With no more than two lines for each CPU, and no other work, nothing is more
 *   even; else the busiest CPU has at most a third more than it had to. So they are placed if that
 *   makes the difference less than the margin, or less by the margin.
 * - Where it does not, single lines move to a CPU that is so much less busy that the line does not
 *   just take the trouble with it.
 */
#ifndef CORE_INTERRUPTS_BALANCE_H
#define CORE_INTERRUPTS_BALANCE_H

#include <hal/cpu.h>
#include <stddef.h>
#include <stdint.h>

struct balance_line {
    uint32_t line;    /* the caller's */
    uint32_t load;    /* of its handlers */
    uint32_t cpu;     /* where it goes; changed */
    uint32_t planned; /* balance_lines' own */
};

/*
 * Choose CPUs of the mask (not empty) for lines, which are sorted by load meanwhile. busy is what
 * each CPU is, its lines included, and becomes what each will be if nothing else changes. A line
 * stays where it is unless another CPU is less busy by at least margin. Context: any.  O(count *
 * (count + CPUs)).
 */
void balance_lines(struct balance_line *lines, size_t count, uint64_t cpus,
                   uint32_t busy[HAL_CPU_MAX], uint32_t margin);

#endif
