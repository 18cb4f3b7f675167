/*
 * Counts, errors and times of system calls by number: compiled into each version of the module
 * metrics, which says before how fine its buckets are.
 *
 * Rules:
 * - The module defines LATENCY_SUB_BITS: 3 + the minor version of its state.
 * - A CPU's cells are written by its post alone, read by anyone at any time. A number has a cell on
 *   a CPU from its first call there on; where there is no memory for one, calls count as lost.
 * - State minor n has 2^(3 + n) buckets for each power of two.
 */
#ifndef MODULES_CALL_METRICS_H
#define MODULES_CALL_METRICS_H

#include <helix/hook.h>
#include <helix/loan.h>
#include <helix/module.h>
#include <stdatomic.h>
#include <stdbool.h>

#include <../modules/latency_histogram.h>

#define STATE_MINOR (LATENCY_SUB_BITS - 3U)

#define PAGE_SIZE     4096U
#define SLAB_PAGES    8U /* cells are cut from slabs */
#define LANE_PAGES    ((sizeof(struct lane) + PAGE_SIZE - 1) / PAGE_SIZE)
#define BATCH_ENTRIES 64U /* copied at once */

/* What one CPU knows of one number. */
struct cell {
    _Atomic uint64_t errors;
    _Atomic uint64_t total;
    _Atomic uint64_t least;
    _Atomic uint64_t most;
    _Atomic uint64_t buckets[LATENCY_BUCKETS];
};

/* Keys: P = the CPU's post, W = as P, read by anyone */
struct lane {
    struct cell *slab;                              /* P  cells not yet given away */
    uint32_t slab_cells;                            /* P */
    _Atomic uint64_t lost;                          /* W */
    _Atomic(struct cell *) cells[HX_HOOK_CALL_MAX]; /* W  NULL: not called here */
};

static _Atomic(struct lane *) lanes[HX_HOOK_CPU_MAX]; /* NULL: no call has ended there */
static _Atomic uint32_t used_cpus;                    /* those that have one: a bit each */
_Static_assert(HX_HOOK_CPU_MAX <= 32, "a CPU is a bit");

static inline uint64_t get(const _Atomic uint64_t *value)
{
    return atomic_load_explicit(value, memory_order_relaxed);
}

static inline void set(_Atomic uint64_t *value, uint64_t to)
{
    atomic_store_explicit(value, to, memory_order_relaxed);
}

/* --- counting --------------------------------------------------------------------------------- */

static struct lane *make_lane(uint64_t cpu)
{
    struct lane *lane = hx_pages_allocate(LANE_PAGES);

    if (lane != NULL) {
        /* Release: pairs with lane_of. */
        atomic_store_explicit(&lanes[cpu], lane, memory_order_release);
        atomic_fetch_or_explicit(&used_cpus, 1U << cpu, memory_order_release);
    }
    return lane;
}

/* Acquire: pairs with make_lane. */
static inline struct lane *lane_of(uint64_t cpu)
{
    return atomic_load_explicit(&lanes[cpu], memory_order_acquire);
}

/* Acquire: pairs with make_cell. */
static inline struct cell *cell_of(const struct lane *lane, uint64_t number)
{
    return atomic_load_explicit(&lane->cells[number], memory_order_acquire);
}

static struct cell *make_cell(struct lane *lane, uint64_t number)
{
    struct cell *cell;

    if (lane->slab_cells == 0) {
        lane->slab = hx_pages_allocate(SLAB_PAGES);
        if (lane->slab == NULL) {
            return NULL;
        }
        lane->slab_cells = SLAB_PAGES * PAGE_SIZE / sizeof(struct cell);
    }
    cell = &lane->slab[--lane->slab_cells];
    set(&cell->least, UINT64_MAX);
    /* Release: pairs with cell_of. */
    atomic_store_explicit(&lane->cells[number], cell, memory_order_release);
    return cell;
}

