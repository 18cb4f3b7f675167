/*
 * What a port owes the kernel, part two: the direct map, page tables, faults, checked copies.
 *
 * The tests map pages at the very end of the area window, where kern has put nothing. The port may
 * keep the page tables this took (SELFTEST_KEEPS_MEMORY).
 */
#include <base/memory.h>
#include <core/interrupts/exceptions.h>
#include <hal/frame.h>
#include <hal/memory.h>
#include <hal/user.h>
#include <kern/cpu.h>
#include <kern/frames.h>
#include <tests/self/suites.h>

#define PAGES 4U

/* Addresses and frames to play with. */
static struct {
    uintptr_t address; /* PAGES + 2 unmapped pages: one before, one behind */
    uint64_t physical; /* PAGES frames, one block */
} field;

static uintptr_t page(unsigned index)
{
    return field.address + index * HAL_PAGE_SIZE;
}

static uint64_t frame(unsigned index)
{
    return field.physical + index * HAL_PAGE_SIZE;
}

static bool is_mapped(unsigned index)
{
    return hal_space_lookup(hal_space_kernel(), page(index), NULL, NULL);
}

static unsigned mapped_pages(void)
{
    unsigned count = 0;

    for (unsigned i = 0; i < PAGES; i++) {
        count += is_mapped(i) ? 1U : 0U;
    }
    return count;
}

static bool open_field(void)
{
    struct hal_range window = hal_area_window();

    field.address = window.base + window.size - (PAGES + 1) * HAL_PAGE_SIZE;
    if (frames_allocate(2, OWNER_CORE, &field.physical) != HX_OK || mapped_pages() != 0) {
        selftest_fail(__FILE__, __LINE__, "no frames, or the end of the window is in use");
        return false;
    }
    memset(hal_direct_map(field.physical), 0, PAGES * HAL_PAGE_SIZE);
    return true;
}

static void close_field(void)
{
    hal_space_unmap(hal_space_kernel(), field.address, PAGES);
    cpu_tlb_shootdown(field.address, PAGES);
    EXPECT_EQUAL(mapped_pages(), 0);
    frames_free(field.physical, 2);
}

static hx_err map(unsigned index, size_t pages, unsigned protection)
{
    return hal_space_map(hal_space_kernel(), page(index), frame(index), pages, protection);
}

/* --- the direct map --------------------------------------------------------------------------- */

static void the_direct_map_goes_both_ways_and_keeps_alignment(void)
{
    uint64_t physical;

    EXPECT_EQUAL(frames_allocate(FRAME_ORDER_MAX, OWNER_CORE, &physical), HX_OK);
    uint64_t *words = hal_direct_map(physical);
    size_t size = HAL_PAGE_SIZE << FRAME_ORDER_MAX;

    EXPECT_EQUAL(hal_direct_physical(words), physical);
    EXPECT_EQUAL((uintptr_t)words % size, 0);
    words[0] = 1;
    words[size / sizeof *words - 1] = 2;
    EXPECT_EQUAL(words[0] + words[size / sizeof *words - 1], 3);
    frames_free(physical, FRAME_ORDER_MAX);
}

static void the_port_keeps_at_most_four_ranges_for_itself(void)
{
    struct hal_physical_range ranges[5] = {[4].base = 77};
    size_t count = hal_memory_reserved(ranges, 4);

    EXPECT(count <= 4);
    EXPECT_EQUAL(ranges[4].base, 77);
    for (size_t i = 0; i < count; i++) {
        EXPECT(ranges[i].size != 0 && ranges[i].base + ranges[i].size > ranges[i].base);
        EXPECT_EQUAL(frames_owner(ranges[i].base), OWNER_NONE);
    }
}

static bool is_reserved(uint64_t base, uint64_t size)
{
    struct hal_physical_range ranges[4];
    size_t count = hal_memory_reserved(ranges, HX_ARRAY_SIZE(ranges));

    for (size_t i = 0; i < count; i++) {
        if (base >= ranges[i].base && base + size <= ranges[i].base + ranges[i].size) {
            return true;
        }
    }
    return false;
}

