/*
 * The state of the module metrics (call_metrics.h): a record for each number that was called,
 * summed over the CPUs, with those of its buckets that are not empty.
 *
 * A version that knows finer buckets than the state halves what is in one among the two that it
 * has for it; one that knows coarser ones adds the two up. Counts and sums are kept either way.
 */
#ifndef MODULES_CALL_METRICS_STATE_H
#define MODULES_CALL_METRICS_STATE_H

#include <../modules/call_metrics.h>

#define STATE_NUMBER 1U
#define STATE_LOST   2U

struct state_bucket {
    uint64_t bucket;
    uint64_t count;
};

struct state_number {
    uint64_t number;
    uint64_t errors;
    uint64_t total;
    uint64_t least;
    uint64_t most;
    uint64_t used; /* of the buckets, which rise */
    struct state_bucket buckets[LATENCY_BUCKETS];
};

#define STATE_HEAD offsetof(struct state_number, buckets)

/* Of who exports or imports: one at a time. */
static struct state_number state;

/* --- export ----------------------------------------------------------------------------------- */

static void add_bucket(uint64_t bucket, uint64_t count)
{
    struct state_bucket *last = &state.buckets[state.used];

    if (state.used > 0 && last[-1].bucket == bucket) {
        last[-1].count += count;
    } else if (count != 0) {
        *last = (struct state_bucket){bucket, count};
        state.used++;
    }
}

/* A number's sums, with buckets so many bits coarser than here. */
static void write_down(uint64_t number, const struct hx_hook_metrics *sum, uint64_t coarser)
{
    state.number = number;
    state.errors = sum->errors;
    state.total = sum->total;
    state.least = sum->least;
    state.most = sum->most;
    state.used = 0;
    for (uint32_t bucket = 0; bucket < LATENCY_BUCKETS; bucket++) {
        add_bucket(bucket >> coarser, sum_bucket(number, bucket));
    }
}

static hx_err metrics_export(uint64_t minor)
{
    uint64_t lost = lost_calls();
    hx_err error = hx_state_put(STATE_LOST, &lost, sizeof(lost));

    for (uint64_t number = 0; number < HX_HOOK_CALL_MAX && error == HX_OK; number++) {
        struct hx_hook_metrics sum = sum_cells(number);

        if (sum.count != 0) {
            write_down(number, &sum, STATE_MINOR - minor);
            error = hx_state_put(STATE_NUMBER, &state,
                                 STATE_HEAD + state.used * sizeof(state.buckets[0]));
        }
    }
    return error;
}

/* --- import ----------------------------------------------------------------------------------- */

/* Whether a record of that size is one, with buckets so many bits coarser than here. */
static bool is_sound(uint64_t size, uint64_t coarser)
{
    uint64_t limit = LATENCY_BUCKETS >> coarser;

    if (state.number >= HX_HOOK_CALL_MAX || state.used > LATENCY_BUCKETS ||
        size != STATE_HEAD + state.used * sizeof(state.buckets[0])) {
        return false;
    }
    for (uint64_t i = 0; i < state.used; i++) {
        if (state.buckets[i].bucket >= limit ||
            (i > 0 && state.buckets[i].bucket <= state.buckets[i - 1].bucket)) {
            return false;
        }
    }
    return true;
}

/* What was in a bucket may have been in either half of it. */
static void spread(struct cell *cell, const struct state_bucket *from, uint64_t coarser)
{
    uint64_t first = from->bucket << coarser;
    uint64_t parts = 1ULL << coarser;

    for (uint64_t part = 0; part < parts; part++) {
        set(&cell->buckets[first + part],
            from->count / parts + (part < from->count % parts ? 1 : 0));
    }
}

static hx_err take_over(struct lane *lane, uint64_t coarser)
{
    struct cell *cell = find_cell(lane, state.number);

    if (cell == NULL) {
        return HX_ENOMEM;
    }
    set(&cell->errors, state.errors);
    set(&cell->total, state.total);
    set(&cell->least, state.least);
    set(&cell->most, state.most);
    for (uint64_t i = 0; i < state.used; i++) {
        spread(cell, &state.buckets[i], coarser);
    }
    return HX_OK;
}

static hx_err read_record(struct lane *lane, uint32_t index, uint64_t size, uint64_t coarser)
{
    hx_err error = size >= STATE_HEAD && size <= sizeof(state)
                       ? hx_state_get(STATE_NUMBER, index, &state, size)
                       : HX_EVERSION;

    if (error == HX_OK && !is_sound(size, coarser)) {
        error = HX_EVERSION;
    }
    return error == HX_OK ? take_over(lane, coarser) : error;
}

/* All sums become those of CPU 0; a cell that was filled and then not used is of no harm. */
static hx_err metrics_import(uint64_t minor)
{
    struct lane *lane = lane_of(0) != NULL ? lane_of(0) : make_lane(0);
    uint64_t lost;
    uint64_t size;
    hx_err error = hx_state_get(STATE_LOST, 0, &lost, sizeof(lost));

    if (lane == NULL) {
        return HX_ENOMEM;
    }
    clear_all();
    for (uint32_t i = 0; error == HX_OK && (size = hx_state_size(STATE_NUMBER, i)) != UINT64_MAX;
         i++) {
        error = read_record(lane, i, size, STATE_MINOR - minor);
    }
    if (error == HX_OK) {
        set(&lane->lost, lost);
    }
    return error;
}

static const struct hx_module_lifecycle metrics_lifecycle = {
    .import_state = metrics_import,
    .export_state = metrics_export,
};

#endif
