/* Signals: handlers, masks, stacks, what they tell, and calls that they interrupt. */
#define _GNU_SOURCE
#include "userland.h"

#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <ucontext.h>

static volatile sig_atomic_t caught, last;
static siginfo_t last_info;
static sigjmp_buf back;

static void note(int number)
{
    caught++;
    last = number;
}

static void note_info(int number, siginfo_t *info, void *context)
{
    (void)context;
    caught++;
    last = number;
    last_info = *info;
}

static void catch (int number, int flags)
{
    struct sigaction action = {.sa_handler = note, .sa_flags = flags};

    sigaction(number, &action, NULL);
}

static void catch_info(int number, int flags)
{
    struct sigaction action = {.sa_sigaction = note_info, .sa_flags = flags | SA_SIGINFO};

    sigaction(number, &action, NULL);
}

static void masks(void)
{
    sigset_t set, old, pending;

    catch (SIGUSR1, 0);
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    SHOW(sigprocmask(SIG_BLOCK, &set, &old));
    raise(SIGUSR1);
    raise(SIGUSR1);
    printf("blocked: caught %d\n", caught);
    sigpending(&pending);
    SHOW(sigismember(&pending, SIGUSR1));
    SHOW(sigprocmask(SIG_SETMASK, &old, NULL));
    printf("once for two: caught %d\n", caught);
    sigaddset(&set, SIGKILL);
    SHOW(sigprocmask(SIG_BLOCK, &set, NULL));
    sigprocmask(SIG_SETMASK, NULL, &pending);
    SHOW(sigismember(&pending, SIGKILL));
    SHOW(sigprocmask(SIG_UNBLOCK, &set, NULL));
    SHOW(sigprocmask(99, &set, NULL));
    SHOW(sigaction(SIGKILL, &(struct sigaction){.sa_handler = note}, NULL));
    SHOW(sigaction(SIGSTOP, &(struct sigaction){.sa_handler = SIG_IGN}, NULL));
    SHOW(sigaction(0, NULL, NULL));
    SHOW(sigaction(65, NULL, NULL));
}

static void queued(void)
{
    sigset_t set;
    struct timespec none = {0, 1000000};
    siginfo_t info;

    catch_info(SIGRTMIN, 0);
    sigemptyset(&set);
    sigaddset(&set, SIGRTMIN);
    sigaddset(&set, SIGRTMIN + 1);
    sigprocmask(SIG_BLOCK, &set, NULL);
    for (int i = 3; i > 0; i--) {
        SHOW(sigqueue(getpid(), SIGRTMIN + i % 2, (union sigval){.sival_int = i}));
    }
    for (int i = 0; i < 4; i++) {
        int number = sigtimedwait(&set, &info, &none);

        printf("took %d value %d error %s\n", number < 0 ? -1 : number - SIGRTMIN,
               number < 0 ? 0 : info.si_value.sival_int, number < 0 ? error_name(errno) : "none");
    }
    sigprocmask(SIG_UNBLOCK, &set, NULL);
}

/* --- faults ------------------------------------------------------------------------------------
 */

static void leave_fault(int number, siginfo_t *info, void *context)
{
    last = number;
    last_info = *info;
    last_info.si_errno = (int)((ucontext_t *)context)->uc_mcontext.gregs[REG_TRAPNO];
    siglongjmp(back, 1);
}

static void show_fault(const char *what, volatile char *address, int write)
{
    struct sigaction action = {.sa_sigaction = leave_fault, .sa_flags = SA_SIGINFO};

    sigaction(SIGSEGV, &action, NULL);
    sigaction(SIGBUS, &action, NULL);
    if (sigsetjmp(back, 1) == 0) {
        if (write) {
            *address = 1;
        } else {
            (void)*address;
        }
        printf("%s: no fault\n", what);
        return;
    }
    printf("%s: signal %d code %d address %s trap %d\n", what, last, last_info.si_code,
           last_info.si_addr == (void *)address ? "right" : "wrong", last_info.si_errno);
}

static void faults(void)
{
    char *page = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    char *none = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    show_fault("null", NULL, 0);
    show_fault("null, write", (char *)123, 1);
    show_fault("kernel", (char *)0xffffffff80000000, 0);
    show_fault("not canonical", (char *)0x1000000000000000, 0);
    munmap(page + 4096, 4096);
    show_fault("unmapped", page + 4096 + 77, 1);
    mprotect(page, 4096, PROT_READ);
    show_fault("read only, read", page + 5, 0);
    show_fault("read only, write", page + 5, 1);
    show_fault("no access", none + 4095, 0);
    show_fault("text", (char *)(uintptr_t)show_fault, 1);
}

static void leave_other(int number, siginfo_t *info, void *context)
{
    (void)context;
    last = number;
    last_info = *info;
    siglongjmp(back, 1);
}

