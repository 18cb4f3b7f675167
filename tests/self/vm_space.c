/* Address spaces on this machine's page tables: what a checked copy finds there. */
#include <core/interrupts/exceptions.h>
#include <hal/memory.h>
#include <hal/user.h>
#include <kern/cpu.h>
#include <kern/frames.h>
#include <stdatomic.h>
#include <stddef.h>
#include <subsys/vm/address_space.h>
#include <subsys/vm/memory_object.h>
#include <tests/self/crew.h>
#include <tests/self/suites.h>

#define PAGE HAL_PAGE_SIZE
#define RW   ((unsigned)MAPPING_READ | MAPPING_WRITE)

/* --- threads with a space --------------------------------------------------------------------- */

#define USERS_MAX 9U

static _Atomic(struct thread *) users[USERS_MAX]; /* NULL: free; each written by its own thread */
static struct address_space *shared_space;        /* of all of them */
static address_space_source source_before;

static struct address_space *space_of_user(void)
{
    for (uint32_t i = 0; i < USERS_MAX; i++) {
        if (atomic_load_explicit(&users[i], memory_order_relaxed) == thread_current()) {
            return shared_space;
        }
    }
    return source_before != NULL ? source_before() : NULL;
}

static void enter_space(uint32_t user)
{
    atomic_store_explicit(&users[user], thread_current(), memory_order_relaxed);
    hal_space_activate(address_space_hal(shared_space));
}

static void leave_space(uint32_t user)
{
    hal_space_activate(hal_space_kernel());
    atomic_store_explicit(&users[user], NULL, memory_order_relaxed);
}

/* The calling thread gets a space, as user 0. */
static bool open_space(void)
{
    if (address_space_create(OWNER_CORE, &shared_space) != HX_OK) {
        selftest_fail(__FILE__, __LINE__, "no memory");
        return false;
    }
    source_before = address_space_set_source(space_of_user);
    if (source_before == NULL) {
        EXPECT_EQUAL(address_space_init(space_of_user), HX_OK);
    }
    enter_space(0);
    return true;
}

static void close_space(void)
{
    leave_space(0);
    if (source_before == NULL) {
        EXPECT_EQUAL(exception_unregister(HAL_EXCEPTION_PAGE, "address space"), HX_OK);
    }
    (void)address_space_set_source(source_before);
    address_space_put(shared_space);
}

static uintptr_t at(size_t page)
{
    return hal_user_window().base + page * PAGE;
}

static hx_err map(size_t page, size_t pages, unsigned flags)
{
    uintptr_t address;

    return address_space_map(
        shared_space,
        &(struct mapping_request){
            .address = at(page), .size = pages * PAGE, .flags = flags, .is_fixed = true},
        &address);
}

static hx_err write_word(uintptr_t address, uint32_t value)
{
    return hal_user_copy_out(address, &value, sizeof(value));
}

/* The word, or all ones when it cannot be read. */
static uint32_t read_word(uintptr_t address)
{
    uint32_t value;

    return hal_user_copy_in(&value, address, sizeof(value)) == HX_OK ? value : UINT32_MAX;
}

/* --- faults ----------------------------------------------------------------------------------- */

static void a_checked_copy_brings_pages_in(void)
{
    struct address_space_statistics statistics;

    if (!open_space()) {
        return;
    }
    EXPECT_EQUAL(map(1, 3, RW), HX_OK);
    EXPECT_EQUAL(read_word(at(1)), 0);
    EXPECT_EQUAL(write_word(at(3) - 2, 0x12345678), HX_OK); /* across two pages */
    EXPECT_EQUAL(read_word(at(3) - 2), 0x12345678);
    EXPECT(hal_interrupts_enabled());
    address_space_statistics(shared_space, &statistics);
    EXPECT_EQUAL(statistics.resident_pages, 3);
    EXPECT_EQUAL(statistics.faults, 3);
    close_space();
}

