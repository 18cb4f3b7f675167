/* Processes: started, ended, and taking turns. */
#include "bench.h"

#include <signal.h>
#include <stdatomic.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

/* A child's end. */
static int reap(int64_t child)
{
    int status;

    return child > 0 && call_4(SYS_wait4, child, (int64_t)&status, 0, 0) == child && status == 0;
}

static uint64_t fork_exit_wait(uint32_t runs)
{
    uint32_t done = 0;
    uint64_t start = begin();

    for (uint32_t i = 0; i < runs; i++) {
        int64_t child = call_0(SYS_fork);

        if (child == 0) {
            call_1(SYS_exit_group, 0);
        }
        done += (uint32_t)reap(child);
    }
    uint64_t all = instructions_since(start);

    return done == runs ? all : FAILED;
}

/* The child is this program again, which leaves at once. */
static uint64_t vfork_exec_wait(uint32_t runs)
{
    char *words[] = {(char *)own_path(), "--leave", NULL};
    char *environment[] = {NULL};
    uint32_t done = 0;
    uint64_t start = begin();

    for (uint32_t i = 0; i < runs; i++) {
        pid_t child = vfork();

        if (child == 0) {
            call_3(SYS_execve, (int64_t)words[0], (int64_t)words, (int64_t)environment);
            _exit(1);
        }
        done += (uint32_t)reap(child);
    }
    uint64_t all = instructions_since(start);

    return done == runs ? all : FAILED;
}

/* --- taking turns ------------------------------------------------------------------------------
 */

struct turns {
    _Atomic uint32_t of_child; /* relaxed: a count, read when the child stands still */
};

static void yield_for_ever(struct turns *turns)
{
    for (;;) {
        atomic_fetch_add_explicit(&turns->of_child, 1, memory_order_relaxed);
        (void)call_0(SYS_sched_yield);
    }
}

/* Both yield all the time; a run is one turn, of either. */
static uint64_t yield_turns(struct turns *turns, uint32_t runs)
{
    /* The child is under way. */
    while (atomic_load_explicit(&turns->of_child, memory_order_relaxed) == 0) {
        (void)call_0(SYS_sched_yield);
    }
    uint32_t before = atomic_load_explicit(&turns->of_child, memory_order_relaxed);
    uint64_t start = begin();

    for (uint32_t i = 0; i < runs; i++) {
        (void)call_0(SYS_sched_yield);
    }
    uint64_t all = instructions_since(start);
    uint64_t both = runs + (atomic_load_explicit(&turns->of_child, memory_order_relaxed) - before);

    return all * runs / both;
}

static uint64_t process_switch(uint32_t runs)
{
    struct turns *turns =
        mmap(NULL, sizeof(*turns), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    int64_t child = turns == MAP_FAILED ? -1 : call_0(SYS_fork);
    uint64_t all = FAILED;

    if (child == 0) {
        yield_for_ever(turns);
    }
    if (child > 0) {
        all = yield_turns(turns, runs);
        kill((pid_t)child, SIGKILL);
        waitpid((pid_t)child, NULL, 0);
    }
    munmap(turns, sizeof(*turns));
    return all;
}

/* --- pipes -------------------------------------------------------------------------------------
 */

static void answer_all(int asked, int answers)
{
    while (read_byte(asked) && write_byte(answers)) {
    }
    _exit(0);
}

static uint64_t ask(int questions, int answers, uint32_t runs)
{
    uint32_t done = 0;
    uint64_t start = begin();

    for (uint32_t i = 0; i < runs; i++) {
        done += (uint32_t)(write_byte(questions) && read_byte(answers));
    }
    uint64_t all = instructions_since(start);

    return done == runs ? all : FAILED;
}

static uint64_t pipe_round_trip(uint32_t runs)
{
    int to[2], from[2];

    if (pipe(to) != 0 || pipe(from) != 0) {
        return FAILED;
    }
    int64_t child = call_0(SYS_fork);

    if (child == 0) {
        close(to[1]);
        answer_all(to[0], from[1]);
    }
    close(to[0]);
    close(from[1]);
    uint64_t all = child < 0 ? FAILED : ask(to[1], from[0], runs);

    close(to[1]);
    close(from[0]);
    return reap(child) ? all : FAILED;
}

const struct figure process_figures[] = {
    {"process_switch", 5000, process_switch},
    {"pipe_round_trip", 2000, pipe_round_trip},
    {"fork_exit_wait", 200, fork_exit_wait},
    {"vfork_exec_wait", 100, vfork_exec_wait},
    {0},
};
