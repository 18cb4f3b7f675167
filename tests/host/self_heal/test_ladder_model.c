/*
 * The ladder beside a model of it: random histories, and both must decide the same each time.
 *
 * The model keeps everything that ever happened, and looks at all it needs of that at each
 * question.
 */
#include <core/self_heal/ladder.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <tests/host/random.h>

#define STEPS      100000U
#define SOAK_STEPS 20000000U
#define HISTORIES  50U /* in so many the steps are cut, each with a policy of its own */
#define MS         1000000ULL

static const char letters[] = "-SCPBQX";

/* --- the model -------------------------------------------------------------------------------- */

struct model {
    uint64_t *deaths_ns; /* all */
    size_t death_count;
    char path[256]; /* the rungs since it was last well for long, as letters */
    size_t length;
    bool is_busy;
    bool was_busy_ever;
    uint64_t last_end_ns;
    uint64_t well_ns[2]; /* first and last look of an unbroken row; [0] > [1]: there is none */
    heal_fingerprint last_fault;
    uint64_t runs_on; /* checkpoint */
};

struct answer {
    char letter;
    uint64_t checkpoint;
    uint64_t poisoned;
    uint64_t not_before_ns;
    uint32_t attempt;
};

static unsigned restarts_in(const struct model *model)
{
    unsigned count = 0;

    for (size_t i = 0; i < model->length; i++) {
        count += model->path[i] == 'S' || model->path[i] == 'C' ? 1 : 0;
    }
    return count;
}

static uint64_t newest_below(const struct ladder_means *means, uint64_t limit)
{
    uint64_t best = 0;

    for (unsigned i = 0; i < HEAL_CHECKPOINTS_MAX; i++) {
        if (means->checkpoints[i] < limit && means->checkpoints[i] > best) {
            best = means->checkpoints[i];
        }
    }
    return best;
}

/* Which letters can be taken at all now, in order. */
static void possible(const struct model *model, const struct heal_policy *policy,
                     const struct ladder_means *means, uint64_t checkpoint, char *letters_found)
{
    int left = (int)policy->attempts - (int)restarts_in(model);
    bool is_first = restarts_in(model) == 0;

    if (checkpoint != 0 && (left >= 2 || (left == 1 && is_first))) {
        *letters_found++ = 'S';
    }
    if (left >= 1) {
        *letters_found++ = 'C';
    }
    if (means->has_previous_version) {
        *letters_found++ = 'P';
    }
    if (means->has_backup) {
        *letters_found++ = 'B';
    }
    *letters_found++ = means->is_essential ? 'X' : 'Q';
    *letters_found = '\0';
}

static int depth(char letter)
{
    return (int)(strchr(letters, letter) - letters);
}

/* The deepest it has been at; 0 at the top. */
static int depth_of(const struct model *model)
{
    return model->length == 0 ? 0 : depth(model->path[model->length - 1]);
}

static char choose(const struct model *model, const char *from, bool has_failed)
{
    int at = depth_of(model);
    char last = model->length == 0 ? '-' : model->path[model->length - 1];
    int least =
        strchr("QX", last) != NULL || (!has_failed && strchr("SC", last) != NULL) ? at : at + 1;

    while (depth(*from) < least && from[1] != '\0') {
        from++;
    }
    return depth(*from) < least ? 'X' : *from;
}

static uint64_t pause_ns(const struct model *model, const struct heal_policy *policy, uint64_t now)
{
    unsigned recent = 0;
    double pause = (double)policy->cooldown;

    for (size_t i = model->death_count; i > 0 && recent < LADDER_DEATHS_MAX; i--) {
        if (model->deaths_ns[i - 1] + policy->window < now) {
            break;
        }
        recent++;
    }
    for (unsigned i = 3; i <= recent; i++) {
        pause *= 2;
    }
    return pause > (double)policy->cooldown_most ? policy->cooldown_most : (uint64_t)pause;
}

static struct answer model_take(struct model *model, const struct heal_policy *policy,
                                const struct ladder_means *means, uint64_t poisoned,
                                bool has_failed)
{
    uint64_t checkpoint = newest_below(means, poisoned != 0 ? poisoned : UINT64_MAX);
    struct answer answer = {.poisoned = poisoned, .attempt = 1};
    char found[8];

    possible(model, policy, means, checkpoint, found);
    answer.letter = choose(model, found, has_failed);
    if (answer.letter == 'S') {
        answer.checkpoint = checkpoint;
    }
    if (model->length + 1 < sizeof(model->path)) {
        model->path[model->length++] = answer.letter;
    }
    if (strchr("SC", answer.letter) != NULL) {
        answer.attempt = restarts_in(model);
    }
    model->runs_on = answer.checkpoint;
    model->is_busy = true;
    model->well_ns[0] = UINT64_MAX;
    model->well_ns[1] = 0;
    return answer;
}

