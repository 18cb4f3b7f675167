/* Processes as files: pidfd_open and what takes such a descriptor. */
#define _GNU_SOURCE
#include "userland.h"

#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#define ID_FILE 3 /* P_PIDFD */

static int pidfd_open(pid_t id, unsigned flags)
{
    return (int)syscall(SYS_pidfd_open, id, flags);
}

static int send(int file, int number, siginfo_t *info, unsigned flags)
{
    return (int)syscall(SYS_pidfd_send_signal, file, number, info, flags);
}

static int get(int file, int descriptor, unsigned flags)
{
    return (int)syscall(SYS_pidfd_getfd, file, descriptor, flags);
}

static int ready(int file, int milliseconds)
{
    struct pollfd asked = {file, POLLIN, 0};

    poll(&asked, 1, milliseconds);
    return asked.revents;
}

/* A child that waits for its end. */
static pid_t start(void)
{
    pid_t child;

    fflush(stdout);
    child = fork();
    if (child == 0) {
        for (;;) {
            pause();
        }
    }
    return child;
}

static void refusals(void)
{
    char byte;
    int plain = open("/dev/null", O_RDWR);
    int self = pidfd_open(getpid(), 0);

    SHOW_TRUE(self >= 0);
    SHOW(fcntl(self, F_GETFD));
    SHOW(pidfd_open(0, 0));
    SHOW(pidfd_open(-1, 0));
    SHOW(pidfd_open(4000000, 0));
    SHOW(pidfd_open(getpid(), 1));
    SHOW(read(self, &byte, 1));
    SHOW(ready(self, 0));
    SHOW(send(plain, 0, NULL, 0));
    SHOW(send(99, 0, NULL, 0));
    SHOW(send(self, 0, NULL, 0));
    SHOW(send(self, 99, NULL, 0));
    SHOW(send(self, 0, (siginfo_t *)8, 0));
    SHOW(get(self, 99, 0));
    SHOW(get(self, 0, 1));
    SHOW(get(plain, 0, 0));
    SHOW(get(99, 0, 0));
    SHOW(waitid((idtype_t)ID_FILE, (id_t)self, NULL, WEXITED));
    SHOW(waitid((idtype_t)ID_FILE, (id_t)plain, NULL, WEXITED));
    SHOW(waitid((idtype_t)ID_FILE, 99, NULL, WEXITED));
    close(self);
    close(plain);
}

static void an_end(void)
{
    struct epoll_event event = {.events = EPOLLIN};
    siginfo_t info = {0};
    pid_t child = start();
    int file = pidfd_open(child, 0);
    int set = epoll_create1(0);

    epoll_ctl(set, EPOLL_CTL_ADD, file, &event);
    SHOW(ready(file, 0));
    SHOW(waitid((idtype_t)ID_FILE, (id_t)file, &info, WEXITED | WNOHANG));
    SHOW(send(file, SIGTERM, NULL, 0));
    SHOW(ready(file, -1));
    SHOW(epoll_wait(set, &event, 1, -1));
    SHOW(send(file, SIGTERM, NULL, 0));
    SHOW(get(file, 0, 0));
    SHOW(waitid((idtype_t)ID_FILE, (id_t)file, &info, WEXITED | WNOWAIT));
    printf("%d %d %d\n", info.si_code, info.si_status, info.si_pid == child);
    SHOW(waitid((idtype_t)ID_FILE, (id_t)file, &info, WEXITED));
    SHOW(waitid((idtype_t)ID_FILE, (id_t)file, &info, WEXITED));
    SHOW(send(file, 0, NULL, 0));
    SHOW(ready(file, 0));
    close(set);
    close(file);
}

static void not_blocking(void)
{
    siginfo_t info = {0};
    pid_t child = start();
    int file = pidfd_open(child, O_NONBLOCK);

    SHOW(waitid((idtype_t)ID_FILE, (id_t)file, &info, WEXITED));
    SHOW(waitid((idtype_t)ID_FILE, (id_t)file, &info, WEXITED | WNOHANG));
    kill(child, SIGKILL);
    ready(file, -1);
    SHOW(waitid((idtype_t)ID_FILE, (id_t)file, &info, WEXITED));
    SHOW(info.si_status);
    close(file);
}

static void a_file_of_another(void)
{
    int ends[2];
    int there[2];
    int copy;
    int number = -1;
    int file;
    char byte = 0;
    pid_t child;

    pipe(ends);
    pipe(there);
    fflush(stdout);
    child = fork();
    if (child == 0) {
        int own[2];

        pipe(own);
        write(own[1], "z", 1);
        write(ends[1], &own[0], sizeof(own[0]));
        read(there[0], &byte, 1);
        _exit(0);
    }
    file = pidfd_open(child, 0);
    read(ends[0], &number, sizeof(number));
    copy = get(file, number, 0);
    SHOW_TRUE(copy >= 0);
    SHOW(fcntl(copy, F_GETFD));
    SHOW(read(copy, &byte, 1));
    SHOW(byte);
    write(there[1], "x", 1);
    SHOW_TRUE(waitpid(child, NULL, 0) == child);
    close(file);
    close(copy);
}

static void born_with_one(void)
{
    int file = -1;
    int status;
    pid_t child;

    fflush(stdout);
    child = (pid_t)syscall(SYS_clone, CLONE_PIDFD | SIGCHLD, NULL, &file, NULL, 0);
    if (child == 0) {
        _exit(7);
    }
    SHOW_TRUE(file >= 0);
    SHOW(fcntl(file, F_GETFD));
    SHOW(ready(file, -1));
    waitpid(child, &status, 0);
    SHOW(WEXITSTATUS(status));
    SHOW(syscall(SYS_clone, CLONE_PIDFD | CLONE_PARENT_SETTID | SIGCHLD, NULL, &file, NULL, 0));
    close(file);
}

int main(void)
{
    refusals();
    an_end();
    not_blocking();
    a_file_of_another();
    born_with_one();
    return 0;
}
