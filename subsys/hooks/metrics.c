#include <subsys/hooks/metrics.h>

#include <core/syscall/syscall.h>
#include <hal/cpu.h>
#include <kern/heap.h>
#include <kern/mutex.h>
#include <kern/read_section.h>
#include <stdatomic.h>
#include <subsys/hooks/cycles.h>
#include <subsys/hooks/latency_histogram.h>

/* What one CPU knows of one number, written by it in a read section. Times are in cycles. */
struct cell {
    struct cell *next_freed; /* of who frees it */
    _Atomic uint64_t errors;
    _Atomic uint64_t total;
    _Atomic uint64_t least;
    _Atomic uint64_t most;
    _Atomic uint64_t buckets[LATENCY_BUCKETS];
};

struct table {
    _Atomic(struct cell *) cells[SYSCALL_MAX]; /* NULL: not called here */
};

/* Keys: A = atomic */
static struct {
    struct mutex mutex;                          /* who reads cells, against who frees them */
    _Atomic(struct table *) tables[HAL_CPU_MAX]; /* A  NULL: no memory */
    _Atomic uint64_t lost;                       /* A */
} metrics = {
    .mutex = {.lock = SPINLOCK_INIT(LOCK_RANK_MUTEX, "metrics"),
              .waiters = LIST_INIT(metrics.mutex.waiters)},
};

/* --- the hook --------------------------------------------------------------------------------- */

static HX_ALWAYS_INLINE uint64_t get(const _Atomic uint64_t *value)
{
    return atomic_load_explicit(value, memory_order_relaxed);
}

static HX_ALWAYS_INLINE void set(_Atomic uint64_t *value, uint64_t to)
{
    atomic_store_explicit(value, to, memory_order_relaxed);
}

static HX_ALWAYS_INLINE void add(struct cell *cell, const struct syscall_call *call)
{
    uint64_t duration = call->duration;
    uint64_t bucket = latency_bucket(duration);

    set(&cell->buckets[bucket], get(&cell->buckets[bucket]) + 1);
    set(&cell->total, get(&cell->total) + duration);
    if (HX_UNLIKELY((uint64_t)call->result > (uint64_t)-4096)) {
        set(&cell->errors, get(&cell->errors) + 1);
    }
    if (HX_UNLIKELY(duration < get(&cell->least))) {
        set(&cell->least, duration);
    }
    if (HX_UNLIKELY(duration > get(&cell->most))) {
        set(&cell->most, duration);
    }
}

/* The first call of a number on this CPU, or one beyond the table. */
static HX_NOINLINE void measure_first(const struct syscall_call *call)
{
    struct table *table = atomic_load_explicit(&metrics.tables[hal_cpu_id()], memory_order_relaxed);
    struct cell *cell =
        call->number < SYSCALL_MAX ? heap_allocate_zeroed(sizeof(*cell), OWNER_CORE) : NULL;

    if (cell == NULL) {
        atomic_fetch_add_explicit(&metrics.lost, 1, memory_order_relaxed);
        return;
    }
    set(&cell->least, UINT64_MAX);
    add(cell, call);
    /* Release: pairs with cell_of. */
    atomic_store_explicit(&table->cells[call->number], cell, memory_order_release);
}

static void measure(const struct syscall_call *call, void *argument)
{
    struct cell *cell = NULL;

    (void)argument;
    if (HX_LIKELY(call->number < SYSCALL_MAX)) {
        const struct table *table =
            atomic_load_explicit(&metrics.tables[hal_cpu_id()], memory_order_relaxed);

        /* Acquire: pairs with take_cells, which may be another CPU's. */
        cell = atomic_load_explicit(&table->cells[call->number], memory_order_acquire);
    }
    if (HX_UNLIKELY(cell == NULL)) {
        measure_first(call);
        return;
    }
    add(cell, call);
}

/* --- start ------------------------------------------------------------------------------------ */

static hx_err make_tables(void)
{
    for (uint32_t cpu = 0; cpu < hal_cpu_count(); cpu++) {
        struct table *table;

        if (atomic_load_explicit(&metrics.tables[cpu], memory_order_relaxed) != NULL) {
            continue;
        }
        table = heap_allocate_zeroed(sizeof(*table), OWNER_CORE);
        if (table == NULL) {
            return HX_ENOMEM; /* those that are there serve the next try */
        }
        atomic_store_explicit(&metrics.tables[cpu], table, memory_order_release);
    }
    return HX_OK;
}

hx_err metrics_start(int32_t order)
{
    hx_err error = make_tables();

    return error == HX_OK ? syscall_hook_add(&(struct syscall_hook){
                                .name = METRICS_HOOK, .order = order, .post = measure})
                          : error;
}

/* --- reading ---------------------------------------------------------------------------------- */