static void other_exceptions(void)
{
    struct sigaction action = {.sa_sigaction = leave_other, .sa_flags = SA_SIGINFO};

    sigaction(SIGFPE, &action, NULL);
    sigaction(SIGILL, &action, NULL);
    sigaction(SIGTRAP, &action, NULL);
    sigaction(SIGSEGV, &action, NULL);
    if (sigsetjmp(back, 1) == 0) {
        __asm__ volatile("xor %%ecx, %%ecx; mov $1, %%eax; cdq; idiv %%ecx" ::
                             : "eax", "ecx", "edx");
    }
    printf("divide: signal %d code %d\n", last, last_info.si_code);
    if (sigsetjmp(back, 1) == 0) {
        __asm__ volatile("ud2");
    }
    printf("ud2: signal %d code %d\n", last, last_info.si_code);
    if (sigsetjmp(back, 1) == 0) {
        __asm__ volatile("int3");
    }
    printf("int3: signal %d\n", last);
    if (sigsetjmp(back, 1) == 0) {
        __asm__ volatile("cli");
    }
    printf("cli: signal %d code %d\n", last, last_info.si_code);
}

/* --- stacks ------------------------------------------------------------------------------------
 */

static char alternate[65536];

static void show_stack(int number)
{
    char here;
    stack_t now;

    (void)number;
    sigaltstack(NULL, &now);
    printf("on the alternate stack %d, flags %d\n",
           &here >= alternate && &here < alternate + sizeof(alternate), now.ss_flags);
    SHOW(sigaltstack(&(stack_t){.ss_flags = SS_DISABLE}, NULL));
}

static void leave_overflow(int number)
{
    (void)number;
    siglongjmp(back, 1);
}

static int overflow(int depth)
{
    volatile char page[4096];

    page[depth % 4096] = (char)depth;
    return overflow(depth + 1) + page[0];
}

static void stacks(void)
{
    stack_t stack = {.ss_sp = alternate, .ss_size = sizeof(alternate)};
    struct sigaction action = {.sa_handler = show_stack, .sa_flags = SA_ONSTACK};

    SHOW(sigaltstack(&stack, NULL));
    sigaction(SIGUSR2, &action, NULL);
    raise(SIGUSR2);
    action.sa_flags = 0;
    sigaction(SIGUSR2, &action, NULL);
    SHOW(sigaltstack(&(stack_t){.ss_sp = alternate, .ss_size = 100}, NULL));
    SHOW(sigaltstack(&(stack_t){.ss_sp = alternate, .ss_size = 65536, .ss_flags = 99}, NULL));
    SHOW(sigaltstack(&stack, NULL));
    action = (struct sigaction){.sa_handler = leave_overflow, .sa_flags = SA_ONSTACK};
    sigaction(SIGSEGV, &action, NULL);
    if (sigsetjmp(back, 1) == 0) {
        overflow(0);
    }
    printf("came back from a stack overflow\n");
    SHOW(sigaltstack(&(stack_t){.ss_flags = SS_DISABLE}, NULL));
}

static void tell_of_bad_stack(int number, siginfo_t *info, void *context)
{
    (void)context;
    printf("caught %d, code %d\n", number, info->si_code);
    fflush(stdout);
    _exit(3);
}

/* kill(own, SIGUSR1) with a stack pointer that leads nowhere, or sigreturn. */
static void lose_the_stack(int call)
{
    pid_t self = getpid();

    __asm__ volatile("movq $64, %%rsp\n\tsyscall\n\tud2"
                     :
                     : "a"(call), "D"((long)self), "S"((long)SIGUSR1)
                     : "rcx", "r11", "memory");
    __builtin_unreachable();
}

/* A frame that cannot be written or read is a fault, for which there may be a handler. */
static void bad_stacks(void)
{
    static const int calls[] = {SYS_kill, SYS_rt_sigreturn};

    for (unsigned i = 0; i < 4; i++) {
        int status;
        pid_t child;

        fflush(stdout);
        child = fork();
        if (child == 0) {
            const stack_t stack = {.ss_sp = alternate, .ss_size = sizeof(alternate)};
            const struct sigaction action = {.sa_sigaction = tell_of_bad_stack,
                                             .sa_flags = SA_SIGINFO | SA_ONSTACK};

            signal(SIGUSR1, note);
            sigaltstack(&stack, NULL);
            sigaction(SIGSEGV, &action, NULL);
            if (i >= 2) {
                signal(SIGSEGV, SIG_DFL);
                setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
            }
            lose_the_stack(calls[i % 2]);
        }
        waitpid(child, &status, 0);
        printf("bad stack %u: status %x\n", i, (unsigned)status);
    }
}

/* --- interrupted calls -------------------------------------------------------------------------
 */

static pid_t kill_later(pid_t whom, int number, int times)
{
    flush();
    pid_t child = fork();

    if (child == 0) {
        for (int i = 0; i < times; i++) {
            usleep(60000);
            kill(whom, number);
        }
        _exit(0);
    }
    return child;
}

