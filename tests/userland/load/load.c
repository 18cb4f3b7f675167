/* load WHAT [N]: more of something than a system likes, and then none of it any more. */
#define _GNU_SOURCE
#include "../userland.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>

#define PAGE       4096UL
#define STACK_SIZE 16384UL

/* --- processes: all there at once --------------------------------------------------------------
 */

static int start_waiting_child(int started[2], int gate[2])
{
    char byte = 0;
    pid_t child = fork();

    if (child != 0) {
        return child > 0;
    }
    close(gate[1]);
    write(started[1], &byte, 1);
    read(gate[0], &byte, 1);
    _exit(0);
}

static void processes(long count)
{
    int started[2], gate[2], status;
    long there = 0, clean = 0;
    char byte;

    pipe(started);
    pipe(gate);
    for (long i = 0; i < count && start_waiting_child(started, gate); i++) {
        there += read(started[0], &byte, 1) == 1;
    }
    close(gate[1]);
    while (wait(&status) > 0) {
        clean += status == 0;
    }
    printf("processes: %ld at once, %ld ended well\n", there, clean);
}

/* --- threads -----------------------------------------------------------------------------------
 */

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static long waiting;
static int is_open;

static void *wait_at_gate(void *nothing)
{
    pthread_mutex_lock(&mutex);
    waiting++;
    pthread_cond_broadcast(&changed);
    while (!is_open) {
        pthread_cond_wait(&changed, &mutex);
    }
    pthread_mutex_unlock(&mutex);
    return nothing;
}

static long start_threads(pthread_t *threads, long count, char *stacks)
{
    pthread_attr_t attributes;
    long started = 0;

    pthread_attr_init(&attributes);
    while (started < count) {
        pthread_attr_setstack(&attributes, stacks + (size_t)started * STACK_SIZE, STACK_SIZE);
        if (pthread_create(&threads[started], &attributes, wait_at_gate, NULL) != 0) {
            break;
        }
        started++;
    }
    return started;
}

static void threads(long count)
{
    pthread_t *all = calloc((size_t)count, sizeof(*all));
    char *stacks = mmap(NULL, (size_t)count * STACK_SIZE, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    long started = start_threads(all, count, stacks), joined = 0;

    pthread_mutex_lock(&mutex);
    while (waiting < started) {
        pthread_cond_wait(&changed, &mutex);
    }
    is_open = 1;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&mutex);
    for (long i = 0; i < started; i++) {
        joined += pthread_join(all[i], NULL) == 0;
    }
    printf("threads: %ld at once, %ld joined\n", waiting, joined);
}

/* --- forks against a limit ---------------------------------------------------------------------
 */

static void multiply(void)
{
    for (;;) {
        if (fork() < 0 && errno == EAGAIN) {
            break;
        }
    }
    pause();
    _exit(1);
}

/* A bomb in a user's name, whose processes are limited; then it is ended as a group. */
static void forks(long limit)
{
    struct rlimit most = {(rlim_t)limit, (rlim_t)limit};
    int status;

    flush();
    pid_t bomb = fork();

    if (bomb == 0) {
        setpgid(0, 0);
        setrlimit(RLIMIT_NPROC, &most);
        if (setresuid(1000, 1000, 1000) == 0) {
            multiply();
        }
        _exit(2);
    }
    usleep(300000);
    while (kill(-bomb, SIGKILL) == 0) {
        while (waitpid(-1, &status, WNOHANG) > 0) {
        }
        usleep(10000);
    }
    while (waitpid(-1, &status, 0) > 0) {
    }
    printf("forks: the bomb is gone\n");
}

/* --- memory ------------------------------------------------------------------------------------
 */

static void eat(void)
{
    for (;;) {
        volatile char *more =
            mmap(NULL, 64 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

        if (more == MAP_FAILED) {
            _exit(3);
        }
        for (size_t i = 0; i < 64; i++) {
            more[i * PAGE] = 1;
        }
    }
}

/* Everything there is, so often; each eater gets an error or is ended. */
static void memory(long times)
{
    long ended = 0;

    for (long i = 0; i < times; i++) {
        int status = 0;

        flush();
        pid_t child = fork();

        if (child == 0) {
            eat();
        }
        waitpid(child, &status, 0);
        ended += (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL) ||
                 (WIFEXITED(status) && WEXITSTATUS(status) == 3);
    }
    printf("memory: %ld eaters ended\n", ended);
}

static const struct {
    const char *name;
    void (*run)(long count);
} loads[] = {{"processes", processes}, {"threads", threads}, {"forks", forks}, {"memory", memory}};

int main(int count, char **words)
{
    for (size_t i = 0; count == 3 && i < sizeof(loads) / sizeof(loads[0]); i++) {
        if (strcmp(words[1], loads[i].name) == 0) {
            loads[i].run(atol(words[2]));
            return 0;
        }
    }
    fprintf(stderr, "usage: load processes|threads|forks|memory N\n");
    return 2;
}