/* What a CPU knows of a number, NULL: nothing.  Acquire: pairs with make_cell. */
static const struct cell *cell_of(uint32_t cpu, uint32_t number)
{
    struct table *table = atomic_load_explicit(&metrics.tables[cpu], memory_order_acquire);

    return table != NULL ? atomic_load_explicit(&table->cells[number], memory_order_acquire) : NULL;
}

static uint64_t sum_bucket(uint32_t number, uint32_t bucket)
{
    uint64_t sum = 0;

    for (uint32_t cpu = 0; cpu < hal_cpu_count(); cpu++) {
        const struct cell *cell = cell_of(cpu, number);

        sum += cell != NULL ? get(&cell->buckets[bucket]) : 0;
    }
    return sum;
}

/* Everything but the percentiles, in cycles. */
static struct call_metrics sum_cells(uint32_t number)
{
    struct call_metrics sum = {.min_ns = UINT64_MAX};

    for (uint32_t cpu = 0; cpu < hal_cpu_count(); cpu++) {
        const struct cell *cell = cell_of(cpu, number);

        if (cell != NULL) {
            sum.errors += get(&cell->errors);
            sum.total_ns += get(&cell->total);
            sum.min_ns = get(&cell->least) < sum.min_ns ? get(&cell->least) : sum.min_ns;
            sum.max_ns = get(&cell->most) > sum.max_ns ? get(&cell->most) : sum.max_ns;
        }
    }
    for (uint32_t bucket = 0; bucket < LATENCY_BUCKETS; bucket++) {
        sum.count += sum_bucket(number, bucket);
    }
    return sum;
}

/* The middle of the bucket in which the call is that so many of a thousand are not above. */
static uint64_t percentile(uint32_t number, const struct call_metrics *sum, uint64_t thousandths)
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
    value = bucket < LATENCY_BUCKETS - 1 ? latency_middle(bucket) : sum->max_ns;
    value = value < sum->min_ns ? sum->min_ns : value;
    return value > sum->max_ns ? sum->max_ns : value;
}

static void read_locked(uint32_t number, struct call_metrics *told)
{
    struct call_metrics sum = sum_cells(number);

    *told = (struct call_metrics){
        .count = sum.count,
        .errors = sum.errors,
        .total_ns = cycles_to_ns(sum.total_ns),
        .min_ns = cycles_to_ns(sum.min_ns),
        .max_ns = cycles_to_ns(sum.max_ns),
        .p500_ns = cycles_to_ns(percentile(number, &sum, 500)),
        .p900_ns = cycles_to_ns(percentile(number, &sum, 900)),
        .p990_ns = cycles_to_ns(percentile(number, &sum, 990)),
        .p999_ns = cycles_to_ns(percentile(number, &sum, 999)),
    };
}

hx_err metrics_read(uint32_t number, struct call_metrics *told)
{
    if (number >= SYSCALL_MAX) {
        return HX_ERANGE;
    }
    mutex_lock(&metrics.mutex);
    read_locked(number, told);
    mutex_unlock(&metrics.mutex);
    return told->count != 0 ? HX_OK : HX_ENOENT;
}

/* Take a CPU's cells away, before a list of others. */
static struct cell *take_cells(uint32_t cpu, struct cell *taken)
{
    struct table *table = atomic_load_explicit(&metrics.tables[cpu], memory_order_acquire);

    for (uint32_t number = 0; table != NULL && number < SYSCALL_MAX; number++) {
        struct cell *cell =
            atomic_exchange_explicit(&table->cells[number], NULL, memory_order_acq_rel);

        if (cell != NULL) {
            cell->next_freed = taken;
            taken = cell;
        }
    }
    return taken;
}

void metrics_reset(void)
{
    struct cell *taken = NULL;

    mutex_lock(&metrics.mutex);
    for (uint32_t cpu = 0; cpu < hal_cpu_count(); cpu++) {
        taken = take_cells(cpu, taken);
    }
    read_synchronize(); /* no call is in one any more */
    while (taken != NULL) {
        struct cell *next = taken->next_freed;

        heap_free(taken);
        taken = next;
    }
    atomic_store_explicit(&metrics.lost, 0, memory_order_relaxed);
    mutex_unlock(&metrics.mutex);
}

uint64_t metrics_lost(void)
{
    return atomic_load_explicit(&metrics.lost, memory_order_relaxed);
}

static uint64_t memory_of(const struct table *table)
{
    uint64_t cells = 0;

    for (uint32_t number = 0; number < SYSCALL_MAX; number++) {
        cells += atomic_load_explicit(&table->cells[number], memory_order_relaxed) != NULL;
    }
    return sizeof(*table) + cells * sizeof(struct cell);
}

uint64_t metrics_memory(void)
{
    uint64_t bytes = 0;

    for (uint32_t cpu = 0; cpu < HAL_CPU_MAX; cpu++) {
        /* Acquire: pairs with make_tables. */
        const struct table *table =
            atomic_load_explicit(&metrics.tables[cpu], memory_order_acquire);

        bytes += table != NULL ? memory_of(table) : 0;
    }
    return bytes;
}
