/* Works with the modules that are no storage. */
#define _GNU_SOURCE
#include "chaos.h"
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

void fill_pattern(uint8_t *bytes, unsigned size, unsigned seed)
{
    for (unsigned i = 0; i < size; i++) {
        bytes[i] = (uint8_t)((seed * 2654435761U + i * 40503U) >> 7);
    }
}

bool is_pattern(const uint8_t *bytes, unsigned size, unsigned seed)
{
    for (unsigned i = 0; i < size; i++) {
        if (bytes[i] != (uint8_t)((seed * 2654435761U + i * 40503U) >> 7)) {
            return false;
        }
    }
    return true;
}

/* --- /dev/zero and /dev/null ------------------------------------------------------------------ */

static enum verdict read_zeros(int zero, unsigned size)
{
    static uint8_t bytes[20000];
    ssize_t got;

    memset(bytes, 0xa5, sizeof(bytes));
    got = read(zero, bytes, size);
    if (got < 0) {
        return WORK_REFUSED;
    }
    for (ssize_t i = 0; i < got; i++) {
        if (bytes[i] != 0) {
            return WORK_WRONG;
        }
    }
    return got == (ssize_t)size && bytes[size] == 0xa5 ? WORK_GOOD : WORK_WRONG;
}

static enum verdict use_memory_devices(unsigned round)
{
    static const unsigned sizes[] = {1, 100, 4096, 10000};
    int zero = open("/dev/zero", O_RDWR);
    int null = open("/dev/null", O_RDWR);
    enum verdict verdict = zero < 0 || null < 0 ? WORK_REFUSED : WORK_GOOD;
    char byte;

    for (unsigned i = 0; verdict == WORK_GOOD && i < 24; i++) {
        verdict = read_zeros(zero, sizes[(i + round) % 4]);
    }
    for (unsigned i = 0; verdict == WORK_GOOD && i < 8; i++) {
        ssize_t written = write(i % 2 == 0 ? null : zero, "some bytes", 10);
        ssize_t got = read(null, &byte, 1);

        if (written < 0 || got < 0) {
            verdict = WORK_REFUSED;
        } else if (written != 10 || got != 0) {
            verdict = WORK_WRONG;
        }
    }
    close(zero);
    close(null);
    return verdict;
}

const struct work memory_work = {.slot = "memory", .run = use_memory_devices};

/* --- random numbers --------------------------------------------------------------------------- */

static enum verdict draw_numbers(unsigned round)
{
    static uint8_t before[64];
    uint8_t bytes[64];

    (void)round;
    for (unsigned i = 0; i < 16; i++) {
        if (getrandom(bytes, sizeof(bytes), 0) != sizeof(bytes)) {
            return WORK_REFUSED;
        }
        if (memcmp(bytes, before, sizeof(bytes)) == 0) {
            return WORK_WRONG;
        }
        memcpy(before, bytes, sizeof(bytes));
    }
    return WORK_GOOD;
}

/* What asks the module, beside the kernel's own timer: its numbers. */
static enum verdict use_entropy(unsigned round)
{
    FILE *numbers = fopen("/helix/slots/entropy/statistics", "r");
    char line[128];

    while (numbers != NULL && fgets(line, sizeof(line), numbers) != NULL) {
    }
    if (numbers != NULL) {
        fclose(numbers);
    }
    return draw_numbers(round);
}

const struct work entropy_work = {.slot = "entropy", .run = use_entropy};

/* --- the scheduler ---------------------------------------------------------------------------- */

#define TURNS 40

static int to_other[2];
static int from_other[2];

static void *play_back(void *count)
{
    char byte;

    for (unsigned i = 0; i < TURNS; i++) {
        if (read(to_other[0], &byte, 1) != 1 || write(from_other[1], &byte, 1) != 1) {
            break;
        }
        *(unsigned *)count += 1;
        sched_yield();
    }
    return NULL;
}

static void *count_up(void *count)
{
    for (unsigned i = 0; i < 200; i++) {
        *(volatile unsigned *)count += 1;
        if (i % 16 == 0) {
            sched_yield();
        }
    }
    return NULL;
}

static void play(void)
{
    const struct timespec moment = {.tv_nsec = 200000};
    char byte = 1;

    for (unsigned i = 0; i < TURNS; i++) {
        if (write(to_other[1], &byte, 1) != 1 || read(from_other[0], &byte, 1) != 1) {
            return;
        }
        if (i % 16 == 0) {
            nanosleep(&moment, NULL);
        }
    }
}

static enum verdict use_scheduler(unsigned round)
{
    unsigned counts[3] = {0};
    pthread_t threads[3];
    pid_t child;
    int status = 0;

    (void)round;
    if (pipe(to_other) != 0 || pipe(from_other) != 0 ||
        pthread_create(&threads[0], NULL, play_back, &counts[0]) != 0 ||
        pthread_create(&threads[1], NULL, count_up, &counts[1]) != 0 ||
        pthread_create(&threads[2], NULL, count_up, &counts[2]) != 0) {
        return WORK_REFUSED;
    }
    child = fork();
    if (child == 0) {
        _exit(7);
    }
    play();
    for (unsigned i = 0; i < 3; i++) {
        pthread_join(threads[i], NULL);
    }
    if (child < 0 || waitpid(child, &status, 0) != child) {
        return WORK_REFUSED;
    }
    return counts[0] == TURNS && counts[1] == 200 && counts[2] == 200 && WEXITSTATUS(status) == 7
               ? WORK_GOOD
               : WORK_WRONG;
}

