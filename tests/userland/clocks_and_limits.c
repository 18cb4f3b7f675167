/* Clocks, sleeping, randomness, limits and what the system says of itself. */
#define _GNU_SOURCE
#include "userland.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/sysinfo.h>
#include <sys/time.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <time.h>

static long long now_ns(clockid_t clock)
{
    struct timespec now;

    clock_gettime(clock, &now);
    return now.tv_sec * 1000000000LL + now.tv_nsec;
}

static void clocks(void)
{
    struct timespec time;
    struct timeval day;
    long long before = now_ns(CLOCK_MONOTONIC), worst = 0;

    for (int i = 0; i < 10000; i++) {
        long long now = now_ns(CLOCK_MONOTONIC);

        worst = now < before ? now - before : worst;
        before = now;
    }
    printf("backwards by %lld\n", worst);
    SHOW(clock_gettime(CLOCK_REALTIME, &time));
    SHOW(gettimeofday(&day, NULL));
    SHOW_TRUE(time.tv_sec > 1700000000 && day.tv_sec - time.tv_sec <= 1);
    SHOW(clock_gettime(CLOCK_BOOTTIME, &time));
    SHOW(clock_gettime(CLOCK_MONOTONIC_RAW, &time));
    SHOW(clock_gettime(CLOCK_MONOTONIC_COARSE, &time));
    SHOW(clock_gettime(CLOCK_REALTIME_COARSE, &time));
    SHOW(clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time));
    SHOW(clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time));
    SHOW(clock_gettime(99, &time));
    SHOW(clock_getres(CLOCK_MONOTONIC, &time));
    printf("resolution %ld\n", (long)time.tv_nsec);
    SHOW(clock_settime(CLOCK_MONOTONIC, &time));
}

static void sleeping(void)
{
    struct timespec brief = {0, 30000000}, bad = {0, -1}, when;
    long long start = now_ns(CLOCK_MONOTONIC);

    SHOW(nanosleep(&brief, NULL));
    printf("not early %d\n", now_ns(CLOCK_MONOTONIC) - start >= 30000000);
    SHOW(nanosleep(&bad, NULL));
    SHOW(nanosleep((struct timespec *)8, NULL));
    clock_gettime(CLOCK_MONOTONIC, &when);
    SHOW_CODE(clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &when, NULL));
    SHOW_CODE(clock_nanosleep(CLOCK_REALTIME, TIMER_ABSTIME, &when, NULL));
    SHOW_CODE(clock_nanosleep(99, 0, &brief, NULL));
    SHOW_CODE(clock_nanosleep(CLOCK_THREAD_CPUTIME_ID, 0, &brief, NULL));
    SHOW(usleep(1000));
}

static void randomness(void)
{
    unsigned char one[64], two[64];
    unsigned char seen[256] = {0};
    int values = 0;

    SHOW(getrandom(one, sizeof(one), 0));
    SHOW(getrandom(two, sizeof(two), GRND_NONBLOCK));
    SHOW_TRUE(memcmp(one, two, sizeof(one)) != 0);
    SHOW(getrandom(one, 0, 0));
    SHOW(getrandom(one, 1, 0x80));
    SHOW(getrandom((void *)8, 16, 0));
    for (int i = 0; i < 100; i++) {
        getrandom(one, sizeof(one), GRND_RANDOM);
        for (size_t j = 0; j < sizeof(one); j++) {
            values += !seen[one[j]]++;
        }
    }
    printf("values seen %d\n", values);
}

static void descriptors(void)
{
    struct rlimit limit;
    int last = 0;

    SHOW(getrlimit(RLIMIT_NOFILE, &limit));
    limit.rlim_cur = 16;
    SHOW(setrlimit(RLIMIT_NOFILE, &limit));
    while ((last = open("/dev/null", O_RDONLY)) >= 0 && last < 100) {
    }
    printf("the end: %s\n", error_name(errno));
    SHOW(dup2(0, 16));
    SHOW(dup2(0, 15));
    SHOW(fcntl(0, F_DUPFD, 16));
    for (int i = 3; i < 16; i++) {
        close(i);
    }
    limit.rlim_cur = limit.rlim_max + 1;
    SHOW_TRUE(limit.rlim_max == RLIM_INFINITY || setrlimit(RLIMIT_NOFILE, &limit) == -1);
    SHOW(prlimit(0, 99, NULL, &limit));
    SHOW(prlimit(999999, RLIMIT_NOFILE, NULL, &limit));
    SHOW(getrlimit(RLIMIT_NOFILE, (struct rlimit *)8));
}

