/* Interval timers and alarm. */
#define _GNU_SOURCE
#include "userland.h"

#include <signal.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>

static volatile sig_atomic_t rung[65];
static char *self;

static void count(int number)
{
    rung[number]++;
}

static struct itimerval timer_of(long left_us, long period_us)
{
    return (struct itimerval){{period_us / 1000000, period_us % 1000000},
                              {left_us / 1000000, left_us % 1000000}};
}

static long long now_us(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000000LL + now.tv_nsec / 1000;
}

static long left_us(int which)
{
    struct itimerval now;

    getitimer(which, &now);
    return now.it_value.tv_sec * 1000000L + now.it_value.tv_usec;
}

/* --- time that passes --------------------------------------------------------------------------
 */

static void once(void)
{
    struct itimerval soon = timer_of(30000, 0), old = timer_of(1, 1);
    long long start = now_us();

    SHOW(setitimer(ITIMER_REAL, &soon, &old));
    printf("old %ld %ld\n", (long)old.it_value.tv_usec, (long)old.it_interval.tv_usec);
    SHOW(pause());
    printf("not early %d, rung %d, left %ld\n", now_us() - start >= 30000, rung[SIGALRM],
           left_us(ITIMER_REAL));
}

static void periodic(void)
{
    struct itimerval often = timer_of(5000, 5000), never = timer_of(0, 0), old;

    rung[SIGALRM] = 0;
    SHOW(setitimer(ITIMER_REAL, &often, NULL));
    while (rung[SIGALRM] < 5) {
        pause();
    }
    SHOW_TRUE(left_us(ITIMER_REAL) > 0 && left_us(ITIMER_REAL) <= 5000);
    SHOW(setitimer(ITIMER_REAL, &never, &old));
    printf("period was %ld\n", (long)old.it_interval.tv_usec);
    rung[SIGALRM] = 0;
    usleep(20000);
    printf("stopped %d, left %ld\n", rung[SIGALRM], left_us(ITIMER_REAL));
}

static void alarms(void)
{
    struct itimerval long_one = timer_of(100400000, 0);

    SHOW(alarm(100));
    SHOW(alarm(200));
    SHOW(alarm(0));
    SHOW(alarm(0));
    setitimer(ITIMER_REAL, &long_one, NULL);
    SHOW(alarm(1));
    SHOW_TRUE(left_us(ITIMER_REAL) > 0);
    rung[SIGALRM] = 0;
    SHOW(sleep(10) > 5); /* interrupted */
    printf("rung %d\n", rung[SIGALRM]);
}

/* --- time that is used -------------------------------------------------------------------------
 */

static void working(int which, int number)
{
    struct itimerval soon = timer_of(30000, 20000), never = timer_of(0, 0);

    rung[number] = 0;
    SHOW(setitimer(which, &soon, NULL));
    SHOW_TRUE(left_us(which) > 0);
    while (rung[number] < 3) {
        __asm__ volatile("pause");
    }
    SHOW(setitimer(which, &never, NULL));
    rung[number] = 0;
}

/* --- over fork and exec, and the default -------------------------------------------------------
 */

static void inheritance(void)
{
    struct itimerval later = timer_of(50000000, 0);
    int status;

    setitimer(ITIMER_REAL, &later, NULL);
    flush();
    if (fork() == 0) {
        printf("a child has %ld\n", left_us(ITIMER_REAL));
        setitimer(ITIMER_REAL, &later, NULL);
        flush();
        execl(self, self, "--child", NULL);
        _exit(1);
    }
    wait(&status);
    alarm(0);
    flush();
    if (fork() == 0) {
        signal(SIGALRM, SIG_DFL);
        alarm(1);
        for (;;) {
            pause();
        }
    }
    wait(&status);
    printf("ended by %d\n", WTERMSIG(status));
}

static void errors(void)
{
    struct itimerval bad = timer_of(0, 0), good = timer_of(0, 0);

    bad.it_value.tv_usec = 1000000;
    SHOW(setitimer(ITIMER_REAL, &bad, NULL));
    bad.it_value.tv_usec = -1;
    SHOW(setitimer(ITIMER_REAL, &bad, NULL));
    bad = good;
    bad.it_interval.tv_usec = 1000000;
    SHOW(setitimer(ITIMER_REAL, &bad, NULL));
    bad = good;
    bad.it_value.tv_sec = -1;
    SHOW(setitimer(ITIMER_REAL, &bad, NULL));
    SHOW(setitimer(3, &good, NULL));
    SHOW(setitimer(-1, &good, NULL));
    SHOW(setitimer(ITIMER_REAL, (struct itimerval *)8, NULL));
    SHOW(setitimer(ITIMER_REAL, &good, (struct itimerval *)8));
    SHOW(getitimer(3, &good));
    SHOW(getitimer(ITIMER_REAL, (struct itimerval *)8));
}

int main(int argument_count, char **words)
{
    struct sigaction action = {.sa_handler = count};

    self = words[0];
    if (argument_count > 1) {
        SHOW_TRUE(left_us(ITIMER_REAL) > 10000000);
        return 0;
    }
    sigaction(SIGALRM, &action, NULL);
    sigaction(SIGVTALRM, &action, NULL);
    sigaction(SIGPROF, &action, NULL);
    once();
    periodic();
    alarms();
    working(ITIMER_VIRTUAL, SIGVTALRM);
    working(ITIMER_PROF, SIGPROF);
    inheritance();
    errors();
    return 0;
}
