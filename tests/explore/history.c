#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <tests/explore/explore.h>
#include <tests/explore/history.h>

static struct operation operations[HISTORY_OPERATIONS];
static unsigned operation_count;
static unsigned moment;

void history_start(void)
{
    operation_count = 0;
    moment = 0;
}

struct operation *history_call(unsigned kind, uint64_t argument)
{
    struct operation *operation = &operations[operation_count];

    explore_check(operation_count < HISTORY_OPERATIONS, "the history has room");
    operation_count++;
    *operation = (struct operation){.kind = kind,
                                    .argument = argument,
                                    .called = moment++,
                                    .returned = UINT32_MAX,
                                    .thread = explore_self()};
    return operation;
}

void history_return(struct operation *operation, hx_err error, uint64_t value)
{
    operation->error = error;
    operation->value = value;
    operation->returned = moment++;
}

/* Of those that have not been put in order, the first return: no call after it can come before. */
static unsigned first_return(uint32_t done)
{
    unsigned first = UINT32_MAX;

    for (unsigned i = 0; i < operation_count; i++) {
        if ((done >> i & 1) == 0 && operations[i].returned < first) {
            first = operations[i].returned;
        }
    }
    return first;
}

/* The states on the way to the one that is looked at: of any type, so from the heap. */
static unsigned char *state_at(unsigned depth)
{
    static unsigned char *states;

    if (states == NULL) {
        states = calloc(HISTORY_OPERATIONS + 1, HISTORY_STATE_MAX);
    }
    return states + (size_t)depth * HISTORY_STATE_MAX;
}

/* Whether the operations that are not done can follow the state at this depth, in some order. */
static bool can_follow(const struct specification *specification, uint32_t done, unsigned depth)
{
    unsigned limit = first_return(done);

    if (depth == operation_count) {
        return true;
    }
    for (unsigned i = 0; i < operation_count; i++) {
        if ((done >> i & 1) != 0 || operations[i].called > limit) {
            continue;
        }
        memcpy(state_at(depth + 1), state_at(depth), specification->state_size);
        if (specification->apply(state_at(depth + 1), &operations[i]) &&
            can_follow(specification, done | 1U << i, depth + 1)) {
            return true;
        }
    }
    return false;
}

static void print_history(const struct specification *specification)
{
    for (unsigned i = 0; i < operation_count; i++) {
        printf("#   thread %u, %2u to %2u: ", operations[i].thread, operations[i].called,
               operations[i].returned);
        specification->print(&operations[i]);
        printf("\n");
    }
}

void history_check(const struct specification *specification)
{
    memset(state_at(0), 0, specification->state_size);
    if (!can_follow(specification, 0, 0)) {
        print_history(specification);
        explore_fail("the history has no order that the specification allows");
    }
}
