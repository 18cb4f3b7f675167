/*
 * Files of /helix.
 *
 * Rules:
 * - A function that fails has said why, in a sentence, on standard error: for want of a capability
 *   which one, and whom to ask.
 */
#ifndef USER_HELIXCTL_SOURCE_H
#define USER_HELIXCTL_SOURCE_H

#include <stdbool.h>
#include <stddef.h>

#define SOURCE_PATH_MAX 128

/* A whole file, for free(); NULL if it could not be read. *length may be NULL. */
char *source_read(const char *name, size_t *length);

/* The same, and nothing is said. */
char *source_try_read(const char *name, size_t *length);

/* Write one command; what its errors mean beside a missing capability, or NULL, is said too. */
bool source_write(const char *name, const char *command, const char *meaning_of_errors);

/* The same with a request's words as the command; says so if they are too many. */
bool source_write_words(const char *name, char *const *words, int count,
                        const char *meaning_of_errors);

/* Open it; -1. */
int source_open(const char *name, int flags);

/* Say what errno means for a file. */
void source_complain(const char *name, const char *meaning_of_errors);

#endif
