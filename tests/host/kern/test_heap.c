#include "fake_machine.h"

#include "../random.h"

#include <kern/heap.h>
#include <kern/slab.h>
#include <pthread.h>

#define MIB   (1ULL << 20)
#define OWNER owner_make(9, 1)
#define OTHER owner_make(9, 2)

static struct heap_statistics statistics_now(void)
{
    struct heap_statistics statistics;

    heap_statistics(&statistics);
    return statistics;
}

static void start_with(uint64_t size)
{
    struct frame_range usable = {0, size};

    fake_memory_start(size);
    assert_int_equal(frames_init(&usable, 1, NULL, 0), HX_OK);
    assert_int_equal(heap_init(), HX_OK);
}

static int start(void **state)
{
    (void)state;
    start_with(64 * MIB);
    return 0;
}

static void *allocate(size_t size, owner_tag owner)
{
    void *pointer = heap_allocate(size, owner);

    assert_non_null(pointer);
    return pointer;
}

static size_t power_of_two_above(size_t size)
{
    size_t power = 16;

    while (power < size) {
        power *= 2;
    }
    return power;
}

/* --- allocation ------------------------------------------------------------------------------- */

static void sizes_are_aligned_and_usable_to_their_last_byte(void **state)
{
    (void)state;
    for (size_t size = 1; size <= HEAP_SIZE_MAX; size += 1 + size / 7) {
        uint8_t *pointer = allocate(size, OWNER);
        size_t wanted = power_of_two_above(size);

        assert_int_equal((uintptr_t)pointer % (wanted > 4096 ? 4096 : wanted), 0);
        assert_true(heap_usable_size(pointer) >= size);
        assert_int_equal(heap_owner(pointer), OWNER);
        memset(pointer, 0x5a, size);
        heap_free(pointer);
    }
}

static void sizes_that_cannot_be_are_refused(void **state)
{
    (void)state;
    assert_null(heap_allocate(0, OWNER));
    assert_null(heap_allocate(HEAP_SIZE_MAX + 1, OWNER));
    assert_null(heap_allocate(SIZE_MAX, OWNER));
    assert_null(heap_allocate(SIZE_MAX / 2 + 9, OWNER));
    heap_free(NULL);
    assert_int_equal(statistics_now().objects, 0);
}

static void zeroed_memory_is_zero_after_dirty_use(void **state)
{
    static const size_t sizes[] = {16, 24, 100, 1000, 4000, 4096, 20000, 70000};

    (void)state;
    for (size_t i = 0; i < HX_ARRAY_SIZE(sizes); i++) {
        uint8_t *pointer = allocate(sizes[i], OWNER);

        memset(pointer, 0xff, sizes[i]);
        heap_free(pointer);
        pointer = heap_allocate_zeroed(sizes[i], OWNER);
        for (size_t k = 0; k < sizes[i]; k++) {
            assert_int_equal(pointer[k], 0);
        }
        heap_free(pointer);
    }
}

static void statistics_count_live_objects_of_all_cpus(void **state)
{
    void *small;
    void *large;

    (void)state;
    fake_cpu = 2;
    small = allocate(40, OWNER);
    large = allocate(100000, OWNER);
    fake_cpu = 3;
    assert_int_equal(statistics_now().objects, 2);
    assert_int_equal(statistics_now().allocations, 2);
    assert_int_equal(statistics_now().bytes_in_use, 64 + 131072);
    assert_true(statistics_now().frames >= 4 + 4 + 32);
    heap_free(small);
    heap_free(large);
    assert_int_equal(statistics_now().objects, 0);
    assert_int_equal(statistics_now().bytes_in_use, 0);
}

/* --- refusals and failures -------------------------------------------------------------------- */