/* SPEC: X7 */
static void what_a_reset_retains_is_whole_pages_that_nobody_else_gets(void)
{
    struct hal_range retained = hal_retained_memory();

    EXPECT(retained.size != 0);
    EXPECT_EQUAL((retained.base | retained.size) % HAL_PAGE_SIZE, 0);
    EXPECT(is_reserved(hal_direct_physical((const void *)retained.base), retained.size));
}

/* --- windows and image ------------------------------------------------------------------------ */

static bool are_apart(struct hal_range a, struct hal_range b)
{
    return a.size == 0 || b.size == 0 || a.base + a.size <= b.base || b.base + b.size <= a.base;
}

static void the_windows_do_not_overlap(void)
{
    const struct hal_range windows[] = {hal_area_window(), hal_module_window(), hal_user_window(),
                                        hal_user_module_window()};

    EXPECT(windows[0].size != 0 && windows[2].size != 0);
    for (size_t i = 0; i < 3; i++) { /* the last one may be part of the user window */
        EXPECT_EQUAL(windows[i].base % HAL_PAGE_SIZE, 0);
        EXPECT_EQUAL(windows[i].size % HAL_PAGE_SIZE, 0);
        for (size_t k = i + 1; k < 3; k++) {
            EXPECT(are_apart(windows[i], windows[k]));
        }
    }
    EXPECT(are_apart(windows[0], windows[3]) && are_apart(windows[1], windows[3]));
}

static bool holds(struct hal_range range, const void *pointer)
{
    return (uintptr_t)pointer - range.base < range.size;
}

static void the_image_says_where_code_and_data_are(void)
{
    static const char constant[] = "read only";
    static int variable = 1;
    struct hal_image image = hal_kernel_image();

    EXPECT(holds(image.text, (const void *)(uintptr_t)holds));
    EXPECT(holds(image.rodata, constant));
    EXPECT(holds(image.data, &variable) && holds(image.data, &field));
    EXPECT(are_apart(image.text, image.data) && are_apart(image.rodata, image.data));
}

/* A page that is not mapped is a guard page. */
static void check_protection(struct hal_range range, unsigned wanted, unsigned refused)
{
    unsigned protection = 0;

    EXPECT(hal_space_lookup(hal_space_kernel(), range.base, NULL, NULL));
    for (uintptr_t at = range.base; at < range.base + range.size; at += HAL_PAGE_SIZE) {
        if (hal_space_lookup(hal_space_kernel(), at, NULL, &protection)) {
            EXPECT((protection & wanted) == wanted && (protection & refused) == 0);
        }
    }
}

static void no_page_of_the_image_is_writable_and_executable(void)
{
    struct hal_image image = hal_kernel_image();

    check_protection(image.text, HAL_READ | HAL_EXECUTE, HAL_WRITE | HAL_USER);
    check_protection(image.rodata, HAL_READ, HAL_WRITE | HAL_EXECUTE | HAL_USER);
    check_protection(image.data, HAL_READ | HAL_WRITE, HAL_EXECUTE | HAL_USER);
}

/* --- mapping ---------------------------------------------------------------------------------- */

static void a_mapped_page_is_the_frame(void)
{
    volatile uint64_t *mapped;
    uint64_t *direct;
    uint64_t physical = 0;
    unsigned protection = 0;

    if (!open_field()) {
        return;
    }
    EXPECT_EQUAL(map(1, 2, HAL_READ | HAL_WRITE), HX_OK);
    EXPECT(!is_mapped(0) && is_mapped(1) && is_mapped(2) && !is_mapped(3));
    EXPECT(hal_space_lookup(hal_space_kernel(), page(2) + 123, &physical, &protection));
    EXPECT_EQUAL(physical, frame(2));
    EXPECT_EQUAL(protection, HAL_READ | HAL_WRITE);

    mapped = (volatile uint64_t *)page(2);
    direct = hal_direct_map(frame(2));
    mapped[7] = 0x1122334455667788;
    EXPECT_EQUAL(direct[7], 0x1122334455667788);
    direct[8] = 99;
    EXPECT_EQUAL(mapped[8], 99);
    close_field();
}

