#include "fake_machine.h"

#include "../random.h"

#include <kern/area.h>

#define MIB   (1ULL << 20)
#define PAGE  HAL_PAGE_SIZE
#define OWNER owner_make(5, 2)
#define DATA  ((unsigned)HAL_READ | HAL_WRITE)

static int start(void **state)
{
    struct frame_range usable = {0, 128 * MIB};

    (void)state;
    fake_memory_start(128 * MIB);
    fake_space_start();
    assert_int_equal(frames_init(&usable, 1, NULL, 0), HX_OK);
    assert_int_equal(area_init(), HX_OK);
    return 0;
}

static struct area *allocate(size_t pages)
{
    struct area *area;

    assert_int_equal(area_allocate(pages, DATA, OWNER, &area), HX_OK);
    assert_int_equal(area->pages, pages);
    return area;
}

static struct area_statistics statistics_now(void)
{
    struct area_statistics statistics;

    area_statistics(&statistics);
    return statistics;
}

static bool is_mapped(uintptr_t address)
{
    return hal_space_lookup(NULL, address, NULL, NULL);
}

static void check_guards(const struct area *area)
{
    uintptr_t end = area->base + area->pages * PAGE;

    assert_false(is_mapped(area->base - 1));
    assert_false(is_mapped(end));
    assert_true(area_is_guard(area->base - 1));
    assert_true(area_is_guard(area->base - PAGE));
    assert_true(area_is_guard(end));
    assert_false(area_is_guard(area->base));
    assert_false(area_is_guard(end - 1));
}

/* SPEC: H5 */
static void areas_are_zeroed_mapped_and_guarded(void **state)
{
    static const size_t sizes[] = {1, 2, 3, 4, 5, 7, 8, 64, 65, 1000};
    uint64_t frame;

    (void)state;
    for (size_t i = 0; i < HX_ARRAY_SIZE(sizes); i++) {
        struct area *area;

        assert_int_equal(frames_allocate(0, OWNER, &frame), HX_OK);
        memset(hal_direct_map(frame), 0xee, PAGE);
        frames_free(frame, 0);
        area = allocate(sizes[i]);
        for (size_t page = 0; page < sizes[i]; page++) {
            unsigned protection;
            const uint8_t *bytes;

            assert_true(hal_space_lookup(NULL, area->base + page * PAGE, &frame, &protection));
            assert_int_equal(protection, DATA);
            assert_int_equal(frames_owner(frame), OWNER);
            bytes = hal_direct_map(frame);
            assert_true(bytes[0] == 0 && memcmp(bytes, bytes + 1, PAGE - 1) == 0);
        }
        check_guards(area);
    }
    assert_int_equal(statistics_now().areas, 10);
    assert_int_equal(statistics_now().pages, 1159);
    assert_int_equal(frames_owned(OWNER), 1159);
}

static void what_can_be_no_area_is_refused(void **state)
{
    struct area *area = NULL;
    uint64_t frames;

    (void)state;
    area_free(allocate(1)); /* a slab of records stays */
    frames = fake_free_frames();
    assert_int_equal(area_allocate(0, DATA, OWNER, &area), HX_EINVAL);
    assert_int_equal(area_allocate(1UL << 18, DATA, OWNER, &area), HX_EINVAL);
    assert_int_equal(area_allocate(SIZE_MAX, DATA, OWNER, &area), HX_EINVAL);
    assert_int_equal(area_allocate(1, DATA, OWNER_NONE, &area), HX_EINVAL);
    assert_int_equal(area_allocate(3, DATA | HAL_EXECUTE, OWNER, &area), HX_EINVAL);
    assert_int_equal(area_allocate((1UL << 18) - 1, DATA, OWNER, &area), HX_ENOMEM);
    assert_null(area);
    area_free(NULL);
    assert_int_equal(fake_free_frames(), frames);
}

