/* The subjects. */
#include <base/string.h>
#include <core/capability/subject.h>
#include <kern/heap.h>

#define CHUNK  64U
#define CHUNKS (CAPABILITY_SUBJECT_MAX / CHUNK)

static _Atomic(struct subject *) chunks[CHUNKS];

/* Changed under the broker's mutex. */
static struct list free_subjects = LIST_INIT(free_subjects);
static _Atomic uint32_t chunk_count;
static _Atomic uint64_t live_count;

struct subject *subject_find(subject_id id)
{
    uint32_t index = (uint32_t)id;
    uint32_t generation = (uint32_t)(id >> 32);
    struct subject *subject;

    if (index >= CAPABILITY_SUBJECT_MAX || generation % 2 == 0) {
        return NULL;
    }
    /* acquire: pairs with the release in extend */
    subject = atomic_load_explicit(&chunks[index / CHUNK], memory_order_acquire);
    if (subject == NULL) {
        return NULL;
    }
    subject += index % CHUNK;
    /* acquire: who sees a subject live sees what made it so */
    return atomic_load_explicit(&subject->generation, memory_order_acquire) == generation ? subject
                                                                                          : NULL;
}

static hx_err extend(void)
{
    uint32_t chunk = atomic_load_explicit(&chunk_count, memory_order_relaxed);
    struct subject *subjects;

    if (chunk == CHUNKS) {
        return HX_ENOSPC;
    }
    subjects = heap_allocate_zeroed(CHUNK * sizeof(*subjects), OWNER_CORE);
    if (subjects == NULL) {
        return HX_ENOMEM;
    }
    for (uint32_t i = 0; i < CHUNK; i++) {
        subjects[i].index = chunk * CHUNK + i;
        list_init(&subjects[i].held);
        list_push_back(&free_subjects, &subjects[i].link);
    }
    /* release: pairs with subject_find */
    atomic_store_explicit(&chunks[chunk], subjects, memory_order_release);
    atomic_store_explicit(&chunk_count, chunk + 1, memory_order_relaxed);
    return HX_OK;
}

hx_err subject_take(const char *name, struct subject **subject)
{
    if (list_is_empty(&free_subjects)) {
        hx_err error = extend();

        if (error != HX_OK) {
            return error;
        }
    }
    *subject = LIST_ENTRY(list_pop_front(&free_subjects), struct subject, link);
    (void)string_copy((*subject)->name, sizeof((*subject)->name), name);
    atomic_fetch_add_explicit(&(*subject)->generation, 1, memory_order_release);
    atomic_fetch_add_explicit(&live_count, 1, memory_order_relaxed);
    return HX_OK;
}

void subject_put(struct subject *subject)
{
    atomic_fetch_sub_explicit(&live_count, 1, memory_order_relaxed);
    /* A generation that ran out would begin again: the record is given up. */
    if (atomic_load_explicit(&subject->generation, memory_order_relaxed) != 0) {
        list_push_back(&free_subjects, &subject->link);
    }
}

hx_err subject_init(void)
{
    struct subject *kernel;

    /* The first one taken has index 0 and generation 1. */
    return subject_find(SUBJECT_KERNEL) != NULL ? HX_OK : subject_take("kernel", &kernel);
}

uint64_t subject_count(void)
{
    return atomic_load_explicit(&live_count, memory_order_relaxed);
}

uint64_t subject_memory(void)
{
    return atomic_load_explicit(&chunk_count, memory_order_relaxed) * CHUNK *
           sizeof(struct subject);
}
