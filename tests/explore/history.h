/*
 * What the threads of a schedule did to an object, and whether some order of it, one operation
 * after the other, is what the object's specification allows (linearizability: Herlihy and Wing
 * 1990; the search: Wing and Gong 1993).
 */
#ifndef TESTS_EXPLORE_HISTORY_H
#define TESTS_EXPLORE_HISTORY_H

#include <helix/error.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HISTORY_OPERATIONS 24U
#define HISTORY_STATE_MAX  256U

struct operation {
    unsigned kind;     /* the object's */
    uint64_t argument; /* what it was called with */
    hx_err error;      /* what came of it */
    uint64_t value;
    unsigned called;   /* when: a number that grows with each call and return */
    unsigned returned; /* UINT32_MAX: not yet */
    unsigned thread;
};

/* An object's specification: a state of that many bytes, all zero at first. */
struct specification {
    size_t state_size; /* at most HISTORY_STATE_MAX */
    /* Do the operation to the state; false: it cannot have this outcome now. */
    bool (*apply)(void *state, const struct operation *operation);
    void (*print)(const struct operation *operation); /* one line, without its end */
};

/* Forget everything. */
void history_start(void);

/* A call begins; and ends, with its outcome.  Context: a virtual thread. */
struct operation *history_call(unsigned kind, uint64_t argument);
void history_return(struct operation *operation, hx_err error, uint64_t value);

/* The schedule has failed unless the history can be put in an order.  Context: a virtual thread. */
void history_check(const struct specification *specification);

#endif
