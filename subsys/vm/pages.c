/* Pages of a space's tables: removed, protected, moved and shared. */
#include <hal/user.h>
#include <kern/cpu.h>
#include <subsys/vm/shared_frame.h>
#include <subsys/vm/space.h>

void pages_flush(const struct address_space *space, uintptr_t address, size_t pages)
{
    cpu_tlb_shootdown_on(hal_space_cpus(space->hal), address, pages);
}

static bool is_own(const struct hal_page *page)
{
    return (page->protection & HAL_MARK) != 0;
}

/* --- removing --------------------------------------------------------------------------------- */

#define GATHER_MAX 64U

/* Frames that have left the tables and wait for the flush of [first, last]. */
struct page_gather {
    enum pages_which which;
    uint32_t count;
    uint32_t own; /* of those */
    uintptr_t first;
    uintptr_t last;
    uint64_t frames[GATHER_MAX];
};

static bool gather_page(void *argument, uintptr_t address, struct hal_page *page)
{
    struct page_gather *gather = argument;

    if (is_own(page) && gather->which == PAGES_OF_OBJECT) {
        return true;
    }
    if (gather->count == 0) {
        gather->first = address;
    }
    gather->last = address;
    gather->own += is_own(page);
    gather->frames[gather->count++] = page->physical;
    page->protection = 0;
    return gather->count < GATHER_MAX;
}

static void count_removed(struct address_space *space, uint64_t of_objects, uint64_t own)
{
    space->object_pages -= of_objects;
    if (own != 0) {
        page_charge_remove(&space->own, own);
    }
}

/* Give up what was gathered; nobody has a translation of it any more. */
static void release_gathered(struct address_space *space, struct page_gather *gather)
{
    for (uint32_t i = 0; i < gather->count; i++) {
        shared_frame_put(gather->frames[i]);
    }
    count_removed(space, gather->count - gather->own, gather->own);
    gather->count = 0;
    gather->own = 0;
}

void pages_remove(struct address_space *space, uintptr_t start, uintptr_t end,
                  enum pages_which which)
{
    struct page_gather gather;

    gather.which = which;
    gather.count = 0;
    gather.own = 0;
    while (start < end) {
        start = hal_space_for_each_page(space->hal, start, (end - start) >> HAL_PAGE_SHIFT,
                                        gather_page, &gather);
        if (gather.count != 0) {
            pages_flush(space, gather.first, ((gather.last - gather.first) >> HAL_PAGE_SHIFT) + 1);
            release_gathered(space, &gather);
        }
    }
}

void pages_remove_unflushed(struct address_space *space, uintptr_t start, uintptr_t end)
{
    uint64_t pages[GATHER_MAX];

    while (start < end) {
        size_t count = hal_space_take_pages(space->hal, &start, end, pages, GATHER_MAX);
        size_t own = 0;

        for (size_t i = 0; i < count; i++) {
            own += (pages[i] & HAL_MARK) != 0;
            shared_frame_put(pages[i] & ~(uint64_t)HAL_MARK);
        }
        count_removed(space, count - own, own);
    }
}

/* --- protecting ------------------------------------------------------------------------------- */

struct page_protection {
    unsigned flags;  /* of the mapping */
    bool is_reduced; /* somewhere a right was taken away */
};

/*
 * An own page that could be written stays so; one that could not may be shared with a child, and
 * the next write decides. One that nobody may reach keeps its frame.
 */
static unsigned own_protection(const struct hal_page *page, unsigned flags)
{
    unsigned protection = pages_protection(flags) | HAL_MARK;

    if ((flags & MAPPING_ACCESS) == 0) {
        return HAL_MARK;
    }
    return (page->protection & HAL_WRITE) != 0 ? protection : protection & ~(unsigned)HAL_WRITE;
}

static unsigned object_protection(unsigned flags)
{
    unsigned protection = pages_protection(flags);

    return (flags & MAPPING_SHARED) != 0 ? protection : protection & ~(unsigned)HAL_WRITE;
}

static bool protect_page(void *argument, uintptr_t address, struct hal_page *page)
{
    struct page_protection *change = argument;
    unsigned wanted =
        is_own(page) ? own_protection(page, change->flags) : object_protection(change->flags);

    (void)address;
    change->is_reduced |= (page->protection & ~wanted) != 0;
    page->protection = wanted;
    return true;
}

