/*
 * Interrupt router: which CPUs an external line goes to (SPEC I4).
 *
 * Rules:
 * - Fixed: one CPU. Broadcast: all that are online. Round robin: the next CPU in turn, at routing
 * time and again at each rebalance (the controller cannot rotate by itself).
 * - Lowest priority: the CPU that was the least busy in the last window. At each rebalance all such
 *   lines are spread anew by what their handlers took (balance.h), if two CPUs differ by
 *   ROUTER_MARGIN_PERCENT of a window or more. Loads are averaged over windows, each counting
 *   three quarters of the one after it.
 * - Busy is the time outside the idle thread plus the time in interrupt handlers.
 */
#ifndef CORE_INTERRUPTS_ROUTER_H
#define CORE_INTERRUPTS_ROUTER_H

#include <hal/interrupt.h>
#include <helix/attributes.h>
#include <helix/error.h>
#include <stdint.h>

#define ROUTER_LINE_MAX       256
#define ROUTER_MARGIN_PERCENT 10U
#define ROUTER_PERIOD_NS      100000000ULL

enum route_strategy {
    ROUTE_FIXED_CPU,
    ROUTE_ROUND_ROBIN,
    ROUTE_LOWEST_PRIORITY,
    ROUTE_BROADCAST,
};

/*
 * Route a line to a vector and unmask it; again for a line that is routed: changes it.
 * cpu is for ROUTE_FIXED_CPU alone.
 * Context: boot or thread.  Errors: HX_EINVAL line, vector, strategy or a CPU that is not online.
 */
HX_MUST_USE hx_err router_route(uint32_t line, uint8_t vector, struct hal_line_mode mode,
                                enum route_strategy strategy, uint32_t cpu);

/* Mask a line and forget it.  Errors: HX_ENOENT not routed. */
HX_MUST_USE hx_err router_unroute(uint32_t line);

/* The CPUs a line goes to, bit n = CPU n; 0: not routed.  Context: any but nmi. */
uint64_t router_cpus(uint32_t line);

/*
 * A CPU is about to go off line: its lines go to others, and what has been on its way to it has
 * arrived when this returns. A line fixed to it goes to another one, until router_return.
 * Context: thread, the CPU online.  Errors: HX_EIO a line could not be moved; all are as before.
 */
HX_MUST_USE hx_err router_leave(uint32_t cpu);

/* The CPU is online again, or stays so: lines go there again, those that are fixed to it at once.
 * Context: thread. */
void router_return(uint32_t cpu);

/* Rebalance every ROUTER_PERIOD_NS from now on.  Context: boot or thread, once. */
void router_start(void);

/* One rebalancing step over the window since the one before.  Context: irq or thread. */
void router_rebalance(void);

/* Per mille of the last window that a CPU was busy; 0 while it is off line.  Context: any. */
uint32_t router_busy_permille(uint32_t cpu);

#endif
