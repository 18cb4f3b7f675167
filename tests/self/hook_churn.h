/*
 * Hooks of system calls that come, go and move all the time while programs run (`churn` on the
 * command line).
 *
 * Rules:
 * - A thread switches hooks, moves them, replaces the policy, swaps the modules of hooks, reads
 *   records and counts, subscribes and unsubscribes. A hook of its own counts its pre and post
 * calls; whenever that has been removed, the two must be equal: anything else is a failed
 * assertion.
 * - When the system shuts down it prints `churn: N changes, N calls seen, all paired`.
 */
#ifndef TESTS_SELF_HOOK_CHURN_H
#define TESTS_SELF_HOOK_CHURN_H

/* Start it, for ever.  Context: thread. */
void hook_churn_start(void);

#endif