static void a_page_is_not_mapped_over_another(void)
{
    if (!open_field()) {
        return;
    }
    EXPECT_EQUAL(map(2, 1, HAL_READ), HX_OK);
    EXPECT_EQUAL(map(0, PAGES, HAL_READ | HAL_WRITE), HX_EEXIST);
    EXPECT(!is_mapped(0) && !is_mapped(1) && is_mapped(2) && !is_mapped(3));
    EXPECT_EQUAL(map(2, 1, HAL_READ), HX_EEXIST);
    close_field();
}

static void no_page_becomes_writable_and_executable(void)
{
    unsigned protection = 0;

    if (!open_field()) {
        return;
    }
    EXPECT_EQUAL(map(0, 1, HAL_READ | HAL_WRITE | HAL_EXECUTE), HX_EINVAL);
    EXPECT(!is_mapped(0));
    EXPECT_EQUAL(map(0, 1, HAL_READ | HAL_WRITE), HX_OK);
    EXPECT_EQUAL(
        hal_space_protect(hal_space_kernel(), page(0), 1, HAL_READ | HAL_WRITE | HAL_EXECUTE),
        HX_EINVAL);
    EXPECT(hal_space_lookup(hal_space_kernel(), page(0), NULL, &protection));
    EXPECT_EQUAL(protection, HAL_READ | HAL_WRITE);
    close_field();
}

static void unaligned_and_foreign_addresses_are_refused(void)
{
    struct hal_space *space = hal_space_kernel();

    if (!open_field()) {
        return;
    }
    EXPECT_EQUAL(hal_space_map(space, page(0) + 8, frame(0), 1, HAL_READ), HX_EINVAL);
    EXPECT_EQUAL(hal_space_map(space, page(0), frame(0) + 8, 1, HAL_READ), HX_EINVAL);
    EXPECT_EQUAL(hal_space_map(space, UINTPTR_MAX & ~(HAL_PAGE_SIZE - 1), frame(0), 2, HAL_READ),
                 HX_EINVAL);
    EXPECT_EQUAL(hal_space_map(space, page(0), frame(0), SIZE_MAX / HAL_PAGE_SIZE, HAL_READ),
                 HX_EINVAL);
    EXPECT_EQUAL(hal_space_protect(space, page(0) + 8, 1, HAL_READ), HX_EINVAL);
    EXPECT_EQUAL(mapped_pages(), 0);
    close_field();
}

static void protection_changes_for_all_pages_or_for_none(void)
{
    unsigned protection = 0;

    if (!open_field()) {
        return;
    }
    EXPECT_EQUAL(map(0, 2, HAL_READ | HAL_WRITE), HX_OK);
    EXPECT_EQUAL(hal_space_protect(hal_space_kernel(), page(0), 3, HAL_READ), HX_ENOENT);
    for (unsigned i = 0; i < 2; i++) {
        EXPECT(hal_space_lookup(hal_space_kernel(), page(i), NULL, &protection));
        EXPECT_EQUAL(protection, HAL_READ | HAL_WRITE);
    }
    EXPECT_EQUAL(hal_space_protect(hal_space_kernel(), page(0), 2, HAL_READ), HX_OK);
    EXPECT(hal_space_lookup(hal_space_kernel(), page(1), NULL, &protection));
    EXPECT_EQUAL(protection, HAL_READ);
    close_field();
}

static void unmapping_skips_what_is_not_there(void)
{
    if (!open_field()) {
        return;
    }
    EXPECT_EQUAL(map(0, 1, HAL_READ), HX_OK);
    EXPECT_EQUAL(map(2, 1, HAL_READ), HX_OK);
    hal_space_unmap(hal_space_kernel(), page(0), PAGES);
    EXPECT_EQUAL(mapped_pages(), 0);
    hal_space_unmap(hal_space_kernel(), page(0), PAGES);
    EXPECT_EQUAL(map(0, PAGES, HAL_READ), HX_OK);
    EXPECT_EQUAL(mapped_pages(), PAGES);
    close_field();
}

