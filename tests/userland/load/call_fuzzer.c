/*
 * call_fuzzer SEED CALLS [WORKERS [THREADS [switch]]]: system calls of every number with arguments
 * that are half right, wholly wrong or wild, until so many have been made; for kernels that are to
 * survive it.
 *
 * Workers, processes of a few threads each, make calls until they have made their share, or the
 * kernel has rightly ended them; the supervisor starts the next. Half of them are root in a folder
 * that they cannot leave, half an ordinary user. What would end the test itself gets arguments
 * under which it does not. Which arguments brought a call to a result that it had not had before is
 * remembered by all, and such are varied more often than others. With `switch` another process
 * switches the kernel's hooks of system calls meanwhile.
 */
#define _GNU_SOURCE
#include "fuzz_arguments.h"
#include "fuzz_shapes.h"
#include "fuzz_watch.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <mntent.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define FOLDER       "/tmp/call_fuzzer"
#define USER         1000
#define WORKERS_MAX  16
#define THREADS_MAX  8
#define WORKER_CALLS 6000U /* of each thread of a worker */
#define CORPUS       8U    /* kept for each number */
#define ERRORS       192U
#define PATIENCE_NS  700000000ULL /* a worker that makes no call for so long is stuck */
#define MILLISECOND  1000000L

/* Between all processes. */
static struct shared {
    _Atomic uint64_t done;
    _Atomic uint64_t progress[WORKERS_MAX];
    _Atomic uint32_t calling[WORKERS_MAX][THREADS_MAX]; /* the number of the call it is in */
    _Atomic uint64_t results[NUMBERS][ERRORS / 64];     /* bit: had it; 0 is success */
    _Atomic uint64_t corpus[NUMBERS][CORPUS];           /* what the arguments are made from */
    _Atomic uint32_t is_over;
} * shared;

static uint64_t seed, wanted;
static pid_t oldest_target; /* processes up to this one are no aim */

/* --- one call --------------------------------------------------------------------------------- */

struct call {
    uint32_t number;
    uint64_t arguments[6];
};

/* Whatever the call does to the stack or the thread, a child that it makes ends at once. */
static int64_t make(const struct call *call)
{
    register uint64_t a3 __asm__("r10") = call->arguments[3];
    register uint64_t a4 __asm__("r8") = call->arguments[4];
    register uint64_t a5 __asm__("r9") = call->arguments[5];
    int64_t result = call->number;
    uint32_t forks = call->number == SYS_fork || call->number == SYS_vfork ||
                     call->number == SYS_clone || call->number == 435;

    __asm__ volatile("syscall\n\t"
                     "test %%rax, %%rax\n\t"
                     "jnz 1f\n\t"
                     "test %%ebx, %%ebx\n\t"
                     "jz 1f\n\t"
                     "xor %%edi, %%edi\n\t"
                     "mov $60, %%eax\n\t"
                     "syscall\n"
                     "1:"
                     : "+a"(result)
                     : "D"(call->arguments[0]), "S"(call->arguments[1]), "d"(call->arguments[2]),
                       "r"(a3), "r"(a4), "r"(a5), "b"(forks)
                     : "rcx", "r11", "memory");
    return result;
}

static int64_t raw(uint32_t number, uint64_t a0, uint64_t a1, uint64_t a2, uint64_t a3)
{
    return make(&(struct call){number, {a0, a1, a2, a3}});
}

/* What the letters say, but now and then something of another kind. */
static void fill(struct call *call, uint64_t shape)
{
    static const char kinds[] = "fpsloainmgudtvekwx";
    const char *letters = shapes[call->number] != NULL ? shapes[call->number] : "xxxxxx";
    struct random random = {shape};

    for (unsigned i = 0; i < 6; i++) {
        char kind = *letters != '\0' ? *letters++ : '0';

        if (below(&random, 24) == 0) {
            kind = PICK(&random, kinds);
        }
        call->arguments[i] = of_kind(kind, &random);
    }
}

/* --- what is not to happen -------------------------------------------------------------------- */

