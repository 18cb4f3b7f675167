/* Finding lines in the kernel's log, for tests of what is said. */
#ifndef TESTS_SELF_LOG_LINES_H
#define TESTS_SELF_LOG_LINES_H

#include <stdbool.h>
#include <stdint.h>

/* The number of the next record to be written: where to begin looking for what comes. */
uint64_t log_lines_next(void);

/*
 * The number of the first record at or after from whose text matches the pattern of
 * string_matches(), 0: none.
 */
uint64_t log_lines_find(uint64_t from, const char *pattern);

/* How many records at or after from match. */
unsigned log_lines_count(uint64_t from, const char *pattern);

/*
 * Whether records that match the patterns, a list that ends with NULL, are there in this order; a
 * missing one fails the test by name.
 */
bool log_lines_in_order(uint64_t from, const char *const *patterns);

#endif