static void a_space_of_its_own_keeps_its_user_half_to_itself(void)
{
    struct hal_range user = hal_user_window();
    struct hal_space *space = NULL;
    hx_err error = hal_space_create(&space);

    if (error == HX_ENOSYS) {
        selftest_skip("this machine has one space");
        return;
    }
    EXPECT_EQUAL(error, HX_OK);
    if (error != HX_OK || !open_field()) {
        return;
    }
    EXPECT_EQUAL(hal_space_map(space, user.base, frame(0), 1, HAL_READ | HAL_USER), HX_OK);
    EXPECT(hal_space_lookup(space, user.base, NULL, NULL));
    EXPECT(!hal_space_lookup(hal_space_kernel(), user.base, NULL, NULL));
    EXPECT_EQUAL(map(0, 1, HAL_READ), HX_OK);
    EXPECT(hal_space_lookup(space, page(0), NULL, NULL)); /* the kernel's half is everybody's */
    hal_space_unmap(space, user.base, 1);
    EXPECT(!hal_space_lookup(space, user.base, NULL, NULL));
    hal_space_destroy(space);
    close_field();
}

/* --- faults ----------------------------------------------------------------------------------- */

/* What the page fault's handler has seen; it repairs the page, so that the access then succeeds. */
static struct {
    unsigned calls;
    uintptr_t address;
    unsigned access;
    bool interrupts_were_on;
    bool is_repaired;
} fault;

static enum exception_action repair(struct hal_frame *from, void *argument)
{
    uintptr_t address = hal_frame_fault_address(from);
    unsigned index = (unsigned)((address - field.address) / HAL_PAGE_SIZE);

    (void)argument;
    if (address < field.address || index >= PAGES) {
        return EXCEPTION_NOT_MINE;
    }
    fault.calls++;
    fault.address = address;
    fault.access = hal_frame_fault_access(from);
    fault.interrupts_were_on = hal_frame_interrupts_enabled(from);
    fault.is_repaired = (is_mapped(index) ? hal_space_protect(hal_space_kernel(), page(index), 1,
                                                              HAL_READ | HAL_WRITE)
                                          : map(index, 1, HAL_READ | HAL_WRITE)) == HX_OK;
    hal_tlb_flush_local(page(index), 1);
    return fault.is_repaired ? EXCEPTION_RESUME : EXCEPTION_NOT_MINE;
}

static bool open_faults(void)
{
    if (!open_field()) {
        return false;
    }
    fault.calls = 0;
    EXPECT_EQUAL(exception_register(HAL_EXCEPTION_PAGE, "conformance", EXCEPTION_ORDER_DEBUGGER,
                                    repair, NULL),
                 HX_OK);
    return true;
}

static void close_faults(void)
{
    EXPECT_EQUAL(exception_unregister(HAL_EXCEPTION_PAGE, "conformance"), HX_OK);
    close_field();
}

static void expect_fault(uintptr_t address, unsigned access)
{
    EXPECT_EQUAL(fault.calls, 1);
    EXPECT_EQUAL(fault.address, address);
    EXPECT_EQUAL(fault.access, access);
    EXPECT(fault.interrupts_were_on && hal_interrupts_enabled());
    fault.calls = 0;
}

/* SPEC: I3 */
static void a_write_to_a_read_only_page_faults(void)
{
    volatile uint32_t *word;

    if (!open_faults()) {
        return;
    }
    EXPECT_EQUAL(map(1, 2, HAL_READ), HX_OK);
    *(volatile uint8_t *)page(2) = 1; /* with no access before */
    expect_fault(page(2), HAL_FAULT_PRESENT | HAL_FAULT_WRITE);
    word = (volatile uint32_t *)(page(1) + 0x124);
    EXPECT_EQUAL(*word, 0);
    EXPECT_EQUAL(fault.calls, 0);
    *word = 5;
    expect_fault(page(1) + 0x124, HAL_FAULT_PRESENT | HAL_FAULT_WRITE);
    EXPECT_EQUAL(*word, 5);
    close_faults();
}

