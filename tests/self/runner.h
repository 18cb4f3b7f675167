/* The order of the suites, for the runner alone. */
#ifndef TESTS_SELF_RUNNER_H
#define TESTS_SELF_RUNNER_H

#include <stddef.h>
#include <tests/self/selftest.h>

/* Each ends with a NULL name; one that this image does not have is NULL. */
extern const struct selftest *const selftest_suites[];
extern const size_t selftest_suite_count;

#endif
