#include <kern/heap.h>
#include <subsys/socket/flight.h>
#include <subsys/socket/inbox.h>

void inbox_init(struct inbox *inbox, owner_tag owner, uint64_t limit)
{
    *inbox = (struct inbox){.limit = limit, .charge = {.owner = owner}};
    mutex_init(&inbox->mutex, "inbox");
    list_init(&inbox->items);
    noted_queue_init(&inbox->readable, "inbox readable");
    noted_queue_init(&inbox->writable, "inbox writable");
}

void inbox_fini(struct inbox *inbox)
{
    byte_ring_free(&inbox->ring);
    heap_free(inbox->ring.pages);
}

hx_err inbox_have_ring(struct inbox *inbox)
{
    uint64_t *pages = heap_allocate(INBOX_PAGES * sizeof(*pages), OWNER_CORE);

    if (pages == NULL) {
        return HX_ENOMEM;
    }
    byte_ring_init(&inbox->ring, pages, INBOX_PAGES, OWNER_CORE, &inbox->charge);
    return HX_OK;
}

/* --- items ------------------------------------------------------------------------------------ */

struct inbox_item *inbox_item_create(size_t size)
{
    struct inbox_item *item = heap_allocate(sizeof(*item) + size, OWNER_CORE);

    if (item != NULL) {
        item->files = NULL;
        item->credentials = (struct socket_credentials){0};
        item->address.family = SOCKET_NO_DOMAIN;
        item->size = size;
        item->cost = sizeof(*item) + size;
    }
    return item;
}

void inbox_item_free(struct inbox_item *item)
{
    heap_free(item);
}

static uint32_t pages_for(uint64_t bytes)
{
    return (uint32_t)((bytes + HAL_PAGE_SIZE - 1) / HAL_PAGE_SIZE);
}

/* Charge for so many bytes of items in all. */
static hx_err charge_locked(struct inbox *inbox, uint64_t bytes)
{
    uint32_t pages = pages_for(bytes);
    hx_err error = HX_OK;

    if (pages > inbox->item_pages) {
        error = page_charge_add(&inbox->charge, pages - inbox->item_pages);
    } else if (pages < inbox->item_pages) {
        page_charge_remove(&inbox->charge, inbox->item_pages - pages);
    }
    if (error == HX_OK) {
        inbox->item_pages = pages;
        inbox->item_bytes = bytes;
    }
    return error == HX_OK ? HX_OK : HX_ENOBUFS;
}

hx_err inbox_add_locked(struct inbox *inbox, struct inbox_item *item)
{
    hx_err error = charge_locked(inbox, inbox->item_bytes + item->cost);

    if (error == HX_OK) {
        list_push_back(&inbox->items, &item->link);
        inbox->item_count++;
    }
    return error;
}

void inbox_remove_locked(struct inbox *inbox, struct inbox_item *item)
{
    list_remove(&item->link);
    inbox->item_count--;
    (void)!charge_locked(inbox, inbox->item_bytes - item->cost);
}

/* --- ends ------------------------------------------------------------------------------------- */

void inbox_wake_all(struct inbox *inbox)
{
    wait_queue_wake_all(&inbox->readable.queue);
    wait_queue_wake_all(&inbox->writable.queue);
}

void inbox_set_flags(struct inbox *inbox, uint32_t flags)
{
    mutex_lock(&inbox->mutex);
    inbox->flags |= flags;
    mutex_unlock(&inbox->mutex);
    inbox_wake_all(inbox);
}

void inbox_empty(struct inbox *inbox, uint32_t flags, bool *had_some)
{
    struct list items = LIST_INIT(items);
    struct list *link;

    flight_lock();
    mutex_lock(&inbox->mutex);
    inbox->flags |= flags;
    *had_some = !inbox_is_empty(inbox);
    while (!list_is_empty(&inbox->items)) {
        struct inbox_item *item = inbox_first(inbox);

        inbox_remove_locked(inbox, item);
        list_push_back(&items, &item->link);
        flight_end_locked(item->files);
    }
    byte_ring_free(&inbox->ring);
    atomic_store_explicit(&inbox->ring.head, 0, memory_order_relaxed);
    atomic_store_explicit(&inbox->ring.tail, 0, memory_order_relaxed);
    mutex_unlock(&inbox->mutex);
    flight_unlock();
    inbox_wake_all(inbox);
    while ((link = list_pop_front(&items)) != NULL) {
        struct inbox_item *item = LIST_ENTRY(link, struct inbox_item, link);

        passed_files_free(item->files);
        inbox_item_free(item);
    }
}
