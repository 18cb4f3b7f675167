#include "fake_machine.h"

#include "../random.h"

#include <kern/frames.h>
#include <pthread.h>

#define MIB   (1ULL << 20)
#define GIB   (1ULL << 30)
#define PAGE  HAL_PAGE_SIZE
#define OWNER owner_make(7, 3)

static struct frame_statistics statistics_now(void)
{
    struct frame_statistics statistics;

    frames_statistics(&statistics);
    return statistics;
}

static void start_with(uint64_t base, uint64_t size)
{
    struct frame_range usable = {base, size};

    fake_memory_start(base + size);
    assert_int_equal(frames_init(&usable, 1, NULL, 0), HX_OK);
}

static uint64_t allocate(unsigned order)
{
    uint64_t physical;

    assert_int_equal(frames_allocate(order, OWNER, &physical), HX_OK);
    return physical;
}

static void free_blocks_are(const struct frame_statistics *wanted)
{
    struct frame_statistics now;

    frames_drain_caches();
    now = statistics_now();
    assert_memory_equal(now.free_blocks, wanted->free_blocks, sizeof(now.free_blocks));
    assert_int_equal(now.free, wanted->free);
    assert_int_equal(now.total, wanted->total);
}

/* --- start ------------------------------------------------------------------------------------ */

static void metadata_of_256_mib_is_one_mib(void **state)
{
    (void)state;
    start_with(0, 256 * MIB);

    struct frame_statistics now = statistics_now();

    assert_int_equal(now.metadata_bytes, MIB);
    assert_int_equal(now.total, 256 * MIB / PAGE - 1 - MIB / PAGE); /* frame 0, the metadata */
    assert_int_equal(now.free, now.total);
    assert_int_equal(now.cached, 0);
}

static void unsorted_overlapping_and_wrapping_maps_are_refused(void **state)
{
    struct frame_range unsorted[] = {{16 * MIB, MIB}, {0, MIB}};
    struct frame_range overlapping[] = {{0, 2 * MIB}, {MIB, 2 * MIB}};
    struct frame_range wrapping[] = {{UINT64_MAX - PAGE, 2 * PAGE}};
    struct frame_range nothing[] = {{MIB, 0}, {2 * MIB + 1, PAGE}};

    (void)state;
    fake_memory_start(64 * MIB);
    assert_int_equal(frames_init(unsorted, 2, NULL, 0), HX_EINVAL);
    assert_int_equal(frames_init(overlapping, 2, NULL, 0), HX_EINVAL);
    assert_int_equal(frames_init(wrapping, 1, NULL, 0), HX_EINVAL);
    assert_int_equal(frames_init(nothing, 2, NULL, 0), HX_ENOMEM);
    assert_int_equal(frames_init(NULL, 0, NULL, 0), HX_ENOMEM);
}

static void too_little_memory_for_its_own_metadata_is_refused(void **state)
{
    struct frame_range three_frames = {MIB, 3 * PAGE}; /* a chunk's metadata is four */

    (void)state;
    fake_memory_start(4 * MIB);
    assert_int_equal(frames_init(&three_frames, 1, NULL, 0), HX_ENOMEM);
    three_frames.size += 2 * PAGE;
    assert_int_equal(frames_init(&three_frames, 1, NULL, 0), HX_OK);
    assert_int_equal(statistics_now().total, 1);
    assert_int_equal(allocate(0), MIB + 4 * PAGE);
}

static void an_island_far_away_costs_metadata_for_itself_only(void **state)
{
    struct frame_range usable[] = {{0, MIB}, {48 * GIB, 8 * MIB}};
    uint64_t blocks[4];
    bool far = false;

    (void)state;
    fake_memory_start(48 * GIB + 8 * MIB);
    assert_int_equal(frames_init(usable, 2, NULL, 0), HX_OK);
    assert_int_equal(statistics_now().metadata_bytes, 3 * 1024 * 16);
    assert_int_equal(statistics_now().total, 255 + 2048 - 12);
    for (int i = 0; i < 2; i++) {
        blocks[i] = allocate(FRAME_ORDER_MAX);
        far |= blocks[i] == 48 * GIB;
        assert_int_equal(frames_owner(blocks[i]), OWNER);
    }
    assert_true(far);
    for (int i = 0; i < 2; i++) {
        frames_free(blocks[i], FRAME_ORDER_MAX);
    }
    frames_free(allocate(0), 0);
}

