/*
 * Slots of class c are 2 << c pages; slot i of it lies at its sub-window's start plus i times that.
 * Each class hands out slots by a bump index; a slot that is freed below it keeps its record on a
 * list, so that nothing is searched and nothing grows but by areas that live at one time. The page
 * tables themselves tell where an area is: its first page is the second of its slot.
 */
#include <base/assert.h>
#include <base/memory.h>
#include <kern/area.h>
#include <kern/cpu.h>
#include <kern/frames.h>
#include <kern/kernel_space.h>
#include <kern/slab.h>
#include <kern/spinlock.h>
#include <stdatomic.h>

#define CLASS_COUNT   18U
#define PAGES_MAX     ((1UL << CLASS_COUNT) - 1) /* the largest slot less its guard */
#define SLOT_BITS     27U                        /* of area.slot, the index; the class is above */
#define RECORD_SHIFT  6U                         /* records are objects of 64 bytes */
#define RELEASE_BATCH 64U                        /* pages flushed and freed at a time */
#define FRAMES_NOTED  4U                         /* as many as a thread's stack has */

struct area_record {
    struct area area;         /* first */
    struct area_record *next; /* L  while free */
    /* I  the first frames: a stack's, so that it changes hands without a walk over the tables */
    uint64_t frames[FRAMES_NOTED];
};
_Static_assert(sizeof(struct area_record) <= 1U << RECORD_SHIFT, "a record fits its class");

/* Keys: I = immutable after area_init, L = lock */
struct area_class {
    uintptr_t base;           /* I */
    uint32_t capacity;        /* I  slots */
    uint32_t end;             /* L  slots from here on were never used, or are free again */
    struct area_record *free; /* L  free slots below it */
};

/* Keys: I = immutable after area_init, L = lock, A = atomic, relaxed */
static struct {
    struct spinlock lock;
    uintptr_t base;                         /* I  of the window */
    size_t stride;                          /* I  from sub-window to sub-window */
    struct area_class classes[CLASS_COUNT]; /* L */
    _Atomic uint64_t areas;                 /* A */
    _Atomic uint64_t pages;                 /* A */
} window = {.lock = SPINLOCK_INIT(LOCK_RANK_AREA, "areas")};

/* Of their own, so that records of free slots do not look like leaked heap objects. */
static struct slab_class records;

static size_t slot_size(uint32_t class)
{
    return (2 * HAL_PAGE_SIZE) << class;
}

/* The smallest class whose slots hold so many pages and the guard below them. */
static uint32_t class_for(size_t pages)
{
    return 63U - (uint32_t)__builtin_clzl(pages);
}

/* --- slots ------------------------------------------------------------------------------------ */

/* A free slot of the class with its record; NULL: none below `end`. */
static struct area_record *slot_reuse(struct area_class *class)
{
    hal_interrupt_state state = spinlock_acquire(&window.lock);
    struct area_record *record = class->free;

    if (record != NULL) {
        class->free = record->next;
    }
    spinlock_release(&window.lock, state);
    return record;
}

/* Give a new record the slot at `end`; false: the sub-window is used up. */
static bool slot_extend(uint32_t number, struct area_record *record)
{
    struct area_class *class = &window.classes[number];
    hal_interrupt_state state = spinlock_acquire(&window.lock);
    bool has_room = class->end < class->capacity;

    if (has_room) {
        record->area.slot = number << SLOT_BITS | class->end;
        record->area.base = class->base + class->end * slot_size(number) + HAL_PAGE_SIZE;
        class->end++;
    }
    spinlock_release(&window.lock, state);
    return has_room;
}

static struct area_record *record_allocate(void)
{
    void *record;

    return slab_take(&records, &record, 1) == 1 ? record : NULL;
}

static void record_free(struct area_record *record)
{
    void *object = record;

    slab_put(&records, &object, 1);
}