/* SPEC: Q5 */
static void interrupt_context_is_refused(void **state)
{
    void *pointer = allocate(64, OWNER);

    (void)state;
    fake_thread.interrupt_depth = 1;
#ifdef HX_DEBUG
    EXPECT_ASSERTION((void)!heap_allocate(64, OWNER));
    EXPECT_ASSERTION((void)!heap_allocate(100000, OWNER));
    EXPECT_ASSERTION(heap_free(pointer));
#else
    assert_null(heap_allocate(64, OWNER));
    assert_null(heap_allocate(100000, OWNER));
    heap_free(pointer);
#endif
    fake_thread.interrupt_depth = 0;
    fake_thread.nmi_depth = 1;
#ifdef HX_DEBUG
    EXPECT_ASSERTION((void)!heap_allocate(64, OWNER));
#else
    assert_null(heap_allocate(64, OWNER));
#endif
    fake_thread.nmi_depth = 0;
    assert_int_equal(statistics_now().refused_in_interrupt, 4);
    assert_int_equal(statistics_now().objects, 1);
    heap_free(pointer);
}

static void preemption_is_off_only_inside(void **state)
{
    void *pointer = allocate(64, OWNER);

    (void)state;
    assert_int_equal(fake_thread.preempt_depth, 0);
    fake_thread.reschedule = true;
    fake_preemptions = 0;
    heap_free(pointer);
    assert_int_equal(fake_preemptions, 1);
    pointer = allocate(64, OWNER);
    assert_int_equal(fake_preemptions, 2);
    fake_thread.reschedule = false;
    heap_free(pointer);
    assert_int_equal(fake_preemptions, 2);
}

static void the_nth_allocation_fails_once(void **state)
{
    void *pointers[4];

    (void)state;
    heap_fail_nth(3);
    pointers[0] = allocate(64, OWNER);
    pointers[1] = allocate(50000, OWNER);
    assert_null(heap_allocate(64, OWNER));
    pointers[2] = allocate(64, OWNER);
    heap_fail_nth(1);
    heap_fail_nth(0);
    pointers[3] = allocate(64, OWNER);
    assert_true(statistics_now().failures >= 1);
    for (size_t i = 0; i < 4; i++) {
        heap_free(pointers[i]);
    }
}

/* Each frame allocation in turn fails: nothing may be lost, and a later try succeeds. */
static void a_failed_frame_allocation_loses_nothing(void **state)
{
    static const size_t sizes[] = {16, 64, 4000, 100000};

    (void)state;
    for (size_t i = 0; i < HX_ARRAY_SIZE(sizes); i++) {
        for (uint64_t n = 1; n <= 3; n++) {
            uint64_t free_frames;
            void *pointer;

            start(NULL);
            free_frames = fake_free_frames();
            frames_fail_nth(n);
            pointer = heap_allocate(sizes[i], OWNER);
            frames_fail_nth(0);
            if (pointer == NULL) {
                assert_int_equal(fake_free_frames(), free_frames);
                assert_int_equal(statistics_now().objects, 0);
                pointer = allocate(sizes[i], OWNER);
            }
            heap_free(pointer);
            assert_int_equal(statistics_now().bytes_in_use, 0);
        }
    }
    start(NULL);
    frames_fail_nth(2);
    assert_int_equal(heap_init(), HX_ENOMEM);
    assert_int_equal(frames_owned(OWNER_CORE), 4); /* the first heap's magazines */
}

static void memory_can_run_out_and_comes_back(void **state)
{
    static void *pointers[100000];
    size_t count = 0;
    uint64_t frames;

    (void)state;
    start_with(4 * MIB);
    frames = statistics_now().frames;
    while ((pointers[count] = heap_allocate(240, OWNER)) != NULL) {
        count++;
    }
    assert_true(count > 12000);
    assert_int_equal(statistics_now().objects, count);
    while (count > 0) {
        heap_free(pointers[--count]);
    }
    /* One spare slab stays, and what the magazine holds. */
    assert_true(statistics_now().frames <= frames + 3 * 4);
    assert_int_equal(statistics_now().objects, 0);
    heap_free(allocate(MIB, OWNER));
}

/* --- misuse ----------------------------------------------------------------------------------- */

static void a_double_free_is_noticed(void **state)
{
    void *small = allocate(64, OWNER);
    void *large = allocate(20000, OWNER);

    (void)state;
    heap_free(small);
    EXPECT_ASSERTION(heap_free(small));
    heap_free(large);
    EXPECT_ASSERTION(heap_free(large));
}

