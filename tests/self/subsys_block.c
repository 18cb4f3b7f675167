/*
 * The disk, when the machine has one (tools/run --disk): what is written is read again, by many at
 * once, while its driver dies and is loaded again. Everything on the disk is overwritten.
 */
#include <base/memory.h>
#include <core/device/device.h>
#include <core/gate/gate.h>
#include <core/orchestrator/failpoint.h>
#include <hal/clock.h>
#include <hal/cpu.h>
#include <hal/interrupt.h>
#include <kern/heap.h>
#include <subsys/block/block.h>
#include <subsys/block/block_subsystem.h>
#include <subsys/modules/modules.h>
#include <tests/self/crew.h>
#include <tests/self/log_lines.h>
#include <tests/self/selftest.h>
#include <tests/self/suites.h>

#define TEST(function) "subsys_block." #function, function

#define USERS         8U
#define SECTORS_EACH  64U
#define BLOCK_BYTES   4096U
#define BLOCK_SECTORS (BLOCK_BYTES / HX_BLOCK_SECTOR)
#define ROUNDS        50U /* of each user, at least */
#define DEATHS        20U
#define SLEEPS        10U

static struct block_device *disk_or_skip(void)
{
    struct block_device *disk = block_disk();

    if (disk == NULL || block_sectors(disk) < USERS * SECTORS_EACH) {
        selftest_skip("the machine has no disk, or a small one");
        return NULL;
    }
    return disk;
}

/* --- users ------------------------------------------------------------------------------------ */

struct user {
    struct block_device *disk;
    uint64_t first; /* sector */
    uint64_t seed;
    char *bytes;
};

static struct user users[USERS];
static _Atomic uint32_t wrong_answers;
static _Atomic uint32_t wrong_contents;
static _Atomic uint32_t rounds_done;
static _Atomic bool are_wanted; /* users, until all deaths have been died */
static struct crew crew;

static hx_err move(const struct user *user, enum hx_block_kind kind, uint64_t sector)
{
    const struct dma_segment segments[] = {
        {hal_direct_physical(user->bytes), HX_BLOCK_SECTOR},
        {hal_direct_physical(user->bytes) + HX_BLOCK_SECTOR, BLOCK_BYTES - HX_BLOCK_SECTOR},
    };

    return block_transfer(user->disk, kind, sector, segments, HX_ARRAY_SIZE(segments));
}

static void count_if(bool is_wrong, _Atomic uint32_t *counter)
{
    atomic_fetch_add_explicit(counter, is_wrong ? 1 : 0, memory_order_relaxed);
}

static bool is_all(const char *bytes, char wanted)
{
    for (size_t i = 0; i < BLOCK_BYTES; i++) {
        if (bytes[i] != wanted) {
            return false;
        }
    }
    return true;
}

/* Each user has sectors of its own, and goes on as long as it is wanted. */
static void write_and_read(void *argument)
{
    struct user *user = argument;

    for (unsigned round = 0; round < ROUNDS || atomic_load(&are_wanted); round++) {
        uint64_t place = crew_random(&user->seed) % (SECTORS_EACH / BLOCK_SECTORS);
        uint64_t sector = user->first + place * BLOCK_SECTORS;
        char content = (char)crew_random(&user->seed);

        memset(user->bytes, content, BLOCK_BYTES);
        count_if(move(user, HX_BLOCK_WRITE, sector) != HX_OK, &wrong_answers);
        memset(user->bytes, ~content, BLOCK_BYTES);
        count_if(move(user, HX_BLOCK_READ, sector) != HX_OK, &wrong_answers);
        count_if(!is_all(user->bytes, content), &wrong_contents);
        atomic_fetch_add_explicit(&rounds_done, 1, memory_order_relaxed);
    }
}

static void start_users(struct block_device *disk)
{
    atomic_store(&wrong_answers, 0);
    atomic_store(&wrong_contents, 0);
    atomic_store(&rounds_done, 0);
    crew_open(&crew);
    for (unsigned i = 0; i < USERS; i++) {
        users[i] = (struct user){.disk = disk,
                                 .first = (uint64_t)i * SECTORS_EACH,
                                 .seed = selftest_seed() + i + 1,
                                 .bytes = heap_allocate(BLOCK_BYTES, OWNER_CORE)};
        (void)crew_start(&crew, write_and_read, &users[i], 0);
    }
}

