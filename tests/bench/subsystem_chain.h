/*
 * Many subsystems that depend on each other, to see what starting them costs.
 *
 * Rules:
 * - They are registered last first, so that not one of them can start when it is registered.
 */
#ifndef TESTS_BENCH_SUBSYSTEM_CHAIN_H
#define TESTS_BENCH_SUBSYSTEM_CHAIN_H

#include <stdint.h>

/*
 * Register so many subsystems (1..SUBSYSTEM_MAX) in a set of their own, sort and initialise them,
 * and forget them. Returns the processor's cycles, 0 when it went wrong.  Context: thread.
 */
uint64_t subsystem_chain_start(uint32_t count);

#endif
