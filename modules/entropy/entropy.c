/*
 * A source of entropy, version 1.1: what the processor gives and how unevenly the clock goes on, in
 * a pool. The processor's words are tested; the clock's, which on some machines are all alike, are
 * mixed in and not counted on.
 */
#include <../modules/entropy_health.h>
#include <helix/entropy.h>
#include <helix/lock.h>
#include <helix/module.h>

#define STATE_DRAWS    1U
#define STATE_POOL     2U /* since minor version 1 */
#define STATE_FAILURES 3U /* since minor version 1 */

#define POOL_WORDS  4U
#define CLOCK_LOOKS 8U /* for each draw */

/* Keys: L = lock */
static uint64_t lock;                /* the kernel's, from init on */
static uint64_t pool[POOL_WORDS];    /* L */
static uint64_t draws;               /* L */
static uint64_t failures;            /* L */
static struct repetition repetition; /* L */
static bool is_broken;               /* L  at the last word */

/* Operations may wait, so it is had in the end, or the instance has died and none of its code goes
 * on. */
static void take_lock(void)
{
    (void)hx_lock_acquire(lock, 0);
}

static void return_lock(void)
{
    (void)hx_lock_release(lock);
}

/* The finalizer of SplitMix64 (Steele, Lea, Flood 2014): each bit of the word moves half of them.
 */
static uint64_t scramble(uint64_t word)
{
    word = (word ^ word >> 30) * 0xbf58476d1ce4e5b9ULL;
    word = (word ^ word >> 27) * 0x94d049bb133111ebULL;
    return word ^ word >> 31;
}

/* How long one look at the clock takes, again and again. */
static uint64_t look_at_clock(void)
{
    uint64_t before = hx_clock_now();
    uint64_t jitter = before;

    for (unsigned i = 0; i < CLOCK_LOOKS; i++) {
        uint64_t now = hx_clock_now();

        jitter = (jitter << 7 | jitter >> 57) ^ (now - before);
        before = now;
    }
    return jitter;
}

static uint64_t stir_locked(uint64_t word, uint64_t jitter)
{
    uint64_t sum = scramble(word) ^ scramble(jitter + draws);

    for (unsigned i = 0; i < POOL_WORDS; i++) {
        pool[i] = scramble(pool[i] + sum + i);
        sum ^= pool[i];
    }
    return scramble(sum);
}

static void test_locked(uint64_t word)
{
    is_broken = !repetition_passes(&repetition, word);
    failures += is_broken ? 1 : 0;
}

static uint64_t draw(void)
{
    uint64_t word = hx_cpu_entropy();
    uint64_t jitter = look_at_clock();
    uint64_t drawn;

    take_lock();
    draws++;
    test_locked(word);
    drawn = stir_locked(word, jitter);
    return_lock();
    return drawn;
}

static bool works(void)
{
    bool answer;

    take_lock();
    answer = !is_broken;
    return_lock();
    return answer;
}

static uint64_t quality(void)
{
    return works() ? WORD_ENTROPY : 0;
}

static uint64_t number(uint64_t index)
{
    uint64_t answer;

    take_lock();
    answer = index == HX_ENTROPY_DRAWS ? draws : index == HX_ENTROPY_FAILURES ? failures : 0;
    return_lock();
    return answer;
}

static const struct hx_entropy_operations operations = {
    .draw = draw,
    .quality = quality,
    .number = number,
};

/* --- state ------------------------------------------------------------------------------------ */

/* Version 1.0 has no pool: this one begins with an empty one then. */
static hx_err import_state(uint64_t minor)
{
    uint64_t old_pool[POOL_WORDS] = {0};
    uint64_t old_draws;
    uint64_t old_failures = 0;
    hx_err error = hx_state_get(STATE_DRAWS, 0, &old_draws, sizeof(old_draws));

    if (error == HX_OK && minor >= 1) {
        error = hx_state_get(STATE_POOL, 0, old_pool, sizeof(old_pool));
    }
    if (error == HX_OK && hx_state_size(STATE_FAILURES, 0) != UINT64_MAX) {
        error = hx_state_get(STATE_FAILURES, 0, &old_failures, sizeof(old_failures));
    }
    if (error != HX_OK) {
        return error;
    }
    take_lock();
    __builtin_memcpy(pool, old_pool, sizeof(pool));
    draws = old_draws;
    failures = old_failures;
    return_lock();
    return HX_OK;
}

static hx_err export_state(uint64_t minor)
{
    uint64_t now_pool[POOL_WORDS];
    uint64_t now_draws;
    uint64_t now_failures;
    hx_err error;

    take_lock();
    __builtin_memcpy(now_pool, pool, sizeof(pool));
    now_draws = draws;
    now_failures = failures;
    return_lock();
    error = hx_state_put(STATE_DRAWS, &now_draws, sizeof(now_draws));
    if (error == HX_OK) {
        error =
            hx_state_put(STATE_FAILURES | HX_STATE_OPTIONAL, &now_failures, sizeof(now_failures));
    }
    return error == HX_OK && minor >= 1 ? hx_state_put(STATE_POOL, now_pool, sizeof(now_pool))
                                        : error;
}

static hx_err init(void)
{
    return hx_lock_create(&lock);
}

static hx_err check_health(void)
{
    return works() ? HX_OK : HX_EIO;
}

static const struct hx_module_lifecycle lifecycle = {
    .init = init,
    .import_state = import_state,
    .export_state = export_state,
    .check_health = check_health,
};

const struct hx_module_descriptor hx_module = {
    .magic = HX_MODULE_MAGIC,
    .abi = HX_MODULE_ABI,
    .size = sizeof(struct hx_module_descriptor),
    .name = "entropy",
    .version = {.major = 1, .minor = 1, .patch = 0},
    .category = HX_CATEGORY_ENTROPY,
    .operations_size = sizeof(operations),
    .operations = &operations,
    .lifecycle = &lifecycle,
    .state_kind = "entropy",
};
