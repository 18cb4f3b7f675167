/*
 * Why a worker makes no call: what its threads wait for, and whether a signal could end it.
 *
 * Rules:
 * - A worker that has come to nothing is told to go on: SIGCONT for what has been stopped, its
 *   children too, and SIGALRM for each thread. A thread that then still sleeps has a reason if
 *   SIGALRM is blocked or ignored there; else it waits in the kernel for what never comes.
 */
#ifndef FUZZ_WATCH_H
#define FUZZ_WATCH_H

#include <dirent.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define ALARM_BIT (1ULL << (SIGALRM - 1))

struct thread_status {
    char state; /* 0: it is gone */
    pid_t parent;
    unsigned long long blocked, ignored, pending;
};

static struct thread_status read_status(const char *path)
{
    struct thread_status status = {0};
    FILE *file = fopen(path, "r");
    char line[256];

    while (file != NULL && fgets(line, sizeof(line), file) != NULL) {
        (void)sscanf(line, "State: %c", &status.state);
        (void)sscanf(line, "PPid: %d", &status.parent);
        (void)sscanf(line, "SigBlk: %llx", &status.blocked);
        (void)sscanf(line, "SigIgn: %llx", &status.ignored);
        (void)sscanf(line, "SigPnd: %llx", &status.pending);
    }
    if (file != NULL) {
        fclose(file);
    }
    return status;
}

/* Call back with each number that a directory of /proc has. */
static void for_each_number(const char *path, void (*callback)(pid_t number, void *argument),
                            void *argument)
{
    DIR *directory = opendir(path);
    struct dirent *entry;

    while (directory != NULL && (entry = readdir(directory)) != NULL) {
        if (atoi(entry->d_name) > 0) {
            callback((pid_t)atoi(entry->d_name), argument);
        }
    }
    if (directory != NULL) {
        closedir(directory);
    }
}

/* --- telling it to go on ---------------------------------------------------------------------- */

static void continue_child(pid_t process, void *argument)
{
    char path[64];

    (void)snprintf(path, sizeof(path), "/proc/%d/status", process);
    if (read_status(path).parent == *(const pid_t *)argument) {
        (void)kill(process, SIGCONT);
    }
}

static void alarm_thread(pid_t thread, void *argument)
{
    (void)syscall(SYS_tgkill, *(const pid_t *)argument, thread, SIGALRM);
}

static void tell_to_go_on(pid_t worker)
{
    char path[64];

    (void)kill(worker, SIGCONT);
    for_each_number("/proc", continue_child, &worker);
    (void)snprintf(path, sizeof(path), "/proc/%d/task", worker);
    for_each_number(path, alarm_thread, &worker);
}

/* --- judging ---------------------------------------------------------------------------------- */

struct judgement {
    pid_t worker;
    unsigned unexplained;
};

/* What runs, in the program or in the kernel, is seen to end when it is killed. */
static void judge_thread(pid_t thread, void *argument)
{
    struct judgement *judgement = argument;
    struct thread_status status;
    char path[64];

    (void)snprintf(path, sizeof(path), "/proc/%d/task/%d/status", judgement->worker, thread);
    status = read_status(path);
    if ((status.state == 'S' || status.state == 'D' || status.state == 'T') &&
        ((status.blocked | status.ignored) & ALARM_BIT) == 0) {
        printf("call_fuzzer: thread %d of %d: state %c, blocked %llx, ignored %llx, pending %llx\n",
               thread, judgement->worker, status.state, status.blocked, status.ignored,
               status.pending);
        judgement->unexplained++;
    }
}

/* How many threads sleep without a reason. */
static unsigned judge(pid_t worker)
{
    struct judgement judgement = {.worker = worker};
    char path[64];

    (void)snprintf(path, sizeof(path), "/proc/%d/task", worker);
    for_each_number(path, judge_thread, &judgement);
    return judgement.unexplained;
}

#endif