static void small_holes_cost_less_than_a_zone_of_their_own(void **state)
{
    struct frame_range usable[] = {{0, 0x9fc00}, {MIB, 63 * MIB}, {72 * MIB, 8 * MIB}};

    (void)state;
    fake_memory_start(80 * MIB);
    assert_int_equal(frames_init(usable, 3, NULL, 0), HX_OK);
    assert_int_equal(statistics_now().metadata_bytes, 80 * MIB / PAGE * 16);
    assert_int_equal(frames_owner(70 * MIB), OWNER_NONE);
    EXPECT_ASSERTION(frames_free(70 * MIB, 0));
}

static void islands_beyond_the_sixty_fourth_are_left_unused(void **state)
{
    struct frame_range usable[70];
    uint64_t physical;

    (void)state;
    for (uint64_t i = 0; i < 70; i++) {
        usable[i] = (struct frame_range){i * 32 * MIB, 4 * MIB};
    }
    fake_memory_start(70 * 32 * MIB);
    assert_int_equal(frames_init(usable, 70, NULL, 0), HX_OK);
    assert_int_equal(statistics_now().total, 64 * 1024 - 1 - 64 * 4);
    while (frames_allocate(0, OWNER, &physical) == HX_OK) {
        assert_true(physical < 64 * 32 * MIB);
    }
    assert_int_equal(physical, FRAME_NONE);
}

static bool is_inside(uint64_t physical, const struct frame_range *ranges, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (physical + PAGE > ranges[i].base && physical < ranges[i].base + ranges[i].size) {
            return true;
        }
    }
    return false;
}

/* Frames that lie wholly in one usable range and touch no reserved one. */
static uint64_t frames_wanted(const struct frame_range *usable, size_t usable_count,
                              const struct frame_range *reserved, size_t reserved_count)
{
    uint64_t wanted = 0;

    for (size_t i = 0; i < usable_count; i++) {
        uint64_t end = usable[i].base + usable[i].size;

        for (uint64_t at = (usable[i].base + PAGE - 1) / PAGE * PAGE; at + PAGE <= end;
             at += PAGE) {
            wanted += at != 0 && !is_inside(at, reserved, reserved_count);
        }
    }
    return wanted;
}

static void random_maps_give_exactly_the_usable_frames(void **state)
{
    uint64_t seed = random_start();

    (void)state;
    print_message("# seed %llu\n", (unsigned long long)seed);
    fake_memory_start(64 * MIB);
    for (int round = 0; round < 60; round++) {
        struct frame_range usable[6];
        struct frame_range reserved[8];
        uint64_t at = 0;
        uint64_t physical;
        uint64_t got = 0;

        for (size_t i = 0; i < 6; i++) {
            at += random_below(3) == 0 ? 0 : random_below(3 * MIB);
            usable[i] = (struct frame_range){at, random_below(7 * MIB)};
            at += usable[i].size;
        }
        for (size_t i = 0; i < 8; i++) {
            reserved[i] = (struct frame_range){random_below(64 * MIB), random_below(MIB)};
        }
        if (frames_init(usable, 6, reserved, 8) != HX_OK) {
            continue;
        }

        uint64_t metadata = statistics_now().metadata_bytes;

        while (frames_allocate(0, OWNER, &physical) == HX_OK) {
            assert_false(is_inside(physical, reserved, 8));
            memset(hal_direct_map(physical), 1, PAGE);
            got++;
        }
        assert_int_equal(got, statistics_now().total);
        assert_int_equal(got, frames_wanted(usable, 6, reserved, 8) - metadata / PAGE);
    }
}

/* --- allocation ------------------------------------------------------------------------------- */

static void wrong_orders_and_owners_are_refused(void **state)
{
    uint64_t physical = 5;

    (void)state;
    start_with(0, 16 * MIB);
    assert_int_equal(frames_allocate(FRAME_ORDER_MAX + 1, OWNER, &physical), HX_EINVAL);
    assert_int_equal(physical, FRAME_NONE);
    assert_int_equal(frames_allocate(0, OWNER_NONE, &physical), HX_EINVAL);
}