static void interruptions(void)
{
    int ends[2];
    char byte;
    struct timespec long_time = {5, 0}, left = {0, 0};
    struct pollfd nothing = {.fd = -1};
    sigset_t none;

    pipe(ends);
    catch (SIGCHLD, SA_RESTART);
    catch (SIGUSR1, 0);
    kill_later(getpid(), SIGUSR1, 1);
    SHOW(read(ends[0], &byte, 1));
    catch (SIGUSR1, SA_RESTART);
    flush();
    if (fork() == 0) {
        usleep(60000);
        kill(getppid(), SIGUSR1);
        usleep(60000);
        write(ends[1], "x", 1);
        _exit(0);
    }
    SHOW(read(ends[0], &byte, 1));
    kill_later(getpid(), SIGUSR1, 1);
    SHOW(poll(&nothing, 1, 5000));
    kill_later(getpid(), SIGUSR1, 1);
    SHOW(nanosleep(&long_time, &left));
    printf("some time is left: %d\n", left.tv_sec >= 3 && left.tv_sec < 5);
    kill_later(getpid(), SIGUSR1, 1);
    SHOW_CODE(clock_nanosleep(CLOCK_MONOTONIC, 0, &long_time, &left));
    kill_later(getpid(), SIGUSR1, 1);
    SHOW(pause());
    kill_later(getpid(), SIGUSR1, 1);
    sigemptyset(&none);
    SHOW(sigsuspend(&none));
    while (wait(NULL) > 0) {
    }
    SHOW(wait(NULL));
}

/* --- the rest ----------------------------------------------------------------------------------
 */

static void flags(void)
{
    struct sigaction action;

    catch (SIGUSR1, SA_RESETHAND);
    raise(SIGUSR1);
    sigaction(SIGUSR1, NULL, &action);
    SHOW_TRUE(action.sa_handler == SIG_DFL);
    caught = 0;
    signal(SIGPIPE, note);
    int ends[2];

    pipe(ends);
    close(ends[0]);
    SHOW(write(ends[1], "x", 1));
    printf("broken pipe: caught %d\n", caught);
    signal(SIGPIPE, SIG_IGN);
    SHOW(write(ends[1], "x", 1));
    close(ends[1]);
}

static void children(void)
{
    pid_t child;

    catch_info(SIGCHLD, SA_RESTART);
    flush();
    child = fork();
    if (child == 0) {
        _exit(9);
    }
    SHOW_TRUE(waitpid(child, NULL, 0) == child);
    printf("child: signal %d code %d status %d pid %d\n", last_info.si_signo, last_info.si_code,
           last_info.si_status, last_info.si_pid == child);
    catch_info(SIGUSR1, 0);
    kill(getpid(), SIGUSR1);
    printf("kill: code %d pid %d\n", last_info.si_code, last_info.si_pid == getpid());
}

static void *wait_for_signal(void *result)
{
    sigset_t set;
    int number = 0;

    sigemptyset(&set);
    sigaddset(&set, SIGUSR2);
    sigwait(&set, &number);
    *(int *)result = number;
    return NULL;
}

static void threads(void)
{
    pthread_t thread;
    sigset_t set;
    int result = 0;

    sigemptyset(&set);
    sigaddset(&set, SIGUSR2);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    pthread_create(&thread, NULL, wait_for_signal, &result);
    pthread_kill(thread, SIGUSR2);
    pthread_join(thread, NULL);
    printf("a thread took %d\n", result);
    SHOW(kill(999999, 0));
    SHOW(kill(getpid(), 0));
    SHOW(kill(getpid(), 65));
    SHOW(kill(getpid(), -1));
    pthread_sigmask(SIG_UNBLOCK, &set, NULL);
}

static double kept = 1.5;

static void spoil_registers(int number)
{
    (void)number;
    __asm__ volatile("pxor %%xmm0, %%xmm0; pxor %%xmm1, %%xmm1; fninit" ::: "xmm0", "xmm1");
}

static void registers(void)
{
    double result;

    signal(SIGUSR1, spoil_registers);
    __asm__ volatile("movsd %1, %%xmm1\n\t"
                     "mov $39, %%eax\n\tsyscall\n\t"
                     "mov %%eax, %%edi\n\tmov $10, %%esi\n\tmov $62, %%eax\n\tsyscall\n\t"
                     "movsd %%xmm1, %0"
                     : "=m"(result)
                     : "m"(kept)
                     : "rax", "rdi", "rsi", "rcx", "r11", "xmm1", "memory");
    printf("a vector register over a handler: %g\n", result);
}

int main(void)
{
    masks();
    queued();
    faults();
    other_exceptions();
    stacks();
    bad_stacks();
    interruptions();
    flags();
    children();
    threads();
    registers();
    return 0;
}
