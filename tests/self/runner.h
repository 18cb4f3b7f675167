/* The order of the suites, for the runner alone. */
#ifndef TESTS_SELF_RUNNER_H
#define TESTS_SELF_RUNNER_H

#include <tests/self/selftest.h>

/* Ends with NULL; each suite ends with a NULL name. */
extern const struct selftest *const selftest_suites[];

#endif