static void a_block_is_freed_once_and_as_it_was_allocated(void **state)
{
    uint64_t physical;

    (void)state;
    start_with(0, 16 * MIB);
    physical = allocate(0);
    frames_free(physical, 0);
    EXPECT_ASSERTION(frames_free(physical, 0)); /* in the cache */
    frames_drain_caches();
    EXPECT_ASSERTION(frames_free(physical, 0)); /* merged into a larger block */
    physical = allocate(2);
    EXPECT_ASSERTION(frames_free(physical, 1));
    EXPECT_ASSERTION(frames_free(physical, 0));
    EXPECT_ASSERTION(frames_free(physical + PAGE, 0));
    EXPECT_ASSERTION(frames_free(physical + 1, 2));
    EXPECT_ASSERTION(frames_free(physical + 8, 0));
    EXPECT_ASSERTION(frames_free(FRAME_NONE, 0));
    EXPECT_ASSERTION(frames_free(0, 0));
    EXPECT_ASSERTION(frames_free(64 * GIB, 0));
    frames_free(physical, 2);
    EXPECT_ASSERTION(frames_free(physical, 2));
}

/* SPEC: Q5 */
static void owners_and_private_words_belong_to_the_block(void **state)
{
    uint64_t block;
    uint64_t single;

    (void)state;
    start_with(0, 16 * MIB);
    block = allocate(2);
    single = allocate(0);
    for (uint64_t i = 0; i < 4; i++) {
        assert_int_equal(frames_private(block + i * PAGE), 0);
        frames_set_private(block + i * PAGE, 0x1111111100000000ULL + i);
    }
    frames_set_private(single, UINT64_MAX);
    assert_int_equal(frames_private(block + 3 * PAGE + 17), 0x1111111100000003ULL);
    assert_int_equal(frames_owner(block), OWNER);
    assert_int_equal(frames_owner(block + PAGE), OWNER_NONE);
    assert_int_equal(frames_owned(OWNER), 5);
    assert_int_equal(frames_owned(owner_make(7, 2)), 0);
    frames_free(block, 2);
    frames_free(single, 0);
    assert_int_equal(frames_owned(OWNER), 0);
    assert_int_equal(frames_owner(block), OWNER_NONE);
    assert_int_equal(frames_owner(single), OWNER_NONE);
    assert_int_equal(frames_private(block + PAGE), 0);
    assert_int_equal(frames_private(48 * GIB), 0);
    EXPECT_ASSERTION(frames_set_private(single, 1));
    assert_int_equal(allocate(0), single);
    assert_int_equal(frames_private(single), 0);
}

static void the_nth_allocation_fails_once(void **state)
{
    uint64_t physical;
    uint64_t failures;

    (void)state;
    start_with(0, 16 * MIB);
    failures = statistics_now().failures;
    frames_fail_nth(3);
    assert_int_equal(frames_allocate(0, OWNER, &physical), HX_OK);
    assert_int_equal(frames_allocate(3, OWNER, &physical), HX_OK);
    assert_int_equal(frames_allocate(0, OWNER, &physical), HX_ENOMEM);
    assert_int_equal(physical, FRAME_NONE);
    assert_int_equal(frames_allocate(0, OWNER, &physical), HX_OK);
    frames_fail_nth(1);
    frames_fail_nth(0);
    assert_int_equal(frames_allocate(0, OWNER, &physical), HX_OK);
    assert_int_equal(statistics_now().failures, failures + 1);
    assert_int_equal(statistics_now().allocations, 4);
}

static void frames_in_other_cpus_caches_are_found_before_memory_is_out(void **state)
{
    uint64_t physical;
    uint64_t frames[20];
    uint64_t total;

    (void)state;
    start_with(0, 8 * MIB);
    cpu_online_bits = 0x6;
    total = statistics_now().total;
    for (size_t i = 0; i < 20; i++) {
        fake_cpu = 1;
        frames[i] = allocate(0);
    }
    for (size_t i = 0; i < 20; i++) {
        frames_free(frames[i], 0);
    }
    assert_true(statistics_now().cached >= 10);
    assert_int_equal(statistics_now().free, total);
    fake_cpu = 2;
    fake_interrupts_off = true; /* then other CPUs cannot be asked */
    for (uint64_t i = 0; frames_allocate(0, OWNER, &physical) == HX_OK; i++) {
        assert_true(i < total);
    }
    assert_int_equal(fake_cpu_calls, 0);
    assert_true(statistics_now().free >= 10);
    fake_interrupts_off = false;
    while (statistics_now().free != 0) {
        (void)allocate(0);
    }
    assert_int_equal(frames_allocate(0, OWNER, &physical), HX_ENOMEM);
    assert_int_equal(frames_owned(OWNER), total);
    fake_cpu_calls = 0;
}