static void what_cannot_be_brought_in_is_a_bad_address(void)
{
    if (!open_space()) {
        return;
    }
    EXPECT_EQUAL(map(1, 1, MAPPING_READ), HX_OK);
    EXPECT_EQUAL(write_word(at(0), 1), HX_EFAULT);
    EXPECT_EQUAL(write_word(at(1), 1), HX_EFAULT);
    EXPECT_EQUAL(read_word(at(1)), 0);
    EXPECT_EQUAL(write_word(at(1), 1), HX_EFAULT);
    EXPECT_EQUAL(address_space_protect(shared_space, at(1), PAGE, 0), HX_OK);
    EXPECT_EQUAL(read_word(at(1)), UINT32_MAX);
    EXPECT_EQUAL(address_space_protect(shared_space, at(1), PAGE, RW), HX_OK);
    EXPECT_EQUAL(write_word(at(1), 5), HX_OK);
    close_space();
}

static void a_fault_where_nothing_may_block_is_not_brought_in(void)
{
    hal_interrupt_state state;

    if (!open_space()) {
        return;
    }
    EXPECT_EQUAL(map(1, 1, RW), HX_OK);
    preempt_disable();
    EXPECT_EQUAL(write_word(at(1), 1), HX_EFAULT);
    preempt_enable();
    state = hal_interrupts_save();
    EXPECT_EQUAL(write_word(at(1), 1), HX_EFAULT);
    hal_interrupts_restore(state);
    EXPECT_EQUAL(write_word(at(1), 1), HX_OK);
    close_space();
}

static void nothing_becomes_writable_and_executable(void)
{
    unsigned protection = 0;

    if (!open_space()) {
        return;
    }
    EXPECT_EQUAL(map(1, 1, RW | MAPPING_EXECUTE), HX_EACCES);
    EXPECT_EQUAL(map(1, 1, RW), HX_OK);
    EXPECT_EQUAL(write_word(at(1), 1), HX_OK);
    EXPECT_EQUAL(address_space_protect(shared_space, at(1), PAGE, RW | MAPPING_EXECUTE), HX_EACCES);
    EXPECT_EQUAL(address_space_protect(shared_space, at(1), PAGE, MAPPING_READ | MAPPING_EXECUTE),
                 HX_OK);
    EXPECT_EQUAL(write_word(at(1), 2), HX_EFAULT);
    EXPECT(hal_space_lookup(address_space_hal(shared_space), at(1), NULL, &protection));
    EXPECT((protection & HAL_EXECUTE) != 0 && (protection & HAL_WRITE) == 0);
    close_space();
}

/* --- fork ------------------------------------------------------------------------------------- */

static void a_child_and_its_parent_do_not_see_each_others_writes(void)
{
    struct address_space *parent;
    struct address_space *child;

    if (!open_space()) {
        return;
    }
    parent = shared_space;
    EXPECT_EQUAL(map(1, 2, RW), HX_OK);
    EXPECT_EQUAL(map(4, 1, RW | MAPPING_SHARED), HX_OK);
    EXPECT_EQUAL(write_word(at(1), 1), HX_OK);
    EXPECT_EQUAL(write_word(at(2), 2), HX_OK);
    if (address_space_fork(parent, OWNER_CORE, &child) != HX_OK) {
        selftest_fail(__FILE__, __LINE__, "no memory");
        close_space();
        return;
    }
    EXPECT_EQUAL(write_word(at(1), 11), HX_OK); /* the entry in the TLB let the parent write */
    shared_space = child;
    enter_space(0);
    EXPECT_EQUAL(read_word(at(1)), 1);
    EXPECT_EQUAL(write_word(at(2), 22), HX_OK);
    EXPECT_EQUAL(write_word(at(4), 44), HX_OK);
    shared_space = parent;
    enter_space(0);
    EXPECT_EQUAL(read_word(at(1)), 11);
    EXPECT_EQUAL(read_word(at(2)), 2);
    EXPECT_EQUAL(read_word(at(4)), 44);
    address_space_put(child);
    EXPECT_EQUAL(read_word(at(2)), 2);
    close_space();
}

/* --- several CPUs ----------------------------------------------------------------------------- */

#define ROUNDS 50U

