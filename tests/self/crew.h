/*
 * A crew: some threads that a built-in test starts and waits for.
 *
 * Rules:
 * - A crew is static: when a member hangs, the test ends without it.
 * - One test thread opens, starts and joins; the members only run.
 */
#ifndef TESTS_SELF_CREW_H
#define TESTS_SELF_CREW_H

#include <hal/clock.h>
#include <kern/thread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define CREW_MAX 32U

/* How long a test waits for what is bound to happen: a busy host may keep a CPU waiting for long.
 */
#define CREW_PATIENCE_NS (60 * HAL_NS_PER_S)

/* How often a test may repeat what a busy host can spoil, until it goes well once. */
#define CREW_ATTEMPTS 100U

struct crew;

struct crew_member {
    struct crew *crew;
    void (*work)(void *argument);
    void *argument;
    struct thread *thread; /* valid until its work returns */
};

/* Keys: T = the test's thread, A = atomic */
struct crew {
    struct thread *tester;    /* T */
    uint32_t threads_before;  /* T  how many there were */
    _Atomic uint32_t started; /* A */
    _Atomic uint32_t done;    /* A */
    struct crew_member members[CREW_MAX];
};

/* Begin with no members. */
void crew_open(struct crew *crew);

/* Add a member on the CPUs of the mask (0: any). Returns it; a failure ends the test by NULL. */
struct crew_member *crew_start(struct crew *crew, void (*work)(void *argument), void *argument,
                               uint64_t affinity);

/*
 * Wait until every member has returned and its thread is freed; at most 90 s, then the test fails.
 * Returns whether all came back.
 */
bool crew_join(struct crew *crew);

/* Spin (letting interrupts in) until the word is at least value, at most CREW_PATIENCE_NS. Returns
 * whether it is. */
bool crew_spin_until(const _Atomic uint32_t *word, uint32_t value);

/* Sleep in steps until the word is at least value, at most CREW_PATIENCE_NS. Returns whether it is.
 */
bool crew_sleep_until(const _Atomic uint32_t *word, uint32_t value);

/* Return when every CPU has taken the interrupts that were on their way to it. */
void crew_settle_cpus(void);

/* The next of a series of random numbers (xorshift64, Marsaglia 2003); *state is not 0. */
uint64_t crew_random(uint64_t *state);

/* The n-th CPU that is online, counting from 0. */
uint32_t crew_cpu(uint32_t n);

#endif