/* Numbers beyond the table are not told apart: there is no cell for them. */
static inline struct cell *find_cell(struct lane *lane, uint64_t number)
{
    struct cell *cell;

    if (HX_UNLIKELY(number >= HX_HOOK_CALL_MAX)) {
        return NULL;
    }
    cell = cell_of(lane, number);
    return HX_LIKELY(cell != NULL) ? cell : make_cell(lane, number);
}

static inline void note(struct lane *lane, const struct hx_hook_time *call)
{
    struct cell *cell = find_cell(lane, call->number & ~HX_HOOK_FAILED);
    uint64_t duration = call->duration;
    uint64_t bucket = latency_bucket(duration);

    if (HX_UNLIKELY(cell == NULL)) {
        set(&lane->lost, get(&lane->lost) + 1);
        return;
    }
    set(&cell->buckets[bucket], get(&cell->buckets[bucket]) + 1);
    set(&cell->total, get(&cell->total) + duration);
    if (HX_UNLIKELY((call->number & HX_HOOK_FAILED) != 0)) {
        set(&cell->errors, get(&cell->errors) + 1);
    }
    if (HX_UNLIKELY(duration < get(&cell->least))) {
        set(&cell->least, duration);
    }
    if (HX_UNLIKELY(duration > get(&cell->most))) {
        set(&cell->most, duration);
    }
}

static hx_err note_some(struct lane *lane, uint64_t loan, uint64_t first, uint64_t count)
{
    struct hx_hook_time calls[BATCH_ENTRIES];
    hx_err error = hx_loan_read(loan, first * sizeof(*calls), calls, count * sizeof(*calls));

    for (uint64_t i = 0; error == HX_OK && i < count; i++) {
        note(lane, &calls[i]);
    }
    return error;
}

static hx_err metrics_post(uint64_t cpu, uint64_t loan, uint64_t count, uint64_t first)
{
    struct lane *lane = cpu < HX_HOOK_CPU_MAX ? lane_of(cpu) : NULL;
    hx_err error = HX_OK;

    (void)first;
    if (lane == NULL && (cpu >= HX_HOOK_CPU_MAX || (lane = make_lane(cpu)) == NULL)) {
        return HX_ENOMEM;
    }
    for (uint64_t done = 0; done < count && error == HX_OK; done += BATCH_ENTRIES) {
        uint64_t left = count - done;

        error = note_some(lane, loan, done, left < BATCH_ENTRIES ? left : BATCH_ENTRIES);
    }
    return error;
}

/* --- reading ---------------------------------------------------------------------------------- */

/* The CPUs of which something is known, as bits.  Acquire: pairs with make_lane. */
static inline uint32_t cpus_in_use(void)
{
    return atomic_load_explicit(&used_cpus, memory_order_acquire);
}

/* The cell of a number on the first of these CPUs, NULL: none. */
static inline const struct cell *look_up(uint32_t cpus, uint64_t number)
{
    return cell_of(lane_of((uint64_t)__builtin_ctz(cpus)), number);
}

static bool is_called(uint64_t number)
{
    bool is = false;

    for (uint32_t left = cpus_in_use(); left != 0; left &= left - 1) {
        is = is || look_up(left, number) != NULL;
    }
    return is;
}

static uint64_t sum_bucket(uint64_t number, uint32_t bucket)
{
    uint64_t sum = 0;

    for (uint32_t left = cpus_in_use(); left != 0; left &= left - 1) {
        const struct cell *cell = look_up(left, number);

        sum += cell != NULL ? get(&cell->buckets[bucket]) : 0;
    }
    return sum;
}

/* Everything but the percentiles. */
static struct hx_hook_metrics sum_cells(uint64_t number)
{
    struct hx_hook_metrics sum = {.least = UINT64_MAX};
    uint32_t buckets = is_called(number) ? LATENCY_BUCKETS : 0;