#ifdef HX_DEBUG
static void foreign_pointers_are_noticed(void **state)
{
    char *small = allocate(100, OWNER);
    char *large = allocate(40000, OWNER);
    uint64_t frame;
    int on_stack;

    (void)state;
    assert_int_equal(frames_allocate(2, OWNER, &frame), HX_OK);
    EXPECT_ASSERTION(heap_free(&on_stack));
    EXPECT_ASSERTION(heap_free((void *)statistics_now));
    EXPECT_ASSERTION(heap_free((void *)8));
    EXPECT_ASSERTION(heap_free((void *)UINTPTR_MAX));
    EXPECT_ASSERTION(heap_free(hal_direct_map(frame)));
    EXPECT_ASSERTION(heap_free(small + 16));
    EXPECT_ASSERTION(heap_free(small + 1));
    EXPECT_ASSERTION(heap_free((void *)((uintptr_t)small & ~16383UL)));
    EXPECT_ASSERTION(heap_free((void *)(((uintptr_t)small & ~16383UL) + 64)));
    EXPECT_ASSERTION(heap_free(large + 4096));
    EXPECT_ASSERTION(heap_free(large + 16384));
    EXPECT_ASSERTION((void)heap_usable_size(&on_stack));
    heap_free(small);
    heap_free(large);
    frames_free(frame, 2);
}

static void write_behind(size_t size)
{
    uint8_t *pointer = allocate(size, OWNER);

    assert_int_equal(heap_usable_size(pointer), size);
    pointer[size] ^= 1;
    EXPECT_ASSERTION(heap_free(pointer));
}

static void a_write_behind_the_end_is_noticed(void **state)
{
    (void)state;
    write_behind(1);
    write_behind(16);
    write_behind(20);
    write_behind(4080);
    write_behind(4090);
    write_behind(16383);
    start(NULL);
    write_behind(20000);
}

static void a_write_after_free_is_noticed(void **state)
{
    uint8_t *pointer = allocate(200, OWNER);

    (void)state;
    heap_free(pointer);
    assert_int_equal(pointer[0], 0xdd);
    pointer[199] = 1;
    EXPECT_ASSERTION(allocate(200, OWNER));
}

static void fresh_memory_is_no_zeroes(void **state)
{
    uint8_t *pointer = allocate(200, OWNER);

    (void)state;
    assert_int_equal(pointer[0], 0xa5);
    assert_int_equal(pointer[199], 0xa5);
    heap_free(pointer);
    pointer = allocate(20000, OWNER);
    assert_int_equal(pointer[19999], 0xa5);
    heap_free(pointer);
    EXPECT_ASSERTION((void)!heap_allocate(16, OWNER_NONE));
}
#endif

static void asking_for_the_owner_is_safe_for_any_pointer(void **state)
{
    char *small = allocate(100, OWNER);
    char *large = allocate(40000, OTHER);
    uint64_t seed = random_start();

    (void)state;
    print_message("# seed %llu\n", (unsigned long long)seed);
    assert_int_equal(heap_owner(small), OWNER);
    assert_int_equal(heap_owner(large), OTHER);
    assert_int_equal(heap_owner(small + 16), OWNER_NONE);
    assert_int_equal(heap_owner(large + 4096), OWNER_NONE);
    assert_int_equal(heap_owner(NULL), OWNER_NONE);
    for (int i = 0; i < 100000; i++) {
        uintptr_t base = i % 2 == 0 ? 0 : hosted_direct_base;
        char *pointer = (char *)(base + random_any_size());

        assert_true(pointer == small || pointer == large || heap_owner(pointer) == OWNER_NONE);
    }
    heap_free(small);
    assert_int_equal(heap_owner(small), OWNER_NONE);
    heap_free(large);
    assert_int_equal(heap_owner(large), OWNER_NONE);
}

/* A block whose first word is its own address, as an empty list's is, looks like a slab there. */
static void a_large_block_that_looks_like_a_slab_is_freed(void **state)
{
    (void)state;
    for (size_t size = 4097; size < 40000; size += 4000) {
        void **block = allocate(size, OWNER);

        assert_int_equal((uintptr_t)block % SLAB_SIZE, 0);
        block[0] = (void *)block;
        heap_free(block);
        assert_int_equal(statistics_now().objects, 0);
    }
}