/* SPEC: I3 */
static void an_access_to_an_unmapped_page_faults(void)
{
    if (!open_faults()) {
        return;
    }
    EXPECT_EQUAL(*(volatile uint8_t *)(page(0) + 9), 0);
    expect_fault(page(0) + 9, 0);
    *(volatile uint8_t *)(page(3) + 11) = 7;
    expect_fault(page(3) + 11, HAL_FAULT_WRITE);
    EXPECT_EQUAL(((uint8_t *)hal_direct_map(frame(3)))[11], 7);
    close_faults();
}

/* SPEC: I3 */
static void an_access_after_unmapping_faults_again(void)
{
    volatile uint32_t *word;

    if (!open_faults()) {
        return;
    }
    EXPECT_EQUAL(map(2, 1, HAL_READ | HAL_WRITE), HX_OK);
    word = (volatile uint32_t *)page(2);
    *word = 1;
    hal_space_unmap(hal_space_kernel(), page(2), 1);
    cpu_tlb_shootdown(page(2), 1);
    EXPECT_EQUAL(fault.calls, 0);
    *word = 2;
    expect_fault(page(2), HAL_FAULT_WRITE);
    close_faults();
}

/* --- checked copies --------------------------------------------------------------------------- */

/* A space whose user window starts with one writable page, one read-only page and a hole. */
static struct hal_space *open_user_pages(void)
{
    struct hal_space *space = hal_space_kernel();
    uintptr_t base = hal_user_window().base;
    hx_err error = hal_space_create(&space);

    if (error == HX_ENOSYS) {
        space = hal_space_kernel();
    } else {
        EXPECT_EQUAL(error, HX_OK);
    }
    EXPECT_EQUAL(hal_space_map(space, base, frame(0), 1, HAL_READ | HAL_WRITE | HAL_USER), HX_OK);
    EXPECT_EQUAL(hal_space_map(space, base + HAL_PAGE_SIZE, frame(1), 1, HAL_READ | HAL_USER),
                 HX_OK);
    hal_space_activate(space);
    return space;
}

static void close_user_pages(struct hal_space *space)
{
    hal_space_activate(hal_space_kernel());
    hal_space_unmap(space, hal_user_window().base, 2);
    cpu_tlb_shootdown(hal_user_window().base, 2);
    if (space != hal_space_kernel()) {
        hal_space_destroy(space);
    }
    close_field();
}

/* SPEC: Y3 */
static void checked_copies_move_bytes_across_pages(void)
{
    uintptr_t user = hal_user_window().base;
    struct hal_space *space;
    uint8_t back[64];

    if (!open_field()) {
        return;
    }
    memset((uint8_t *)hal_direct_map(frame(1)), 0x5a, HAL_PAGE_SIZE);
    space = open_user_pages();
    EXPECT_EQUAL(hal_user_copy_out(user + 100, "0123456789", 10), HX_OK);
    EXPECT_EQUAL(memcmp((uint8_t *)hal_direct_map(frame(0)) + 100, "0123456789", 10), 0);
    EXPECT_EQUAL(hal_user_copy_in(back, user + 103, 5), HX_OK);
    EXPECT_EQUAL(memcmp(back, "34567", 5), 0);
    EXPECT_EQUAL(hal_user_copy_in(back, user + HAL_PAGE_SIZE - 20, 64), HX_OK);
    EXPECT(back[0] == 0 && back[19] == 0 && back[20] == 0x5a && back[63] == 0x5a);
    EXPECT_EQUAL(hal_user_copy_in_unchecked(back, user + 100, 10), HX_OK);
    EXPECT_EQUAL(memcmp(back, "0123456789", 10), 0);
    EXPECT_EQUAL(hal_user_copy_out_unchecked(user + 100, "ab", 2), HX_OK);
    EXPECT_EQUAL(hal_user_copy_in(back, user, 0), HX_OK);
    close_user_pages(space);
}

