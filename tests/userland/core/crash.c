/* Ends by a signal whose default is a core file, with other threads waiting. crash
 * [segv|abort|hidden] */
#define _GNU_SOURCE
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

int answer = 42;
char greeting[64];
static atomic_int there;

__attribute__((noinline)) static void wait_here(int number)
{
    (void)number; /* a debugger shows it */
    there++;
    for (;;) {
        long result;

        __asm__ volatile("syscall" : "=a"(result) : "a"(SYS_pause) : "rcx", "r11", "memory");
    }
}

static void *run(void *argument)
{
    wait_here((int)(long)argument);
    return NULL;
}

__attribute__((noinline)) static int inner(volatile int *where, double factor)
{
    *where = (int)(factor * 2);
    return *where;
}

__attribute__((noinline)) static int outer(const char *how)
{
    volatile double factor = 21.5;

    if (strcmp(how, "abort") == 0) {
        abort();
    }
    return inner(NULL, factor) + 1;
}

int main(int count, char **words)
{
    const char *how = count > 1 ? words[1] : "segv";
    pthread_t threads[2];

    strcpy(greeting, "left behind");
    for (long i = 0; i < 2; i++) {
        pthread_create(&threads[i], NULL, run, (void *)(i + 7));
    }
    while (there < 2) {
        sched_yield();
    }
    if (strcmp(how, "hidden") == 0) {
        prctl(PR_SET_DUMPABLE, 0);
    }
    return outer(how);
}
