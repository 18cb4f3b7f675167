/* From the counter to the time, as programs do it. */
#include <helix/clock_page.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define ONE (1UL << HX_CLOCK_FRACTION_BITS)

static struct hx_clock_page page;
static uint64_t cycles;
static uint32_t changes; /* that the kernel makes while the counter is read */

static uint64_t counter(void)
{
    atomic_fetch_add_explicit(&page.sequence, changes, memory_order_relaxed);
    return cycles;
}

static void set_page(uint64_t multiplier, uint64_t offset, uint64_t wall_offset)
{
    atomic_store(&page.sequence, 2);
    atomic_store(&page.multiplier, multiplier);
    atomic_store(&page.offset, offset);
    atomic_store(&page.wall_offset, wall_offset);
    changes = 0;
}

static uint64_t read_at(uint64_t moment, bool is_wall)
{
    uint64_t ns;

    cycles = moment;
    assert_true(hx_clock_read(&page, counter, is_wall, &ns));
    return ns;
}

static void cycles_become_nanoseconds(void **state)
{
    (void)state;
    set_page(ONE / 2, 1000, 0);
    assert_int_equal(read_at(0, false), 1000);
    assert_int_equal(read_at(7, false), 1003);
    /* The product takes more than 64 bits: 4 GHz, for a century. */
    set_page(ONE / 4, 0, 0);
    assert_int_equal(read_at(12622780800000000000UL, false), 3155695200000000000UL);
}

static void a_negative_offset_wraps(void **state)
{
    (void)state;
    set_page(ONE, (uint64_t)-1000, 0);
    assert_int_equal(read_at(1500, false), 500);
}

static void the_time_of_day_is_the_monotonic_one_and_an_offset(void **state)
{
    (void)state;
    set_page(ONE, 5, 1800000000000000000UL);
    assert_int_equal(read_at(10, false), 15);
    assert_int_equal(read_at(10, true), 1800000000000000015UL);
}

static void a_new_rate_goes_on_where_the_old_one_was(void **state)
{
    uint64_t old = ONE / 3, new = ONE / 3 + ONE / 1000;
    uint64_t at = 123456789;
    uint64_t before;

    (void)state;
    set_page(old, 0, 0);
    before = read_at(at, false);
    set_page(new, hx_clock_apply(at, old, 0) - hx_clock_apply(at, new, 0), 0);
    assert_int_equal(read_at(at, false), before);
    assert_int_equal(read_at(at + 3000, false), before + 1003);
}

static void the_kernel_is_asked_while_it_changes_its_clocks(void **state)
{
    uint64_t ns;

    (void)state;
    set_page(ONE, 0, 0);
    atomic_store(&page.sequence, 3);
    assert_false(hx_clock_read(&page, counter, false, &ns));
}

static void the_kernel_is_asked_when_it_has_changed_them_meanwhile(void **state)
{
    uint64_t ns;

    (void)state;
    for (uint32_t change = 1; change <= 2; change++) {
        set_page(ONE, 0, 0);
        changes = change;
        assert_false(hx_clock_read(&page, counter, true, &ns));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cycles_become_nanoseconds),
        cmocka_unit_test(a_negative_offset_wraps),
        cmocka_unit_test(the_time_of_day_is_the_monotonic_one_and_an_offset),
        cmocka_unit_test(a_new_rate_goes_on_where_the_old_one_was),
        cmocka_unit_test(the_kernel_is_asked_while_it_changes_its_clocks),
        cmocka_unit_test(the_kernel_is_asked_when_it_has_changed_them_meanwhile),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
