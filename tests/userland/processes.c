/* fork, exec, wait, and how processes end. */
#define _GNU_SOURCE
#include "userland.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>

static char *self;

static void show_status(const char *what, int status)
{
    if (WIFEXITED(status)) {
        printf("%s: exited %d\n", what, WEXITSTATUS(status));
    } else if (WIFSIGNALED(status)) {
        printf("%s: signal %d\n", what, WTERMSIG(status));
    } else {
        printf("%s: status %x\n", what, status);
    }
}

/* --- ends --------------------------------------------------------------------------------------
 */

static void exit_3(void)
{
    _exit(3);
}

static void exit_300(void)
{
    _exit(300);
}

static void abort_now(void)
{
    signal(SIGABRT, SIG_DFL);
    abort();
}

static void write_nowhere(void)
{
    *(volatile int *)8 = 1;
}

static void divide(void)
{
    __asm__ volatile("xor %%ecx, %%ecx; mov $1, %%eax; cdq; idiv %%ecx" ::: "eax", "ecx", "edx");
}

static void illegal(void)
{
    __asm__ volatile("ud2");
}

static void privileged(void)
{
    __asm__ volatile("hlt");
}

static void breakpoint(void)
{
    __asm__ volatile("int3");
}

static void kill_self(void)
{
    raise(SIGKILL);
}

static void run_off_stack(void)
{
    volatile char page[100000];

    page[0] = 1;
    run_off_stack();
    page[1] = 1;
}

static void jump_nowhere(void)
{
    ((void (*)(void))0x1000)();
}

static void jump_to_data(void)
{
    static char data[16] = {(char)0xc3};

    ((void (*)(void))(void *)data)();
}

static const struct {
    const char *name;
    void (*end)(void);
} ends[] = {
    {"exit 3", exit_3},
    {"exit 300", exit_300},
    {"abort", abort_now},
    {"write nowhere", write_nowhere},
    {"divide by zero", divide},
    {"illegal instruction", illegal},
    {"privileged instruction", privileged},
    {"breakpoint", breakpoint},
    {"kill", kill_self},
    {"stack overflow", run_off_stack},
    {"jump nowhere", jump_nowhere},
    {"jump to data", jump_to_data},
};

static void all_ends(void)
{
    for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
        int status = 0;

        flush();
        pid_t child = fork();

        if (child == 0) {
            ends[i].end();
            _exit(99);
        }
        waitpid(child, &status, 0);
        show_status(ends[i].name, status);
    }
}

/* --- waiting -----------------------------------------------------------------------------------
 */

static pid_t child_that_exits(int code)
{
    flush();
    pid_t child = fork();

    if (child == 0) {
        _exit(code);
    }
    return child;
}

static pid_t child_that_pauses(void)
{
    flush();
    pid_t child = fork();

    if (child == 0) {
        for (;;) {
            pause();
        }
    }
    return child;
}

static void waiting(void)
{
    int status = 0;
    siginfo_t info = {0};
    pid_t child = child_that_pauses();

    SHOW(waitpid(child, &status, WNOHANG));
    kill(child, SIGSTOP);
    SHOW_TRUE(waitpid(child, &status, WUNTRACED) == child && WIFSTOPPED(status));
    kill(child, SIGCONT);
    SHOW_TRUE(waitpid(child, &status, WCONTINUED) == child && WIFCONTINUED(status));
    kill(child, SIGTERM);
    SHOW_TRUE(waitid(P_PID, (id_t)child, &info, WEXITED | WNOWAIT) == 0);
    printf("code %d status %d pid right %d signal %d\n", info.si_code, info.si_status,
           info.si_pid == child, info.si_signo);
    SHOW_TRUE(waitpid(child, &status, 0) == child);
    show_status("terminated", status);
    SHOW(waitpid(child, &status, 0));
    SHOW(wait(&status));
    child = child_that_exits(5);
    SHOW_TRUE(wait(NULL) == child);
    child = child_that_exits(6);
    SHOW_TRUE(waitid(P_ALL, 0, &info, WEXITED) == 0 && info.si_status == 6 &&
              info.si_code == CLD_EXITED);
    SHOW(waitpid(-99999, &status, 0));
    SHOW(waitpid(1, &status, 0));
    SHOW(waitid(P_ALL, 0, &info, 0));
    SHOW(waitid((idtype_t)77, 0, &info, WEXITED));
    SHOW(waitpid(-1, &status, 0x100));
    signal(SIGCHLD, SIG_IGN);
    child_that_exits(1);
    SHOW(waitpid(-1, &status, 0));
    signal(SIGCHLD, SIG_DFL);
}

/* --- groups and sessions -----------------------------------------------------------------------
 */