const struct work scheduler_work = {.slot = "scheduler", .run = use_scheduler};

/* --- the console ------------------------------------------------------------------------------ */

/* The host sends back on the console what it is asked for on the other line, and checks what is
 * written here. */
static enum verdict use_console(unsigned round)
{
    char wanted[32];
    char line[64];
    int console = open("/dev/console", O_RDWR | O_NOCTTY);
    int length = snprintf(line, sizeof(line), "console %u of %08x\n", round, round * 2654435761U);
    ssize_t got;

    if (console < 0 || write(console, line, (size_t)length) != length) {
        return WORK_REFUSED;
    }
    snprintf(wanted, sizeof(wanted), "echo %u\n", round);
    tell("type echo %u\n", round);
    got = read(console, line, sizeof(line) - 1);
    close(console);
    if (got < 0) {
        return WORK_REFUSED;
    }
    line[got] = '\0';
    return strcmp(line, wanted) == 0 ? WORK_GOOD : WORK_WRONG;
}

static enum verdict prepare_console(void)
{
    struct termios settings;
    int console = open("/dev/console", O_RDWR | O_NOCTTY);

    if (console < 0 || tcgetattr(console, &settings) != 0) {
        return WORK_REFUSED;
    }
    settings.c_lflag &= ~(tcflag_t)ECHO;
    tcsetattr(console, TCSANOW, &settings);
    close(console);
    return WORK_GOOD;
}

const struct work console_work = {
    .slot = "console", .prepare = prepare_console, .run = use_console};

/* --- hooks of system calls -------------------------------------------------------------------- */

/* Calls whose answers are known, allowed ones and ones that are not. */
static enum verdict make_calls(void)
{
    struct stat status;

    for (unsigned i = 0; i < 20; i++) {
        if (getpid() <= 0 || stat("/", &status) != 0) {
            return WORK_REFUSED;
        }
        if (!S_ISDIR(status.st_mode) || close(1000) != -1 || errno != EBADF) {
            return WORK_WRONG;
        }
    }
    return WORK_GOOD;
}

/* Who may not put a module into the slot: while there is none he is refused. */
#define USER_ID 1000

/* The policy of forbid_a_call: nobody may call mincore. */
static enum verdict use_security(unsigned round)
{
    static uint8_t page[4096] __attribute__((aligned(4096)));
    unsigned char is_there;

    (void)round;
    if (setuid(USER_ID) != 0) {
        return WORK_REFUSED;
    }
    for (unsigned i = 0; i < 8; i++) {
        if (mincore(page, sizeof(page), &is_there) == 0 || errno != EPERM) {
            return WORK_WRONG;
        }
    }
    return make_calls();
}

static enum verdict forbid_a_call(void)
{
    return helix_write("policy", "class files everyone\nclass memory everyone\n"
                                 "class processes everyone\nclass signals everyone\n"
                                 "class time everyone\nclass network everyone\n"
                                 "class identity everyone\nclass system everyone\n"
                                 "class native everyone\nclass unknown everyone\n"
                                 "call mincore nobody EPERM\n")
               ? WORK_GOOD
               : WORK_REFUSED;
}

const struct work security_work = {
    .slot = "hook.security", .prepare = forbid_a_call, .run = use_security};

static enum verdict turn_on(const char *hook)
{
    char line[32];

    snprintf(line, sizeof(line), "on %s", hook);
    (void)helix_write("hooks", line); /* it may be on already */
    return WORK_GOOD;
}

static enum verdict turn_audit_on(void)
{
    return turn_on("audit");
}

static enum verdict turn_metrics_on(void)
{
    return turn_on("metrics");
}

/* A stream: what is there is read, nothing is waited for. */
static enum verdict use_audit(unsigned round)
{
    static char lines[4096];
    int audit = open("/helix/audit", O_RDONLY | O_NONBLOCK);
    enum verdict verdict;

    (void)round;
    if (audit < 0) {
        return WORK_REFUSED;
    }
    verdict = make_calls();
    for (unsigned i = 0; i < 4; i++) {
        if (read(audit, lines, sizeof(lines)) < 0 && errno != EAGAIN) {
            verdict = WORK_REFUSED;
        }
    }
    close(audit);
    return verdict;
}

const struct work audit_work = {.slot = "hook.audit", .prepare = turn_audit_on, .run = use_audit};

static enum verdict use_metrics(unsigned round)
{
    FILE *table = fopen("/helix/syscalls", "r");
    char line[256];
    unsigned lines = 0;

    (void)round;
    if (table == NULL) {
        return WORK_REFUSED;
    }
    while (fgets(line, sizeof(line), table) != NULL) {
        lines++;
    }
    fclose(table);
    return lines == 0 ? WORK_WRONG : make_calls();
}

const struct work metrics_work = {
    .slot = "hook.metrics", .prepare = turn_metrics_on, .run = use_metrics};

/* --- the demo --------------------------------------------------------------------------------- */

static enum verdict use_demo(unsigned round)
{
    unsigned long before = 0;

    (void)round;
    for (unsigned i = 0; i < 8; i++) {
        FILE *file = fopen("/helix/counter", "r");
        unsigned long number = 0;
        bool is_number = file != NULL && fscanf(file, "%lu", &number) == 1;

        if (file != NULL) {
            fclose(file);
        }
        if (!is_number) {
            return WORK_REFUSED;
        }
        if (number == 0 || number == before) {
            return WORK_WRONG;
        }
        before = number;
    }
    return WORK_GOOD;
}

const struct work demo_work = {.slot = "demo", .run = use_demo};
