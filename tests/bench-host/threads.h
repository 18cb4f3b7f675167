/* Threads of a peer's program: those of the host, or kernel threads on CPUs of a hosted machine. */
#ifndef TESTS_BENCH_HOST_THREADS_H
#define TESTS_BENCH_HOST_THREADS_H

#include <stdint.h>

#define THREADS_MAX 16U

struct threads_work {
    void (*function)(void *argument);
    void *argument;
};

#ifdef __cplusplus
extern "C" {
#endif

/* End the process with what function() returns; it may use up to `count` threads, itself one. */
void threads_start(uint32_t count, int (*function)(void));

/*
 * Do each work on a thread of its own, the first on the caller's; returns when all are done. Each
 * is kept on one of the CPUs that the process may use, in turn, and they begin together.
 */
void threads_run(const struct threads_work *works, uint32_t count);

/* A round of waiting: after some of them the host's other threads get a turn. */
void threads_relax(void);

#ifdef __cplusplus
}
#endif

#endif
