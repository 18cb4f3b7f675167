/* Forks while another thread sends signals faster than one can be made: they are made all the same.
 */
#define _GNU_SOURCE
#include "userland.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#define LARGE (16UL << 20)
#define PAGE  4096UL
#define FORKS 3

static _Atomic int is_over;
static _Atomic unsigned long got;

static void count(int number)
{
    got += number == SIGUSR1;
}

static void *send_all_the_time(void *process)
{
    while (!is_over) {
        syscall(SYS_tgkill, *(pid_t *)process, *(pid_t *)process, SIGUSR1);
    }
    return NULL;
}

int main(void)
{
    struct sigaction action = {.sa_handler = count, .sa_flags = SA_RESTART};
    volatile char *memory = malloc(LARGE);
    pid_t self = getpid();
    int ended = 0, status;
    pthread_t sender;

    for (size_t i = 0; i < LARGE; i += PAGE) {
        memory[i] = 1;
    }
    sigaction(SIGUSR1, &action, NULL);
    pthread_create(&sender, NULL, send_all_the_time, &self);
    while (got == 0) {
    }
    for (int i = 0; i < FORKS; i++) {
        pid_t child = fork();

        if (child == 0) {
            _exit(memory[i * PAGE] + 1);
        }
        ended += waitpid(child, &status, 0) == child && WEXITSTATUS(status) == 2;
    }
    is_over = 1;
    pthread_join(sender, NULL);
    printf("%d of %d children\n", ended, FORKS);
    return 0;
}
