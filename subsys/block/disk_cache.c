#include <base/assert.h>
#include <base/crc32c.h>
#include <base/list.h>
#include <base/memory.h>
#include <base/tree.h>
#include <core/device/disk.h>
#include <hal/memory.h>
#include <kern/frames.h>
#include <kern/heap.h>
#include <kern/mutex.h>
#include <kern/thread.h>
#include <stdatomic.h>
#include <subsys/block/block.h>
#include <subsys/block/disk_cache.h>

#define PAGE_SECTORS (HAL_PAGE_SIZE / HX_BLOCK_SECTOR)
#define PAGES_MIN    64U
#define PAGES_MAX    4096U /* at most that many, and a sixteenth of memory */

/* Keys: all under the cache's mutex */
struct page {
    struct tree_node place; /* key: its number on the disk */
    struct list recency;
    struct list touched; /* in the transaction's list, if is_touched */
    char *bytes;
    uint64_t physical;
    char *before; /* what it held before the transaction; NULL: nothing, it goes with it */
    bool is_dirty;
    bool was_dirty;
    bool is_touched;
};

/* Written under the mutex, read by anyone: relaxed. */
struct numbers {
    _Atomic uint64_t pages;
    _Atomic uint64_t dirty;
    _Atomic uint64_t hits;
    _Atomic uint64_t misses;
    _Atomic uint64_t aborts;
};

/* Keys: I = immutable while open, M = mutex */
static struct {
    struct mutex mutex;
    struct block_device *device; /* I  NULL: nobody has it open */
    uint64_t size;               /* I  bytes */
    uint64_t limit;              /* I  pages */
    struct tree pages;           /* M */
    struct list recent;          /* M  the last one used first */
    struct list touched;         /* M */
    struct thread *writer;       /* M  whose transaction it is; NULL: there is none */
    hx_err trouble;              /* M  the last error since it began */
    struct numbers numbers;
} cache;

static uint64_t number_of(const _Atomic uint64_t *number)
{
    return atomic_load_explicit(number, memory_order_relaxed);
}

static void add_to(_Atomic uint64_t *number, int64_t difference)
{
    atomic_store_explicit(number, number_of(number) + (uint64_t)difference, memory_order_relaxed);
}

static struct page *page_of(struct tree_node *node)
{
    return node != NULL ? HX_CONTAINER_OF(node, struct page, place) : NULL;
}

static struct page *find(uint64_t number)
{
    struct page *page = page_of(tree_floor(&cache.pages, number));

    return page != NULL && page->place.key == number ? page : NULL;
}

/* The last page of a disk may be a part of one. */
static uint32_t bytes_in(uint64_t number)
{
    uint64_t rest = cache.size - number * HAL_PAGE_SIZE;

    return rest < HAL_PAGE_SIZE ? (uint32_t)rest : (uint32_t)HAL_PAGE_SIZE;
}

/* --- making room ------------------------------------------------------------------------------ */

static void forget(struct page *page)
{
    tree_remove(&cache.pages, &page->place);
    list_remove(&page->recency);
    if (page->is_touched) {
        list_remove(&page->touched);
    }
    add_to(&cache.numbers.pages, -1);
    add_to(&cache.numbers.dirty, page->is_dirty ? -1 : 0);
    frames_free(page->physical, 0);
    heap_free(page->before);
    heap_free(page);
}

/* Consecutive pages from this one on that are to be written. */
static uint32_t run_of(const struct page *page, struct dma_segment *segments)
{
    uint64_t number = page->place.key;
    uint32_t count = 0;

    while (page != NULL && count < DMA_SEGMENTS_MAX && page->place.key == number + count &&
           page->is_dirty && !page->is_touched) {
        segments[count++] = (struct dma_segment){page->physical, bytes_in(page->place.key)};
        page = page_of(tree_next(&page->place));
    }
    return count;
}

