/* Timers that send signals: timer_create and its kin. */
#define _GNU_SOURCE
#include "userland.h"

#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

#define MS 1000000L

/* The system call's, without what a library makes of it. */
static int create(clockid_t clock, int notify, int signal, pid_t thread, int *id)
{
    struct sigevent event = {.sigev_notify = notify, .sigev_signo = signal};

    event.sigev_value.sival_int = 77;
    memcpy((char *)&event + 16, &thread, sizeof(thread));
    return (int)syscall(SYS_timer_create, clock, &event, id);
}

static int set(int id, int flags, long value, long period)
{
    struct itimerspec wanted = {{period / 1000000000, period % 1000000000},
                                {value / 1000000000, value % 1000000000}};

    return (int)syscall(SYS_timer_settime, id, flags, &wanted, NULL);
}

static long left(int id)
{
    struct itimerspec now;

    return syscall(SYS_timer_gettime, id, &now) == 0
               ? now.it_value.tv_sec * 1000000000 + now.it_value.tv_nsec
               : -1;
}

static int overrun(int id)
{
    return (int)syscall(SYS_timer_getoverrun, id);
}

static int end(int id)
{
    return (int)syscall(SYS_timer_delete, id);
}

static void block(int number)
{
    sigset_t mask;

    sigemptyset(&mask);
    sigaddset(&mask, number);
    sigprocmask(SIG_BLOCK, &mask, NULL);
}

static void show_next(const char *what, int number)
{
    siginfo_t info = {0};
    sigset_t mask;
    int got;

    sigemptyset(&mask);
    sigaddset(&mask, number);
    got = sigwaitinfo(&mask, &info);
    printf("%s: %d code %d value %d\n", what, got, info.si_code, info.si_value.sival_int);
}

/* A periodic timer may have rung once more before it was stopped. */
static void forget_pending(int number)
{
    struct timespec none = {0, 0};
    sigset_t mask;

    sigemptyset(&mask);
    sigaddset(&mask, number);
    sigtimedwait(&mask, NULL, &none);
}

static void refusals(void)
{
    struct itimerspec bad = {{0, 0}, {0, 1000000000}};
    int id = -1;

    SHOW(create(99, SIGEV_SIGNAL, SIGUSR1, 0, &id));
    SHOW(create(CLOCK_MONOTONIC, SIGEV_SIGNAL, 0, 0, &id));
    SHOW(create(CLOCK_MONOTONIC, SIGEV_SIGNAL, 65, 0, &id));
    SHOW(create(CLOCK_MONOTONIC, 9, SIGUSR1, 0, &id));
    SHOW(create(CLOCK_MONOTONIC, SIGEV_SIGNAL | SIGEV_THREAD_ID, SIGUSR1, 1, &id));
    SHOW(syscall(SYS_timer_create, CLOCK_MONOTONIC, (void *)8, &id));
    SHOW(create(CLOCK_MONOTONIC, SIGEV_NONE, 0, 0, &id));
    SHOW_TRUE(id >= 0);
    SHOW(syscall(SYS_timer_settime, id, 0, NULL, NULL));
    SHOW(syscall(SYS_timer_settime, id, 0, &bad, NULL));
    SHOW(syscall(SYS_timer_gettime, id, (void *)8));
    SHOW(set(id + 50, 0, 1, 0));
    SHOW(left(id + 50));
    SHOW(overrun(id + 50));
    SHOW(end(id + 50));
    SHOW(left(id));
    SHOW(set(id, 0, 3600L * 1000 * MS, 0));
    SHOW_TRUE(left(id) > 3500L * 1000 * MS);
    SHOW(set(id, 0, 0, 0));
    SHOW(end(id));
    SHOW(end(id));
}

static void once_and_again(int number)
{
    int id;

    block(number);
    SHOW(create(CLOCK_MONOTONIC, SIGEV_SIGNAL, number, 0, &id));
    SHOW(set(id, 0, 1 * MS, 0));
    show_next("once", number);
    SHOW(overrun(id));
    SHOW(left(id));
    SHOW(set(id, TIMER_ABSTIME, 1, 0));
    show_next("in the past", number);
    SHOW(set(id, 0, 1 * MS, 2 * MS));
    show_next("first", number);
    show_next("second", number);
    usleep(30000);
    show_next("late", number);
    SHOW_TRUE(overrun(id) >= 5);
    SHOW(set(id, 0, 0, 0));
    SHOW(end(id));
    forget_pending(number);
}