/* Nobody but workers and what they have made: process 1, shells and the supervisor are older. */
static void keep_pid(uint64_t *argument)
{
    if ((int32_t)*argument <= (int32_t)oldest_target) {
        *argument = own_process;
    }
}

static void keep_pids(struct call *call)
{
    const char *letters = shapes[call->number];

    for (unsigned i = 0; letters != NULL && letters[i] != '\0'; i++) {
        if (letters[i] == 'd') {
            keep_pid(&call->arguments[i]);
        }
    }
}

static void likely_mapping(struct call *call, struct random *random)
{
    if (below(random, 4) != 0) {
        call->arguments[1] = below(random, 64) * PAGE;
        call->arguments[2] = below(random, 8);
        call->arguments[3] =
            1 + below(random, 2) + 0x20 * below(random, 2) + 0x10 * below(random, 2);
        call->arguments[5] = below(random, 8) * PAGE;
    }
}

static void likely_open_flags(uint64_t *argument, struct random *random)
{
    static const uint64_t likely[] = {O_RDONLY, O_RDWR,      O_RDWR | O_CREAT, O_WRONLY | O_CREAT,
                                      O_PATH,   O_DIRECTORY, O_RDWR | O_TRUNC, O_NONBLOCK};

    if (below(random, 2) == 0) {
        *argument = PICK(random, likely);
    }
}

/* 0: this call is not made this time. */
static int is_allowed(struct call *call, struct random *random, int is_root)
{
    uint64_t *arguments = call->arguments;

    keep_pids(call);
    switch (call->number) {
    case SYS_open:
        likely_open_flags(&arguments[1], random);
        break;
    case SYS_openat:
        likely_open_flags(&arguments[2], random);
        break;
    case SYS_ioctl:
        arguments[1] = below(random, 4) == 0 ? arguments[1] : 0x5400 + below(random, 0x60);
        break;
    case SYS_mmap:
        likely_mapping(call, random);
        break;
    case SYS_fcntl:
        if ((uint32_t)arguments[1] == F_SETOWN) {
            keep_pid(&arguments[2]);
        }
        break;
    case SYS_setpriority:
    case SYS_ioprio_set:
        keep_pid(&arguments[1]);
        break;
    case SYS_rt_sigreturn:
    case SYS_exit:
        return below(random, 64) == 0;
    case SYS_exit_group:
        return below(random, 256) == 0;
    case SYS_execve:
    case SYS_execveat:
        return below(random, 16) == 0;
    case SYS_reboot:
        arguments[0] = below(random, 1000);
        break;
    case SYS_chroot:
        return !is_root; /* they could leave their folder */
    case SYS_mount:
        arguments[1] = below(random, 4) == 0 ? bad_pointer(random) : (uint64_t)(uintptr_t) "d";
        break;
    case SYS_umount2:
        arguments[0] = below(random, 4) == 0 ? bad_pointer(random) : (uint64_t)(uintptr_t) "d";
        break;
    case SYS_sethostname:
    case SYS_setdomainname:
        arguments[1] |= 0x1000; /* more than a name has */
        break;
    default:
        break;
    }
    return 1;
}

/* --- what comes of it ------------------------------------------------------------------------- */

static void note(uint32_t number, uint64_t shape, int64_t result)
{
    uint64_t error = result < 0 && result > -(int64_t)ERRORS ? (uint64_t)-result : 0;
    uint64_t bit = 1ULL << error % 64;
    _Atomic uint64_t *word = &shared->results[number][error / 64];

    /* relaxed: nothing depends on it */
    if ((atomic_load_explicit(word, memory_order_relaxed) & bit) == 0 &&
        (atomic_fetch_or_explicit(word, bit, memory_order_relaxed) & bit) == 0) {
        atomic_store_explicit(&shared->corpus[number][error % CORPUS], shape, memory_order_relaxed);
    }
}