static void join_users(void)
{
    (void)crew_join(&crew);
    for (unsigned i = 0; i < USERS; i++) {
        heap_free(users[i].bytes);
    }
    EXPECT(atomic_load(&rounds_done) >= USERS * ROUNDS);
    EXPECT_EQUAL(atomic_load(&wrong_answers), 0);
    EXPECT_EQUAL(atomic_load(&wrong_contents), 0);
}

static void many_users_read_what_they_wrote(void)
{
    struct block_device *disk = disk_or_skip();

    if (disk != NULL) {
        start_users(disk);
        join_users();
    }
}

/* --- death of the driver ---------------------------------------------------------------------- */

/* Doom the driver wherever it is, wait until a call has noticed it, and load it again. */
static void kill_and_reload(struct slot *slot)
{
    uint64_t deaths = atomic_load(&slot->deaths);
    uint64_t deadline = hal_clock_now() + CREW_PATIENCE_NS;

    (void)instance_doom(slot_instance(slot), DEATH_ASSERTION, 0, 0, 0);
    while (atomic_load(&slot->deaths) == deaths && hal_clock_now() < deadline) {
        (void)gate_call(slot, BLOCK_FLAGS, 0, 0, 0, 0);
    }
    EXPECT_EQUAL(modules_reload(SUBJECT_KERNEL, slot, slot->backend), HX_OK);
}

static void requests_outlive_their_driver(void)
{
    struct block_device *disk = disk_or_skip();
    struct slot *slot = slot_find("block");
    struct block_statistics before;
    struct block_statistics after;

    if (disk == NULL) {
        return;
    }
    block_statistics(disk, &before);
    atomic_store(&are_wanted, true);
    start_users(disk);
    for (unsigned i = 0; i < DEATHS; i++) {
        uint32_t rounds = atomic_load(&rounds_done);

        EXPECT(crew_sleep_until(&rounds_done, rounds + 2));
        kill_and_reload(slot);
    }
    atomic_store(&are_wanted, false);
    join_users();
    block_statistics(disk, &after);
    EXPECT(after.starts - before.starts >= 1);
    EXPECT(after.repeated > before.repeated);
    EXPECT_EQUAL(after.errors, before.errors);
}

/* --- storms ----------------------------------------------------------------------------------- */

static struct device_content device_of(const struct slot *slot)
{
    struct device_content content = {0};

    for (size_t i = 0; device_at(i, &content) && content.owner != slot; i++) {
    }
    return content;
}

/* As the device does, but that it has nothing to say. False: it was not heard. */
static bool interrupt(const struct slot *slot)
{
    uint64_t before = device_of(slot).interrupts;
    uint64_t deadline = hal_clock_now() + HAL_NS_PER_S;

    hal_interrupt_send(0, device_of(slot).vector);
    while (device_of(slot).interrupts == before && hal_clock_now() < deadline) {
        hal_cpu_relax();
    }
    return device_of(slot).interrupts != before;
}

/* It dies in the interrupt, which may be on another CPU. */
static void wait_for_death(struct slot *slot, uint64_t deaths)
{
    uint64_t deadline = hal_clock_now() + CREW_PATIENCE_NS;

    while (atomic_load(&slot->deaths) == deaths && hal_clock_now() < deadline) {
        hal_cpu_relax();
    }
    EXPECT(atomic_load(&slot->deaths) > deaths); /* each CPU that was inside counts one */
}

/* SPEC: I6 */
static void a_device_that_storms_is_silenced_and_costs_its_driver(void)
{
    struct block_device *disk = disk_or_skip();
    struct slot *slot = slot_find("block");
    uint64_t deaths = slot != NULL ? atomic_load(&slot->deaths) : 0;
    uint64_t storms = slot != NULL ? device_of(slot).storms : 0;
    uint64_t from = log_lines_next();
    uint32_t interrupts = 0;

    if (disk == NULL) {
        return;
    }
    while (device_of(slot).storms == storms && interrupts < 2 * DEVICE_STORM_LIMIT) {
        EXPECT(interrupt(slot));
        interrupts++;
    }
    /* A few of the device's own may have come before, for answers that were taken already; and
     * another CPU may be told of the storm a little later. */
    EXPECT(interrupts > DEVICE_STORM_LIMIT / 2 && interrupts < DEVICE_STORM_LIMIT + 100);
    wait_for_death(slot, deaths);
    EXPECT_EQUAL(device_of(slot).storms, storms + 1);
    EXPECT_EQUAL(log_lines_count(from, "*interrupts, and has nothing to say*"), 1);
    EXPECT_EQUAL(log_lines_count(from, "*has a device that interrupts without end*"), 1);
    /* Its next driver resets it, and hears it. */
    EXPECT_EQUAL(modules_reload(SUBJECT_KERNEL, slot, slot->backend), HX_OK);
    start_users(disk);
    join_users();
    EXPECT_EQUAL(device_of(slot).storms, storms + 1);
}