    for (uint32_t left = cpus_in_use(); left != 0; left &= left - 1) {
        const struct cell *cell = look_up(left, number);

        if (cell != NULL) {
            sum.errors += get(&cell->errors);
            sum.total += get(&cell->total);
            sum.least = get(&cell->least) < sum.least ? get(&cell->least) : sum.least;
            sum.most = get(&cell->most) > sum.most ? get(&cell->most) : sum.most;
        }
    }
    for (uint32_t bucket = 0; bucket < buckets; bucket++) {
        sum.count += sum_bucket(number, bucket);
    }
    return sum;
}

/* The middle of the bucket in which the call is that so many of a thousand are not above. */
static uint64_t percentile(uint64_t number, const struct hx_hook_metrics *sum, uint64_t thousandths)
{
    uint64_t rank =
        sum->count / 1000 * thousandths + (sum->count % 1000 * thousandths + 999) / 1000;
    uint64_t passed = 0;
    uint32_t bucket = 0;
    uint64_t value;

    for (; bucket < LATENCY_BUCKETS; bucket++) {
        passed += sum_bucket(number, bucket);
        if (passed >= rank) {
            break;
        }
    }
    value = bucket < LATENCY_BUCKETS - 1 ? latency_middle(bucket) : sum->most;
    value = value < sum->least ? sum->least : value;
    return value > sum->most ? sum->most : value;
}

static uint64_t read_number(uint64_t number, uint64_t loan)
{
    struct hx_hook_metrics told;

    if (number >= HX_HOOK_CALL_MAX) {
        return 0;
    }
    told = sum_cells(number);
    if (told.count == 0) {
        return 0;
    }
    told.p500 = percentile(number, &told, 500);
    told.p900 = percentile(number, &told, 900);
    told.p990 = percentile(number, &told, 990);
    told.p999 = percentile(number, &told, 999);
    return hx_loan_write(loan, 0, &told, sizeof(told)) == HX_OK;
}

static uint64_t lost_calls(void)
{
    uint64_t sum = 0;

    for (uint32_t cpu = 0; cpu < HX_HOOK_CPU_MAX; cpu++) {
        const struct lane *lane = lane_of(cpu);

        sum += lane != NULL ? get(&lane->lost) : 0;
    }
    return sum;
}

static uint64_t metrics_read(uint64_t item, uint64_t index, uint64_t loan, uint64_t size)
{
    (void)size; /* the loan knows it */
    if (item == HX_HOOK_METRICS) {
        return read_number(index, loan);
    }
    return item == HX_HOOK_LOST ? lost_calls() : 0;
}

/* --- beginning anew --------------------------------------------------------------------------- */

static void clear_cell(struct cell *cell)
{
    for (uint32_t bucket = 0; bucket < LATENCY_BUCKETS; bucket++) {
        set(&cell->buckets[bucket], 0);
    }
    set(&cell->errors, 0);
    set(&cell->total, 0);
    set(&cell->least, UINT64_MAX);
    set(&cell->most, 0);
}

/* Memory stays: somebody may be reading. */
static void clear_lane(struct lane *lane)
{
    for (uint32_t number = 0; number < HX_HOOK_CALL_MAX; number++) {
        struct cell *cell = cell_of(lane, number);

        if (cell != NULL) {
            clear_cell(cell);
        }
    }
    set(&lane->lost, 0);
}

static void clear_all(void)
{
    for (uint32_t cpu = 0; cpu < HX_HOOK_CPU_MAX; cpu++) {
        struct lane *lane = lane_of(cpu);

        if (lane != NULL) {
            clear_lane(lane);
        }
    }
}

static hx_err metrics_configure(uint64_t item, uint64_t loan, uint64_t size)
{
    (void)loan;
    (void)size;
    if (item != HX_HOOK_RESET) {
        return HX_EINVAL;
    }
    clear_all();
    return HX_OK;
}

static const struct hx_hook_operations metrics_operations = {
    .post = metrics_post,
    .read = metrics_read,
    .configure = metrics_configure,
};

#endif