/* Arguments as somebody had them who got somewhere, but one or two. */
static void vary(struct call *call, struct random *random)
{
    struct call other = *call;
    unsigned changes = 1 + (unsigned)below(random, 2);

    fill(&other, next(random));
    while (changes-- > 0) {
        unsigned which = (unsigned)below(random, 6);

        call->arguments[which] = other.arguments[which];
    }
}

static void call_once(struct random *random, int is_root, _Atomic uint32_t *calling)
{
    struct call call = {.number = (uint32_t)below(random, NUMBERS)};
    uint64_t shape = next(random);
    uint64_t kept = atomic_load_explicit(&shared->corpus[call.number][below(random, CORPUS)],
                                         memory_order_relaxed);

    if (shapes[call.number] == NULL && below(random, 4) != 0) {
        call.number = (uint32_t)below(random, 335); /* most of the others are nobody's */
    }
    if (kept != 0 && below(random, 2) == 0) {
        fill(&call, kept);
        vary(&call, random);
    } else {
        fill(&call, shape);
    }
    if (is_allowed(&call, random, is_root)) {
        atomic_store_explicit(calling, call.number, memory_order_relaxed);
        note(call.number, shape, make(&call));
    }
}

/* --- a worker --------------------------------------------------------------------------------- */

static struct worker {
    unsigned slot;
    int is_root;
    uint64_t seed;
} worker;

static uint32_t threads_there[THREADS_MAX]; /* 0: not yet */

/* The timer's signal is for whoever takes it first: pass it on to all, as any may be blocked. */
static void on_alarm(int number, siginfo_t *info, void *nothing)
{
    (void)nothing;
    for (unsigned i = 0; i < THREADS_MAX && info->si_code != SI_TKILL; i++) {
        if (threads_there[i] != 0) {
            raw(SYS_tgkill, own_process, threads_there[i], (uint64_t)number, 0);
        }
    }
}

/* Descriptors of all kinds, at fixed numbers; what is still open stays. */
static void open_all(void)
{
    int made[DESCRIPTORS], ends[2], count = 0;
    sigset_t set;

    sigfillset(&set);
    made[count++] = open("/dev/null", O_RDWR);
    made[count++] = open("/dev/zero", O_RDWR);
    made[count++] = open("/dev/null", O_RDONLY);
    made[count++] = open("a", O_RDWR | O_CREAT, 0666);
    made[count++] = open("b", O_RDONLY | O_CREAT, 0666);
    made[count++] = open(".", O_RDONLY);
    made[count++] = open("d", O_RDONLY | O_DIRECTORY);
    made[count++] = open("d", O_PATH);
    made[count++] = open("fifo", O_RDWR | O_NONBLOCK);
    made[count++] = open("/proc/self/status", O_RDONLY);
    made[count++] = open("/dev/full", O_RDWR);
    if (pipe(ends) == 0) {
        made[count++] = ends[0];
        made[count++] = ends[1];
    }
    made[count++] = eventfd(1, 0);
    made[count++] = timerfd_create(CLOCK_MONOTONIC, 0);
    made[count++] = signalfd(-1, &set, 0);
    made[count++] = epoll_create1(0);
    made[count++] = memfd_create("m", 0);
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0) {
        made[count++] = ends[0];
        made[count++] = ends[1];
    }
    made[count++] = socket(AF_INET, SOCK_DGRAM, 0);
    made[count++] = (int)syscall(SYS_inotify_init1, 0);
    for (int i = 0; i < count; i++) {
        if (made[i] >= 0) {
            dup2(made[i], 40 + i);
            close(made[i]);
        }
    }
    for (int i = 0; i < count; i++) {
        dup2(40 + i, i);
        close(40 + i);
    }
}

