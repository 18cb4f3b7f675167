/* chaos SLOT SEED FIRST COUNT [CLASS]: injections number FIRST to FIRST + COUNT - 1 of a campaign.
 */
#include "chaos.h"
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define CLASSES_MAX  32U
#define WORK_MS      10000U /* a work takes some ten; a loop is found after the slot's deadline */
#define RECOVER_MS   10000U
#define END_GRACE_MS 1000U
#define ROUNDS       3U
#define FIRST_ROUND  1000000000U /* without any fault; no injection's round has that number */

static const struct work *const works[] = {
    &memory_work,  &entropy_work,  &block_work, &file_system_work, &scheduler_work,
    &console_work, &security_work, &audit_work, &metrics_work,     &demo_work,
};

/* What came of one injection. */
struct result {
    enum verdict verdict; /* the worst of all rounds */
    bool is_recovered;    /* a round after the last death was good, and somebody serves */
    bool is_quarantined;
    unsigned long deaths;
};

static const struct work *find_work(const char *slot)
{
    for (unsigned i = 0; i < sizeof(works) / sizeof(works[0]); i++) {
        if (strcmp(works[i]->slot, slot) == 0) {
            return works[i];
        }
    }
    fprintf(stderr, "chaos: there is no work with slot %s\n", slot);
    exit(2);
}

/* As core/fault_injection draws. */
static uint64_t draw(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15ULL;

    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ULL;
    z = (z ^ z >> 27) * 0x94d049bb133111ebULL;
    return z ^ z >> 31;
}

static void pause_ms(unsigned ms)
{
    const struct timespec time = {.tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000};

    nanosleep(&time, NULL);
}

static uint64_t now_ms(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * 1000 + (uint64_t)time.tv_nsec / 1000000;
}

/* --- rounds ----------------------------------------------------------------------------------- */

static bool has_ended(pid_t child, int *status, unsigned limit_ms)
{
    uint64_t deadline = now_ms() + limit_ms;
    pid_t ended;

    while ((ended = waitpid(child, status, WNOHANG)) == 0 && now_ms() < deadline) {
        pause_ms(1);
    }
    return ended == child;
}

static enum verdict run_round(const struct work *work, unsigned round)
{
    int status = 0;
    pid_t child = fork();

    if (child == 0) {
        _exit((int)work->run(round));
    }
    if (child < 0) {
        return WORK_REFUSED;
    }
    if (has_ended(child, &status, WORK_MS)) {
        return WIFEXITED(status) ? (enum verdict)WEXITSTATUS(status) : WORK_WRONG;
    }
    kill(child, SIGKILL);
    (void)has_ended(child, &status, END_GRACE_MS);
    return WORK_HUNG;
}

/* It serves, and a round is good. */
static bool is_well(const struct work *work, unsigned round)
{
    uint64_t deadline = now_ms() + RECOVER_MS;
    struct member member;

    do {
        if (!helix_member(work->slot, &member) || strcmp(member.health, "Failed") == 0) {
            return false;
        }
        if (strcmp(member.health, "Healthy") == 0) {
            return run_round(work, round) == WORK_GOOD;
        }
        pause_ms(5);
    } while (now_ms() < deadline);
    return false;
}

/* deaths: how many there had been before the fault. */
static struct result run_rounds(const struct work *work, unsigned number, unsigned long deaths)
{
    struct result result = {0};
    struct member after = {0};

    for (unsigned i = 0; i < ROUNDS; i++) {
        enum verdict verdict = run_round(work, number * 8 + i);

        result.verdict = verdict > result.verdict ? verdict : result.verdict;
    }
    result.is_recovered = result.verdict == WORK_GOOD && is_well(work, number * 8 + ROUNDS);
    (void)helix_member(work->slot, &after);
    result.deaths = after.deaths - deaths;
    result.is_quarantined = strcmp(after.health, "Failed") == 0;
    return result;
}

/* --- one injection ---------------------------------------------------------------------------- */

/* An error that the kernel knows the reason of is not hidden from it: the module died. */
static const char *outcome_of(const struct result *result, const struct injected *injected)
{
    if (result->verdict == WORK_WRONG || (result->verdict == WORK_REFUSED && result->deaths == 0)) {
        return "corrupt";
    }
    if (result->verdict == WORK_HUNG || (result->verdict == WORK_GOOD && !result->is_recovered)) {
        return "hung";
    }
    if (result->deaths != 0) {
        return "detected";
    }
    return strcmp(injected->stage, "reached") == 0 ? "masked" : "inactive";
}

