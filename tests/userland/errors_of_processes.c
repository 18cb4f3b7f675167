/* The error of each call about processes, signals, memory and time, for many wrong arguments. */
#define _GNU_SOURCE
#include "userland.h"

#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/times.h>
#include <sys/wait.h>

#define NOWHERE   8L
#define IN_KERNEL ((long)0xffffffff80000000)
#define CALL(number, ...)                                                                          \
    show("SYS_" #number "(" #__VA_ARGS__ ")", (errno = 0, syscall(SYS_##number, ##__VA_ARGS__)))

static void unknown(void)
{
    static const long numbers[] = {-1, 340, 423, 500, 511, 512, 600, 1000};

    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        long result = syscall(numbers[i], 0, 0, 0);

        printf("call %ld: %s\n", numbers[i], result == -1 ? error_name(errno) : "done");
    }
}

static void processes(void)
{
    CALL(clone, CLONE_THREAD, 0, 0, 0, 0);
    CALL(clone, CLONE_SIGHAND, 0, 0, 0, 0);
    CALL(clone, CLONE_THREAD | CLONE_SIGHAND, 0, 0, 0, 0);
    CALL(clone, CLONE_FS | CLONE_NEWNS, 0, 0, 0, 0);
    CALL(clone3, NOWHERE, 64);
    CALL(clone3, NOWHERE, 8);
    CALL(clone3, NOWHERE, 10000);
    CALL(wait4, 0, NOWHERE, 0, 0);
    CALL(wait4, -1, 0, 0xff00, 0);
    CALL(wait4, 0x80000000L, 0, 0, 0);
    CALL(waitid, P_PID, -1, 0, WEXITED, 0);
    CALL(waitid, P_PID, 0, 0, WEXITED, 0);
    CALL(waitid, P_PID, 1, 0, WEXITED, 0);
    CALL(waitid, P_ALL, 0, 0, 0x77, 0);
    CALL(setpgid, -1, 0);
    CALL(setpgid, 0, -5);
    CALL(setpgid, 1, 0);
    CALL(getpgid, -1);
    CALL(getsid, -1);
    CALL(getsid, 999999);
    CALL(setresuid, -1, -1, -1);
    CALL(getresuid, NOWHERE, NOWHERE, NOWHERE);
    CALL(getresgid, NOWHERE, NOWHERE, NOWHERE);
    CALL(getgroups, -1, 0);
    CALL(setgroups, 70000, NOWHERE);
    CALL(setgroups, 1, NOWHERE);
    CALL(prctl, 0x7777, 0, 0, 0, 0);
    CALL(prctl, PR_SET_NAME, NOWHERE, 0, 0, 0);
    CALL(prctl, PR_GET_NAME, NOWHERE, 0, 0, 0);
    CALL(prctl, PR_SET_PDEATHSIG, 99, 0, 0, 0);
    CALL(arch_prctl, 0x7777, 0);
    CALL(arch_prctl, 0x1002, IN_KERNEL);
    CALL(arch_prctl, 0x1003, NOWHERE);
    CALL(set_robust_list, 0, 7);
    CALL(getcpu, NOWHERE, 0, 0);
    CALL(sched_setaffinity, 0, 8, NOWHERE);
    CALL(sched_getaffinity, 0, 8, NOWHERE);
    CALL(sched_getaffinity, 0, 0, 0);
    CALL(sched_getaffinity, 0, 7, 0);
    CALL(sched_getscheduler, -1);
    CALL(sched_getparam, 0, NOWHERE);
    CALL(sched_getparam, 0, 0);
    CALL(getpriority, 9, 0);
    CALL(getpriority, 0, 999999);
}

