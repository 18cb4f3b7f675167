/* The flight recorder's rings: whole records whatever comes between, and their order. */
#include <core/debug/recorder_merge.h>
#include <kern/heap.h>
#include <kern/thread.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* --- what it stands on: CPUs that are threads of the host --------------------------------------
 */

#define CPUS 4U

static _Thread_local uint32_t own_cpu;
static _Thread_local struct thread own_thread;

uint32_t hosted_cpu_id(void)
{
    return own_cpu;
}

struct thread *hosted_thread_current(void)
{
    return &own_thread;
}

hal_interrupt_state hosted_interrupts_save(void)
{
    return 1;
}

void hosted_interrupts_restore(hal_interrupt_state state)
{
    (void)state;
}

uint32_t hal_cpu_count(void)
{
    return CPUS;
}

void *heap_allocate_zeroed(size_t size, owner_tag owner)
{
    (void)owner;
    return calloc(1, size);
}

/*
 * The recorder's own source. Where it reads the counter, a record is half filled: there something
 * can come between.
 */
static _Thread_local void (*while_filling)(void);
static _Atomic uint64_t clock_cycles;

static uint64_t cycles_with_hook(void)
{
    void (*hook)(void) = while_filling;

    while_filling = NULL;
    if (hook != NULL) {
        hook();
    }
    return atomic_fetch_add(&clock_cycles, 1) + 1;
}

/* The same before the reader's load of such a number. */
static _Thread_local unsigned loads_left;
static void (*while_reading)(void);

static void count_load(void)
{
    if (loads_left != 0 && --loads_left == 0) {
        while_reading();
    }
}

static uint32_t load_32(const void *object)
{
    return atomic_load((const _Atomic uint32_t *)object);
}

static uint64_t load_64(const void *object)
{
    return atomic_load((const _Atomic uint64_t *)object);
}

#undef atomic_load_explicit
#define atomic_load_explicit(object, order)                                                        \
    (count_load(),                                                                                 \
     (typeof(*(object) + 0))(sizeof(*(object)) == sizeof(uint32_t) ? load_32(object)               \
                                                                   : load_64(object)))
#define hal_clock_cycles cycles_with_hook
/* NOLINTNEXTLINE(bugprone-suspicious-include): its own copy, which calls the hook */
#include <kern/recorder.c>
/* NOLINTNEXTLINE(bugprone-suspicious-include): for shift_of */
#include <kern/recorder_start.c>
#undef hal_clock_cycles

#define RECORDS 64U

static struct recorder_entry entry;

static int start(void **state)
{
    (void)state;
    recorder_init();
    own_cpu = 0;
    own_thread.id = 7;
    recorder_set_kinds(RECORDER_ALL);
    return recorder_start(RECORDS) == HX_OK ? 0 : -1;
}

static int end(void **state)
{
    (void)state;
    for (uint32_t cpu = 0; cpu < CPUS; cpu++) {
        for (unsigned ring = 0; ring < RECORDER_RING_COUNT; ring++) {
            free(recorders[cpu][ring].records);
        }
    }
    return 0;
}

/* How many of a ring can be read, and the number of the first in `entry`. */
static unsigned count_records(uint32_t cpu, enum recorder_ring ring)
{
    struct recorder_entry each;
    uint64_t next = 0;
    unsigned count = 0;

    for (; recorder_read(cpu, ring, &next, &each); count++) {
        if (count == 0) {
            entry = each;
        }
    }
    return count;
}

/* --- one writer ------------------------------------------------------------------------------- */

/* SPEC: D4 */
static void what_is_written_is_read_back_whole(void **state)
{
    uint64_t next = 0;

    (void)state;
    recorder_note(RECORDER_CALL, 0x1122334455667788, 0x99aabbcc, 0xddeeff00);
    assert_true(recorder_read(0, RECORDER_BUSY, &next, &entry));
    assert_int_equal(entry.kind, RECORDER_CALL);
    assert_int_equal(entry.thread, 7);
    assert_int_equal(entry.cpu, 0);
    assert_int_equal(entry.a, 0x1122334455667788);
    assert_int_equal(entry.b, 0x99aabbcc);
    assert_int_equal(entry.c, 0xddeeff00);
    assert_int_equal(next, 1);
    assert_false(recorder_read(0, RECORDER_BUSY, &next, &entry));
}