static void a_freed_area_leaves_nothing_and_its_slot_is_used_again(void **state)
{
    struct area *low = allocate(4);
    struct area *high = allocate(4);
    uint64_t frames = fake_free_frames();
    uintptr_t base;

    (void)state;
    area_free(high);
    high = allocate(4);
    base = low->base;
    area_free(low);
    assert_false(is_mapped(base));
    assert_false(area_is_guard(base - 1));
    EXPECT_ASSERTION(area_free(low));
    low = allocate(5);
    assert_int_equal(low->base, base);
    area_free(low);
    low = allocate(4);
    assert_int_equal(fake_free_frames(), frames);
    area_free(high);
    assert_int_equal(statistics_now().areas, 1);
    area_free(low);
    assert_int_equal(statistics_now().pages, 0);
    assert_int_equal(frames_owned(OWNER), 0);
}

static void addresses_outside_areas_are_no_guards(void **state)
{
    struct hal_range window = hal_area_window();

    (void)state;
    assert_false(area_is_guard(window.base));
    assert_false(area_is_guard(window.base + PAGE));
    assert_false(area_is_guard(window.base + window.size - 1));
    assert_false(area_is_guard(window.base + window.size));
    assert_false(area_is_guard(0));
    assert_false(area_is_guard(UINTPTR_MAX));
    assert_false(area_is_guard(window.base - 1));
}

static void a_full_class_goes_on_in_the_next(void **state)
{
    static struct area *many[8192 + 3];
    size_t count = HX_ARRAY_SIZE(many); /* slots of two pages in 64 MiB, and more */

    (void)state;
    for (size_t i = 0; i < count; i++) {
        many[i] = allocate(1);
    }
    check_guards(many[8191]);
    check_guards(many[8194]);
    assert_true(many[8192]->base - many[8191]->base > PAGE);
    assert_int_equal(statistics_now().areas, count);
    while (count > 0) {
        area_free(many[--count]);
    }
}

/* Make the n-th frame allocation fail, for n = 1, 2, … until all of them succeed. */
static void each_allocation_that_fails_is_unwound(void **state)
{
    struct area *area = allocate(9);
    uintptr_t first_base = area->base;
    uint64_t frames;
    uint64_t n = 0;
    hx_err error;

    (void)state;
    area_free(area); /* the page table and a slab of records stay */
    frames = fake_free_frames();
    do {
        frames_fail_nth(++n);
        error = area_allocate(9, DATA, OWNER, &area);
        frames_fail_nth(0);
        if (error != HX_OK) {
            assert_int_equal(error, HX_ENOMEM);
            assert_int_equal(fake_free_frames(), frames);
            assert_int_equal(frames_owned(OWNER), 0);
            assert_int_equal(statistics_now().areas, 0);
        }
    } while (error != HX_OK);
    assert_int_equal(n, 10);
    assert_int_equal(area->base, first_base);
    check_guards(area);
    area_free(area);
    assert_int_equal(fake_free_frames(), frames);
}

static void the_first_area_of_all_may_fail_too(void **state)
{
    struct area *area;

    (void)state;
    for (uint64_t n = 1; n <= 3; n++) { /* the slab of records, a page, its table */
        start(NULL);
        frames_fail_nth(n);
        assert_int_equal(area_allocate(9, DATA, OWNER, &area), HX_ENOMEM);
        assert_int_equal(frames_owned(OWNER), 0);
        area_free(allocate(9));
    }
}

static void registers_are_mapped_uncached_at_the_exact_byte(void **state)
{
    volatile void *pointer;
    volatile void *second;
    uint64_t physical;
    unsigned protection;

    (void)state;
    assert_int_equal(area_map_device(0xfee00ff0, 0x20, &pointer), HX_OK);
    for (uint64_t i = 0; i < 0x20; i++) {
        assert_true(hal_space_lookup(NULL, (uintptr_t)pointer + i, &physical, &protection));
        assert_int_equal(physical, 0xfee00ff0 + i);
        assert_int_equal(protection, DATA | HAL_DEVICE);
    }
    assert_false(is_mapped((uintptr_t)pointer + 2 * PAGE));
    assert_int_equal(area_map_device(0xfee00ff0, 0x10, &second), HX_OK);
    assert_false(is_mapped((uintptr_t)second + PAGE));
    assert_ptr_not_equal(pointer, second);
    assert_int_equal(area_map_device(0, 0, &pointer), HX_EINVAL);
    assert_int_equal(area_map_device(4095, SIZE_MAX, &pointer), HX_EINVAL);
    frames_fail_nth(1); /* the page table */
    assert_int_equal(area_map_device(0xfec00000, 64 * PAGE, &pointer), HX_ENOMEM);
}

