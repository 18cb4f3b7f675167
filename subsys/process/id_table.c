#include <base/assert.h>
#include <kern/heap.h>
#include <stddef.h>
#include <subsys/process/id_table.h>
#include <subsys/process/process.h>

#define CHUNK  128U
#define CHUNKS (PROCESS_ID_MAX / CHUNK)

/* Chunks are made when their first id is needed, and stay. */
static struct identity *chunks[CHUNKS];
static uint32_t last_id;

static struct identity *entry_of(uint32_t id)
{
    struct identity *chunk = id < PROCESS_ID_MAX ? chunks[id / CHUNK] : NULL;

    return chunk != NULL ? &chunk[id % CHUNK] : NULL;
}

struct identity *id_find(uint32_t id)
{
    struct identity *entry = entry_of(id);

    return entry != NULL && entry->uses > 0 ? entry : NULL;
}

static struct identity *have_entry(uint32_t id)
{
    if (chunks[id / CHUNK] == NULL) {
        chunks[id / CHUNK] = heap_allocate_zeroed(CHUNK * sizeof(struct identity), OWNER_CORE);
    }
    return entry_of(id);
}

hx_err id_take(uint32_t *id)
{
    for (uint32_t tried = 0; tried < PROCESS_ID_MAX; tried++) {
        struct identity *entry;

        last_id = last_id + 1 < PROCESS_ID_MAX ? last_id + 1 : 1;
        entry = have_entry(last_id);
        if (entry == NULL) {
            return HX_ENOMEM;
        }
        if (entry->uses == 0) {
            *entry = (struct identity){.uses = 1};
            *id = last_id;
            return HX_OK;
        }
    }
    return HX_EAGAIN;
}

void id_get(uint32_t id)
{
    struct identity *entry = id_find(id);

    HX_ASSERT(entry != NULL, "an id that is used again is in use");
    entry->uses++;
}

void id_put(uint32_t id)
{
    struct identity *entry = id_find(id);

    HX_ASSERT(entry != NULL, "an id is put as often as it was taken");
    entry->uses--;
}

uint32_t id_next(uint32_t after)
{
    uint32_t id = after + 1;

    while (id < PROCESS_ID_MAX && id_find(id) == NULL) {
        id = chunks[id / CHUNK] != NULL ? id + 1 : (id / CHUNK + 1) * CHUNK;
    }
    return id < PROCESS_ID_MAX ? id : 0;
}

uint32_t id_last(void)
{
    return last_id;
}