/* --- slabs below the heap --------------------------------------------------------------------- */

/* All objects of two slabs of the class; returns how many. */
static uint32_t take_two_slabs(struct slab_class *class, void **taken)
{
    uint32_t wanted = 2 * (class->end - class->first);
    uint32_t count = 0;

    while (count < wanted) {
        uint32_t more = slab_take(class, taken + count, wanted - count);

        assert_int_not_equal(more, 0);
        count += more;
    }
    assert_int_equal(class->slab_count, 2);
    return count;
}

static void an_object_returned_to_a_full_slab_is_taken_next(void **state)
{
    static struct slab_class class;
    static void *taken[64];
    uint32_t count;
    void *object;

    (void)state;
    slab_class_init(&class, 10, NULL);
    count = take_two_slabs(&class, taken);
    slab_put(&class, &taken[3], 1);
    assert_int_equal(slab_take(&class, &object, 1), 1);
    assert_ptr_equal(object, taken[3]);
    slab_put(&class, taken, count);
    assert_int_equal(class.slab_count, 1);
    assert_int_equal(class.taken, 0);
}

static void one_empty_slab_is_kept_while_others_are_in_use(void **state)
{
    static struct slab_class class;
    static void *taken[64];
    uint32_t count;

    (void)state;
    slab_class_init(&class, 10, NULL);
    count = take_two_slabs(&class, taken);
    slab_put(&class, taken, count);
    count = take_two_slabs(&class, taken); /* the spare one and a new one */
    slab_put(&class, taken + count / 2, count / 2);
    assert_int_equal(class.slab_count, 2);
    slab_put(&class, taken, count / 2);
    assert_int_equal(class.slab_count, 1);
}

static void a_walk_survives_the_slab_under_it_becoming_empty(void **state)
{
    static struct slab_class class;
    static void *taken[64];
    uint32_t count;
    struct slab *slab;

    (void)state;
    slab_class_init(&class, 10, NULL);
    count = take_two_slabs(&class, taken);
    slab = slab_next(&class, NULL);
    slab_put(&class, taken, count);
    assert_int_equal(class.slab_count, 2);
    assert_ptr_equal(slab->self, slab);
    slab = slab_next(&class, slab);
    assert_ptr_equal(slab->self, slab);
    assert_null(slab_next(&class, slab));
    assert_int_equal(class.slab_count, 1);
}

/* --- owners ----------------------------------------------------------------------------------- */

/* SPEC: Q5 */
static void an_owner_gets_back_to_zero(void **state)
{
    struct heap_owned owned;
    void *kept[3];

    (void)state;
    kept[0] = allocate(100, OTHER);
    for (size_t i = 0; i < 3000; i++) {
        fake_cpu = (uint32_t)i % 4;
        assert_non_null(heap_allocate(i % 500 == 0 ? 20000 : 1 + i % 1800, OWNER));
    }
    kept[1] = allocate(20000, OTHER);
    kept[2] = allocate(3000, OTHER);
    owned = heap_owned(OWNER);
    assert_int_equal(owned.objects, 3000);
    owned = heap_free_owner(OWNER);
    assert_int_equal(owned.objects, 3000);
    assert_int_equal(heap_owned(OWNER).objects, 0);
    assert_int_equal(heap_owned(OWNER).bytes, 0);
    assert_int_equal(heap_free_owner(OWNER).objects, 0);
    assert_int_equal(statistics_now().objects, 3);
    assert_int_equal(heap_owned(OTHER).objects, 3);
    assert_int_equal(heap_owned(OTHER).bytes, statistics_now().bytes_in_use);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(heap_owner(kept[i]), OTHER);
        heap_free(kept[i]);
    }
}

/* --- properties ------------------------------------------------------------------------------- */

#define MODEL_OBJECTS 4000

struct model_object {
    uint8_t *pointer;
    size_t size;
    owner_tag owner;
    uint8_t fill;
};

