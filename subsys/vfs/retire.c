#include <kern/read_section.h>
#include <stdatomic.h>
#include <stddef.h>
#include <subsys/vfs/retire.h>

static _Atomic(struct retired *) waiting;
static _Atomic uint32_t count; /* of them, about: relaxed */

void retire_flush(void)
{
    struct retired *all;

    atomic_store_explicit(&count, 0, memory_order_relaxed);
    /* acquire: pairs with the release in retire */
    all = atomic_exchange_explicit(&waiting, NULL, memory_order_acquire);
    if (all == NULL) {
        return;
    }
    read_synchronize();
    while (all != NULL) {
        struct retired *next = all->next;

        all->release(all);
        all = next;
    }
}

void retire(struct retired *retired, void (*release)(struct retired *retired))
{
    struct retired *first = atomic_load_explicit(&waiting, memory_order_relaxed);

    retired->release = release;
    do {
        retired->next = first;
        /* release: pairs with the acquire in retire_flush */
    } while (!atomic_compare_exchange_weak_explicit(&waiting, &first, retired, memory_order_release,
                                                    memory_order_relaxed));
    if (atomic_fetch_add_explicit(&count, 1, memory_order_relaxed) + 1 >= RETIRED_MAX) {
        retire_flush();
    }
}