static void model_end(struct model *model, uint64_t now)
{
    if (model->is_busy) {
        model->is_busy = false;
        model->was_busy_ever = true;
        model->last_end_ns = now;
    }
}

static struct answer model_died(struct model *model, const struct heal_policy *policy,
                                const struct ladder_means *means, heal_fingerprint fault,
                                uint64_t now)
{
    bool is_same = fault != 0 && model->last_fault == fault;
    struct answer answer;
    uint64_t earliest;

    model_end(model, now);
    model->deaths_ns[model->death_count++] = now;
    answer = model_take(model, policy, means, is_same ? model->runs_on : 0, false);
    model->last_fault = fault;
    earliest = model->was_busy_ever ? model->last_end_ns + pause_ns(model, policy, now) : now;
    answer.not_before_ns = earliest < now || depth(answer.letter) > depth('B') ? now : earliest;
    return answer;
}

static struct answer model_failed(struct model *model, const struct heal_policy *policy,
                                  const struct ladder_means *means, uint64_t now)
{
    struct answer answer = {.letter = '-'};

    if (model->is_busy) {
        model_end(model, now);
        answer = model_take(model, policy, means, 0, true);
    }
    answer.not_before_ns = now;
    return answer;
}

static void model_well(struct model *model, const struct heal_policy *policy, uint64_t now)
{
    if (model->is_busy || depth_of(model) >= depth('Q')) {
        return;
    }
    model->well_ns[0] = model->well_ns[0] > model->well_ns[1] ? now : model->well_ns[0];
    model->well_ns[1] = now;
    if (now >= model->well_ns[0] + policy->healthy) {
        model->length = 0;
        model->last_fault = 0;
        model->runs_on = 0;
    }
}

/* --- random histories ------------------------------------------------------------------------- */

struct pair {
    struct ladder ladder;
    struct model model;
    struct heal_policy policy;
    struct ladder_means means;
    uint64_t now;
    uint64_t numbers; /* of checkpoints so far */
    char trace[64];   /* the last events, for who looks at a failure */
};

/* Counted over all histories, so that a campaign that never meets something is seen. */
static struct {
    uint64_t letters[sizeof(letters)];
    uint64_t delayed;
    uint64_t poisoned;
    uint64_t forgotten;
} met;

static struct heal_policy random_policy(void)
{
    struct heal_policy policy = heal_policy_default();

    if (random_below(4) != 0) {
        policy.attempts = random_below(8);
        policy.cooldown = random_below(5000) * MS;
        policy.cooldown_most = random_below(60000) * MS;
        policy.window = (1 + random_below(100000)) * MS;
        policy.healthy = (1 + random_below(20000)) * MS;
    }
    return policy;
}

/* A few new checkpoints before those that there are, and sometimes other things. */
static void change_means(struct pair *pair)
{
    struct ladder_means *means = &pair->means;

    for (uint64_t i = random_below(3); i > 0; i--) {
        memmove(means->checkpoints + 1, means->checkpoints,
                sizeof(means->checkpoints) - sizeof(means->checkpoints[0]));
        means->checkpoints[0] = ++pair->numbers;
    }
    if (random_below(8) == 0) {
        memset(means->checkpoints, 0, sizeof(means->checkpoints));
    }
    if (random_below(8) == 0) {
        means->has_previous_version = random_below(2) != 0;
        means->has_backup = random_below(2) != 0;
        means->is_essential = random_below(4) == 0;
    }
}

static void quarantine(struct pair *pair, uint64_t number)
{
    uint64_t *checkpoints = pair->means.checkpoints;
    unsigned kept = 0;

    for (unsigned i = 0; i < HEAL_CHECKPOINTS_MAX; i++) {
        if (checkpoints[i] < number) {
            checkpoints[kept++] = checkpoints[i];
        }
    }
    memset(checkpoints + kept, 0, (HEAL_CHECKPOINTS_MAX - kept) * sizeof(checkpoints[0]));
}

