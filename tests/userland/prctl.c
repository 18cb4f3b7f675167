/* prctl: names, the parent's end, orphans, rights. */
#define _GNU_SOURCE
#include "userland.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>

static char *self;

static void names(void)
{
    char name[17] = "";

    SHOW(prctl(PR_SET_NAME, "a name that is longer than that"));
    SHOW(prctl(PR_GET_NAME, name));
    printf("<%s>\n", name);
    SHOW(prctl(PR_SET_NAME, 8));
    SHOW(prctl(PR_GET_NAME, 8));
    SHOW(prctl(PR_GET_DUMPABLE));
    SHOW(prctl(PR_SET_DUMPABLE, 2));
    SHOW(prctl(PR_SET_DUMPABLE, 0));
    SHOW(prctl(PR_GET_DUMPABLE));
    SHOW(prctl(PR_SET_DUMPABLE, 1));
    SHOW(prctl(12345));
}

/* --- the parent's end --------------------------------------------------------------------------
 */

/* A grandchild tells through a pipe; its end of that is the last one. */
static void the_parents_end(void)
{
    int ends[2], number = -1;
    char text[64] = "";

    SHOW(prctl(PR_SET_PDEATHSIG, 65));
    SHOW(prctl(PR_SET_PDEATHSIG, SIGUSR1));
    SHOW(prctl(PR_GET_PDEATHSIG, &number));
    printf("number %d\n", number);
    SHOW(prctl(PR_GET_PDEATHSIG, 8));
    pipe(ends);
    flush();
    if (fork() == 0) {
        sigset_t set;

        prctl(PR_GET_PDEATHSIG, &number); /* not inherited */
        sigemptyset(&set);
        sigaddset(&set, SIGUSR2);
        sigprocmask(SIG_BLOCK, &set, NULL);
        if (fork() == 0) {
            int length, told = 0;

            prctl(PR_SET_PDEATHSIG, SIGUSR2);
            write(ends[1], "ready", 5);
            sigwait(&set, &told);
            length = snprintf(text, sizeof(text), "inherited %d, told %d", number, told);
            write(ends[1], text, (size_t)length);
            _exit(0);
        }
        read(ends[0], text, 5);
        _exit(0);
    }
    wait(NULL);
    close(ends[1]);
    read(ends[0], text, sizeof(text) - 1);
    printf("%s\n", text);
    close(ends[0]);
    SHOW(prctl(PR_SET_PDEATHSIG, 0));
}

/* --- orphans -----------------------------------------------------------------------------------
 */

static void orphans(void)
{
    int is_one = -1, status;
    pid_t me = getpid();

    SHOW(prctl(PR_SET_CHILD_SUBREAPER, 1));
    SHOW(prctl(PR_GET_CHILD_SUBREAPER, &is_one));
    printf("subreaper %d\n", is_one);
    flush();
    if (fork() == 0) {
        prctl(PR_GET_CHILD_SUBREAPER, &is_one);
        if (fork() == 0) {
            while (getppid() != me) {
                usleep(1000);
            }
            _exit(40 + is_one);
        }
        _exit(7);
    }
    wait(&status);
    printf("the child %d\n", WEXITSTATUS(status));
    SHOW_TRUE(wait(&status) > 0);
    printf("the grandchild %d\n", WEXITSTATUS(status));
    SHOW(wait(&status));
    SHOW(prctl(PR_SET_CHILD_SUBREAPER, 0));
}

/* --- rights ------------------------------------------------------------------------------------
 */

static void show_identity(const char *what)
{
    int status;

    flush();
    pid_t child = fork();

    if (child == 0) {
        setuid(65534);
        execl("program", "program", "--who", NULL);
        _exit(1);
    }
    waitpid(child, &status, 0);
    printf("%s: %d\n", what, WEXITSTATUS(status));
}

static void rights(void)
{
    char bytes[4096];
    int from = open(self, O_RDONLY), to = open("program", O_WRONLY | O_CREAT, 0755);
    ssize_t size;

    while ((size = read(from, bytes, sizeof(bytes))) > 0) {
        write(to, bytes, (size_t)size);
    }
    close(from);
    close(to);
    SHOW(chmod(".", 0755));
    SHOW(chmod("program", 04755));
    SHOW(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0));
    SHOW(prctl(PR_SET_NO_NEW_PRIVS, 0, 0, 0, 0));
    SHOW(prctl(PR_SET_NO_NEW_PRIVS, 2, 0, 0, 0));
    SHOW(prctl(PR_SET_NO_NEW_PRIVS, 1, 1, 0, 0));
    SHOW(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
    SHOW(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0));
    SHOW(prctl(PR_GET_NO_NEW_PRIVS, 1, 0, 0, 0));
    show_identity("with the bit, but no new rights");
    unlink("program");
}

int main(int count, char **words)
{
    self = words[0];
    if (count > 1) {
        return geteuid() == 0 ? 10 : 11;
    }
    names();
    the_parents_end();
    orphans();
    rights();
    return 0;
}