static void reserved_memory_can_be_given_later(void **state)
{
    struct frame_range usable = {0, 16 * MIB};
    struct frame_range reserved = {2 * MIB, 3 * MIB + 100};
    struct frame_statistics without_reservation;

    (void)state;
    start_with(0, 16 * MIB);
    without_reservation = statistics_now();
    assert_int_equal(frames_init(&usable, 1, &reserved, 1), HX_OK);
    assert_int_equal(statistics_now().total, without_reservation.total - 769);
    frames_release_range(2 * MIB + 1, PAGE);
    assert_int_equal(statistics_now().total, without_reservation.total - 769);
    frames_release_range(2 * MIB, 3 * MIB + PAGE);
    free_blocks_are(&without_reservation);
    EXPECT_ASSERTION(frames_release_range(2 * MIB, PAGE));
    start_with(0, 16 * MIB);
    EXPECT_ASSERTION(frames_release_range(allocate(3) + PAGE, PAGE));
    start_with(MIB, 16 * MIB);
    EXPECT_ASSERTION(frames_release_range(MIB, PAGE)); /* the metadata */
}

#ifdef HX_DEBUG
static void a_write_to_a_freed_frame_is_noticed(void **state)
{
    uint64_t physical;

    (void)state;
    start_with(0, 16 * MIB);
    physical = allocate(0);
    frames_free(physical, 0);
    ((uint8_t *)hal_direct_map(physical))[PAGE - 1] ^= 1;
    EXPECT_ASSERTION(allocate(0));
    start_with(0, 16 * MIB);
    physical = allocate(3);
    frames_free(physical, 3);
    ((uint8_t *)hal_direct_map(physical))[5 * PAGE] = 0;
    EXPECT_ASSERTION(allocate(3));
}
#endif

/* --- properties ------------------------------------------------------------------------------- */

#define MODEL_FRAMES (32 * MIB / PAGE)
#define MODEL_BLOCKS 600

struct model {
    uint8_t taken[MODEL_FRAMES]; /* 1: in a live block */
    struct {
        uint64_t physical;
        unsigned order;
    } blocks[MODEL_BLOCKS];
    size_t count;
    uint64_t frames;
};

static void model_allocate(struct model *model)
{
    unsigned order = (unsigned)(random_below(3) == 0 ? random_below(FRAME_ORDER_MAX + 1) : 0);
    uint64_t physical;
    hx_err error = frames_allocate(order, OWNER, &physical);

    if (error != HX_OK) {
        assert_int_equal(error, HX_ENOMEM);
        return;
    }
    assert_int_equal(physical % (PAGE << order), 0);
    for (uint64_t i = 0; i < 1ULL << order; i++) {
        assert_int_equal(model->taken[physical / PAGE + i], 0);
        model->taken[physical / PAGE + i] = 1;
    }
    model->blocks[model->count].physical = physical;
    model->blocks[model->count++].order = order;
    model->frames += 1ULL << order;
    *(uint64_t *)hal_direct_map(physical) = physical;
}

static void model_free(struct model *model, size_t index)
{
    uint64_t physical = model->blocks[index].physical;
    unsigned order = model->blocks[index].order;

    assert_int_equal(*(uint64_t *)hal_direct_map(physical), physical);
    memset(&model->taken[physical / PAGE], 0, 1UL << order);
    model->frames -= 1ULL << order;
    model->blocks[index] = model->blocks[--model->count];
    frames_free(physical, order);
}

static void random_blocks_never_overlap_and_all_memory_merges_again(void **state)
{
    static struct model model;
    struct frame_statistics initial;
    uint64_t seed = random_start();

    (void)state;
    print_message("# seed %llu\n", (unsigned long long)seed);
    memset(&model, 0, sizeof(model));
    start_with(0, 32 * MIB);
    cpu_online_bits = 0xf;
    initial = statistics_now();
    for (uint64_t step = 0; step < 30000; step++) {
        fake_cpu = (uint32_t)random_below(4);
        if (model.count < MODEL_BLOCKS && random_below(2 + (step / 500) % 2) != 0) {
            model_allocate(&model);
        } else if (model.count > 0) {
            model_free(&model, random_below(model.count));
        }
        if (step % 64 == 0) {
            assert_int_equal(statistics_now().free, initial.total - model.frames);
            assert_int_equal(frames_owned(OWNER), model.frames);
        }
    }
    while (model.count > 0) {
        model_free(&model, model.count - 1);
    }
    free_blocks_are(&initial);
}