/* SPEC: Y3 */
static void checked_copies_answer_a_bad_address_with_an_error(void)
{
    struct hal_range user = hal_user_window();
    uintptr_t second = user.base + HAL_PAGE_SIZE;
    struct hal_space *space;
    uint8_t bytes[32] = {0};

    if (!open_field()) {
        return;
    }
    space = open_user_pages();
    EXPECT_EQUAL(hal_user_copy_out(second, bytes, 1), HX_EFAULT);     /* read-only */
    EXPECT_EQUAL(hal_user_copy_out(second - 4, bytes, 8), HX_EFAULT); /* from its half on */
    EXPECT_EQUAL(hal_user_copy_in(bytes, second + HAL_PAGE_SIZE, 1), HX_EFAULT); /* unmapped */
    EXPECT_EQUAL(hal_user_copy_in(bytes, second + HAL_PAGE_SIZE - 8, 16), HX_EFAULT);
    EXPECT_EQUAL(hal_user_copy_in_unchecked(bytes, second + HAL_PAGE_SIZE, 8), HX_EFAULT);
    EXPECT_EQUAL(hal_user_copy_out_unchecked(second, bytes, 8), HX_EFAULT);
    EXPECT_EQUAL(hal_user_copy_in(bytes, (uintptr_t)&field, 8), HX_EFAULT); /* the kernel's */
    EXPECT_EQUAL(hal_user_copy_out((uintptr_t)&field, bytes, 8), HX_EFAULT);
    EXPECT_EQUAL(hal_user_copy_in(bytes, user.base + user.size - 8, 16), HX_EFAULT);
    EXPECT_EQUAL(hal_user_copy_in(bytes, user.base, SIZE_MAX), HX_EFAULT);
    EXPECT_EQUAL(hal_user_copy_in(bytes, UINTPTR_MAX - 4, 16), HX_EFAULT); /* wraps */
    EXPECT_EQUAL(hal_user_copy_out(UINTPTR_MAX - 4, bytes, 16), HX_EFAULT);
    EXPECT(hal_interrupts_enabled());
    close_user_pages(space);
}

#define TEST(function, bits)                                                                       \
    {                                                                                              \
        .name = "hal_memory." #function, .run = (function), .flags = (bits)                        \
    }

const struct selftest hal_memory_tests[] = {
    TEST(the_direct_map_goes_both_ways_and_keeps_alignment, 0),
    TEST(the_port_keeps_at_most_four_ranges_for_itself, 0),
    TEST(what_a_reset_retains_is_whole_pages_that_nobody_else_gets, SELFTEST_METAL_ONLY),
    TEST(the_windows_do_not_overlap, 0),
    TEST(the_image_says_where_code_and_data_are, 0),
    TEST(no_page_of_the_image_is_writable_and_executable, SELFTEST_METAL_ONLY),
    TEST(a_mapped_page_is_the_frame, SELFTEST_KEEPS_MEMORY),
    TEST(a_page_is_not_mapped_over_another, SELFTEST_KEEPS_MEMORY),
    TEST(no_page_becomes_writable_and_executable, SELFTEST_KEEPS_MEMORY),
    TEST(unaligned_and_foreign_addresses_are_refused, SELFTEST_KEEPS_MEMORY),
    TEST(protection_changes_for_all_pages_or_for_none, SELFTEST_KEEPS_MEMORY),
    TEST(unmapping_skips_what_is_not_there, SELFTEST_KEEPS_MEMORY),
    TEST(a_space_of_its_own_keeps_its_user_half_to_itself, SELFTEST_KEEPS_MEMORY),
    TEST(a_write_to_a_read_only_page_faults, SELFTEST_KEEPS_MEMORY),
    TEST(an_access_to_an_unmapped_page_faults, SELFTEST_KEEPS_MEMORY),
    TEST(an_access_after_unmapping_faults_again, SELFTEST_KEEPS_MEMORY),
    TEST(checked_copies_move_bytes_across_pages, SELFTEST_KEEPS_MEMORY),
    TEST(checked_copies_answer_a_bad_address_with_an_error, SELFTEST_KEEPS_MEMORY),
    {.name = NULL},
};
