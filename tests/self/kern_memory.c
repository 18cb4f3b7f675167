/* Memory: frames, the heap and areas on the CPUs of this machine, and what its page tables allow.
 */
#include <base/memory.h>
#include <hal/clock.h>
#include <hal/cpu.h>
#include <hal/memory.h>
#include <kern/area.h>
#include <kern/cpu.h>
#include <kern/frames.h>
#include <kern/heap.h>
#include <kern/timer.h>
#include <tests/self/crew.h>
#include <tests/self/suites.h>

/* Far from the indices that modules and processes are given. */
#define OWNER owner_make(OWNER_INDEX_MAX, 77)
#define OTHER owner_make(OWNER_INDEX_MAX, 78)

#define DATA ((unsigned)HAL_READ | HAL_WRITE)

static struct crew crew;

static bool is_mapped(uintptr_t address)
{
    return hal_space_lookup(hal_space_kernel(), address, NULL, NULL);
}

/* --- protection ------------------------------------------------------------------------------- */

/* How many pages of a range have one of the rights; pages that are not mapped have none. */
static uint64_t pages_with(struct hal_range range, unsigned rights)
{
    uint64_t count = 0;

    for (size_t offset = 0; offset < range.size; offset += HAL_PAGE_SIZE) {
        unsigned protection = 0;

        (void)hal_space_lookup(hal_space_kernel(), range.base + offset, NULL, &protection);
        count += (protection & rights) != 0;
    }
    return count;
}

/* SPEC: R3 */
static void no_page_of_the_kernel_is_writable_and_executable(void)
{
    struct hal_image image = hal_kernel_image();

    EXPECT_EQUAL(pages_with(image.text, HAL_EXECUTE),
                 (image.text.size + HAL_PAGE_SIZE - 1) / HAL_PAGE_SIZE);
    EXPECT_EQUAL(pages_with(image.text, HAL_WRITE | HAL_USER), 0);
    EXPECT(pages_with(image.rodata, HAL_READ) > 0);
    EXPECT_EQUAL(pages_with(image.rodata, HAL_WRITE | HAL_EXECUTE | HAL_USER), 0);
    EXPECT(pages_with(image.data, HAL_WRITE) > 0);
    EXPECT_EQUAL(pages_with(image.data, HAL_EXECUTE | HAL_USER), 0);
}

/* SPEC: R3 */
static void the_direct_map_is_not_executable(void)
{
    uint64_t physical;
    unsigned protection = HAL_EXECUTE;

    if (frames_allocate(0, OWNER, &physical) != HX_OK) {
        selftest_fail(__FILE__, __LINE__, "no frame");
        return;
    }
    EXPECT(hal_space_lookup(hal_space_kernel(), (uintptr_t)hal_direct_map(physical), NULL,
                            &protection));
    EXPECT((protection & DATA) == DATA && (protection & HAL_EXECUTE) == 0);
    frames_free(physical, 0);
}

/* SPEC: R3 */
static void an_area_is_never_writable_and_executable(void)
{
    struct area *area = NULL;

    EXPECT_EQUAL(area_allocate(2, DATA | HAL_EXECUTE, OWNER, &area), HX_EINVAL);
    EXPECT_EQUAL(frames_owned(OWNER), 0);
}

/* --- areas ------------------------------------------------------------------------------------ */

static void check_area(const struct area *area)
{
    const uint64_t *words = (const uint64_t *)area->base;
    uintptr_t end = area->base + area->pages * HAL_PAGE_SIZE;
    uint64_t other = 0;

    for (size_t i = 0; i < area->pages * HAL_PAGE_SIZE / sizeof(*words); i++) {
        other |= words[i];
    }
    EXPECT_EQUAL(other, 0);
    EXPECT(!is_mapped(area->base - HAL_PAGE_SIZE) && !is_mapped(end));
    EXPECT(area_is_guard(area->base - 1) && area_is_guard(end));
    EXPECT(!area_is_guard(area->base) && !area_is_guard(end - 1));
    memset((void *)area->base, 0xff, area->pages * HAL_PAGE_SIZE);
}

/* SPEC: H5 */
static void areas_are_zeroed_and_have_unmapped_guards(void)
{
    static const size_t sizes[] = {1, 3, 4, 7, 8, 70};
    struct area *areas[HX_ARRAY_SIZE(sizes)];
    size_t count = 0;
    uint64_t pages = 0;

    while (count < HX_ARRAY_SIZE(sizes) &&
           area_allocate(sizes[count], DATA, OWNER, &areas[count]) == HX_OK) {
        check_area(areas[count]);
        pages += sizes[count];
        count++;
    }
    EXPECT_EQUAL(count, HX_ARRAY_SIZE(sizes));
    EXPECT_EQUAL(frames_owned(OWNER), pages);
    while (count > 0) {
        uintptr_t base = areas[--count]->base;

        area_free(areas[count]);
        EXPECT(!is_mapped(base));
    }
    EXPECT_EQUAL(frames_owned(OWNER), 0);
}