/* SPEC: D4 */
static void what_is_off_is_not_recorded(void **state)
{
    (void)state;
    recorder_set_kinds(RECORDER_ALL & ~RECORDER_BIT(RECORDER_SWITCH));
    recorder_note(RECORDER_SWITCH, 1, 2, 3);
    assert_int_equal(count_records(0, RECORDER_BUSY), 0);
    recorder_note(RECORDER_WAKE, 1, 2, 3);
    assert_int_equal(count_records(0, RECORDER_BUSY), 1);
}

/* SPEC: D4 */
static void nothing_is_recorded_before_there_are_rings(void **state)
{
    (void)state;
    end(NULL);
    recorder_init();
    recorder_set_kinds(RECORDER_ALL);
    recorder_note(RECORDER_CALL, 1, 2, 3);
    assert_int_equal(recorder_written(0, RECORDER_BUSY), 0);
    assert_int_equal(count_records(0, RECORDER_BUSY), 0);
}

/* SPEC: D4 */
static void the_newest_overwrite_the_oldest(void **state)
{
    (void)state;
    for (uint32_t lap = 1; lap <= 5; lap++) {
        for (uint32_t i = 0; i < RECORDS + 3; i++) {
            recorder_write(RECORDER_CALL, i, i, lap);
        }
        assert_int_equal(count_records(0, RECORDER_BUSY), RECORDS);
        assert_int_equal(entry.number, lap * (RECORDS + 3) - RECORDS);
        assert_int_equal(entry.a, 3);
        assert_int_equal(entry.c, lap);
    }
}

/* SPEC: D4 */
static void what_is_rare_outlives_a_flood(void **state)
{
    (void)state;
    recorder_write_name(RECORDER_MARK, "before the flood");
    for (uint32_t i = 0; i < 100 * RECORDS; i++) {
        recorder_write(RECORDER_SWITCH, 0, i, 0);
    }
    assert_int_equal(count_records(0, RECORDER_RARE), 1);
    assert_int_equal(entry.kind, RECORDER_MARK);
}

/* SPEC: D4 */
static void names_are_cut_at_16_bytes(void **state)
{
    char name[RECORDER_NAME_MAX + 1];

    (void)state;
    recorder_note_name(RECORDER_NAME, "a-name-that-does-not-fit");
    assert_int_equal(count_records(0, RECORDER_RARE), 1);
    recorder_entry_name(&entry, name);
    assert_string_equal(name, "a-name-that-does");
    recorder_clear();
    recorder_note_name(RECORDER_NAME, "sh");
    assert_int_equal(count_records(0, RECORDER_RARE), 1);
    recorder_entry_name(&entry, name);
    assert_string_equal(name, "sh");
}

/* SPEC: D4 */
static void what_is_cleared_is_not_read(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < RECORDS + 10; i++) {
        recorder_write(RECORDER_CALL, i, 0, 0);
    }
    recorder_clear();
    assert_int_equal(count_records(0, RECORDER_BUSY), 0);
    recorder_write(RECORDER_CALL, 99, 0, 0);
    assert_int_equal(count_records(0, RECORDER_BUSY), 1);
    assert_int_equal(entry.a, 99);
}

static void a_ring_has_a_power_of_two_of_records_up_to_a_limit(void **state)
{
    (void)state;
    assert_int_equal(1U << shift_of(1), 1);
    assert_int_equal(1U << shift_of(1000), 1024);
    assert_int_equal(1U << shift_of(1024), 1024);
    assert_int_equal(1U << shift_of(UINT32_MAX), RECORDER_BUSY_MOST);
}

/* --- something comes between ------------------------------------------------------------------ */

static void write_as_an_nmi(void)
{
    recorder_write(RECORDER_RESUME, 11, 22, 33);
}