static void expect_same(struct pair *pair, const struct ladder_decision *decision,
                        const struct answer *answer)
{
    if (letters[decision->rung] != answer->letter || decision->checkpoint != answer->checkpoint ||
        decision->quarantine != answer->poisoned ||
        decision->not_before_ns != answer->not_before_ns || decision->attempt != answer->attempt ||
        decision->deadline_ns != answer->not_before_ns + pair->policy.limit) {
        print_message("# after %s: %c from %llu, poisoned %llu, at +%llu, attempt %u; model: %c, "
                      "%llu, %llu, +%llu, %u\n",
                      pair->trace, letters[decision->rung],
                      (unsigned long long)decision->checkpoint,
                      (unsigned long long)decision->quarantine,
                      (unsigned long long)(decision->not_before_ns - pair->now), decision->attempt,
                      answer->letter, (unsigned long long)answer->checkpoint,
                      (unsigned long long)answer->poisoned,
                      (unsigned long long)(answer->not_before_ns - pair->now), answer->attempt);
        fail();
    }
    met.letters[decision->rung]++;
    met.delayed += decision->not_before_ns > pair->now ? 1 : 0;
    met.poisoned += decision->quarantine != 0 ? 1 : 0;
    if (decision->quarantine != 0) {
        quarantine(pair, decision->quarantine);
    }
}

static void note(struct pair *pair, char event)
{
    memmove(pair->trace, pair->trace + 1, sizeof(pair->trace) - 2);
    pair->trace[sizeof(pair->trace) - 2] = event;
}

static void both_die(struct pair *pair)
{
    heal_fingerprint fault = random_below(3);
    struct answer answer;
    struct ladder_decision decision;

    note(pair, 'd');
    answer = model_died(&pair->model, &pair->policy, &pair->means, fault, pair->now);
    decision = ladder_died(&pair->ladder, &pair->policy, &pair->means, fault, pair->now);
    expect_same(pair, &decision, &answer);
}

static void both_fail(struct pair *pair)
{
    struct answer answer;
    struct ladder_decision decision;

    note(pair, 'f');
    answer = model_failed(&pair->model, &pair->policy, &pair->means, pair->now);
    decision = ladder_failed(&pair->ladder, &pair->policy, &pair->means, pair->now);
    expect_same(pair, &decision, &answer);
}

static void both_recover(struct pair *pair)
{
    note(pair, 'r');
    model_end(&pair->model, pair->now);
    ladder_recovered(&pair->ladder, pair->now);
}

static void both_are_looked_at(struct pair *pair)
{
    bool is_well = random_below(50) != 0;
    size_t before = pair->model.length;

    note(pair, is_well ? 'w' : 'u');
    if (is_well) {
        model_well(&pair->model, &pair->policy, pair->now);
        ladder_is_well(&pair->ladder, &pair->policy, pair->now);
    } else {
        pair->model.well_ns[0] = UINT64_MAX;
        pair->model.well_ns[1] = 0;
        ladder_is_unwell(&pair->ladder);
    }
    met.forgotten += pair->model.length < before ? 1 : 0;
}

/* As an operator does who finds an empty slot. */
static void both_begin_anew(struct pair *pair)
{
    uint64_t *deaths_ns = pair->model.deaths_ns;

    note(pair, 'n');
    pair->model = (struct model){.deaths_ns = deaths_ns, .well_ns = {UINT64_MAX, 0}};
    ladder_forget(&pair->ladder);
}

static void step(struct pair *pair)
{
    uint64_t event = random_below(100);

    pair->now += random_below(3) == 0 ? random_below(20000) * MS / 4 : random_below(400) * MS;
    change_means(pair);
    if (event < 25) {
        both_die(pair);
    } else if (event < 32) {
        both_fail(pair);
    } else if (event < 60) {
        both_recover(pair);
    } else if (event < 97 || depth_of(&pair->model) < depth('Q')) {
        both_are_looked_at(pair);
    } else {
        both_begin_anew(pair);
    }
}

static void run_history(unsigned steps)
{
    struct pair pair = {.policy = random_policy(), .now = random_below(1000) * MS};

    pair.model.deaths_ns = malloc(steps * sizeof(uint64_t));
    pair.model.well_ns[0] = UINT64_MAX;
    memset(pair.trace, '.', sizeof(pair.trace) - 1);
    for (unsigned i = 0; i < steps; i++) {
        step(&pair);
    }
    free(pair.model.deaths_ns);
}

/* SPEC: H3 H4 H7 H8 */
static void the_ladder_decides_as_a_model_that_remembers_everything(void **unused)
{
    unsigned steps = getenv("HELIX_SOAK") != NULL ? SOAK_STEPS : STEPS;

    (void)unused;
    print_message("# seed %llu, %u steps\n", (unsigned long long)random_start(), steps);
    for (unsigned i = 0; i < HISTORIES; i++) {
        run_history(steps / HISTORIES);
    }
    for (unsigned i = 0; i + 1 < sizeof(letters); i++) {
        assert_true(met.letters[i] > 0);
    }
    assert_true(met.delayed > 0 && met.poisoned > 0 && met.forgotten > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_ladder_decides_as_a_model_that_remembers_everything),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