/* SPEC: I6 */
static void a_device_that_has_something_to_say_is_no_storm(void)
{
    struct block_device *disk = disk_or_skip();
    struct slot *slot = slot_find("block");
    uint64_t storms = slot != NULL ? device_of(slot).storms : 0;

    if (disk == NULL) {
        return;
    }
    for (unsigned i = 0; i < 2 * DEVICE_STORM_LIMIT; i++) {
        EXPECT(interrupt(slot));
        if (i % (DEVICE_STORM_LIMIT / 2) == 0) {
            start_users(disk);
            join_users();
        }
    }
    EXPECT_EQUAL(device_of(slot).storms, storms);
}

/* --- sleep ------------------------------------------------------------------------------------ */

static bool has_device(const struct slot *slot)
{
    struct device_content content = {0};

    for (size_t i = 0; device_at(i, &content); i++) {
        if (content.owner == slot) {
            return true;
        }
    }
    return false;
}

/* Some may be on their way from an answer to the next request still. */
static void expect_all_to_wait(const struct slot *slot)
{
    uint64_t deadline = hal_clock_now() + CREW_PATIENCE_NS;
    uint32_t rounds;

    do {
        rounds = atomic_load(&rounds_done);
        thread_sleep(20 * HAL_NS_PER_MS);
    } while (atomic_load(&rounds_done) != rounds && hal_clock_now() < deadline);
    EXPECT_EQUAL(atomic_load(&rounds_done), rounds);
    EXPECT(!has_device(slot));
}

static void start_users_for_long(struct block_device *disk)
{
    atomic_store(&are_wanted, true);
    start_users(disk);
    EXPECT(crew_sleep_until(&rounds_done, 2));
}

static void stop_users(void)
{
    uint32_t rounds = atomic_load(&rounds_done);

    EXPECT(crew_sleep_until(&rounds_done, rounds + USERS));
    atomic_store(&are_wanted, false);
    join_users();
}

/* SPEC: O7 */
static void requests_wait_while_the_disk_sleeps(void)
{
    struct block_device *disk = disk_or_skip();
    struct slot *slot = slot_find("block");
    struct block_statistics before;
    struct block_statistics after;

    if (disk == NULL) {
        return;
    }
    block_statistics(disk, &before);
    start_users_for_long(disk);
    for (unsigned i = 0; i < SLEEPS; i++) {
        uint32_t rounds = atomic_load(&rounds_done);

        EXPECT(crew_sleep_until(&rounds_done, rounds + 2));
        EXPECT_EQUAL(block_suspend(disk), HX_OK);
        EXPECT_EQUAL(block_suspend(disk), HX_OK);
        expect_all_to_wait(slot);
        block_resume(disk);
    }
    stop_users();
    block_statistics(disk, &after);
    EXPECT_EQUAL(after.starts - before.starts, SLEEPS);
    EXPECT_EQUAL(after.repeated, before.repeated);
    EXPECT_EQUAL(after.errors, before.errors);
    EXPECT_EQUAL(after.flushes - before.flushes,
                 (block_flags(disk) & HX_BLOCK_CACHES) != 0 ? SLEEPS : 0);
}

static bool starts_again(struct block_device *disk, uint64_t starts)
{
    uint64_t deadline = hal_clock_now() + CREW_PATIENCE_NS;
    struct block_statistics now;

    do {
        thread_sleep(HAL_NS_PER_MS);
        block_statistics(disk, &now);
    } while (now.starts == starts && hal_clock_now() < deadline);
    return now.starts == starts + 1;
}

/* SPEC: O7 */
static void a_driver_that_only_sleeps_is_not_started_in_vain(void)
{
    struct block_device *disk = disk_or_skip();
    struct slot *slot = slot_find("block");
    uint64_t deaths = slot != NULL ? atomic_load(&slot->deaths) : 0;
    struct block_statistics before;

    if (disk == NULL) {
        return;
    }
    for (unsigned i = 0; i < 2 * BLOCK_STARTS_MAX; i++) {
        block_statistics(disk, &before);
        EXPECT_EQUAL(block_suspend(disk), HX_OK);
        block_resume(disk);
        EXPECT(starts_again(disk, before.starts));
    }
    EXPECT_EQUAL(atomic_load(&slot->deaths), deaths);
}