/* A slot for so many pages, of the first class that has one. */
static hx_err slot_take(size_t pages, struct area_record **taken)
{
    struct area_record *record;

    for (uint32_t class = class_for(pages); class < CLASS_COUNT; class ++) {
        record = slot_reuse(&window.classes[class]);
        if (record != NULL) {
            *taken = record;
            return HX_OK;
        }
        record = record_allocate();
        if (record == NULL) {
            return HX_ENOMEM;
        }
        if (slot_extend(class, record)) {
            *taken = record;
            return HX_OK;
        }
        record_free(record);
    }
    return HX_ENOMEM;
}

/* The topmost slot needs no record any more; others wait for reuse. */
static void slot_put(struct area_record *record)
{
    struct area_class *class = &window.classes[record->area.slot >> SLOT_BITS];
    uint32_t index = record->area.slot & ((1U << SLOT_BITS) - 1);
    hal_interrupt_state state = spinlock_acquire(&window.lock);
    bool is_topmost = index + 1 == class->end;

    record->area.pages = 0;
    if (is_topmost) {
        class->end--;
    } else {
        record->next = class->free;
        class->free = record;
    }
    spinlock_release(&window.lock, state);
    if (is_topmost) {
        record_free(record);
    }
}

/* --- pages ------------------------------------------------------------------------------------ */

static uint64_t frame_behind(uintptr_t address)
{
    uint64_t physical;
    bool mapped = hal_space_lookup(hal_space_kernel(), address, &physical, NULL);

    HX_ASSERT(mapped, "an area's pages stay mapped until it is freed");
    return physical;
}

/* Unmap pages on all CPUs, then free their frames. */
static void pages_release(uintptr_t address, size_t pages)
{
    uint64_t frames[RELEASE_BATCH];

    while (pages > 0) {
        size_t batch = pages < RELEASE_BATCH ? pages : RELEASE_BATCH;

        for (size_t i = 0; i < batch; i++) {
            frames[i] = frame_behind(address + i * HAL_PAGE_SIZE);
        }
        kernel_space_unmap(address, batch);
        cpu_tlb_shootdown(address, batch);
        for (size_t i = 0; i < batch; i++) {
            frames_free(frames[i], 0);
        }
        address += batch * HAL_PAGE_SIZE;
        pages -= batch;
    }
}

static hx_err page_add(uintptr_t address, unsigned protection, owner_tag owner, uint64_t *physical)
{
    hx_err error = frames_allocate(0, owner, physical);

    if (error != HX_OK) {
        return error;
    }
    memset(hal_direct_map(*physical), 0, HAL_PAGE_SIZE);
    error = kernel_space_map(address, *physical, 1, protection);
    if (error != HX_OK) {
        frames_free(*physical, 0);
    }
    return error;
}

static hx_err pages_add(struct area_record *record, size_t pages, unsigned protection,
                        owner_tag owner)
{
    uintptr_t address = record->area.base;

    for (size_t i = 0; i < pages; i++) {
        uint64_t physical;
        hx_err error = page_add(address + i * HAL_PAGE_SIZE, protection, owner, &physical);

        if (error != HX_OK) {
            pages_release(address, i);
            return error;
        }
        if (i < FRAMES_NOTED) {
            record->frames[i] = physical;
        }
    }
    return HX_OK;
}

/* --- areas ------------------------------------------------------------------------------------ */

hx_err area_allocate(size_t pages, unsigned protection, owner_tag owner, struct area **area)
{
    struct area_record *record;
    hx_err error;

    if (pages == 0 || pages > PAGES_MAX || owner == OWNER_NONE) {
        return HX_EINVAL;
    }
    error = slot_take(pages, &record);
    if (error != HX_OK) {
        return error;
    }
    error = pages_add(record, pages, protection, owner);
    if (error != HX_OK) {
        slot_put(record);
        return error;
    }
    record->area.pages = pages;
    record->area.owner = owner;
    atomic_fetch_add_explicit(&window.areas, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&window.pages, pages, memory_order_relaxed);
    *area = &record->area;
    return HX_OK;
}

