#define _GNU_SOURCE
#include "native.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>

static const struct test *const tables[] = {error_tests,   call_tests,  death_tests,
                                            channel_tests, right_tests, example_tests};

/* Shared with children. */
static struct {
    _Atomic uint32_t failures;
} * run;

void failed(const char *file, int line, const char *what, long got, long wanted)
{
    run->failures++;
    printf("# %s:%d: %s: got %ld, wanted %ld\n", file, line, what, got, wanted);
    fflush(stdout);
}

uint64_t now(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * 1000000000U + (uint64_t)time.tv_nsec;
}

uint32_t mix(uint32_t value)
{
    value ^= value >> 16;
    value *= 0x7feb352dU;
    value ^= value >> 15;
    value *= 0x846ca68bU;
    return value ^ value >> 16;
}

uint32_t sum_of(const uint8_t *data, size_t length)
{
    uint32_t sum = 1;

    for (size_t i = 0; i < length; i++) {
        sum = sum * 31 + data[i];
    }
    return sum;
}

void *shared(size_t size)
{
    void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    if (memory == MAP_FAILED) {
        perror("shared");
        _exit(1);
    }
    return memory;
}

/* --- children --------------------------------------------------------------------------------- */

static void be_child(uid_t user, int go, int ready, int (*main)(void *argument), void *argument)
{
    char byte;

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (user != 0 && (setresgid(user, user, user) != 0 || setresuid(user, user, user) != 0)) {
        _exit(99);
    }
    close(ready);
    for (int file = 3; user != 0 && file < 64; file++) {
        /* A client has none of the server's. */
        if (file != go) {
            close(file);
        }
    }
    (void)!read(go, &byte, 1);
    close(go);
    _exit(main(argument));
}

struct child start(uid_t user, int (*main)(void *argument), void *argument)
{
    int go[2], ready[2];
    char byte;
    struct child child = {-1, -1};

    if (pipe2(go, O_CLOEXEC) != 0 || pipe2(ready, O_CLOEXEC) != 0) {
        return child;
    }
    child.id = fork();
    if (child.id == 0) {
        close(go[1]);
        close(ready[0]);
        be_child(user, go[0], ready[1], main, argument);
    }
    close(go[0]);
    close(ready[1]);
    (void)!read(ready[0], &byte, 1);
    close(ready[0]);
    child.go = go[1];
    return child;
}

struct child start_client(int mailbox, int (*main)(void *argument), void *argument)
{
    struct child child = start(STRANGER, main, argument);

    EXPECT_EQUAL(delegate(mailbox, child.id, HELIX_RIGHT_WRITE), 0);
    return child;
}

void let_go(struct child *child)
{
    close(child->go);
    child->go = -1;
}

int end_of(const struct child *child)
{
    int status = 0;

    if (waitpid(child->id, &status, 0) != child->id || !WIFEXITED(status)) {
        return -1;
    }
    return WEXITSTATUS(status);
}

static char state_of(pid_t id)
{
    char path[32], text[256] = "";
    const char *at;
    int file;

    snprintf(path, sizeof(path), "/proc/%d/stat", id);
    file = open(path, O_RDONLY);
    if (file < 0) {
        return '?';
    }
    (void)!read(file, text, sizeof(text) - 1);
    close(file);
    at = strrchr(text, ')');
    return at != NULL && at[1] != '\0' ? at[2] : '?';
}

void until_asleep(pid_t id)
{
    uint64_t deadline = patience();

    /* Asleep twice in a row, so that it is not on its way there. */
    for (int seen = 0; seen < 3 && now() < deadline;) {
        seen = state_of(id) == 'S' ? seen + 1 : 0;
        usleep(1000);
    }
}

/* --- running ---------------------------------------------------------------------------------- */

static int run_one(const struct test *test)
{
    uint32_t before = run->failures;

    test->run();
    printf("%s %s\n", run->failures == before ? "ok" : "not ok", test->name);
    fflush(stdout);
    return run->failures == before;
}

int main(void)
{
    unsigned passed = 0, all = 0;

    setvbuf(stdout, NULL, _IOLBF, 0);
    run = shared(sizeof(*run));
    if (getpid() == 1) {
        (void)!mkdir("/proc", 0755);
        (void)!mount("proc", "/proc", "proc", 0, NULL);
    }
    for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++) {
        for (const struct test *test = tables[i]; test->name != NULL; test++, all++) {
            passed += (unsigned)run_one(test);
        }
    }
    printf("native: %u of %u passed\n", passed, all);
    if (getpid() == 1) {
        tcdrain(STDOUT_FILENO);
        reboot(RB_POWER_OFF);
    }
    return passed != all;
}