/* The page and those after it, as many as one request takes; *next is the one behind them. */
static hx_err write_run(struct page *page, struct page **next)
{
    struct dma_segment segments[DMA_SEGMENTS_MAX];
    uint32_t count = run_of(page, segments);
    hx_err error = block_transfer(cache.device, HX_BLOCK_WRITE, page->place.key * PAGE_SECTORS,
                                  segments, count);

    for (uint32_t i = 0; i < count; i++) {
        page->is_dirty = error != HX_OK;
        add_to(&cache.numbers.dirty, error == HX_OK ? -1 : 0);
        page = page_of(tree_next(&page->place));
    }
    *next = page;
    return error;
}

/* In the order of the disk. */
static hx_err write_all(void)
{
    struct page *page = page_of(tree_first(&cache.pages));
    hx_err error = HX_OK;

    while (page != NULL) {
        if (page->is_dirty && !page->is_touched) {
            hx_err one = write_run(page, &page);

            error = error == HX_OK ? one : error;
        } else {
            page = page_of(tree_next(&page->place));
        }
    }
    return error;
}

/* The page that was not used for longest and can go; NULL: none can. */
static struct page *oldest_clean(void)
{
    for (struct list *link = cache.recent.prev; link != &cache.recent; link = link->prev) {
        struct page *page = LIST_ENTRY(link, struct page, recency);

        if (!page->is_dirty && !page->is_touched) {
            return page;
        }
    }
    return NULL;
}

/* What a transaction has touched stays, however much it is. */
static void make_room(void)
{
    struct page *page;

    if (number_of(&cache.numbers.pages) < cache.limit) {
        return;
    }
    page = oldest_clean();
    if (page == NULL && write_all() == HX_OK) {
        page = oldest_clean();
    }
    if (page != NULL) {
        forget(page);
    }
}

/* --- pages ------------------------------------------------------------------------------------ */

/* A page with unspecified contents, which the caller sees to. */
static hx_err add(uint64_t number, struct page **added)
{
    struct page *page;

    make_room();
    page = heap_allocate_zeroed(sizeof(*page), OWNER_CORE);
    if (page == NULL || frames_allocate(0, OWNER_CORE, &page->physical) != HX_OK) {
        heap_free(page);
        return HX_ENOMEM;
    }
    page->bytes = hal_direct_map(page->physical);
    page->place.key = number;
    tree_insert(&cache.pages, &page->place);
    list_push_front(&cache.recent, &page->recency);
    add_to(&cache.numbers.pages, 1);
    *added = page;
    return HX_OK;
}

/* Pages that are not here, from number on, at most count: read with one request. */
static hx_err fetch(uint64_t number, uint64_t count)
{
    struct dma_segment segments[DMA_SEGMENTS_MAX];
    struct page *pages[DMA_SEGMENTS_MAX];
    uint32_t added = 0;
    hx_err error = HX_OK;

    while (added < count && added < DMA_SEGMENTS_MAX && find(number + added) == NULL &&
           error == HX_OK) {
        error = add(number + added, &pages[added]);
        if (error == HX_OK) {
            pages[added]->is_touched = true; /* until it has contents, it is not to go */
            list_init(&pages[added]->touched);
            segments[added] =
                (struct dma_segment){pages[added]->physical, bytes_in(number + added)};
            added++;
        }
    }
    error = added > 0 ? block_transfer(cache.device, HX_BLOCK_READ, number * PAGE_SECTORS, segments,
                                       added)
                      : error;
    add_to(&cache.numbers.misses, added);
    for (uint32_t i = 0; i < added; i++) {
        pages[i]->is_touched = false;
        if (error != HX_OK) {
            forget(pages[i]);
        }
    }
    return error;
}

/* A page with its contents; those after it, count in all, will be wanted as well. */
static hx_err get(uint64_t number, uint64_t count, struct page **found)
{
    hx_err error = HX_OK;

    *found = find(number);
    if (*found == NULL) {
        error = fetch(number, count);
        *found = find(number);
    } else {
        add_to(&cache.numbers.hits, 1);
    }
    if (error == HX_OK) {
        list_remove(&(*found)->recency);
        list_push_front(&cache.recent, &(*found)->recency);
    }
    return error;
}

/* --- reading and writing ---------------------------------------------------------------------- */

