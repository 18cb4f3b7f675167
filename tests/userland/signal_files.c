/* signalfd. */
#include "userland.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/wait.h>

static int file;

static void take(const char *when)
{
    struct signalfd_siginfo info;
    ssize_t size = read(file, &info, sizeof(info));

    printf("%s: %zd", when, size);
    if (size < 0) {
        printf(" %s\n", error_name(errno));
        return;
    }
    printf(" signal %u, code %d, status %d, value %d, %s\n", info.ssi_signo, info.ssi_code,
           info.ssi_status, info.ssi_int,
           (pid_t)info.ssi_pid == getpid() ? "from here" : "from elsewhere");
}

static sigset_t mask_of(int first, int second)
{
    sigset_t mask;

    sigemptyset(&mask);
    sigaddset(&mask, first);
    sigaddset(&mask, second);
    return mask;
}

static void refusals(const sigset_t *mask)
{
    int other = open("/dev/null", O_RDONLY);

    SHOW(signalfd(-1, mask, 1));
    SHOW(signalfd(99, mask, 0));
    SHOW(signalfd(other, mask, 0));
    close(other);
}

static void wait_for_child(void)
{
    flush();
    if (fork() == 0) {
        usleep(20000);
        _exit(7);
    }
    take("a child ended");
    SHOW_TRUE(wait(NULL) > 0);
}

int main(void)
{
    sigset_t mask = mask_of(SIGUSR1, SIGCHLD);
    sigset_t wider = mask_of(SIGUSR1, SIGRTMIN + 1);
    struct epoll_event event = {EPOLLIN, {.u64 = 3}};
    struct pollfd asked;
    char bytes[300];
    int set = epoll_create1(0);

    refusals(&mask);
    sigprocmask(SIG_BLOCK, &mask, NULL);
    sigprocmask(SIG_BLOCK, &wider, NULL);
    file = signalfd(-1, &mask, SFD_NONBLOCK | SFD_CLOEXEC);
    SHOW(fcntl(file, F_GETFD));
    take("none");
    SHOW(read(file, bytes, 127));
    SHOW(write(file, bytes, 128));
    asked = (struct pollfd){file, POLLIN, 0};
    SHOW(poll(&asked, 1, 0));
    raise(SIGUSR1);
    raise(SIGUSR1);
    SHOW(poll(&asked, 1, 0));
    take("raised twice");
    take("was one");
    sigqueue(getpid(), SIGRTMIN + 1, (union sigval){.sival_int = 5});
    sigqueue(getpid(), SIGRTMIN + 1, (union sigval){.sival_int = 6});
    take("not in the mask");
    SHOW_TRUE(signalfd(file, &wider, 0) == file);
    kill(getpid(), SIGUSR1);
    take("the lowest first");
    SHOW(read(file, bytes, sizeof(bytes)));
    take("both were read");
    SHOW_TRUE(signalfd(file, &mask, 0) == file);
    fcntl(file, F_SETFL, 0);
    wait_for_child();
    SHOW(epoll_ctl(set, EPOLL_CTL_ADD, file, &event));
    flush();
    if (fork() == 0) {
        usleep(20000);
        kill(getppid(), SIGUSR1);
        _exit(0);
    }
    SHOW(epoll_wait(set, &event, 1, -1));
    take("from a child");
    close(file);
    return 0;
}