static void map_arena(struct random *random)
{
    uint64_t *words = mmap((void *)ARENA, ARENA_PAGES * PAGE, PROT_READ | PROT_WRITE,
                           MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);

    mmap((void *)READ_ONLY, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
    for (uint64_t i = 0; i < ARENA_PAGES * PAGE / 8; i += 1 + below(random, 64)) {
        words[i] = next(random) & ~(1ULL << 13); /* as a set of signals: never SIGALRM */
    }
}

static void limit(int what, uint64_t most)
{
    setrlimit(what, &(struct rlimit){most, most});
}

/* Where and who it is; a policy may forbid it to become that, and then it ends. */
static int take_place(void)
{
    char folder[64];

    snprintf(folder, sizeof(folder), FOLDER "/%u", worker.slot);
    if (worker.is_root) {
        return chroot(folder) == 0 && chdir("/") == 0;
    }
    return chdir(folder) == 0 && setgid(USER) == 0 && setuid(USER) == 0;
}

static void become(void)
{
    int nothing = open("/dev/null", O_RDWR); /* in its folder there may be none any more */

    for (int i = 0; i < 3; i++) {
        if (dup2(nothing, i) < 0) {
            _exit(1);
        }
    }
    close(nothing);
    setpgid(0, 0);
    limit(RLIMIT_NOFILE, 128);
    limit(RLIMIT_FSIZE, 1 << 20);
    limit(RLIMIT_AS, 256 << 20);
    limit(RLIMIT_CORE, 0);
    if (!take_place()) {
        _exit(1);
    }
    mkdir("d", 0777);
    mkfifo("fifo", 0666);
}

/* Calls to be interrupted, whatever has become of the mask and the timer; and other signals to be
 * ignored, so that the worker lives a while. */
static void keep_ticking(void)
{
    static const struct itimerval tick = {{0, 1000}, {0, 1000}};
    static const uint64_t unblocked = 1ULL << 13;
    static const uint64_t ignored[4] = {1};

    for (unsigned i = 0; i < sizeof(signals) / sizeof(signals[0]); i++) {
        raw(SYS_rt_sigaction, signals[i], (uint64_t)(uintptr_t)ignored, 0, 8);
    }

    raw(SYS_rt_sigprocmask, SIG_UNBLOCK, (uint64_t)(uintptr_t)&unblocked, 0, 8);
    raw(SYS_setitimer, ITIMER_REAL, (uint64_t)(uintptr_t)&tick, 0, 0);
}

static void *work(void *argument)
{
    struct random random = {worker.seed + (uintptr_t)argument};

    threads_there[(uintptr_t)argument] = (uint32_t)raw(SYS_gettid, 0, 0, 0, 0);
    for (unsigned i = 0; i < WORKER_CALLS; i++) {
        if (i % 256 == 0) {
            keep_ticking();
        }
        if (atomic_load_explicit(&shared->is_over, memory_order_relaxed) != 0) {
            break;
        }
        call_once(&random, worker.is_root, &shared->calling[worker.slot][(uintptr_t)argument]);
        atomic_fetch_add_explicit(&shared->done, 1, memory_order_relaxed);
        atomic_fetch_add_explicit(&shared->progress[worker.slot], 1, memory_order_relaxed);
    }
    if (argument == NULL) {
        raw(SYS_exit_group, 0, 0, 0, 0);
    }
    raw(SYS_exit, 0, 0, 0, 0);
    return NULL;
}

static void run_worker(uint64_t threads)
{
    struct random random = {worker.seed};
    struct sigaction action = {.sa_sigaction = on_alarm, .sa_flags = SA_SIGINFO};

    become();
    sigaction(SIGALRM, &action, NULL);
    open_all();
    map_arena(&random);
    own_process = (uint32_t)getpid();
    own_thread_hint = own_process;
    for (uintptr_t i = 1; i < threads; i++) {
        pthread_t thread;

        pthread_create(&thread, NULL, work, (void *)i);
    }
    work(NULL);
}

/* --- the supervisor --------------------------------------------------------------------------- */

static struct {
    pid_t process; /* 0: none */
    uint64_t progress;
    uint64_t since_ns;
    int is_told; /* to go on */
} slots[WORKERS_MAX];

static uint64_t started, signalled, stuck, unexplained;

static uint64_t now(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * 1000000000ULL + (uint64_t)time.tv_nsec;
}

static void start(unsigned slot, uint64_t threads)
{
    struct random random = {seed + started * 1000003};
    pid_t child;

    worker = (struct worker){slot, slot % 2 == 0, next(&random)};
    child = fork();
    if (child == 0) {
        run_worker(threads);
        _exit(0);
    }
    slots[slot].process = child > 0 ? child : 0;
    slots[slot].since_ns = now();
    slots[slot].is_told = 0;
    started += child > 0;
}

static void reap(unsigned workers)
{
    int status;
    pid_t ended;

    while ((ended = waitpid(-1, &status, WNOHANG | __WALL)) > 0) {
        for (unsigned slot = 0; slot < workers; slot++) {
            if (slots[slot].process == ended) {
                slots[slot].process = 0;
                signalled += WIFSIGNALED(status);
            }
        }
    }
}

static void judge_and_end(unsigned slot)
{
    unsigned without_reason = judge(slots[slot].process);

    for (unsigned i = 0; i < THREADS_MAX && without_reason > 0; i++) {
        printf("call_fuzzer: worker %d, thread %u is in call %u\n", slots[slot].process, i,
               (unsigned)atomic_load_explicit(&shared->calling[slot][i], memory_order_relaxed));
    }
    unexplained += without_reason > 0;
    stuck++;
    kill(slots[slot].process, SIGKILL);
}

/* Who has come to nothing for long, stopped, blocked or with its last thread gone, is told to go on
 * and ended when that does not help. */
static void watch(unsigned slot)
{
    uint64_t progress = atomic_load_explicit(&shared->progress[slot], memory_order_relaxed);

    if (slots[slot].process == 0) {
        return;
    }
    if (progress != slots[slot].progress) {
        slots[slot].progress = progress;
        slots[slot].since_ns = now();
        slots[slot].is_told = 0;
    } else if (now() - slots[slot].since_ns > PATIENCE_NS) {
        if (slots[slot].is_told++ == 0) {
            tell_to_go_on(slots[slot].process);
        } else {
            judge_and_end(slot);
        }
        slots[slot].since_ns = now();
    }
}

static void supervise(unsigned workers, uint64_t threads)
{
    const struct timespec pause = {0, MILLISECOND};

    while (atomic_load_explicit(&shared->done, memory_order_relaxed) < wanted) {
        for (unsigned slot = 0; slot < workers; slot++) {
            watch(slot);
            if (slots[slot].process == 0) {
                start(slot, threads);
            }
        }
        nanosleep(&pause, NULL);
        reap(workers);
    }
    atomic_store_explicit(&shared->is_over, 1, memory_order_relaxed);
    for (unsigned slot = 0; slot < workers; slot++) {
        if (slots[slot].process != 0) {
            kill(slots[slot].process, SIGKILL);
        }
    }
    while (waitpid(-1, NULL, __WALL) > 0) {
    }
}

/* --- hooks, from outside ---------------------------------------------------------------------- */

#define HOOKS_FILE "/helix/hooks"

/* Switch and move the kernel's hooks for as long as the workers work, if it has such. */
static pid_t start_switching(void)
{
    static const char *const hooks[] = {"security", "audit", "metrics"};
    const struct timespec pause = {0, MILLISECOND};
    struct random random = {seed};
    int file = open(HOOKS_FILE, O_WRONLY);
    pid_t child = file >= 0 ? fork() : -1;

    while (child == 0 && atomic_load_explicit(&shared->is_over, memory_order_relaxed) == 0) {
        const char *hook = PICK(&random, hooks);
        char line[64];

        switch (below(&random, 3)) {
        case 0:
            snprintf(line, sizeof(line), "order %s %d\n", hook, (int)below(&random, 60) - 30);
            break;
        default:
            snprintf(line, sizeof(line), "%s %s\n", below(&random, 2) == 0 ? "on" : "off", hook);
        }
        (void)!write(file, line, strlen(line));
        nanosleep(&pause, NULL);
    }
    if (child == 0) {
        _exit(0);
    }
    close(file);
    return child;
}

/* --- the place -------------------------------------------------------------------------------- */

static void make_folders(unsigned workers)
{
    char path[64];

    umask(0);
    mkdir(FOLDER, 0777);
    for (unsigned slot = 0; slot < workers; slot++) {
        snprintf(path, sizeof(path), FOLDER "/%u", slot);
        mkdir(path, 0777);
        if (slot % 2 == 0) {
            snprintf(path, sizeof(path), FOLDER "/%u/proc", slot);
            mkdir(path, 0777);
            mount("proc", path, "proc", 0, NULL);
            snprintf(path, sizeof(path), FOLDER "/%u/dev", slot);
            mkdir(path, 0777);
            snprintf(path, sizeof(path), FOLDER "/%u/dev/null", slot);
            mknod(path, S_IFCHR | 0666, 1 << 8 | 3);
            snprintf(path, sizeof(path), FOLDER "/%u/dev/zero", slot);
            mknod(path, S_IFCHR | 0666, 1 << 8 | 5);
        }
    }
}

/* Detach a mount below the folder; 0: there is none. What was bound into itself is there often. */
static int detach_one(void)
{
    FILE *mounts = setmntent("/proc/mounts", "r");
    const struct mntent *mount;
    int is_detached = 0;

    while (mounts != NULL && !is_detached && (mount = getmntent(mounts)) != NULL) {
        is_detached = strncmp(mount->mnt_dir, FOLDER "/", sizeof(FOLDER)) == 0 &&
                      umount2(mount->mnt_dir, MNT_DETACH) == 0;
    }
    if (mounts != NULL) {
        endmntent(mounts);
    }
    return is_detached;
}

static int detach_file(const char *path, const struct stat *status, int kind, struct FTW *place)
{
    (void)status;
    (void)place;
    return kind == FTW_F && umount2(path, MNT_DETACH | UMOUNT_NOFOLLOW) == 0;
}

/* What is bound onto files is not listed by every kernel. */
static int detach_one_file(void)
{
    return nftw(FOLDER, detach_file, 16, FTW_PHYS) > 0;
}

static void remove_folders(void)
{
    while (detach_one() || detach_one_file()) {
    }
    (void)!system("chmod -R u+rwx " FOLDER "; rm -rf " FOLDER);
}

static void report(void)
{
    uint64_t numbers = 0, pairs = 0;

    for (unsigned number = 0; number < NUMBERS; number++) {
        uint64_t before = pairs;

        for (unsigned word = 0; word < ERRORS / 64; word++) {
            pairs += (uint64_t)__builtin_popcountll(shared->results[number][word]);
        }
        numbers += pairs > before;
    }
    printf("call_fuzzer: seed %llu: %llu calls of %llu numbers by %llu workers, of which %llu "
           "ended by a "
           "signal and %llu were stuck, %llu without a reason; %llu results\n",
           (unsigned long long)seed, (unsigned long long)shared->done, (unsigned long long)numbers,
           (unsigned long long)started, (unsigned long long)signalled, (unsigned long long)stuck,
           (unsigned long long)unexplained, (unsigned long long)pairs);
}

int main(int count, char **words)
{
    unsigned workers = count > 3 ? (unsigned)atoi(words[3]) : 4;
    uint64_t threads = count > 4 ? (uint64_t)atoi(words[4]) : 2;

    if (count < 3 || workers == 0 || workers > WORKERS_MAX || threads == 0 ||
        threads > THREADS_MAX) {
        fprintf(stderr, "usage: call_fuzzer SEED CALLS [WORKERS [THREADS [switch]]]\n");
        return 2;
    }
    seed = strtoull(words[1], NULL, 0);
    wanted = strtoull(words[2], NULL, 0);
    shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED) {
        perror("call_fuzzer");
        return 1;
    }
    make_folders(workers);
    oldest_target = getpid();
    if (count > 5) {
        pid_t switching = start_switching();

        oldest_target = switching > 0 ? switching : oldest_target;
    }
    supervise(workers, threads);
    remove_folders();
    report();
    return 0;
}