static hx_err check_locked(uint64_t offset, size_t size)
{
    if (cache.device == NULL) {
        return HX_ENODEV;
    }
    return size <= cache.size && offset <= cache.size - size ? HX_OK : HX_ERANGE;
}

static size_t piece_of(uint64_t offset, size_t left)
{
    size_t rest = HAL_PAGE_SIZE - (size_t)(offset % HAL_PAGE_SIZE);

    return left < rest ? left : rest;
}

static hx_err read_locked(uint64_t offset, char *to, size_t size)
{
    hx_err error = check_locked(offset, size);

    while (size > 0 && error == HX_OK) {
        uint64_t number = offset / HAL_PAGE_SIZE;
        size_t length = piece_of(offset, size);
        struct page *page;

        error = get(number, (offset + size - 1) / HAL_PAGE_SIZE - number + 1, &page);
        if (error == HX_OK) {
            memcpy(to, page->bytes + offset % HAL_PAGE_SIZE, length);
            offset += length;
            to += length;
            size -= length;
        }
    }
    return error;
}

hx_err disk_cache_read(uint64_t offset, void *to, size_t size)
{
    hx_err error;

    mutex_lock(&cache.mutex);
    error = read_locked(offset, to, size);
    cache.trouble = error != HX_OK ? error : cache.trouble;
    mutex_unlock(&cache.mutex);
    return error;
}

/* From now on the page is the transaction's. */
static hx_err touch(struct page *page, bool is_new)
{
    if (page->is_touched) {
        return HX_OK;
    }
    if (!is_new) {
        page->before = heap_allocate(HAL_PAGE_SIZE, OWNER_CORE);
        if (page->before == NULL) {
            return HX_ENOMEM;
        }
        memcpy(page->before, page->bytes, HAL_PAGE_SIZE);
    }
    page->is_touched = true;
    page->was_dirty = page->is_dirty;
    add_to(&cache.numbers.dirty, page->is_dirty ? 0 : 1);
    page->is_dirty = true;
    list_push_back(&cache.touched, &page->touched);
    return HX_OK;
}

/* A page that is written as a whole need not be read. */
static hx_err get_to_write(uint64_t offset, size_t length, struct page **page)
{
    uint64_t number = offset / HAL_PAGE_SIZE;
    bool is_new = length == HAL_PAGE_SIZE && find(number) == NULL;
    hx_err error = is_new ? add(number, page) : get(number, 1, page);

    return error == HX_OK ? touch(*page, is_new) : error;
}

static hx_err write_locked(uint64_t offset, const char *from, size_t size)
{
    hx_err error = check_locked(offset, size);

    if (error == HX_OK && cache.writer != thread_current()) {
        return HX_ESTATE;
    }
    while (size > 0 && error == HX_OK) {
        size_t length = piece_of(offset, size);
        struct page *page;

        error = get_to_write(offset, length, &page);
        if (error == HX_OK) {
            memcpy(page->bytes + offset % HAL_PAGE_SIZE, from, length);
            offset += length;
            from += length;
            size -= length;
        }
    }
    return error;
}

hx_err disk_cache_write(uint64_t offset, const void *from, size_t size)
{
    hx_err error;

    mutex_lock(&cache.mutex);
    error = write_locked(offset, from, size);
    cache.trouble = error != HX_OK ? error : cache.trouble;
    mutex_unlock(&cache.mutex);
    return error;
}

/* --- transactions ----------------------------------------------------------------------------- */

void disk_cache_begin(void)
{
    mutex_lock(&cache.mutex);
    HX_ASSERT(cache.writer == NULL, "there is one transaction at a time");
    cache.writer = thread_current();
    cache.trouble = HX_OK;
    mutex_unlock(&cache.mutex);
}

hx_err disk_cache_trouble(void)
{
    hx_err trouble;

    mutex_lock(&cache.mutex);
    trouble = cache.trouble;
    mutex_unlock(&cache.mutex);
    return trouble;
}