static struct model_object objects[MODEL_OBJECTS];
static size_t object_count;

static void model_allocate(void)
{
    struct model_object *object = &objects[object_count];
    size_t limit = random_below(20) == 0 ? 60000 : random_below(4) == 0 ? 4096 : 200;

    object->size = 1 + random_below(limit);
    object->owner = owner_make((uint32_t)random_below(5) + 2, 7);
    object->fill = (uint8_t)random_u64();
    object->pointer = allocate(object->size, object->owner);
    memset(object->pointer, object->fill, object->size);
    object_count++;
}

static void model_check(const struct model_object *object)
{
    assert_int_equal(heap_owner(object->pointer), object->owner);
    assert_true(heap_usable_size(object->pointer) >= object->size);
    for (size_t i = 0; i < object->size; i++) {
        assert_int_equal(object->pointer[i], object->fill);
    }
}

static void model_free(size_t index)
{
    model_check(&objects[index]);
    heap_free(objects[index].pointer);
    objects[index] = objects[--object_count];
}

static void model_free_owner(owner_tag owner)
{
    uint64_t wanted = 0;

    for (size_t i = 0; i < object_count;) {
        if (objects[i].owner == owner) {
            objects[i] = objects[--object_count];
            wanted++;
        } else {
            i++;
        }
    }
    assert_int_equal(heap_free_owner(owner).objects, wanted);
}

static void model_check_owners(void)
{
    uint64_t bytes = 0;

    for (uint32_t index = 2; index < 7; index++) {
        uint64_t wanted = 0;
        struct heap_owned owned = heap_owned(owner_make(index, 7));

        for (size_t i = 0; i < object_count; i++) {
            wanted += objects[i].owner == owner_make(index, 7);
        }
        assert_int_equal(owned.objects, wanted);
        bytes += owned.bytes;
    }
    assert_int_equal(statistics_now().objects, object_count);
    assert_int_equal(statistics_now().bytes_in_use, bytes);
}

static void random_use_keeps_contents_owners_and_sums(void **state)
{
    uint64_t seed = random_start();

    (void)state;
    print_message("# seed %llu\n", (unsigned long long)seed);
    object_count = 0;
    for (uint64_t step = 0; step < 40000; step++) {
        fake_cpu = (uint32_t)random_below(4);
        if (object_count < MODEL_OBJECTS && random_below(2 + step / 4000 % 2) != 0) {
            model_allocate();
        } else if (object_count > 0) {
            model_free(random_below(object_count));
        }
        if (step % 4001 == 4000) {
            model_free_owner(owner_make((uint32_t)random_below(5) + 2, 7));
        }
        if (step % 1000 == 0) {
            model_check_owners();
        }
    }
    while (object_count > 0) {
        model_free(object_count - 1);
    }
    assert_int_equal(statistics_now().objects, 0);
    assert_int_equal(statistics_now().bytes_in_use, 0);
    assert_int_equal(frames_owned(OWNER_CORE), statistics_now().frames);
}

static uint64_t cost_with(void **live, size_t count)
{
    uint64_t best = UINT64_MAX;
    void *pointers[256];

    for (size_t i = 0; i < count; i++) {
        live[i] = allocate(64, OWNER);
    }
    for (int round = 0; round < 50; round++) {
        uint64_t begin = hal_clock_cycles();

        for (size_t i = 0; i < 256; i++) {
            pointers[i] = allocate(64, OWNER);
        }
        for (size_t i = 0; i < 256; i++) {
            heap_free(pointers[i]);
        }
        begin = hal_clock_cycles() - begin;
        best = begin < best ? begin : best;
    }
    for (size_t i = 0; i < count; i++) {
        heap_free(live[i]);
    }
    return best;
}

static void cost_does_not_grow_with_live_objects(void **state)
{
    void **live = malloc(100000 * sizeof(*live));
    uint64_t few;
    uint64_t many;

    (void)state;
    if (UNDER_THREAD_SANITIZER) {
        free(live);
        skip();
    }
    assert_non_null(live);
    few = cost_with(live, 100);
    many = cost_with(live, 100000);
    print_message("# 256 pairs: %llu cycles with 100 live, %llu with 100000\n",
                  (unsigned long long)few, (unsigned long long)many);
    assert_true(many < 8 * few);
    free(live);
}