/* SPEC: O7 */
static void a_driver_may_die_while_its_disk_sleeps(void)
{
    struct block_device *disk = disk_or_skip();
    struct slot *slot = slot_find("block");

    if (disk == NULL) {
        return;
    }
    start_users_for_long(disk);
    for (unsigned i = 0; i < SLEEPS; i++) {
        EXPECT_EQUAL(block_suspend(disk), HX_OK);
        kill_and_reload(slot);
        expect_all_to_wait(slot);
        block_resume(disk);
    }
    stop_users();
}

/* SPEC: O7 */
static void a_disk_without_a_driver_sleeps_at_once(void)
{
    struct block_device *disk = disk_or_skip();
    struct slot *slot = slot_find("block");
    struct block_statistics before;
    struct block_statistics after;
    uint64_t start;

    if (disk == NULL) {
        return;
    }
    block_statistics(disk, &before);
    start_users_for_long(disk);
    EXPECT_EQUAL(modules_unload(slot), HX_OK);
    start = hal_clock_now();
    EXPECT_EQUAL(block_suspend(disk), HX_OK);
    EXPECT(hal_clock_now() - start < HAL_NS_PER_S);
    block_resume(disk);
    EXPECT_EQUAL(block_suspend(disk), HX_OK);
    EXPECT_EQUAL(modules_reload(SUBJECT_KERNEL, slot, slot->backend), HX_OK);
    expect_all_to_wait(slot);
    block_resume(disk);
    stop_users();
    block_statistics(disk, &after);
    EXPECT_EQUAL(after.errors, before.errors);
}

/* SPEC: O7 O9 */
static void a_disk_that_does_not_fall_asleep_goes_on_as_before(void)
{
    struct block_device *disk = disk_or_skip();
    struct block_statistics before;
    struct block_statistics after;

    if (disk == NULL) {
        return;
    }
    block_statistics(disk, &before);
    start_users_for_long(disk);
    EXPECT_EQUAL(failpoint_arm_named("suspend:disk"), HX_OK);
    EXPECT_EQUAL(block_suspend(disk), HX_EIO);
    failpoint_arm(0);
    stop_users();
    block_statistics(disk, &after);
    EXPECT_EQUAL(after.starts, before.starts);
    EXPECT_EQUAL(after.errors, before.errors);
}

/* --- errors ----------------------------------------------------------------------------------- */

static void what_is_no_whole_sector_or_behind_the_end_is_refused(void)
{
    struct block_device *disk = disk_or_skip();
    struct dma_segment segment = {.physical = HAL_PAGE_SIZE, .size = 100};

    if (disk == NULL) {
        return;
    }
    EXPECT_EQUAL(block_transfer(disk, HX_BLOCK_READ, 0, &segment, 1), HX_EINVAL);
    EXPECT_EQUAL(block_transfer(disk, HX_BLOCK_READ, 0, &segment, 0), HX_EINVAL);
    segment.size = 2 * HX_BLOCK_SECTOR;
    EXPECT_EQUAL(block_transfer(disk, HX_BLOCK_FLUSH, 0, &segment, 1), HX_EINVAL);
    EXPECT_EQUAL(block_transfer(disk, HX_BLOCK_READ, block_sectors(disk) - 1, &segment, 1),
                 HX_ENOSPC);
    EXPECT_EQUAL(block_transfer(disk, HX_BLOCK_READ, UINT64_MAX, &segment, 1), HX_ENOSPC);
}

const struct selftest subsys_block_tests[] = {
    {TEST(many_users_read_what_they_wrote), SELFTEST_KEEPS_MEMORY},
    {TEST(requests_outlive_their_driver), SELFTEST_KEEPS_MEMORY},
    {TEST(a_device_that_storms_is_silenced_and_costs_its_driver), SELFTEST_KEEPS_MEMORY},
    {TEST(a_device_that_has_something_to_say_is_no_storm), SELFTEST_KEEPS_MEMORY},
    {TEST(requests_wait_while_the_disk_sleeps), SELFTEST_KEEPS_MEMORY},
    {TEST(a_driver_that_only_sleeps_is_not_started_in_vain), SELFTEST_KEEPS_MEMORY},
    {TEST(a_driver_may_die_while_its_disk_sleeps), SELFTEST_KEEPS_MEMORY},
    {TEST(a_disk_without_a_driver_sleeps_at_once), SELFTEST_KEEPS_MEMORY},
    {TEST(a_disk_that_does_not_fall_asleep_goes_on_as_before), SELFTEST_KEEPS_MEMORY},
    {TEST(what_is_no_whole_sector_or_behind_the_end_is_refused), 0},
    {0},
};