static struct crew crew;
static _Atomic uint32_t phase;  /* odd: the page is there; even: it is not */
static _Atomic uint32_t looked; /* looks at a phase, by all members */
static _Atomic uint32_t wrong;  /* looks that found something else */

/* In each phase, look once at what there is, through this CPU's own translations. */
static void look_at_each_phase(void *argument)
{
    uint32_t user = (uint32_t)(uintptr_t)argument;

    enter_space(user);
    for (uint32_t now = 1; now <= 2 * ROUNDS && crew_spin_until(&phase, now); now++) {
        uint32_t word = read_word(at(1));

        if (word != (now % 2 == 1 ? now : UINT32_MAX)) {
            atomic_fetch_add_explicit(&wrong, 1, memory_order_relaxed);
        }
        atomic_fetch_add_explicit(&looked, 1, memory_order_release);
    }
    leave_space(user);
}

/* Let everybody look; whether all have. */
static bool show_phase(uint32_t now, uint32_t members)
{
    atomic_store_explicit(&phase, now, memory_order_release);
    return crew_sleep_until(&looked, now * members);
}

static void an_unmapped_page_is_gone_on_every_cpu(void)
{
    uint32_t members = cpu_online_count() < USERS_MAX ? cpu_online_count() : USERS_MAX - 1;
    bool goes_on = true;

    if (!open_space()) {
        return;
    }
    atomic_store_explicit(&phase, 0, memory_order_relaxed);
    atomic_store_explicit(&looked, 0, memory_order_relaxed);
    atomic_store_explicit(&wrong, 0, memory_order_relaxed);
    crew_open(&crew);
    for (uint32_t i = 0; i < members; i++) {
        crew_start(&crew, look_at_each_phase, (void *)(uintptr_t)(i + 1), 1ULL << crew_cpu(i));
    }
    for (uint32_t now = 1; now < 2 * ROUNDS && goes_on; now += 2) {
        EXPECT_EQUAL(map(1, 1, RW), HX_OK);
        EXPECT_EQUAL(write_word(at(1), now), HX_OK);
        goes_on = show_phase(now, members);
        EXPECT_EQUAL(address_space_unmap(shared_space, at(1), PAGE), HX_OK);
        goes_on = goes_on && show_phase(now + 1, members);
    }
    EXPECT(goes_on);
    EXPECT(crew_join(&crew));
    EXPECT_EQUAL(atomic_load_explicit(&wrong, memory_order_relaxed), 0);
    close_space();
}

/* --- leaks ------------------------------------------------------------------------------------ */

static void a_space_gives_everything_back(void)
{
    struct frame_statistics before;
    struct frame_statistics now;

    for (unsigned round = 0; round < 2; round++) { /* the first fills caches */
        frames_drain_caches();
        frames_statistics(&before);
        if (!open_space()) {
            return;
        }
        EXPECT_EQUAL(map(1, 40, RW | MAPPING_POPULATE), HX_OK);
        EXPECT_EQUAL(map(1U << 20, 40, RW | MAPPING_SHARED | MAPPING_POPULATE), HX_OK);
        EXPECT_EQUAL(write_word(at(7), 7), HX_OK);
        close_space();
    }
    frames_statistics(&now);
    EXPECT(now.free + 8 > before.free); /* others allocate meanwhile */
}

#define TEST(function)                                                                             \
    {                                                                                              \
        .name = "vm_space." #function, .run = (function),                                          \
        .flags = SELFTEST_METAL_ONLY | SELFTEST_KEEPS_MEMORY                                       \
    }

const struct selftest vm_space_tests[] = {
    TEST(a_checked_copy_brings_pages_in),
    TEST(what_cannot_be_brought_in_is_a_bad_address),
    TEST(a_fault_where_nothing_may_block_is_not_brought_in),
    TEST(nothing_becomes_writable_and_executable),
    TEST(a_child_and_its_parent_do_not_see_each_others_writes),
    TEST(an_unmapped_page_is_gone_on_every_cpu),
    TEST(a_space_gives_everything_back),
    {.name = NULL},
};