/* A sum: in whichever order the pages were touched. */
uint64_t disk_cache_digest(void)
{
    uint64_t digest = 0;
    uint32_t checksum;

    mutex_lock(&cache.mutex);
    LIST_FOR_EACH (link, &cache.touched) {
        const struct page *page = LIST_ENTRY(link, struct page, touched);

        checksum = crc32c(0, &page->place.key, sizeof(page->place.key));
        digest += crc32c(checksum, page->bytes, HAL_PAGE_SIZE) + (1ULL << 32);
    }
    mutex_unlock(&cache.mutex);
    return digest;
}

static void keep(struct page *page)
{
    page->is_touched = false;
    heap_free(page->before);
    page->before = NULL;
}

static void take_back(struct page *page)
{
    if (page->before == NULL) {
        forget(page);
        return;
    }
    memcpy(page->bytes, page->before, HAL_PAGE_SIZE);
    add_to(&cache.numbers.dirty, page->was_dirty ? 0 : -1);
    page->is_dirty = page->was_dirty;
    keep(page);
}

static void end_locked(void (*end)(struct page *page))
{
    struct list *link;

    HX_ASSERT(cache.writer == thread_current(), "a transaction ends in its thread");
    cache.writer = NULL;
    while ((link = list_pop_front(&cache.touched)) != NULL) {
        end(LIST_ENTRY(link, struct page, touched));
    }
}

void disk_cache_commit(void)
{
    mutex_lock(&cache.mutex);
    end_locked(keep);
    if (number_of(&cache.numbers.dirty) > cache.limit / 2) {
        (void)!write_all(); /* what fails stays as it is: flush tells */
    }
    mutex_unlock(&cache.mutex);
}

void disk_cache_abort(void)
{
    mutex_lock(&cache.mutex);
    end_locked(take_back);
    add_to(&cache.numbers.aborts, 1);
    mutex_unlock(&cache.mutex);
}

/* --- opening, flushing, closing --------------------------------------------------------------- */

static uint64_t limit_of_pages(void)
{
    struct frame_statistics statistics;
    uint64_t limit;

    frames_statistics(&statistics);
    limit = statistics.total / 16;
    limit = limit < PAGES_MAX ? limit : PAGES_MAX;
    return limit > PAGES_MIN ? limit : PAGES_MIN;
}

hx_err disk_cache_open(struct block_device *device)
{
    hx_err error = HX_EBUSY;

    mutex_lock(&cache.mutex);
    if (cache.device == NULL) {
        cache.device = device;
        cache.size = block_sectors(device) * HX_BLOCK_SECTOR;
        cache.limit = limit_of_pages();
        error = HX_OK;
    }
    mutex_unlock(&cache.mutex);
    return error;
}

static hx_err flush_locked(void)
{
    hx_err error = write_all();

    return error == HX_OK ? block_flush(cache.device) : error;
}

hx_err disk_cache_flush(void)
{
    hx_err error;

    mutex_lock(&cache.mutex);
    error = cache.device != NULL ? flush_locked() : HX_ENODEV;
    mutex_unlock(&cache.mutex);
    return error;
}

hx_err disk_cache_close(void)
{
    struct page *page;
    hx_err error;

    mutex_lock(&cache.mutex);
    error = flush_locked();
    while ((page = page_of(tree_first(&cache.pages))) != NULL) {
        forget(page);
    }
    cache.device = NULL;
    mutex_unlock(&cache.mutex);
    return error;
}

struct disk_cache_statistics disk_cache_statistics(void)
{
    return (struct disk_cache_statistics){.pages = number_of(&cache.numbers.pages),
                                          .dirty = number_of(&cache.numbers.dirty),
                                          .hits = number_of(&cache.numbers.hits),
                                          .misses = number_of(&cache.numbers.misses),
                                          .aborts = number_of(&cache.numbers.aborts)};
}

static uint64_t size_of_disk(void)
{
    uint64_t size;

    mutex_lock(&cache.mutex);
    size = cache.device != NULL ? cache.size : 0;
    mutex_unlock(&cache.mutex);
    return size;
}

static const struct disk_ops ops = {
    .size = size_of_disk, .read = disk_cache_read, .write = disk_cache_write};

void disk_cache_init(void)
{
    mutex_init(&cache.mutex, "disk cache");
    list_init(&cache.recent);
    list_init(&cache.touched);
    disk_register(&ops);
}