/* SPEC: H5 */
static void every_stack_has_a_guard_below_it(void)
{
    const struct area *stack = thread_current()->stack;

    if (stack == NULL) {
        selftest_skip("runs on a boot stack");
        return;
    }
    EXPECT((uintptr_t)&stack - stack->base < stack->pages * HAL_PAGE_SIZE);
    EXPECT(!is_mapped(stack->base - 1));
    EXPECT(area_is_guard(stack->base - 1));
}

/* The limit is for the case that somebody else's allocations take the failures. */
static void an_area_that_cannot_be_completed_is_unwound(void)
{
    struct area_statistics before;
    struct area_statistics now;
    struct area *area = NULL;
    hx_err error = HX_ENOMEM;
    uint64_t n = 0;

    area_statistics(&before);
    while (error != HX_OK && n < 100) {
        frames_fail_nth(++n);
        error = area_allocate(9, DATA, OWNER, &area);
        frames_fail_nth(0);
        area_statistics(&now);
        EXPECT_EQUAL(frames_owned(OWNER), error == HX_OK ? 9 : 0);
        EXPECT_EQUAL(now.areas, before.areas + (error == HX_OK));
    }
    EXPECT_EQUAL(error, HX_OK);
    EXPECT(n > 9);
    area_free(area);
    EXPECT_EQUAL(frames_owned(OWNER), 0);
}

/* --- the heap --------------------------------------------------------------------------------- */

/* SPEC: Q5 */
static void memory_of_an_owner_that_is_gone_comes_back(void)
{
    void *kept = heap_allocate(300, OTHER);

    for (size_t i = 0; i < 2000; i++) {
        size_t size = i % 400 == 0 ? 20000 : 1 + i * 37 % 4096;

        EXPECT(heap_allocate(size, OWNER) != NULL);
    }
    EXPECT_EQUAL(heap_owned(OWNER).objects, 2000);
    EXPECT_EQUAL(heap_free_owner(OWNER).objects, 2000);
    EXPECT_EQUAL(heap_owned(OWNER).objects, 0);
    EXPECT_EQUAL(heap_owned(OWNER).bytes, 0);
    EXPECT_EQUAL(heap_owner(kept), OTHER);
    heap_free(kept);
    EXPECT_EQUAL(heap_owned(OTHER).objects, 0);
}

static void a_pointer_from_outside_has_no_owner(void)
{
    char *object = heap_allocate(100, OWNER);

    EXPECT_EQUAL(heap_owner(object), OWNER);
    EXPECT_EQUAL(heap_owner(object + 1), OWNER_NONE);
    EXPECT_EQUAL(heap_owner(&object), OWNER_NONE);
    EXPECT_EQUAL(heap_owner((const void *)hal_area_window().base), OWNER_NONE);
    EXPECT_EQUAL(heap_owner((const void *)8), OWNER_NONE);
    EXPECT_EQUAL(heap_owner((const void *)UINTPTR_MAX), OWNER_NONE);
    EXPECT_EQUAL(heap_owner((const void *)0x123456789abcdef0), OWNER_NONE);
    heap_free(object);
    EXPECT_EQUAL(heap_owner(object), OWNER_NONE);
}

static void an_allocation_can_be_made_to_fail(void)
{
    void *object = NULL;
    uint64_t n = 1;

    heap_fail_nth(n);
    object = heap_allocate(64, OWNER);
    heap_fail_nth(0);
    if (object != NULL) {
        selftest_skip("somebody else's allocation took the failure");
    }
    heap_free(object);
    object = heap_allocate(64, OWNER);
    EXPECT(object != NULL);
    heap_free(object);
}

#ifndef HX_DEBUG
static _Atomic uint32_t timer_ran;
static void *_Atomic timer_got;

static void allocate_in_interrupt(struct timer *timer)
{
    (void)timer;
    atomic_store_explicit(&timer_got, heap_allocate(64, OWNER), memory_order_relaxed);
    atomic_store_explicit(&timer_ran, 1, memory_order_release);
}
#endif

/* SPEC: Q5 */
static void interrupt_context_is_refused(void)
{
#ifndef HX_DEBUG
    static struct timer timer;
    struct heap_statistics before;
    struct heap_statistics now;

    atomic_store_explicit(&timer_ran, 0, memory_order_relaxed);
    heap_statistics(&before);
    timer_init(&timer, allocate_in_interrupt);
    timer_start(&timer, hal_clock_now(), 0);
    EXPECT(crew_spin_until(&timer_ran, 1));
    timer_cancel(&timer);
    heap_statistics(&now);
    EXPECT(atomic_load_explicit(&timer_got, memory_order_relaxed) == NULL);
    EXPECT_EQUAL(now.refused_in_interrupt, before.refused_in_interrupt + 1);
#else
    selftest_skip("debug builds fail an assertion instead: see the host test of the same name");
#endif
}

/* --- several CPUs ----------------------------------------------------------------------------- */

#define ROUNDS 3000U
#define HELD   40U

/* Objects change hands here, so that most are freed on another CPU than they were allocated on. */
static void *_Atomic exchange[64];