void area_give(struct area *area, owner_tag owner)
{
    const struct area_record *record = HX_CONTAINER_OF(area, struct area_record, area);
    size_t noted = area->pages < FRAMES_NOTED ? area->pages : FRAMES_NOTED;

    for (size_t i = 0; i < noted; i++) {
        frames_give(record->frames[i], owner);
    }
    for (size_t i = noted; i < area->pages; i++) {
        frames_give(frame_behind(area->base + i * HAL_PAGE_SIZE), owner);
    }
    area->owner = owner;
}

void area_free(struct area *area)
{
    if (area == NULL) {
        return;
    }
    HX_ASSERT(area->pages != 0, "an area is freed once");
    atomic_fetch_sub_explicit(&window.areas, 1, memory_order_relaxed);
    atomic_fetch_sub_explicit(&window.pages, area->pages, memory_order_relaxed);
    pages_release(area->base, area->pages);
    slot_put(HX_CONTAINER_OF(area, struct area_record, area));
}

hx_err area_map_device(uint64_t physical, size_t size, volatile void **pointer)
{
    size_t offset = physical % HAL_PAGE_SIZE;
    struct area_record *record;
    hx_err error;

    if (size == 0 || size > PAGES_MAX * HAL_PAGE_SIZE - offset) {
        return HX_EINVAL;
    }

    size_t pages = (offset + size + HAL_PAGE_SIZE - 1) / HAL_PAGE_SIZE;

    error = slot_take(pages, &record);
    if (error != HX_OK) {
        return error;
    }
    error = kernel_space_map(record->area.base, physical - offset, pages,
                             HAL_READ | HAL_WRITE | HAL_DEVICE);
    if (error != HX_OK) {
        slot_put(record);
        return error;
    }
    record->area.pages = pages;
    record->area.owner = OWNER_CORE;
    *pointer = (volatile char *)record->area.base + offset;
    return HX_OK;
}

static bool is_mapped(uintptr_t address)
{
    return hal_space_lookup(hal_space_kernel(), address, NULL, NULL);
}

/*
 * The page tables know: the second page of a slot is mapped while an area is in it, and the guard
 * above an area that fills its slot is the page behind a mapped one.
 */
bool area_is_guard(uintptr_t address)
{
    size_t offset = address - window.base;

    if (offset >= window.stride * CLASS_COUNT || is_mapped(address)) {
        return false;
    }

    uint32_t class = (uint32_t)(offset / window.stride);
    uintptr_t slot = address - offset % window.stride % slot_size(class);

    return is_mapped(slot + HAL_PAGE_SIZE) || is_mapped(address - HAL_PAGE_SIZE);
}

void area_statistics(struct area_statistics *statistics)
{
    statistics->areas = atomic_load_explicit(&window.areas, memory_order_relaxed);
    statistics->pages = atomic_load_explicit(&window.pages, memory_order_relaxed);
}

/* --- start ------------------------------------------------------------------------------------ */

static uint64_t table_allocate(void)
{
    uint64_t physical;

    return frames_allocate(0, OWNER_CORE, &physical) == HX_OK ? physical : 0;
}

static void table_release(uint64_t physical)
{
    frames_free(physical, 0);
}

static uint32_t capacity_of(size_t size, uint32_t class)
{
    size_t slots = size / slot_size(class);

    return slots < 1U << SLOT_BITS ? (uint32_t)slots : 1U << SLOT_BITS;
}

hx_err area_init(void)
{
    static const struct hal_table_source source = {.allocate = table_allocate,
                                                   .release = table_release};
    struct hal_range range = hal_area_window();
    size_t stride = range.size / CLASS_COUNT / HAL_PAGE_SIZE * HAL_PAGE_SIZE;

    if (stride < slot_size(0)) {
        return HX_ENOMEM;
    }
    window.base = range.base;
    window.stride = stride;
    slab_class_init(&records, RECORD_SHIFT, NULL);
    for (uint32_t class = 0; class < CLASS_COUNT; class ++) {
        window.classes[class] = (struct area_class){.base = range.base + class * stride,
                                                    .capacity = capacity_of(stride, class)};
    }
    atomic_store_explicit(&window.areas, 0, memory_order_relaxed);
    atomic_store_explicit(&window.pages, 0, memory_order_relaxed);
    hal_memory_set_table_source(&source);
    return HX_OK;
}