void pages_protect(struct mapping *mapping, uintptr_t start, uintptr_t end)
{
    struct address_space *space = mapping->space;
    struct page_protection change = {.flags = mapping->flags};
    size_t pages = (end - start) >> HAL_PAGE_SHIFT;

    if ((mapping->flags & MAPPING_ACCESS) == 0) {
        pages_remove(space, start, end, PAGES_OF_OBJECT);
    }
    (void)hal_space_for_each_page(space->hal, start, pages, protect_page, &change);
    if (change.is_reduced) {
        pages_flush(space, start, pages);
    }
}

/* --- moving ----------------------------------------------------------------------------------- */

struct page_move {
    struct hal_space *hal;
    uintptr_t distance; /* modulo 2^64 */
    bool has_failed;
};

static bool move_page(void *argument, uintptr_t address, struct hal_page *page)
{
    struct page_move *move = argument;
    struct hal_entry *entry = hal_space_entry(move->hal, address + move->distance);

    if (entry == NULL) {
        move->has_failed = true;
        return false;
    }
    hal_entry_store(entry, *page);
    page->protection = 0;
    return true;
}

/* Back again, into tables that are there. */
static void move_back(struct hal_space *hal, uintptr_t from, uintptr_t to, size_t pages)
{
    struct page_move back = {.hal = hal, .distance = to - from};

    (void)hal_space_for_each_page(hal, from, pages, move_page, &back);
}

hx_err pages_move(struct address_space *space, uintptr_t from, uintptr_t to, size_t size)
{
    struct page_move move = {.hal = space->hal, .distance = to - from};
    size_t pages = size >> HAL_PAGE_SHIFT;

    (void)hal_space_for_each_page(space->hal, from, pages, move_page, &move);
    pages_flush(space, from, pages);
    if (move.has_failed) {
        move_back(space->hal, to, from, pages);
        pages_flush(space, to, pages);
        return HX_ENOMEM;
    }
    return HX_OK;
}

/* --- sharing with a child --------------------------------------------------------------------- */

struct page_share {
    struct address_space *to;
    uintptr_t first; /* of those that lost the right to be written; 0: there are none */
    uintptr_t last;
    hx_err error;
};

static hx_err share_page(struct address_space *to, uintptr_t address, struct hal_page page)
{
    struct hal_entry *entry;
    hx_err error = page_charge_add(&to->own, 1);

    if (error != HX_OK) {
        return error;
    }
    entry = hal_space_entry(to->hal, address);
    if (entry == NULL) {
        page_charge_remove(&to->own, 1);
        return HX_ENOMEM;
    }
    shared_frame_get(page.physical);
    hal_entry_store(entry, page);
    return HX_OK;
}

static bool share_own_page(void *argument, uintptr_t address, struct hal_page *page)
{
    struct page_share *share = argument;
    struct hal_page shared = {.physical = page->physical,
                              .protection = page->protection & ~(unsigned)HAL_WRITE};

    if (!is_own(page)) {
        return true;
    }
    share->error = share_page(share->to, address, shared);
    if (share->error != HX_OK) {
        return false;
    }
    if (page->protection != shared.protection) {
        share->first = share->first != 0 ? share->first : address;
        share->last = address;
        *page = shared;
    }
    return true;
}

hx_err pages_share(struct address_space *from, uintptr_t start, uintptr_t end,
                   struct address_space *to)
{
    struct page_share share = {.to = to, .error = HX_OK};

    (void)hal_space_for_each_page(from->hal, start, (end - start) >> HAL_PAGE_SHIFT, share_own_page,
                                  &share);
    if (share.first != 0) {
        pages_flush(from, share.first, ((share.last - share.first) >> HAL_PAGE_SHIFT) + 1);
    }
    return share.error;
}

/* --- counting --------------------------------------------------------------------------------- */

static bool count_page(void *argument, uintptr_t address, struct hal_page *page)
{
    uint64_t *count = argument;

    (void)address;
    (void)page;
    (*count)++;
    return true;
}

uint64_t pages_count(struct address_space *space, uintptr_t start, uintptr_t end)
{
    uint64_t count = 0;

    (void)hal_space_for_each_page(space->hal, start, (end - start) >> HAL_PAGE_SHIFT, count_page,
                                  &count);
    return count;
}