/* Cycles of one allocation with `live` others alive; best of several, so that noise falls out. */
static uint64_t cost_with(uint64_t *live, size_t count)
{
    uint64_t best = UINT64_MAX;
    uint64_t frames[256];

    for (size_t i = 0; i < count; i++) {
        live[i] = allocate(0);
    }
    for (int round = 0; round < 50; round++) {
        uint64_t start = hal_clock_cycles();

        for (size_t i = 0; i < 256; i++) {
            frames[i] = allocate(0);
        }
        for (size_t i = 0; i < 256; i++) {
            frames_free(frames[i], 0);
        }
        start = hal_clock_cycles() - start;
        best = start < best ? start : best;
    }
    for (size_t i = 0; i < count; i++) {
        frames_free(live[i], 0);
    }
    return best;
}

static void cost_does_not_grow_with_live_blocks(void **state)
{
    uint64_t *live = malloc(100000 * sizeof(*live));
    uint64_t few;
    uint64_t many;

    (void)state;
    if (UNDER_THREAD_SANITIZER) {
        free(live);
        skip();
    }
    assert_non_null(live);
    start_with(0, 512 * MIB);
    few = cost_with(live, 100);
    many = cost_with(live, 100000);
    print_message("# 256 pairs: %llu cycles with 100 live, %llu with 100000\n",
                  (unsigned long long)few, (unsigned long long)many);
    assert_true(many < 8 * few);
    free(live);
}

/* Debug builds fill and check each freed page whole, which is most of the cost. */
static int hammer_rounds(void)
{
    return UNDER_THREAD_SANITIZER && getenv("HELIX_SOAK") == NULL ? 60 : 300;
}

static void *hammer(void *argument)
{
    int rounds = hammer_rounds();
    uint64_t frames[48];
    uint64_t mixed = 1 + (uintptr_t)argument;

    fake_cpu = (uint32_t)(uintptr_t)argument;
    for (int round = 0; round < rounds; round++) {
        for (size_t i = 0; i < 48; i++) {
            mixed = mixed * 6364136223846793005ULL + 1442695040888963407ULL;
            frames[i] = allocate(i % 16 == 0 ? (unsigned)(mixed >> 62) : 0);
            *(uint64_t *)hal_direct_map(frames[i]) = mixed ^ frames[i];
            frames_set_private(frames[i], mixed);
        }
        for (size_t i = 48; i-- > 0;) {
            unsigned order = i % 16 == 0 ? (unsigned)(frames_private(frames[i]) >> 62) : 0;

            assert_int_equal(*(uint64_t *)hal_direct_map(frames[i]),
                             frames_private(frames[i]) ^ frames[i]);
            frames_free(frames[i], order);
        }
        (void)frames_owned(OWNER);
    }
    return NULL;
}

static void cpus_at_once_share_memory_and_lose_none(void **state)
{
    pthread_t threads[3];
    struct frame_statistics initial;

    (void)state;
    start_with(0, 16 * MIB);
    initial = statistics_now();
    for (uintptr_t i = 0; i < 3; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, hammer, (void *)(i + 1)), 0);
    }
    for (size_t i = 0; i < 3; i++) {
        pthread_join(threads[i], NULL);
    }
    assert_int_equal(frames_owned(OWNER), 0);
    cpu_online_bits = 0xf;
    free_blocks_are(&initial);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(metadata_of_256_mib_is_one_mib),
        cmocka_unit_test(unsorted_overlapping_and_wrapping_maps_are_refused),
        cmocka_unit_test(too_little_memory_for_its_own_metadata_is_refused),
        cmocka_unit_test(an_island_far_away_costs_metadata_for_itself_only),
        cmocka_unit_test(small_holes_cost_less_than_a_zone_of_their_own),
        cmocka_unit_test(islands_beyond_the_sixty_fourth_are_left_unused),
        cmocka_unit_test(random_maps_give_exactly_the_usable_frames),
        cmocka_unit_test(wrong_orders_and_owners_are_refused),
        cmocka_unit_test(a_block_is_freed_once_and_as_it_was_allocated),
        cmocka_unit_test(owners_and_private_words_belong_to_the_block),
        cmocka_unit_test(the_nth_allocation_fails_once),
        cmocka_unit_test(frames_in_other_cpus_caches_are_found_before_memory_is_out),
        cmocka_unit_test(reserved_memory_can_be_given_later),
#ifdef HX_DEBUG
        cmocka_unit_test(a_write_to_a_freed_frame_is_noticed),
#endif
        cmocka_unit_test(random_blocks_never_overlap_and_all_memory_merges_again),
        cmocka_unit_test(cost_does_not_grow_with_live_blocks),
        cmocka_unit_test(cpus_at_once_share_memory_and_lose_none),
    };

    return cmocka_run_group_tests_name("kern/frames", tests, NULL, NULL);
}
