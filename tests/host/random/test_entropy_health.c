/* The health test of the module entropy, which no working processor fails. */
#include <modules/entropy_health.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

/* SPEC: R9 */
static void a_word_that_comes_three_times_in_a_row_is_a_failure(void **state)
{
    struct repetition repetition = {0};

    (void)state;
    assert_true(repetition_passes(&repetition, 0));
    assert_true(repetition_passes(&repetition, 0));
    assert_false(repetition_passes(&repetition, 0));
    assert_false(repetition_passes(&repetition, 0));
    assert_true(repetition_passes(&repetition, 1));
}

static void words_that_come_again_later_are_none(void **state)
{
    struct repetition repetition = {0};

    (void)state;
    for (unsigned i = 0; i < 100; i++) {
        assert_true(repetition_passes(&repetition, i % 2));
        assert_true(repetition_passes(&repetition, i % 2));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_word_that_comes_three_times_in_a_row_is_a_failure),
        cmocka_unit_test(words_that_come_again_later_are_none),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