static bool renew(const char *slot)
{
    char command[NAME_SIZE * 2];

    snprintf(command, sizeof(command), "renew %s", slot);
    return helix_write("inject", command);
}

static bool has_witness; /* at the beginning; it may be dead by now */

static void look_for_witness(const struct work *work)
{
    char active[NAME_SIZE] = "";

    if (work->witness != NULL) {
        helix_active(work->witness, active);
    }
    has_witness = active[0] != '\0';
}

/* Fresh instances of what was there at the beginning. */
static bool make_fresh(const struct work *work, const char *wanted)
{
    char file[NAME_SIZE * 2];
    char active[NAME_SIZE];

    if (!renew(work->slot) || (has_witness && !renew(work->witness))) {
        return false;
    }
    helix_active(work->slot, active);
    if (strcmp(active, wanted) == 0) {
        return true;
    }
    snprintf(file, sizeof(file), "slots/%s/swap", work->slot);
    return helix_write(file, wanted);
}

static void report(unsigned number, const char *class, const struct result *result,
                   const struct injected *injected, const char *outcome)
{
    bool is_recovered = strcmp(outcome, "detected") == 0 && result->is_recovered;

    tell("end %u %s %s recovered=%d quarantined=%d deaths=%lu verdict=%d at %s\n", number, class,
         outcome, is_recovered, result->is_quarantined, result->deaths, (int)result->verdict,
         injected->where);
}

/* Whether the machine can be gone on with. */
static bool inject(const struct work *work, unsigned number, const char *class, uint64_t seed,
                   const char *wanted)
{
    struct injected injected = {.stage = "none", .where = "nowhere"};
    struct result result;
    const char *outcome;
    struct member before = {0};
    char command[128];

    (void)helix_member(work->slot, &before);
    tell("begin %u %s\n", number, class);
    snprintf(command, sizeof(command), "%s %s %llu", work->slot, class, (unsigned long long)seed);
    if (!helix_write("inject", command)) {
        tell("end %u %s %s recovered=0 quarantined=0 deaths=0 verdict=0 at %s\n", number, class,
             errno == ENOENT ? "impossible" : "unknown", strerror(errno));
        return errno == ENOENT;
    }
    result = run_rounds(work, number, before.deaths);
    (void)helix_write("inject", "withdraw");
    (void)helix_injected(&injected);
    outcome = outcome_of(&result, &injected);
    report(number, class, &result, &injected, outcome);
    if (strcmp(outcome, "inactive") == 0) {
        return true;
    }
    /* What a round left behind that was refused something would be in the way of the next. */
    return result.verdict == WORK_GOOD && strcmp(outcome, "hung") != 0 && make_fresh(work, wanted);
}

static void set_options(void)
{
    static const char *const options[] = {"cooldown 0", "interval 20", "check 20"};

    for (unsigned i = 0; i < sizeof(options) / sizeof(options[0]); i++) {
        if (!helix_write("heal_options", options[i])) {
            perror("chaos: heal_options");
        }
    }
}

/* Number of the first injection that was not made. */
static unsigned run_campaign(const struct work *work, uint64_t seed, unsigned first, unsigned count,
                             const char *only)
{
    char classes[CLASSES_MAX][NAME_SIZE];
    unsigned class_count = helix_classes(classes, CLASSES_MAX);
    char wanted[NAME_SIZE];
    uint64_t base = draw(&seed); /* seeds that are neighbours have nothing in common */
    unsigned number;

    helix_active(work->slot, wanted);
    for (number = first; number < first + count && class_count != 0; number++) {
        uint64_t chance = base + number;
        const char *class = classes[draw(&chance) % class_count];

        if (!inject(work, number, only != NULL ? only : class, draw(&chance), wanted)) {
            return number + 1;
        }
    }
    return number;
}

int main(int argc, char **argv)
{
    const struct work *work;
    unsigned next;

    if (argc < 5) {
        fprintf(stderr, "usage: chaos SLOT SEED FIRST COUNT [CLASS]\n");
        return 2;
    }
    work = find_work(argv[1]);
    if ((work->prepare != NULL && work->prepare() != WORK_GOOD) ||
        run_round(work, FIRST_ROUND) != WORK_GOOD) {
        tell("unfit %s\n", work->slot);
        return 1;
    }
    set_options();
    look_for_witness(work);
    next = run_campaign(work, strtoull(argv[2], NULL, 0), (unsigned)atoi(argv[3]),
                        (unsigned)atoi(argv[4]), argc > 5 ? argv[5] : NULL);
    (void)umount("/mnt");
    tell("next %u\n", next);
    return 0;
}