/* SPEC: D4 */
static void an_nmi_while_a_record_is_filled_takes_the_next_place(void **state)
{
    uint64_t next = 0;

    (void)state;
    while_filling = write_as_an_nmi;
    recorder_write(RECORDER_CALL, 1, 2, 3);
    assert_true(recorder_read(0, RECORDER_BUSY, &next, &entry));
    assert_int_equal(entry.kind, RECORDER_CALL);
    assert_true(entry.a == 1 && entry.b == 2 && entry.c == 3);
    assert_true(recorder_read(0, RECORDER_BUSY, &next, &entry));
    assert_int_equal(entry.kind, RECORDER_RESUME);
    assert_true(entry.a == 11 && entry.b == 22 && entry.c == 33);
    assert_false(recorder_read(0, RECORDER_BUSY, &next, &entry));
}

static void read_as_an_nmi(void)
{
    assert_int_equal(count_records(0, RECORDER_BUSY), RECORDS - 1);
    assert_int_equal(entry.a, 1); /* 0 is being overwritten */
}

/* SPEC: D4 */
static void a_record_that_is_half_filled_is_passed_over(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < RECORDS; i++) {
        recorder_write(RECORDER_CALL, i, i, i);
    }
    while_filling = read_as_an_nmi;
    recorder_write(RECORDER_CALL, RECORDS, 0, 0);
    assert_null(while_filling);
}

static void overtake_the_reader(void)
{
    for (uint32_t i = 1; i <= RECORDS; i++) {
        recorder_write(RECORDER_CALL, i, i, i);
    }
}

/* SPEC: D4 */
static void a_record_overwritten_while_it_is_copied_is_not_returned(void **state)
{
    (void)state;
    /* The ring's two numbers are loads 1 and 2; a record's header, counter and details 3 to 6. */
    for (unsigned load = 3; load <= 7; load++) {
        uint64_t next;

        recorder_clear();
        next = recorder_written(0, RECORDER_BUSY);
        recorder_write(RECORDER_CALL, 0, 0, 0);
        while_reading = overtake_the_reader;
        loads_left = load;
        assert_true(recorder_read(0, RECORDER_BUSY, &next, &entry));
        assert_int_equal(loads_left, 0);
        assert_true(entry.a == entry.b && entry.a == entry.c);
        assert_int_equal(entry.a, 1);
    }
}

/* --- many at once ----------------------------------------------------------------------------- */

static _Atomic unsigned writers_left;
static uint32_t records_each;

static void write_between(void)
{
    recorder_write(RECORDER_RESUME, 3, ~(uint32_t)3, own_cpu);
}

/* Each record can be told to be whole: b is the complement of a, and c the CPU. */
static void *write_many(void *argument)
{
    own_cpu = (uint32_t)(uintptr_t)argument;
    own_thread.id = own_cpu;
    for (uint32_t i = 0; i < records_each; i++) {
        while_filling = i % 5 == 0 ? write_between : NULL;
        recorder_write(RECORDER_CALL, i, ~i, own_cpu);
    }
    atomic_fetch_sub(&writers_left, 1);
    return NULL;
}

static void check_whole(const struct recorder_entry *got, uint64_t at_least)
{
    assert_true(got->number >= at_least);
    assert_int_equal((uint32_t)~got->a, got->b);
    assert_int_equal(got->c, got->cpu);
    assert_int_equal(got->thread, got->cpu);
    assert_true(got->kind == RECORDER_CALL || (got->kind == RECORDER_RESUME && got->a == 3));
}

static void *read_all_the_time(void *argument)
{
    uint64_t next[CPUS] = {0};
    uint64_t *seen = argument;
    struct recorder_entry got;

    while (atomic_load(&writers_left) != 0) {
        for (uint32_t cpu = 0; cpu < CPUS; cpu++) {
            uint64_t before = next[cpu];

            if (recorder_read(cpu, RECORDER_BUSY, &next[cpu], &got)) {
                check_whole(&got, before);
                ++*seen;
            }
        }
    }
    return NULL;
}

