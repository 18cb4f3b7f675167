/* Records of grants, in chunks that are never freed. */
#include <core/capability/grant_store.h>
#include <kern/area.h>

#define CHUNK_PAGES (GRANT_CHUNK * sizeof(struct grant) / HAL_PAGE_SIZE)

_Atomic(struct grant *) grant_chunks[GRANT_CHUNKS];
_Atomic uint32_t grant_open_chunks;

static _Atomic uint32_t chunk_count;

/* Free records, by sibling; under the broker's mutex. */
static struct list free_records = LIST_INIT(free_records);

uint32_t grant_store_chunks(void)
{
    return atomic_load_explicit(&chunk_count, memory_order_acquire);
}

struct grant *grant_at(uint32_t index)
{
    return index / GRANT_CHUNK < grant_store_chunks() ? grant_in_chunk(index) : NULL;
}

static void add_chunk(struct grant *records, uint32_t chunk)
{
    for (uint32_t i = 0; i < GRANT_CHUNK; i++) {
        records[i].index = chunk * GRANT_CHUNK + i;
        list_init(&records[i].derived);
        list_init(&records[i].held);
        list_push_back(&free_records, &records[i].sibling);
    }
    atomic_store_explicit(&grant_chunks[chunk], records, memory_order_relaxed);
    /* release: pairs with grant_store_chunks */
    atomic_store_explicit(&chunk_count, chunk + 1, memory_order_release);
}

static hx_err grant_store_extend(void)
{
    uint32_t chunk = atomic_load_explicit(&chunk_count, memory_order_relaxed);
    struct area *area;
    hx_err error;

    if (chunk == GRANT_CHUNKS) {
        return HX_ENOSPC;
    }
    error = area_allocate(CHUNK_PAGES, HAL_READ | HAL_WRITE, OWNER_CORE, &area);
    if (error == HX_OK) {
        add_chunk((struct grant *)area->base, chunk);
    }
    return error;
}

hx_err grant_store_take(struct grant **grant)
{
    if (list_is_empty(&free_records)) {
        hx_err error = grant_store_extend();

        if (error != HX_OK) {
            return error;
        }
    }
    *grant = LIST_ENTRY(list_pop_front(&free_records), struct grant, sibling);
    /* Before anything else changes: see capability_check_handle. */
    atomic_fetch_add_explicit(&(*grant)->generation, 1, memory_order_relaxed);
    return HX_OK;
}

void grant_store_put(struct grant *grant)
{
    /* A generation that ran out would begin again: the record is given up. */
    if (atomic_load_explicit(&grant->generation, memory_order_relaxed) != UINT32_MAX) {
        list_push_front(&free_records, &grant->sibling);
    }
}

void grant_fill(struct grant *grant, struct grant *origin, subject_id subject, resource_id resource,
                uint64_t rights)
{
    atomic_store_explicit(&grant->origin, origin, memory_order_relaxed);
    /* release: each pairs with an acquire in capability_check_handle */
    atomic_store_explicit(&grant->subject, subject, memory_order_release);
    atomic_store_explicit(&grant->resource, resource, memory_order_release);
    atomic_store_explicit(&grant->rights, rights, memory_order_release);
}
