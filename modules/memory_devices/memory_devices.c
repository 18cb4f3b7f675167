/*
 * null, zero and full, version 1.1: counts reads, writes and bytes of each. Version 1.0 has their
 * total alone; what that counted belongs to no minor here, and the numbers of minors are carried
 * along by the kernel while 1.0 serves.
 */
#include <../modules/memory_answers.h>
#include <helix/module.h>
#include <stdatomic.h>

#define STATE_TOTAL 1U
#define STATE_ROWS  2U /* since minor version 1 */

#define ROWS 4U /* of a state: null, zero and full have 1 to 3 */

/* As they stand in a state. */
struct numbers {
    uint64_t reads;
    uint64_t writes;
    uint64_t bytes;
};

/* By minor; what else is asked for is counted in 0. Relaxed: statistics. */
#define MINORS 8U

static _Atomic uint64_t reads[MINORS];
static _Atomic uint64_t writes[MINORS];
static _Atomic uint64_t bytes[MINORS];
static _Atomic uint64_t total_before; /* calls that belong to no minor */

static uint64_t minor_of(uint64_t row)
{
    return row == 0 ? 0 : 2 * row + 1;
}

static uint64_t look(_Atomic uint64_t *counter)
{
    return atomic_load_explicit(counter, memory_order_relaxed);
}

static void add(_Atomic uint64_t *counter, uint64_t more)
{
    atomic_fetch_add_explicit(counter, more, memory_order_relaxed);
}

static uint64_t known_or_0(uint64_t minor)
{
    return minor == HX_MEMORY_NULL || gives_zeros(minor) ? minor : 0;
}

static uint64_t read(uint64_t minor, uint64_t size)
{
    if (!gives_zeros(minor)) {
        add(&reads[known_or_0(minor)], 1);
        return answer_to_read(minor, size);
    }
    add(&reads[minor], 1);
    add(&bytes[minor], size);
    return HX_CHARACTER_ANSWER(size, 0);
}

static uint64_t write(uint64_t minor, uint64_t size)
{
    uint64_t answer = answer_to_write(minor, size);

    add(&writes[known_or_0(minor)], 1);
    add(&bytes[known_or_0(minor)], HX_CHARACTER_COUNT(answer));
    return answer;
}

/* --- numbers ---------------------------------------------------------------------------------- */

static uint64_t number_of(uint64_t minor, uint64_t index)
{
    switch (index) {
    case HX_CHARACTER_CALLS:
        return look(&reads[minor]) + look(&writes[minor]);
    case HX_CHARACTER_READS:
        return look(&reads[minor]);
    case HX_CHARACTER_WRITES:
        return look(&writes[minor]);
    case HX_CHARACTER_BYTES:
        return look(&bytes[minor]);
    default:
        return 0;
    }
}

static uint64_t number_of_all(uint64_t index)
{
    uint64_t sum = index == HX_CHARACTER_CALLS ? look(&total_before) : 0;

    for (uint64_t minor = 0; minor < MINORS; minor++) {
        sum += number_of(minor, index);
    }
    return sum;
}

static uint64_t number(uint64_t minor, uint64_t index)
{
    if (minor == 0) {
        return number_of_all(index);
    }
    return minor < MINORS ? number_of(minor, index) : 0;
}

static const struct hx_character_device_operations operations = {
    .read = read,
    .write = write,
    .number = number,
};

/* --- state ------------------------------------------------------------------------------------ */

/* Calls in them all; false: so many cannot be. */
static bool sum_calls(const struct numbers rows[ROWS], uint64_t *sum)
{
    *sum = 0;
    for (unsigned i = 0; i < ROWS; i++) {
        if (__builtin_add_overflow(*sum, rows[i].reads, sum) ||
            __builtin_add_overflow(*sum, rows[i].writes, sum)) {
            return false;
        }
    }
    return true;
}

static void take_over(const struct numbers rows[ROWS], uint64_t before)
{
    for (unsigned i = 0; i < ROWS; i++) {
        uint64_t minor = minor_of(i);

        atomic_store_explicit(&reads[minor], rows[i].reads, memory_order_relaxed);
        atomic_store_explicit(&writes[minor], rows[i].writes, memory_order_relaxed);
        atomic_store_explicit(&bytes[minor], rows[i].bytes, memory_order_relaxed);
    }
    atomic_store_explicit(&total_before, before, memory_order_relaxed);
}

/* Version 1.0's state has the numbers of minors too if it was itself given them. */
static hx_err import_state(uint64_t minor)
{
    struct numbers rows[ROWS] = {0};
    uint64_t total;
    uint64_t sum;
    hx_err error = hx_state_get(STATE_TOTAL, 0, &total, sizeof(total));

    (void)minor;
    if (error == HX_OK && hx_state_size(STATE_ROWS, 0) != UINT64_MAX) {
        error = hx_state_get(STATE_ROWS, 0, rows, sizeof(rows));
    }
    if (error != HX_OK) {
        return error;
    }
    if (!sum_calls(rows, &sum) || sum > total) {
        return HX_EFORMAT;
    }
    take_over(rows, total - sum);
    return HX_OK;
}

/* In both minor versions: optional there, so that 1.0 takes the total and leaves the rest alone. */
static hx_err export_state(uint64_t minor)
{
    struct numbers rows[ROWS];
    uint64_t total;
    hx_err error;

    (void)minor;
    for (unsigned i = 0; i < ROWS; i++) {
        uint64_t its = minor_of(i);

        rows[i] = (struct numbers){look(&reads[its]), look(&writes[its]), look(&bytes[its])};
    }
    (void)sum_calls(rows, &total);
    total += look(&total_before);
    error = hx_state_put(STATE_TOTAL, &total, sizeof(total));
    return error == HX_OK ? hx_state_put(STATE_ROWS | HX_STATE_OPTIONAL, rows, sizeof(rows))
                          : error;
}

static const struct hx_module_lifecycle lifecycle = {
    .import_state = import_state,
    .export_state = export_state,
};

const struct hx_module_descriptor hx_module = {
    .magic = HX_MODULE_MAGIC,
    .abi = HX_MODULE_ABI,
    .size = sizeof(struct hx_module_descriptor),
    .name = "memory_devices",
    .version = {.major = 1, .minor = 1, .patch = 0},
    .category = HX_CATEGORY_CHARACTER,
    .operations_size = sizeof(operations),
    .operations = &operations,
    .lifecycle = &lifecycle,
    .state_kind = "memory_devices",
};
