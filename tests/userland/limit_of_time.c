/* A process that has used up its processor time. */
#include "userland.h"

#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>

static volatile sig_atomic_t warnings;

static void warn(int number)
{
    (void)number;
    warnings++;
}

static int run_out(struct rlimit limit, void (*handler)(int))
{
    int status;

    flush();
    pid_t child = fork();

    if (child == 0) {
        signal(SIGXCPU, handler);
        setrlimit(RLIMIT_CPU, &limit);
        for (;;) {
            __asm__ volatile("pause");
        }
    }
    waitpid(child, &status, 0);
    return WTERMSIG(status);
}

int main(void)
{
    printf("softly: signal %d\n", run_out((struct rlimit){1, 10}, SIG_DFL));
    printf("warned first: signal %d\n", run_out((struct rlimit){1, 2}, warn));
    return 0;
}
