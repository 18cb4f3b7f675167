/* Keeping the calling thread on one CPU; waiting for the others to arrive. */
#ifndef TESTS_BENCH_HOST_PIN_H
#define TESTS_BENCH_HOST_PIN_H

#include <stdint.h>

/* Note which CPUs the process may use; before the first pin_to_turn. */
void pin_start(void);

/* Keep the caller on the n-th of them, going round; does nothing where that is refused. */
void pin_to_turn(uint32_t n);

#endif