static void pass_objects(void *argument)
{
    uint64_t random = selftest_seed() ^ ((uint64_t)(uintptr_t)argument << 32) ^ 1;

    for (uint32_t round = 0; round < ROUNDS; round++) {
        size_t size = sizeof(uintptr_t) + crew_random(&random) % (round % 64 == 0 ? 20000 : 500);
        uintptr_t *object = heap_allocate(size, OWNER);

        if (object == NULL) {
            selftest_fail(__FILE__, __LINE__, "no memory");
            return;
        }
        *object = (uintptr_t)object;
        /* Release and acquire pair with each other: the contents pass with the pointer. */
        object = atomic_exchange_explicit(&exchange[crew_random(&random) % 64], (void *)object,
                                          memory_order_acq_rel);
        EXPECT(object == NULL || *object == (uintptr_t)object);
        heap_free(object);
    }
}

/* A member for each CPU, and one more for any. */
static void run_everywhere(void (*work)(void *argument))
{
    crew_open(&crew);
    for (uint32_t i = 0; i < cpu_online_count() && i + 1 < CREW_MAX; i++) {
        crew_start(&crew, work, (void *)(uintptr_t)i, 1ULL << crew_cpu(i));
    }
    crew_start(&crew, work, (void *)(uintptr_t)CREW_MAX, 0);
    crew_join(&crew);
}

static void cpus_pass_heap_objects_and_lose_none(void)
{
    run_everywhere(pass_objects);
    for (size_t i = 0; i < HX_ARRAY_SIZE(exchange); i++) {
        heap_free(atomic_exchange_explicit(&exchange[i], NULL, memory_order_acquire));
    }
    EXPECT_EQUAL(heap_owned(OWNER).objects, 0);
    EXPECT_EQUAL(heap_owned(OWNER).bytes, 0);
}

static void hold_frames(void *argument)
{
    uint64_t random = selftest_seed() ^ ((uint64_t)(uintptr_t)argument << 32) ^ 1;
    uint64_t frames[HELD];

    for (uint32_t round = 0; round < ROUNDS / HELD; round++) {
        uint32_t held = 0;

        while (held < HELD &&
               frames_allocate(held % 8 == 0 ? 2 : 0, OWNER, &frames[held]) == HX_OK) {
            *(uint64_t *)hal_direct_map(frames[held]) = frames[held] ^ random;
            frames_set_private(frames[held], random << 2);
            held++;
        }
        EXPECT_EQUAL(held, HELD);
        while (held > 0) {
            held--;
            EXPECT_EQUAL(*(uint64_t *)hal_direct_map(frames[held]), frames[held] ^ random);
            EXPECT_EQUAL(frames_private(frames[held]), random << 2);
            frames_free(frames[held], held % 8 == 0 ? 2 : 0);
        }
        crew_random(&random);
    }
}

static void cpus_hold_frames_and_lose_none(void)
{
    run_everywhere(hold_frames);
    EXPECT_EQUAL(frames_owned(OWNER), 0);
}

static void come_and_go(void *argument)
{
    (void)argument;
    for (uint32_t round = 0; round < 60; round++) {
        struct area *area;

        if (area_allocate(1 + round % 5, DATA, OWNER, &area) != HX_OK) {
            selftest_fail(__FILE__, __LINE__, "no memory");
            return;
        }
        check_area(area);
        area_free(area);
    }
}

static void cpus_come_and_go_with_areas(void)
{
    run_everywhere(come_and_go);
    EXPECT_EQUAL(frames_owned(OWNER), 0);
}

static void drained_caches_give_their_frames_back(void)
{
    struct frame_statistics statistics;

    run_everywhere(hold_frames);
    frames_drain_caches();
    frames_statistics(&statistics);
    EXPECT(statistics.cached <= statistics.free);
    EXPECT(statistics.cached < 31ULL * cpu_online_count());
}

#define TEST(function, ...)                                                                        \
    {                                                                                              \
        .name = "kern_memory." #function, .run = function, __VA_ARGS__                             \
    }

const struct selftest kern_memory_tests[] = {
    TEST(no_page_of_the_kernel_is_writable_and_executable, .flags = SELFTEST_METAL_ONLY),
    TEST(the_direct_map_is_not_executable, .flags = SELFTEST_METAL_ONLY),
    TEST(an_area_is_never_writable_and_executable),
    TEST(areas_are_zeroed_and_have_unmapped_guards),
    TEST(every_stack_has_a_guard_below_it),
    TEST(an_area_that_cannot_be_completed_is_unwound),
    TEST(memory_of_an_owner_that_is_gone_comes_back),
    TEST(a_pointer_from_outside_has_no_owner),
    TEST(an_allocation_can_be_made_to_fail),
    TEST(interrupt_context_is_refused),
    TEST(cpus_pass_heap_objects_and_lose_none),
    TEST(cpus_hold_frames_and_lose_none),
    TEST(cpus_come_and_go_with_areas),
    TEST(drained_caches_give_their_frames_back),
    {.name = NULL},
};
