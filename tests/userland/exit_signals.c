/* What signal a parent gets at the end of a child that was made in odd ways (clone(2), execve(2)).
 */
#define _GNU_SOURCE
#include "userland.h"

#include <sched.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>

static volatile sig_atomic_t got[65];

static void count(int number)
{
    got[number]++;
}

static long clone_child(unsigned long flags)
{
    return syscall(SYS_clone, flags, 0, 0, 0, 0);
}

static void wait_for_all(void)
{
    while (waitpid(-1, NULL, __WALL) > 0 || errno == EINTR) {
    }
}

static const char *word(int number)
{
    const char *answer = got[number] > 0 ? "yes" : "no"; /* equal ones may come as one */

    got[number] = 0;
    return answer;
}

static void tell(const char *what)
{
    printf("%s: SIGUSR1 %s, ", what, word(SIGUSR1));
    printf("SIGUSR2 %s, ", word(SIGUSR2));
    printf("SIGCHLD %s\n", word(SIGCHLD));
}

/* A child makes a sibling and says that its end is a SIGUSR2: the parent is not its to signal. */
static void sibling(void)
{
    long child = clone_child(SIGCHLD);

    if (child == 0) {
        _exit(clone_child(CLONE_PARENT | SIGUSR2) < 0);
    }
    wait_for_all();
    tell("a sibling of a child");
    child = clone_child(SIGUSR1);
    if (child == 0) {
        _exit(clone_child(CLONE_PARENT | SIGUSR2) < 0);
    }
    wait_for_all();
    tell("a sibling of a child that ends with SIGUSR1");
}

static void program(char *self)
{
    char *words[] = {self, "end", NULL};
    long child = clone_child(SIGUSR1);

    if (child == 0) {
        execv("/proc/self/exe", words);
        _exit(1);
    }
    wait_for_all();
    tell("a child that runs another program");
}

int main(int words, char **word)
{
    struct sigaction action = {.sa_handler = count, .sa_flags = SA_RESTART};

    if (words == 2) {
        return 0;
    }
    sigaction(SIGUSR1, &action, NULL);
    sigaction(SIGUSR2, &action, NULL);
    sigaction(SIGCHLD, &action, NULL);
    sibling();
    program(word[0]);
    return 0;
}
