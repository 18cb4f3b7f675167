/* helix/error.h and helix/version.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <helix/error.h>
#include <helix/version.h>
#include <stdio.h>
#include <string.h>

struct row {
    hx_err error;
    const char *name;
    int number;
    int posix;
    const char *text;
};

#define ERROR_ROW(row_name, row_number, row_posix, row_text)                                       \
    {.error = row_name,                                                                            \
     .name = #row_name,                                                                            \
     .number = row_number,                                                                         \
     .posix = row_posix,                                                                           \
     .text = row_text},
static const struct row rows[] = {HX_ERROR_LIST(ERROR_ROW)};

/* SPEC: K6 */
static void every_error_has_its_number_name_text_and_errno(void **state)
{
    (void)state;
    for (size_t i = 0; i < HX_ARRAY_SIZE(rows); i++) {
        assert_int_equal(rows[i].error, rows[i].number);
        assert_string_equal(hx_error_name(rows[i].error), rows[i].name);
        assert_string_equal(hx_error_text(rows[i].error), rows[i].text);
        assert_int_equal(hx_error_errno(rows[i].error), rows[i].posix);
    }
}

/* The numbers programs and modules were built with. A change here breaks them. */
/* SPEC: K6 */
static void the_numbers_are_the_published_ones(void **state)
{
    static const struct {
        hx_err error;
        int number;
        int posix;
    } published[] = {
        {HX_OK, 0, 0},
        {HX_EINVAL, 1, EINVAL},
        {HX_ENOMEM, 2, ENOMEM},
        {HX_ENOENT, 3, ENOENT},
        {HX_EEXIST, 4, EEXIST},
        {HX_EBUSY, 5, EBUSY},
        {HX_EAGAIN, 6, EAGAIN},
        {HX_ETIMEDOUT, 7, ETIMEDOUT},
        {HX_EPERM, 8, EPERM},
        {HX_ESTATE, 9, EINVAL},
        {HX_ECONTEXT, 10, EINVAL},
        {HX_ERANGE, 11, ERANGE},
        {HX_EFAULT, 12, EFAULT},
        {HX_ENOSYS, 13, ENOSYS},
        {HX_EFORMAT, 14, ENOEXEC},
        {HX_EVERSION, 15, ENOEXEC},
        {HX_ESTALE, 16, ESTALE},
        {HX_ECLOSED, 17, EPIPE},
        {HX_EDIED, 18, EIO},
        {HX_ECYCLE, 19, ELOOP},
        {HX_EMISSING, 20, ENOENT},
        {HX_EIO, 21, EIO},
        {HX_ENOSPC, 22, ENOSPC},
        {HX_EIMPORT, 23, ENOEXEC},
        {HX_ELIMIT, 24, EDQUOT},
    };

    (void)state;
    for (size_t i = 0; i < HX_ARRAY_SIZE(published); i++) {
        assert_int_equal(published[i].error, published[i].number);
        assert_int_equal(hx_error_errno(published[i].error), published[i].posix);
    }
}

/* SPEC: K6 */
static void no_two_errors_share_a_number_or_a_name(void **state)
{
    (void)state;
    for (size_t i = 0; i < HX_ARRAY_SIZE(rows); i++) {
        assert_true(strlen(rows[i].text) > 0);
        for (size_t j = 0; j < i; j++) {
            assert_int_not_equal(rows[i].number, rows[j].number);
            assert_string_not_equal(rows[i].name, rows[j].name);
        }
    }
}

/* SPEC: K6 */
static void a_number_that_is_no_error_is_told_apart(void **state)
{
    static const int foreign[] = {-1, 24 + 1000, INT32_MAX, INT32_MIN};

    (void)state;
    for (size_t i = 0; i < HX_ARRAY_SIZE(foreign); i++) {
        hx_err error;

        /* The bits of a wild value, as a caller with a corrupt error would pass them. */
        memcpy(&error, &foreign[i], sizeof(error));
        assert_string_equal(hx_error_name(error), "HX_?");
        assert_true(strlen(hx_error_text(error)) > 0);
        assert_int_equal(hx_error_errno(error), EIO);
    }
}

/* SPEC: K5 */
static void the_version_is_0_1_0_alpha_in_every_form(void **state)
{
    char text[64];

    (void)state;
    assert_int_equal(KERNEL_VERSION.major, 0);
    assert_int_equal(KERNEL_VERSION.minor, 1);
    assert_int_equal(KERNEL_VERSION.patch, 0);
    assert_string_equal(KERNEL_VERSION.suffix, "alpha");
    snprintf(text, sizeof(text), "%u.%u.%u-%s", KERNEL_VERSION.major, KERNEL_VERSION.minor,
             KERNEL_VERSION.patch, KERNEL_VERSION.suffix);
    assert_string_equal(text, HX_VERSION_STRING);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_error_has_its_number_name_text_and_errno),
        cmocka_unit_test(the_numbers_are_the_published_ones),
        cmocka_unit_test(no_two_errors_share_a_number_or_a_name),
        cmocka_unit_test(a_number_that_is_no_error_is_told_apart),
        cmocka_unit_test(the_version_is_0_1_0_alpha_in_every_form),
    };

    return cmocka_run_group_tests_name("kernel/error_version", tests, NULL, NULL);
}
