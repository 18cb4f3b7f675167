/* timerfd. */
#include "userland.h"

#include <fcntl.h>
#include <poll.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <time.h>

static int timer;

static void take(const char *when)
{
    uint64_t count = 0;
    ssize_t size = read(timer, &count, sizeof(count));

    printf("%s: %zd %s %s\n", when, size, size < 0 ? error_name(errno) : "",
           count == 0 ? "none" : (count == 1 ? "once" : "several times"));
}

static int set(int flags, long first_ms, long period_ms)
{
    struct itimerspec setting = {{period_ms / 1000, period_ms % 1000 * 1000000},
                                 {first_ms / 1000, first_ms % 1000 * 1000000}};

    errno = 0;
    return timerfd_settime(timer, flags, &setting, NULL);
}

static void show_setting(void)
{
    struct itimerspec setting;

    SHOW(timerfd_gettime(timer, &setting));
    printf("every %ld.%09ld s, %s\n", (long)setting.it_interval.tv_sec, setting.it_interval.tv_nsec,
           setting.it_value.tv_sec != 0 || setting.it_value.tv_nsec != 0 ? "runs" : "does not run");
}

static void refusals(void)
{
    struct itimerspec setting = {{0, 0}, {0, 1000000000}};

    SHOW(timerfd_create(99, 0));
    SHOW(timerfd_create(CLOCK_MONOTONIC, 1));
    SHOW(timerfd_create(CLOCK_PROCESS_CPUTIME_ID, 0));
    timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    SHOW(fcntl(timer, F_GETFD));
    SHOW(timerfd_settime(timer, 0, &setting, NULL));
    setting.it_value = (struct timespec){-1, 0};
    SHOW(timerfd_settime(timer, 0, &setting, NULL));
    setting = (struct itimerspec){{0, -1}, {1, 0}};
    SHOW(timerfd_settime(timer, 0, &setting, NULL));
    SHOW(set(8, 1000, 0));
    SHOW(timerfd_settime(timer, 0, NULL, NULL));
    SHOW(timerfd_settime(99, 0, &setting, NULL));
    SHOW(timerfd_settime(0, 0, &(struct itimerspec){{0, 0}, {1, 0}}, NULL));
    SHOW(timerfd_gettime(99, &setting));
    SHOW(timerfd_gettime(0, &setting));
    SHOW(timerfd_gettime(timer, NULL));
    SHOW(write(timer, &setting, 8));
    SHOW(read(timer, &setting, 7));
    take("never set");
    show_setting();
    close(timer);
}

static void one_shot(void)
{
    struct pollfd asked;
    struct itimerspec old;

    timer = timerfd_create(CLOCK_MONOTONIC, 0);
    asked = (struct pollfd){timer, POLLIN, 0};
    SHOW(set(0, 100000, 0));
    show_setting();
    SHOW(poll(&asked, 1, 0));
    SHOW(timerfd_settime(timer, 0, &(struct itimerspec){{0, 0}, {0, 10000000}}, &old));
    SHOW_TRUE(old.it_value.tv_sec > 90 && old.it_value.tv_sec <= 100);
    take("waited");
    SHOW(set(0, 10, 0));
    SHOW(poll(&asked, 1, -1));
    printf("ready %x\n", (unsigned)asked.revents);
    show_setting();
    take("after poll");
    SHOW(poll(&asked, 1, 0));
    SHOW(set(0, 1, 0));
    usleep(20000);
    SHOW(set(0, 0, 0));
    SHOW(poll(&asked, 1, 0));
    close(timer);
}

static void periodic(void)
{
    timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
    SHOW(set(0, 1, 5));
    show_setting();
    usleep(60000);
    take("slept over several");
    usleep(30000);
    show_setting();
    SHOW(set(0, 100000, 5));
    take("set anew");
    close(timer);
}

static void absolute(clockid_t clock)
{
    struct timespec now;
    struct itimerspec setting = {{0, 0}, {0, 0}};

    timer = timerfd_create(clock, 0);
    clock_gettime(clock, &now);
    setting.it_value = now;
    setting.it_value.tv_nsec = (now.tv_nsec + 20000000) % 1000000000;
    setting.it_value.tv_sec += now.tv_nsec + 20000000 >= 1000000000;
    SHOW(timerfd_settime(timer, TFD_TIMER_ABSTIME, &setting, NULL));
    take("in the future");
    clock_gettime(clock, &setting.it_interval);
    SHOW_TRUE(setting.it_interval.tv_sec > setting.it_value.tv_sec ||
              setting.it_interval.tv_nsec >= setting.it_value.tv_nsec);
    setting.it_interval = (struct timespec){0, 0};
    setting.it_value = (struct timespec){1, 0};
    SHOW(timerfd_settime(timer, TFD_TIMER_ABSTIME, &setting, NULL));
    take("in the past");
    close(timer);
}

static void in_a_set(void)
{
    struct epoll_event event = {EPOLLIN | EPOLLET, {.u64 = 7}};
    int files = epoll_create1(0);

    timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
    epoll_ctl(files, EPOLL_CTL_ADD, timer, &event);
    SHOW(set(0, 10, 10));
    SHOW(epoll_wait(files, &event, 1, -1));
    SHOW(epoll_wait(files, &event, 1, 30));
    take("in a set");
    SHOW(epoll_wait(files, &event, 1, -1));
    close(timer);
    SHOW(epoll_wait(files, &event, 1, 30));
    close(files);
}

int main(void)
{
    refusals();
    one_shot();
    periodic();
    absolute(CLOCK_MONOTONIC);
    absolute(CLOCK_REALTIME);
    in_a_set();
    return 0;
}