static void signals(void)
{
    stack_t stack = {.ss_flags = 0x77};
    sigset_t set;
    struct timespec bad = {0, -1};

    sigemptyset(&set);
    CALL(kill, 999999, 9);
    CALL(kill, 1, 99);
    CALL(kill, -999999, 9);
    CALL(kill, 0x80000000L, 0);
    CALL(tkill, 0, 9);
    CALL(tkill, -1, 9);
    CALL(tkill, 999999, 9);
    CALL(tgkill, 0, 1, 9);
    CALL(tgkill, getpid(), 999999, 9);
    CALL(tgkill, getpid(), getpid(), 99);
    CALL(tgkill, 999999, getpid(), 0);
    CALL(tgkill, getpid(), getpid(), 0);
    CALL(rt_sigaction, 0, 0, 0, 8);
    CALL(rt_sigaction, 65, 0, 0, 8);
    CALL(rt_sigaction, SIGUSR1, 0, 0, 4);
    CALL(rt_sigaction, SIGUSR1, 0, 0, 16);
    CALL(rt_sigaction, SIGUSR1, NOWHERE, 0, 8);
    CALL(rt_sigaction, SIGUSR1, 0, NOWHERE, 8);
    CALL(rt_sigaction, SIGKILL, 0, 0, 8);
    CALL(rt_sigprocmask, 0, 0, 0, 4);
    CALL(rt_sigprocmask, 0, NOWHERE, 0, 8);
    CALL(rt_sigprocmask, 0, 0, NOWHERE, 8);
    CALL(rt_sigprocmask, 77, 0, 0, 8);
    CALL(rt_sigprocmask, 77, &set, 0, 8);
    CALL(rt_sigpending, NOWHERE, 8);
    CALL(rt_sigpending, &set, 16);
    CALL(rt_sigsuspend, NOWHERE, 8);
    CALL(rt_sigsuspend, &set, 4);
    CALL(rt_sigtimedwait, NOWHERE, 0, 0, 8);
    CALL(rt_sigtimedwait, &set, 0, NOWHERE, 8);
    CALL(rt_sigtimedwait, &set, 0, &bad, 8);
    CALL(rt_sigtimedwait, &set, 0, 0, 4);
    CALL(rt_sigqueueinfo, 999999, SIGUSR1, NOWHERE);
    CALL(sigaltstack, NOWHERE, 0);
    CALL(sigaltstack, 0, NOWHERE);
    CALL(sigaltstack, &stack, 0);
}

static void memory(void)
{
    char *page = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    CALL(mmap, 0, 0, 3, 0x22, -1, 0);
    CALL(mmap, 0, 4096, 3, 0x20, -1, 0);
    CALL(mmap, 0, 4096, 3, 0x22, -1, 100);
    CALL(mmap, 0, -1L, 3, 0x22, -1, 0);
    CALL(mmap, 0, 1L << 48, 3, 0x22, -1, 0);
    CALL(mmap, IN_KERNEL, 4096, 3, 0x32, -1, 0);
    CALL(mmap, 0x7ffffffff000, 4096, 3, 0x32, -1, 0);
    CALL(mmap, 0, 4096, 3, 0x02, 99, 0);
    CALL(munmap, 0, 0);
    CALL(munmap, 1, 4096);
    CALL(munmap, 0x10000, -1L);
    CALL(munmap, 0x10000, 4096);
    CALL(munmap, IN_KERNEL, 4096);
    CALL(mprotect, 1, 4096, 1);
    CALL(mprotect, 0x10000, 4096, 1);
    CALL(mprotect, page, 4096, 0x77777);
    CALL(mprotect, page, 0, 1);
    CALL(mprotect, page, -1L, 1);
    CALL(mremap, 1, 4096, 8192, 1, 0);
    CALL(mremap, page, 4096, 8192, 0x77, 0);
    CALL(mremap, page, 4096, 4096, 2, page);
    CALL(mremap, 0x10000, 4096, 4096, 1, 0);
    CALL(msync, 1, 4096, MS_SYNC);
    CALL(msync, page, 4096, 0x77);
    CALL(msync, page, 4096, MS_SYNC | MS_ASYNC);
    CALL(msync, 0x10000, 4096, MS_SYNC);
    CALL(madvise, 1, 4096, MADV_DONTNEED);
    CALL(madvise, page, 4096, 0x777);
    CALL(madvise, 0x10000, 4096, MADV_DONTNEED);
    CALL(madvise, page, 0, MADV_DONTNEED);
    CALL(mlock, 0x10000, 4096);
    CALL(munlock, 0x10000, 4096);
}