static void page_tables_come_from_the_frame_allocator(void **state)
{
    uint64_t frames = fake_free_frames();
    uint64_t table = fake_source.allocate();

    (void)state;
    assert_int_equal(frames_owner(table), OWNER_CORE);
    fake_source.release(table);
    assert_int_equal(fake_free_frames(), frames);
    frames_fail_nth(1);
    assert_int_equal(fake_source.allocate(), 0);
}

#define MODEL_AREAS 200

static struct area *areas[MODEL_AREAS];
static uint64_t marks[MODEL_AREAS];
static size_t area_count;

/* The first word of an area, through the direct map. */
static uint64_t *first_word(const struct area *area)
{
    uint64_t frame = FRAME_NONE;

    assert_true(hal_space_lookup(NULL, area->base, &frame, NULL));
    return hal_direct_map(frame);
}

static void model_allocate(void)
{
    struct area *area = allocate(1 + random_below(random_below(20) == 0 ? 300 : 12));

    check_guards(area);
    areas[area_count] = area;
    marks[area_count] = random_u64();
    *first_word(area) = marks[area_count++];
}

static void model_free(size_t index)
{
    assert_int_equal(*first_word(areas[index]), marks[index]);
    area_free(areas[index]);
    areas[index] = areas[--area_count];
    marks[index] = marks[area_count];
}

static void model_check(void)
{
    uint64_t pages = 0;

    for (size_t i = 0; i < area_count; i++) {
        pages += areas[i]->pages;
    }
    assert_int_equal(statistics_now().pages, pages);
    assert_int_equal(statistics_now().areas, area_count);
    assert_int_equal(frames_owned(OWNER), pages);
}

static void random_areas_never_share_a_page(void **state)
{
    uint64_t seed = random_start();

    (void)state;
    print_message("# seed %llu\n", (unsigned long long)seed);
    area_count = 0;
    for (int step = 0; step < 8000; step++) {
        if (area_count < MODEL_AREAS && random_below(2) == 0) {
            model_allocate();
        } else if (area_count > 0) {
            model_free(random_below(area_count));
        }
        if (step % 50 == 0) {
            model_check();
        }
    }
    while (area_count > 0) {
        model_free(area_count - 1);
    }
    model_check();
}

static uint64_t cost_with(struct area **live, size_t count)
{
    uint64_t best = UINT64_MAX;

    for (size_t i = 0; i < count; i++) {
        live[i] = allocate(1);
    }
    for (int round = 0; round < 200; round++) {
        uint64_t begin = hal_clock_cycles();

        area_free(allocate(1));
        begin = hal_clock_cycles() - begin;
        best = begin < best ? begin : best;
    }
    for (size_t i = 0; i < count; i++) {
        area_free(live[i]);
    }
    return best;
}

static void cost_does_not_grow_with_live_areas(void **state)
{
    static struct area *live[10000];
    uint64_t few;
    uint64_t many;

    (void)state;
    few = cost_with(live, 100);
    many = cost_with(live, 10000);
    print_message("# a pair: %llu cycles with 100 live, %llu with 10000\n", (unsigned long long)few,
                  (unsigned long long)many);
    assert_true(many < 8 * few);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(areas_are_zeroed_mapped_and_guarded, start),
        cmocka_unit_test_setup(what_can_be_no_area_is_refused, start),
        cmocka_unit_test_setup(a_freed_area_leaves_nothing_and_its_slot_is_used_again, start),
        cmocka_unit_test_setup(addresses_outside_areas_are_no_guards, start),
        cmocka_unit_test_setup(a_full_class_goes_on_in_the_next, start),
        cmocka_unit_test_setup(each_allocation_that_fails_is_unwound, start),
        cmocka_unit_test_setup(the_first_area_of_all_may_fail_too, start),
        cmocka_unit_test_setup(registers_are_mapped_uncached_at_the_exact_byte, start),
        cmocka_unit_test_setup(page_tables_come_from_the_frame_allocator, start),
        cmocka_unit_test_setup(random_areas_never_share_a_page, start),
        cmocka_unit_test_setup(cost_does_not_grow_with_live_areas, start),
    };

    return cmocka_run_group_tests_name("kern/area", tests, NULL, NULL);
}