/* SPEC: D4 */
static void readers_that_race_writers_see_whole_records(void **state)
{
    pthread_t writers[CPUS];
    pthread_t readers[2];
    uint64_t seen[2] = {0};

    (void)state;
    records_each = getenv("HELIX_SOAK") != NULL ? 20000000 : 200000;
    atomic_store(&writers_left, CPUS);
    for (uintptr_t i = 0; i < 2; i++) {
        assert_int_equal(pthread_create(&readers[i], NULL, read_all_the_time, &seen[i]), 0);
    }
    for (uintptr_t i = 0; i < CPUS; i++) {
        assert_int_equal(pthread_create(&writers[i], NULL, write_many, (void *)i), 0);
    }
    for (unsigned i = 0; i < CPUS; i++) {
        pthread_join(writers[i], NULL);
    }
    for (unsigned i = 0; i < 2; i++) {
        pthread_join(readers[i], NULL);
    }
    for (uint32_t cpu = 0; cpu < CPUS; cpu++) {
        assert_int_equal(recorder_written(cpu, RECORDER_BUSY),
                         records_each + (records_each + 4) / 5);
        assert_int_equal(count_records(cpu, RECORDER_BUSY), RECORDS);
    }
    printf("# seen: %llu and %llu\n", (unsigned long long)seen[0], (unsigned long long)seen[1]);
}

/* --- the order of time ------------------------------------------------------------------------ */

/* SPEC: D4 */
static void all_rings_are_merged_by_time(void **state)
{
    static struct recorder_merge merge;
    uint32_t count = 0;

    (void)state;
    for (uint32_t i = 0; i < RECORDS; i++) {
        own_cpu = i * 7 % CPUS;
        recorder_write(i % 3 == 0 ? RECORDER_FORK : RECORDER_CALL, i, 0, 0);
    }
    own_cpu = 0;
    recorder_merge_begin(&merge, UINT64_MAX);
    recorder_write(RECORDER_CALL, 999, 0, 0); /* comes after the begin */
    for (; recorder_merge_next(&merge, &entry); count++) {
        assert_int_equal(entry.a, count);
        assert_int_equal(entry.cpu, count * 7 % CPUS);
    }
    assert_int_equal(count, RECORDS);
}

/* SPEC: D4 */
static void the_last_of_each_ring_are_merged_when_that_is_asked(void **state)
{
    static struct recorder_merge merge;
    unsigned count = 0;

    (void)state;
    for (uint32_t i = 0; i < 40; i++) {
        own_cpu = i % 2;
        recorder_write(RECORDER_CALL, i, 0, 0);
    }
    recorder_merge_begin(&merge, 3);
    for (; recorder_merge_next(&merge, &entry); count++) {
        assert_int_equal(entry.a, 34 + count);
    }
    assert_int_equal(count, 6);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_is_written_is_read_back_whole, start, end),
        cmocka_unit_test_setup_teardown(what_is_off_is_not_recorded, start, end),
        cmocka_unit_test_setup_teardown(nothing_is_recorded_before_there_are_rings, start, end),
        cmocka_unit_test_setup_teardown(the_newest_overwrite_the_oldest, start, end),
        cmocka_unit_test_setup_teardown(what_is_rare_outlives_a_flood, start, end),
        cmocka_unit_test_setup_teardown(names_are_cut_at_16_bytes, start, end),
        cmocka_unit_test_setup_teardown(what_is_cleared_is_not_read, start, end),
        cmocka_unit_test_setup_teardown(a_ring_has_a_power_of_two_of_records_up_to_a_limit, start,
                                        end),
        cmocka_unit_test_setup_teardown(an_nmi_while_a_record_is_filled_takes_the_next_place, start,
                                        end),
        cmocka_unit_test_setup_teardown(a_record_that_is_half_filled_is_passed_over, start, end),
        cmocka_unit_test_setup_teardown(a_record_overwritten_while_it_is_copied_is_not_returned,
                                        start, end),
        cmocka_unit_test_setup_teardown(readers_that_race_writers_see_whole_records, start, end),
        cmocka_unit_test_setup_teardown(all_rings_are_merged_by_time, start, end),
        cmocka_unit_test_setup_teardown(the_last_of_each_ring_are_merged_when_that_is_asked, start,
                                        end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