static void time_and_waiting(void)
{
    struct timespec bad = {0, 1000000000}, negative = {-1, 0};
    struct timeval bad_value = {0, 1000000};
    struct pollfd one = {.fd = 99, .events = POLLIN};

    CALL(clock_gettime, 99, NOWHERE);
    CALL(clock_gettime, 1, NOWHERE);
    CALL(clock_gettime, 1, IN_KERNEL);
    CALL(clock_getres, 1, 0);
    CALL(clock_getres, 99, 0);
    CALL(clock_settime, 99, NOWHERE);
    CALL(clock_settime, 0, NOWHERE);
    CALL(clock_settime, 0, &bad);
    CALL(clock_nanosleep, 1, 0, NOWHERE, 0);
    CALL(clock_nanosleep, 1, 0, &bad, 0);
    CALL(clock_nanosleep, 1, 0, &negative, 0);
    CALL(clock_nanosleep, 99, 0, &bad, 0);
    CALL(nanosleep, NOWHERE, 0);
    CALL(nanosleep, &bad, 0);
    CALL(nanosleep, &negative, 0);
    CALL(gettimeofday, NOWHERE, 0);
    CALL(settimeofday, &bad_value, 0);
    CALL(time, NOWHERE);
    CALL(poll, NOWHERE, 1, 0);
    CALL(poll, &one, 1, 0);
    printf("not open: %x\n", (unsigned)one.revents);
    CALL(poll, &one, 1L << 31, 0);
    CALL(ppoll, &one, 1, &bad, 0, 8);
    CALL(ppoll, &one, 1, NOWHERE, 0, 8);
    CALL(ppoll, &one, 1, 0, NOWHERE, 8);
    CALL(ppoll, &one, 1, 0, &one, 4);
    CALL(select, -1, 0, 0, 0, 0);
    CALL(select, 10, NOWHERE, 0, 0, 0);
    CALL(select, 0, 0, 0, 0, NOWHERE);
    CALL(pselect6, 0, 0, 0, 0, &bad, 0);
    CALL(times, NOWHERE);
}

static void limits_and_system(void)
{
    struct rlimit crossed = {10, 5};

    CALL(getrlimit, 99, &crossed);
    CALL(getrlimit, 0, NOWHERE);
    CALL(setrlimit, 0, NOWHERE);
    CALL(setrlimit, 7, &crossed);
    CALL(setrlimit, 99, &crossed);
    CALL(prlimit64, 0, 7, NOWHERE, 0);
    CALL(prlimit64, 0, 7, 0, NOWHERE);
    CALL(prlimit64, -1, 7, 0, 0);
    CALL(getrusage, 0, NOWHERE);
    CALL(getrusage, 99, NOWHERE);
    CALL(sysinfo, NOWHERE);
    CALL(uname, NOWHERE);
    CALL(uname, IN_KERNEL);
    CALL(sethostname, NOWHERE, 5);
    CALL(sethostname, NOWHERE, -1);
    CALL(sethostname, NOWHERE, 100);
    CALL(setdomainname, NOWHERE, 100);
    CALL(getrandom, NOWHERE, 5, 0);
    CALL(getrandom, NOWHERE, 5, 0x77);
    CALL(getrandom, NOWHERE, 0, 0);
    CALL(reboot, 0, 0, 0, 0);
    CALL(reboot, 0xfee1dead, 0x28121969, 0x7777, 0);
    CALL(syslog, 99, 0, 0);
    CALL(syslog, 3, 0, -1);
    CALL(pipe, NOWHERE);
    CALL(pipe2, NOWHERE, 0);
    CALL(pipe2, NOWHERE, 0x77);
    CALL(umask, 022);
    CALL(execve, NOWHERE, 0, 0);
    CALL(execve, "nosuch", 0, 0);
    CALL(execve, "/dev/null", 0, 0);
    CALL(execve, ".", 0, 0);
}

int main(void)
{
    unknown();
    processes();
    signals();
    memory();
    time_and_waiting();
    limits_and_system();
    return 0;
}
