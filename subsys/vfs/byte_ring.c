#include <kern/frames.h>
#include <subsys/vfs/byte_ring.h>
#include <subsys/vm/page_charge.h>

void byte_ring_init(struct byte_ring *ring, uint64_t *pages, uint32_t page_count, owner_tag owner,
                    struct page_charge *charge)
{
    *ring = (struct byte_ring){
        .pages = pages, .page_count = page_count, .owner = owner, .charge = charge};
    for (uint32_t i = 0; i < page_count; i++) {
        pages[i] = FRAME_NONE;
    }
}

void byte_ring_free(struct byte_ring *ring)
{
    for (uint32_t i = 0; i < ring->page_count; i++) {
        if (ring->pages[i] == FRAME_NONE) {
            continue;
        }
        frames_free(ring->pages[i], 0);
        ring->pages[i] = FRAME_NONE;
        if (ring->charge != NULL) {
            page_charge_remove(ring->charge, 1);
        }
    }
}

/* A piece of the ring from a position on that lies in one page. */
static size_t piece_at(uint64_t position, size_t size)
{
    size_t rest = HAL_PAGE_SIZE - (size_t)(position % HAL_PAGE_SIZE);

    return size < rest ? size : rest;
}

static uint64_t *page_of(const struct byte_ring *ring, uint64_t position)
{
    return &ring->pages[position / HAL_PAGE_SIZE % ring->page_count];
}

hx_err byte_ring_copy(const struct byte_ring *ring, uint64_t position, struct transfer *transfer,
                      size_t size, size_t *done)
{
    hx_err error;

    do {
        size_t moved;

        error = transfer_out(transfer, byte_ring_bytes(*page_of(ring, position), position),
                             piece_at(position, size), &moved);
        position += moved;
        size -= moved;
        *done += moved;
    } while (size > 0 && error == HX_OK);
    return error;
}

hx_err byte_ring_take(struct byte_ring *ring, struct transfer *transfer, size_t size, size_t *done)
{
    uint64_t head = atomic_load_explicit(&ring->head, memory_order_relaxed);
    size_t moved = 0;
    hx_err error = byte_ring_copy(ring, head, transfer, size, &moved);

    atomic_store_explicit(&ring->head, head + moved, memory_order_relaxed);
    *done += moved;
    return error;
}

static hx_err take_page(const struct byte_ring *ring, uint64_t *page)
{
    hx_err error = ring->charge != NULL ? page_charge_add(ring->charge, 1) : HX_OK;

    if (error != HX_OK) {
        return error;
    }
    error = frames_allocate(0, ring->owner, page);
    if (error != HX_OK && ring->charge != NULL) {
        page_charge_remove(ring->charge, 1);
    }
    return error;
}

hx_err byte_ring_put(struct byte_ring *ring, struct transfer *transfer, size_t size, size_t *done)
{
    uint64_t tail = atomic_load_explicit(&ring->tail, memory_order_relaxed);
    hx_err error;

    do {
        uint64_t *page = page_of(ring, tail);
        size_t moved = 0;

        error = HX_LIKELY(*page != FRAME_NONE) ? HX_OK : take_page(ring, page);
        if (HX_LIKELY(error == HX_OK)) {
            error =
                transfer_in(transfer, byte_ring_bytes(*page, tail), piece_at(tail, size), &moved);
        }
        tail += moved;
        size -= moved;
        *done += moved;
    } while (size > 0 && error == HX_OK);
    atomic_store_explicit(&ring->tail, tail, memory_order_relaxed);
    return error;
}
