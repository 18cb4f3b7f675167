/* The table of grants, and its growth. */
#include <base/memory.h>
#include <core/capability/grant_table.h>
#include <hal/cpu.h>
#include <kern/area.h>

/* One page: what the header leaves of it is rounded down to a power of two. */
#define FIRST_BUCKETS 256U

struct grant_table grant_table_empty = {.buckets = {NULL}};

_Atomic(struct grant_table *) grant_table_current = &grant_table_empty;
_Atomic(struct grant_table *) grant_table_open = &grant_table_empty;

/* Under the broker's mutex. */
static struct grant_table *next_table; /* being built; NULL: none */
static uint64_t moved;                 /* buckets of the current one that it has */

static struct grant_table *current(void)
{
    /* acquire: pairs with the release of who published it, for callers without the mutex */
    return atomic_load_explicit(&grant_table_current, memory_order_acquire);
}

uint64_t grant_table_buckets(void)
{
    return current()->mask + 1;
}

static struct grant_table *allocate(uint64_t buckets, const struct grant_table *like)
{
    size_t size = sizeof(struct grant_table) + buckets * sizeof(struct grant *);
    struct grant_table *table;
    struct area *area;

    if (area_allocate((size + HAL_PAGE_SIZE - 1) / HAL_PAGE_SIZE, HAL_READ | HAL_WRITE, OWNER_CORE,
                      &area) != HX_OK) {
        return NULL;
    }
    table = (struct grant_table *)area->base;
    table->mask = buckets - 1;
    memcpy(table->seeds, like->seeds, sizeof(table->seeds));
    table->parity = 1 - like->parity;
    table->area = area;
    return table;
}

hx_err grant_table_init(void)
{
    /* The third is large, so that the upper half of a product by it has all its bits. */
    const struct grant_table like = {
        .seeds = {hal_cpu_entropy(), hal_cpu_entropy(), hal_cpu_entropy() | 1ULL << 63}};
    struct grant_table *table = allocate(FIRST_BUCKETS, &like);

    if (table == NULL) {
        return HX_ENOMEM;
    }
    /* release: pairs with the acquire of a check */
    atomic_store_explicit(&grant_table_current, table, memory_order_release);
    return HX_OK;
}

void grant_table_free(struct grant_table *table)
{
    area_free(table->area);
}

/* --- changing -------------------------------------------------------------------------------- */

static uint64_t bucket_of(const struct grant_table *table, const struct grant *grant)
{
    return grant_table_hash(table, atomic_load_explicit(&grant->subject, memory_order_relaxed),
                            atomic_load_explicit(&grant->resource, memory_order_relaxed)) &
           table->mask;
}

static void link_in(struct grant_table *table, struct grant *grant)
{
    _Atomic(struct grant *) *bucket = &table->buckets[bucket_of(table, grant)];

    atomic_store_explicit(&grant->next[table->parity],
                          atomic_load_explicit(bucket, memory_order_relaxed), memory_order_release);
    /* release: who finds the record sees what is in it */
    atomic_store_explicit(bucket, grant, memory_order_release);
}

/* The record's own link stays: who stands on it goes on. */
static void link_out(struct grant_table *table, struct grant *grant)
{
    _Atomic(struct grant *) *link = &table->buckets[bucket_of(table, grant)];
    struct grant *at;

    while ((at = atomic_load_explicit(link, memory_order_relaxed)) != grant) {
        link = &at->next[table->parity];
    }
    atomic_store_explicit(link,
                          atomic_load_explicit(&grant->next[table->parity], memory_order_relaxed),
                          memory_order_release);
}

/* Whether the table that is being built has this record's bucket already. */
static bool is_moved(const struct grant *grant)
{
    return next_table != NULL && bucket_of(current(), grant) < moved;
}

void grant_table_insert(struct grant *grant)
{
    link_in(current(), grant);
    if (is_moved(grant)) {
        link_in(next_table, grant);
    }
}

void grant_table_remove(struct grant *grant)
{
    link_out(current(), grant);
    if (is_moved(grant)) {
        link_out(next_table, grant);
    }
}

/* --- growing --------------------------------------------------------------------------------- */

struct grant_table *grant_table_allocate_next(void)
{
    return allocate(2 * grant_table_buckets(), current());
}

void grant_table_attach(struct grant_table *next)
{
    next_table = next;
    moved = 0;
}

static uint32_t move_bucket(struct grant_table *from, uint64_t bucket)
{
    uint32_t count = 0;

    for (struct grant *grant = atomic_load_explicit(&from->buckets[bucket], memory_order_relaxed);
         grant != NULL;
         grant = atomic_load_explicit(&grant->next[from->parity], memory_order_relaxed)) {
        link_in(next_table, grant);
        count++;
    }
    return count;
}

bool grant_table_move(uint32_t most)
{
    struct grant_table *from = current();
    uint32_t work = 0;

    while (moved <= from->mask && work < most) {
        work += 1 + move_bucket(from, moved);
        moved++;
    }
    return moved <= from->mask;
}

struct grant_table *grant_table_publish(void)
{
    struct grant_table *old = current();

    /* release: pairs with the acquire of a check */
    atomic_store_explicit(&grant_table_current, next_table, memory_order_release);
    next_table = NULL;
    return old;
}
