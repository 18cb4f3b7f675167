/*
 * Faults put into the module of a slot, one after the other, while a program works with it; what
 * came of each is told on the second serial line, which no module drives.
 *
 * Rules:
 * - A work is a round of everything that programs have of a module, with all answers checked. It
 *   runs in a process of its own, so that it may hang.
 * - From the same seed and number comes the same fault.
 */
#ifndef TESTS_USERLAND_CHAOS_CHAOS_H
#define TESTS_USERLAND_CHAOS_CHAOS_H

#include <stdbool.h>
#include <stdint.h>

#define NAME_SIZE 40

enum verdict {
    WORK_GOOD,
    WORK_REFUSED, /* an error where there should be none */
    WORK_WRONG,   /* not what was to be: a byte that differs, something lost or doubled */
    WORK_HUNG,    /* it did not end */
};

/* What programs do with a slot's module. */
struct work {
    const char *slot;
    const char *witness;           /* a slot with the same module, NULL: there is none */
    enum verdict (*prepare)(void); /* once; may be NULL */
    enum verdict (*run)(unsigned round);
};

extern const struct work memory_work, entropy_work, block_work, file_system_work, scheduler_work,
    console_work, security_work, audit_work, metrics_work, demo_work;

/* Fill with bytes that tell where they belong, and compare. */
void fill_pattern(uint8_t *bytes, unsigned size, unsigned seed);
bool is_pattern(const uint8_t *bytes, unsigned size, unsigned seed);

/* --- /helix ----------------------------------------------------------------------------------- */

/* What /helix/heal says of a slot. */
struct member {
    char health[NAME_SIZE];
    unsigned long deaths;
};

/* What /helix/inject says. */
struct injected {
    char stage[NAME_SIZE];
    char where[128];
};

bool helix_write(const char *file, const char *text); /* errno tells why not */
bool helix_member(const char *slot, struct member *member);
bool helix_injected(struct injected *injected);
/* "NAME VERSION" of what is in the slot, "" for nothing. */
void helix_active(const char *slot, char active[NAME_SIZE]);
/* Names of the classes of faults, in their order; how many. */
unsigned helix_classes(char names[][NAME_SIZE], unsigned most);

/* The second serial line: a report for the host, and a line from it. */
void tell(const char *format, ...) __attribute__((format(printf, 1, 2)));
bool hear(char *line, unsigned size);

#endif