static _Atomic(void *) exchange[64]; /* objects change hands here, so frees come from other CPUs */

static void *hammer(void *argument)
{
    uint64_t mixed = (uintptr_t)argument;

    fake_cpu = (uint32_t)(uintptr_t)argument;
    for (int round = 0; round < 30000; round++) {
        size_t size;
        uint8_t *pointer;

        mixed = mixed * 6364136223846793005ULL + 1442695040888963407ULL;
        size = 2 + (mixed >> 33) % (round % 100 == 0 ? 20000 : 600);
        pointer = allocate(size, OWNER);
        pointer[0] = (uint8_t)mixed;
        pointer[size - 1] = 0;
        /* Release and acquire pair with each other: the contents pass with the pointer. */
        pointer =
            atomic_exchange_explicit(&exchange[mixed >> 58], (void *)pointer, memory_order_acq_rel);
        heap_free(pointer);
    }
    return NULL;
}

static void cpus_at_once_pass_objects_and_lose_none(void **state)
{
    pthread_t threads[3];

    (void)state;
    for (uintptr_t i = 0; i < 3; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, hammer, (void *)(i + 1)), 0);
    }
    for (int i = 0; i < 20; i++) {
        (void)heap_owned(OWNER);
        (void)statistics_now();
    }
    for (size_t i = 0; i < 3; i++) {
        pthread_join(threads[i], NULL);
    }
    for (size_t i = 0; i < 64; i++) {
        heap_free(atomic_exchange_explicit(&exchange[i], NULL, memory_order_acquire));
    }
    assert_int_equal(heap_owned(OWNER).objects, 0);
    assert_int_equal(statistics_now().objects, 0);
    assert_int_equal(statistics_now().allocations, 90000);
    assert_int_equal(frames_owned(OWNER_CORE), statistics_now().frames);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(sizes_are_aligned_and_usable_to_their_last_byte, start),
        cmocka_unit_test_setup(sizes_that_cannot_be_are_refused, start),
        cmocka_unit_test_setup(zeroed_memory_is_zero_after_dirty_use, start),
        cmocka_unit_test_setup(statistics_count_live_objects_of_all_cpus, start),
        cmocka_unit_test_setup(interrupt_context_is_refused, start),
        cmocka_unit_test_setup(preemption_is_off_only_inside, start),
        cmocka_unit_test_setup(the_nth_allocation_fails_once, start),
        cmocka_unit_test_setup(a_failed_frame_allocation_loses_nothing, start),
        cmocka_unit_test_setup(memory_can_run_out_and_comes_back, start),
        cmocka_unit_test_setup(a_double_free_is_noticed, start),
#ifdef HX_DEBUG
        cmocka_unit_test_setup(foreign_pointers_are_noticed, start),
        cmocka_unit_test_setup(a_write_behind_the_end_is_noticed, start),
        cmocka_unit_test_setup(a_write_after_free_is_noticed, start),
        cmocka_unit_test_setup(fresh_memory_is_no_zeroes, start),
#endif
        cmocka_unit_test_setup(asking_for_the_owner_is_safe_for_any_pointer, start),
        cmocka_unit_test_setup(a_large_block_that_looks_like_a_slab_is_freed, start),
        cmocka_unit_test_setup(an_object_returned_to_a_full_slab_is_taken_next, start),
        cmocka_unit_test_setup(one_empty_slab_is_kept_while_others_are_in_use, start),
        cmocka_unit_test_setup(a_walk_survives_the_slab_under_it_becoming_empty, start),
        cmocka_unit_test_setup(an_owner_gets_back_to_zero, start),
        cmocka_unit_test_setup(random_use_keeps_contents_owners_and_sums, start),
        cmocka_unit_test_setup(cost_does_not_grow_with_live_objects, start),
        cmocka_unit_test_setup(cpus_at_once_pass_objects_and_lose_none, start),
    };

    return cmocka_run_group_tests_name("kern/heap", tests, NULL, NULL);
}