/* Without an event: SIGALRM, with the timer's id. */
static void plain(void)
{
    struct itimerspec soon = {{0, 0}, {0, MS}};
    siginfo_t info = {0};
    sigset_t mask;
    int id;

    block(SIGALRM);
    SHOW(syscall(SYS_timer_create, CLOCK_REALTIME, NULL, &id));
    SHOW(syscall(SYS_timer_settime, id, 0, &soon, NULL));
    sigemptyset(&mask);
    sigaddset(&mask, SIGALRM);
    SHOW(sigwaitinfo(&mask, &info));
    SHOW_TRUE(info.si_value.sival_int == id);
    SHOW(end(id));
}

static volatile sig_atomic_t heard_by;

static void hear(int number)
{
    (void)number;
    heard_by = (int)syscall(SYS_gettid);
}

static void *listen(void *argument)
{
    int *ids = argument;

    ids[0] = (int)syscall(SYS_gettid);
    SHOW(create(CLOCK_MONOTONIC, SIGEV_SIGNAL | SIGEV_THREAD_ID, SIGUSR2, ids[0], &ids[1]));
    SHOW(set(ids[1], 0, 2 * MS, 0));
    while (heard_by == 0) {
        usleep(1000);
    }
    return NULL;
}

static void to_a_thread(void)
{
    pthread_t thread;
    int ids[2];

    signal(SIGUSR2, hear);
    pthread_create(&thread, NULL, listen, ids);
    pthread_join(thread, NULL);
    SHOW_TRUE(heard_by == ids[0]);
    SHOW(set(ids[1], 0, 1 * MS, 0));
    usleep(20000);
    SHOW(end(ids[1]));
}

static void in_a_file(void)
{
    struct signalfd_siginfo info;
    sigset_t mask;
    int file;
    int id;

    block(SIGUSR1);
    sigemptyset(&mask);
    sigaddset(&mask, SIGUSR1);
    file = signalfd(-1, &mask, 0);
    create(CLOCK_MONOTONIC, SIGEV_SIGNAL, SIGUSR1, 0, &id);
    set(id, 0, MS, 0);
    SHOW(read(file, &info, sizeof(info)));
    printf("%d %d %d %d\n", (int)info.ssi_signo, info.ssi_code, info.ssi_int,
           (int)info.ssi_overrun);
    SHOW_TRUE((int)info.ssi_tid == id);
    end(id);
    close(file);
}

/* Of a real-time signal, while it is pending: it still comes, once. */
static void deleted_while_pending(void)
{
    struct timespec none = {0, 0};
    sigset_t mask;
    int id;

    sigemptyset(&mask);
    sigaddset(&mask, SIGRTMIN + 1);
    block(SIGRTMIN + 1);
    create(CLOCK_MONOTONIC, SIGEV_SIGNAL, SIGRTMIN + 1, 0, &id);
    set(id, 0, MS, 0);
    usleep(20000);
    SHOW(end(id));
    (void)sigtimedwait(&mask, NULL, &none);
    SHOW(sigtimedwait(&mask, NULL, &none));
}

/* A child has none, and neither has another program. */
static void inherited_by_nobody(void)
{
    int status;
    int id;
    pid_t child;

    create(CLOCK_MONOTONIC, SIGEV_NONE, 0, 0, &id);
    fflush(stdout);
    child = fork();
    if (child == 0) {
        _exit(left(id) == -1);
    }
    waitpid(child, &status, 0);
    SHOW(WEXITSTATUS(status));
    SHOW(end(id));
}

int main(void)
{
    refusals();
    once_and_again(SIGUSR1);
    once_and_again(SIGRTMIN + 2);
    plain();
    to_a_thread();
    in_a_file();
    deleted_while_pending();
    inherited_by_nobody();
    return 0;
}
