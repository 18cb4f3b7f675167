/* Threads: started, ended, and waiting for each other. */
#define _GNU_SOURCE
#include "bench.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stddef.h>
#include <sys/types.h>

/* Numbers of the Linux ABI, for which musl has no header. */
enum { FUTEX_WAIT = 0, FUTEX_WAKE = 1, FUTEX_PRIVATE_FLAG = 128 };

static void futex_wait(_Atomic uint32_t *word, uint32_t value)
{
    (void)call_4(SYS_futex, (int64_t)word, FUTEX_WAIT | FUTEX_PRIVATE_FLAG, value, 0);
}

static void futex_wake(_Atomic uint32_t *word)
{
    (void)call_3(SYS_futex, (int64_t)word, FUTEX_WAKE | FUTEX_PRIVATE_FLAG, 1);
}

/* --- round trip --------------------------------------------------------------------------------
 */

enum turn { OURS, THEIRS, NOBODYS };

/* Whose turn it is: given with release, taken with acquire. */
static _Atomic uint32_t turn;

static void give_turn(uint32_t whose)
{
    atomic_store_explicit(&turn, whose, memory_order_release);
    futex_wake(&turn);
}

static void wait_while(uint32_t whose)
{
    while (atomic_load_explicit(&turn, memory_order_acquire) == whose) {
        futex_wait(&turn, whose);
    }
}

static void *give_back(void *nothing)
{
    for (;;) {
        wait_while(OURS);
        if (atomic_load_explicit(&turn, memory_order_acquire) == NOBODYS) {
            return nothing;
        }
        give_turn(OURS);
    }
}

static uint64_t futex_round_trip(uint32_t runs)
{
    pthread_t other;

    atomic_store_explicit(&turn, OURS, memory_order_relaxed);
    if (pthread_create(&other, NULL, give_back, NULL) != 0) {
        return FAILED;
    }
    uint64_t start = begin();

    for (uint32_t i = 0; i < runs; i++) {
        give_turn(THEIRS);
        wait_while(THEIRS);
    }
    uint64_t all = instructions_since(start);

    give_turn(NOBODYS);
    return pthread_join(other, NULL) == 0 ? all : FAILED;
}

/* --- start and end -----------------------------------------------------------------------------
 */

#define THREAD_FLAGS                                                                               \
    (CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM |            \
     CLONE_PARENT_SETTID | CLONE_CHILD_CLEARTID)

static _Alignas(16) char stack[4096];

static int leave(void *nothing)
{
    (void)nothing;
    return 0;
}

/* The kernel clears the identity and wakes who waits for that. */
static void join(_Atomic uint32_t *identity)
{
    uint32_t seen;

    while ((seen = atomic_load_explicit(identity, memory_order_acquire)) != 0) {
        (void)call_4(SYS_futex, (int64_t)identity, FUTEX_WAIT, seen, 0);
    }
}

static uint64_t clone_join(uint32_t runs)
{
    static _Atomic uint32_t identity;
    uint32_t done = 0;
    uint64_t start = begin();

    for (uint32_t i = 0; i < runs; i++) {
        done += clone(leave, stack + sizeof(stack), THREAD_FLAGS, NULL, (pid_t *)&identity, NULL,
                      (pid_t *)&identity) > 0;
        join(&identity);
    }
    uint64_t all = instructions_since(start);

    return done == runs ? all : FAILED;
}

const struct figure thread_figures[] = {
    {"futex_round_trip", 2000, futex_round_trip},
    {"clone_join", 1000, clone_join},
    {0},
};