static void in_new_session(void)
{
    SHOW_TRUE(setsid() == getpid());
    SHOW_TRUE(getpgrp() == getpid() && getsid(0) == getpid());
    SHOW(setsid());
    SHOW(setpgid(0, 0));
    flush();
    _exit(0);
}

static void groups(void)
{
    int status;
    pid_t one = child_that_pauses();
    pid_t two = child_that_pauses();

    SHOW(setpgid(one, one));
    SHOW(setpgid(two, one));
    SHOW_TRUE(getpgid(two) == one);
    SHOW(setpgid(one, 999999));
    SHOW(setpgid(999999, one));
    SHOW(setpgid(one, -1));
    SHOW(kill(-one, SIGUSR1));
    SHOW_TRUE(waitpid(-one, &status, 0) > 0);
    show_status("of the group", status);
    SHOW_TRUE(waitpid(-one, &status, 0) > 0);
    SHOW(waitpid(-one, &status, 0));
    SHOW(kill(-one, 0));
    SHOW(getpgid(999999));
    flush();
    if (fork() == 0) {
        in_new_session();
    }
    wait(&status);
}

/* --- memory and descriptors over fork ----------------------------------------------------------
 */

static void inheritance(void)
{
    static int variable = 1;
    int *shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    int file = open("inherited", O_RDWR | O_CREAT | O_TRUNC, 0600);
    pid_t parent = getpid();

    write(file, "abcdef", 6);
    lseek(file, 1, SEEK_SET);
    flush();
    if (fork() == 0) {
        char byte = 0;

        variable = 2;
        *shared = 3;
        read(file, &byte, 1);
        close(file);
        _exit(byte == 'b' && getppid() == parent ? 0 : 1);
    }
    int status;

    wait(&status);
    show_status("inheriting", status);
    printf("variable %d shared %d offset %ld\n", variable, *shared, (long)lseek(file, 0, SEEK_CUR));
    close(file);
    unlink("inherited");
}

static void orphans(void)
{
    int ends_of_pipe[2];
    char text[32] = "";

    pipe(ends_of_pipe);
    flush();
    if (fork() == 0) {
        pid_t parent = getpid();

        if (fork() == 0) {
            while (getppid() == parent) {
                usleep(1000);
            }
            write(ends_of_pipe[1], "adopted", 7);
            _exit(0);
        }
        _exit(0);
    }
    wait(NULL);
    read(ends_of_pipe[0], text, sizeof(text) - 1);
    printf("%s\n", text);
}

/* --- exec --------------------------------------------------------------------------------------
 */

static int run(char *path, char *words[], char *environment[])
{
    int status = -1;

    flush();
    pid_t child = vfork();

    if (child == 0) {
        execve(path, words, environment);
        _exit(100 + (errno == ENOENT) + 2 * (errno == EACCES) + 4 * (errno == ENOEXEC));
    }
    waitpid(child, &status, 0);
    return status;
}

static void executing(void)
{
    char *words[] = {"name of its own", "--child", "", "three words here", NULL};
    char *environment[] = {"ONE=1", "TWO=", NULL};
    char *no_words[] = {NULL};
    int closed = open(".", O_RDONLY | O_CLOEXEC);
    int kept = open(".", O_RDONLY);

    signal(SIGUSR1, SIG_IGN);
    signal(SIGUSR2, exit);
    printf("descriptors %d %d\n", closed, kept);
    show_status("this program", run(self, words, environment));
    show_status("no such file", run("nosuch", words, environment));
    show_status("a folder", run(".", words, environment));
    show_status("without words", run("/bin/busybox", no_words, no_words));
    close(closed);
    close(kept);
    SHOW(execve(self, (char **)8, environment));
    SHOW(execve(self, words, (char **)8));
    SHOW(execve((char *)8, words, environment));
    SHOW(execve("", words, environment));
    SHOW(execve("/dev/null", words, environment));
    SHOW(execve("/bin/busybox/x", words, environment));
}

static void big_arguments(void)
{
    static char big[100000];
    static char huge[140000];
    char *words[] = {self, "--count", big, big, big, NULL};
    char *too_long[] = {self, "--count", huge, NULL};
    char *environment[] = {NULL};

    memset(big, 'x', sizeof(big) - 1);
    memset(huge, 'x', sizeof(huge) - 1);
    show_status("big arguments", run(self, words, environment));
    SHOW(execve(self, too_long, environment));
}

/* A quarter of the stack that is allowed, and 128 KiB in any case. */
static void too_many_arguments(void)
{
    static char big[100000];
    char *few[] = {self, big, big, NULL};
    char *words[] = {self, "--count", big, big, big, NULL};
    char *environment[] = {NULL};
    struct rlimit limit = {8 << 20, RLIM_INFINITY};

    memset(big, 'x', sizeof(big) - 1);
    limit.rlim_cur = 1 << 20;
    SHOW(setrlimit(RLIMIT_STACK, &limit));
    SHOW(execve(self, words, environment));
    limit.rlim_cur = 100 << 10;
    SHOW(setrlimit(RLIMIT_STACK, &limit));
    SHOW(execve(self, few, environment));
    limit.rlim_cur = 8 << 20;
    SHOW(setrlimit(RLIMIT_STACK, &limit));
    show_status("all of them again", run(self, words, environment));
}