static void memory(void)
{
    int status;

    flush();
    if (fork() == 0) {
        struct rlimit limit = {64 << 20, 64 << 20};
        size_t got = 0;

        setrlimit(RLIMIT_AS, &limit);
        while (malloc(1 << 20) != NULL) {
            got++;
        }
        printf("some memory %d: %s\n", got > 10 && got < 64, error_name(errno));
        flush();
        _exit(0);
    }
    wait(&status);
    printf("status %x\n", status);
}

static void file_size(void)
{
    int status;

    flush();
    if (fork() == 0) {
        struct rlimit limit = {1000, 1000};
        int file = open("limited", O_WRONLY | O_CREAT, 0600);
        static char text[2000];

        signal(SIGXFSZ, SIG_IGN);
        setrlimit(RLIMIT_FSIZE, &limit);
        SHOW(write(file, text, 2000));
        SHOW(write(file, text, 2000));
        SHOW(ftruncate(file, 2000));
        flush();
        signal(SIGXFSZ, SIG_DFL);
        write(file, text, 1);
        _exit(0);
    }
    wait(&status);
    printf("too big: signal %d\n", WTERMSIG(status));
    unlink("limited");
}

static void system_says(void)
{
    struct sysinfo info;
    struct utsname name;
    struct rusage usage;
    cpu_set_t set;
    unsigned cpu = 99, node = 99;

    SHOW(sysinfo(&info));
    SHOW_TRUE(info.totalram > info.freeram && info.mem_unit >= 1 && info.procs > 0);
    SHOW(uname(&name));
    SHOW_TRUE(strcmp(name.machine, "x86_64") == 0 && name.sysname[0] != '\0');
    SHOW(uname((struct utsname *)8));
    SHOW(getrusage(RUSAGE_SELF, &usage));
    SHOW(getrusage(RUSAGE_CHILDREN, &usage));
    SHOW(getrusage(7, &usage));
    CPU_ZERO(&set);
    SHOW(sched_getaffinity(0, sizeof(set), &set));
    SHOW_TRUE(CPU_COUNT(&set) == sysconf(_SC_NPROCESSORS_ONLN));
    SHOW_TRUE(syscall(SYS_getcpu, &cpu, &node, NULL) == 0 && cpu < 64 && node == 0);
    SHOW(sched_setaffinity(0, sizeof(set), &set));
    CPU_ZERO(&set);
    SHOW(sched_setaffinity(0, sizeof(set), &set));
    SHOW(sched_getaffinity(999999, sizeof(set), &set));
    SHOW(sched_yield());
    SHOW(sched_getscheduler(0));
}

/* --- priorities: told from where the program was started ----------------------------------------
 */

static void in_a_child(int base)
{
    int status;

    flush();
    if (fork() == 0) {
        printf("inherited %d\n", getpriority(PRIO_PROCESS, 0) - base);
        SHOW(setpriority(PRIO_PROCESS, 0, base + 3));
        flush();
        _exit(0);
    }
    wait(&status);
    printf("a child's is its own: %d\n", getpriority(PRIO_PROCESS, 0) - base);
}

static void as_another_user(int base)
{
    int status;

    flush();
    if (fork() == 0) {
        pid_t parent = getppid();

        setuid(65534);
        SHOW(setpriority(PRIO_PROCESS, 0, base + 4));
        SHOW(setpriority(PRIO_PROCESS, 0, base + 3));
        SHOW(setpriority(PRIO_PROCESS, (id_t)parent, base + 5));
        SHOW(setpriority(PRIO_USER, 65534, base + 5));
        SHOW_TRUE(getpriority(PRIO_PROCESS, (id_t)parent) == base + 2);
        flush();
        _exit(0);
    }
    wait(&status);
}

static void priorities(void)
{
    int base = getpriority(PRIO_PROCESS, 0);

    SHOW_TRUE(nice(0) == base);
    SHOW_TRUE(nice(2) == base + 2);
    SHOW_TRUE(getpriority(PRIO_PROCESS, (id_t)getpid()) == base + 2);
    in_a_child(base + 2);
    setpgid(0, 0);
    SHOW(setpriority(PRIO_PGRP, 0, 100));
    SHOW(getpriority(PRIO_PGRP, (id_t)getpid()));
    SHOW(setpriority(PRIO_PROCESS, 0, base + 2));
    SHOW(getpriority(3, 0));
    SHOW(setpriority(-1, 0, 0));
    SHOW(getpriority(PRIO_PROCESS, 999999));
    SHOW(setpriority(PRIO_PROCESS, 999999, 0));
    SHOW(getpriority(PRIO_USER, 12345));
    as_another_user(base);
}

int main(void)
{
    clocks();
    sleeping();
    randomness();
    descriptors();
    memory();
    file_size();
    system_says();
    priorities();
    return 0;
}