/* Through the link in /proc the program has the name of the link, and the path of the file. */
static void through_the_link(void)
{
    static char path[4096];
    char *words[] = {"x", "--exe", path, NULL};
    char *environment[] = {NULL};

    SHOW_TRUE(readlink("/proc/self/exe", path, sizeof(path) - 1) > 0);
    show_status("through the link", run("/proc/self/exe", words, environment));
}

/* A program that is named by a descriptor, and one that is looked for from a folder. */
static void at_descriptors(void)
{
    char *words[] = {"x", "--count", "a", "b", "c", NULL};
    char *environment[] = {NULL};
    int program = open(self, O_PATH), folder = open("/bin", O_RDONLY);
    int data = open("data", O_RDONLY | O_CREAT, 0600), status;

    symlink("nosuch", "link");
    flush();
    if (fork() == 0) {
        syscall(SYS_execveat, program, "", words, environment, AT_EMPTY_PATH);
        _exit(99);
    }
    wait(&status);
    show_status("by its descriptor", status);
    SHOW(syscall(SYS_execveat, program, "", words, environment, 0));
    SHOW(syscall(SYS_execveat, program, "x", words, environment, 0));
    SHOW(syscall(SYS_execveat, folder, "nosuch", words, environment, 0));
    SHOW(syscall(SYS_execveat, folder, "", words, environment, AT_EMPTY_PATH));
    SHOW(syscall(SYS_execveat, data, "", words, environment, AT_EMPTY_PATH));
    SHOW(syscall(SYS_execveat, 99, "", words, environment, AT_EMPTY_PATH));
    SHOW(syscall(SYS_execveat, 99, "x", words, environment, 0));
    SHOW(syscall(SYS_execveat, AT_FDCWD, "link", words, environment, AT_SYMLINK_NOFOLLOW));
    SHOW(syscall(SYS_execveat, AT_FDCWD, "link", words, environment, 0));
    SHOW(syscall(SYS_execveat, AT_FDCWD, self, words, environment, 1));
    close(program);
    close(folder);
    close(data);
    unlink("link");
    unlink("data");
}

static int be_through_the_link(const char *wanted)
{
    char path[4096] = "";
    char name[16] = "";

    readlink("/proc/self/exe", path, sizeof(path) - 1);
    prctl(PR_GET_NAME, name);
    printf("name <%s>\n", name);
    return strcmp(path, wanted) == 0 ? 13 : 1;
}

static int be_child(int count, char **words, char **environment)
{
    struct sigaction action;

    for (int i = 0; i < count; i++) {
        printf("word %d <%s>\n", i, words[i]);
    }
    for (char **each = environment; *each != NULL; each++) {
        printf("environment <%s>\n", *each);
    }
    printf("descriptor 3 %s, 4 %s\n", fcntl(3, F_GETFD) < 0 ? "closed" : "open",
           fcntl(4, F_GETFD) < 0 ? "closed" : "open");
    sigaction(SIGUSR1, NULL, &action);
    printf("ignored stays ignored %d\n", action.sa_handler == SIG_IGN);
    sigaction(SIGUSR2, NULL, &action);
    printf("caught becomes default %d\n", action.sa_handler == SIG_DFL);
    return 11;
}

/* --- many --------------------------------------------------------------------------------------
 */

static void many(void)
{
    enum { MANY = 100 };
    int sum = 0, status;

    for (int i = 0; i < MANY; i++) {
        child_that_exits(i);
    }
    for (int i = 0; i < MANY; i++) {
        wait(&status);
        sum += WEXITSTATUS(status);
    }
    printf("sum of codes %d\n", sum);
    SHOW(wait(&status));
}

int main(int count, char **words, char **environment)
{
    self = words[0];
    if (count > 1 && strcmp(words[1], "--child") == 0) {
        return be_child(count, words, environment);
    }
    if (count > 1 && strcmp(words[1], "--count") == 0) {
        return count == 5 && (strlen(words[4]) == 99999 || words[4][0] == 'c') ? 12 : 1;
    }
    if (count > 2 && strcmp(words[1], "--exe") == 0) {
        return be_through_the_link(words[2]);
    }
    all_ends();
    waiting();
    groups();
    inheritance();
    orphans();
    executing();
    through_the_link();
    at_descriptors();
    big_arguments();
    too_many_arguments();
    many();
    return 0;
}
