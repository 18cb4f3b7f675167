/* Numbers, names and tables of the kernel, and what this boot has said of itself. */
#include <base/string.h>
#include <core/kernel/state.h>
#include <core/lifecycle/lifecycle.h>
#include <core/orchestrator/orchestrator.h>
#include <helix/error.h>
#include <helix/version.h>
#include <tests/self/log_lines.h>
#include <tests/self/suites.h>

#define FIRST_LINE 1
#define NO_NUMBER  999

/* --- the state -------------------------------------------------------------------------------- */

/* Written out here a second time, from the requirement, so that neither can change alone. */
static const struct {
    const char *name;
    const char *next; /* a star for each state there is an edge to, by number */
} states[] = {
    {"EarlyBoot", ".*..*."},    {"Initializing", "..*.*."}, {"Running", "...***"},
    {"ShuttingDown", "....*."}, {"Panic", "......"},        {"Suspended", "..*.*."},
};

/* SPEC: K1 */
static void states_have_their_numbers_and_names(void)
{
    EXPECT_EQUAL(KERNEL_EARLY_BOOT, 0);
    EXPECT_EQUAL(KERNEL_INITIALIZING, 1);
    EXPECT_EQUAL(KERNEL_RUNNING, 2);
    EXPECT_EQUAL(KERNEL_SHUTTING_DOWN, 3);
    EXPECT_EQUAL(KERNEL_PANIC, 4);
    EXPECT_EQUAL(KERNEL_SUSPENDED, 5);
    EXPECT_EQUAL(KERNEL_STATE_COUNT, HX_ARRAY_SIZE(states));
    for (unsigned i = 0; i < HX_ARRAY_SIZE(states); i++) {
        EXPECT(string_equal(kernel_state_name((enum kernel_state)i), states[i].name));
    }
    EXPECT(string_equal(kernel_state_name((enum kernel_state)NO_NUMBER), "?"));
}

/* SPEC: K2 */
static void exactly_the_listed_transitions_exist(void)
{
    for (unsigned from = 0; from < HX_ARRAY_SIZE(states); from++) {
        for (unsigned to = 0; to < HX_ARRAY_SIZE(states); to++) {
            bool wanted = states[from].next[to] == '*';

            if (kernel_state_allows((enum kernel_state)from, (enum kernel_state)to) != wanted) {
                selftest_fail(__FILE__, __LINE__, "%s -> %s is %s", states[from].name,
                              states[to].name, wanted ? "missing" : "allowed");
            }
        }
    }
    EXPECT(!kernel_state_allows((enum kernel_state)NO_NUMBER, KERNEL_PANIC));
    EXPECT(!kernel_state_allows(KERNEL_RUNNING, (enum kernel_state)NO_NUMBER));
}

/* SPEC: K2 */
static void a_refused_transition_changes_nothing_and_is_logged(void)
{
    static struct subsystem_failure failure;
    uint64_t from = log_lines_next();

    EXPECT_EQUAL(orchestrator_resume(&failure), HX_ESTATE);
    EXPECT_EQUAL(kernel_state_current(), KERNEL_RUNNING);
    EXPECT_EQUAL(lifecycle_phase(), PHASE_RUNNING);
    EXPECT_EQUAL(log_lines_count(from, "*state: Running -> Running is refused"), 1);
}

/*
 * References that the linker may leave open: were the state, or what moves it, reachable from
 * another translation unit, they would have an address here.
 */
extern hx_err kernel_state_transition(enum kernel_state to) __attribute__((weak));
extern char orchestrator[] __attribute__((weak));

/* SPEC: K3 */
static void nobody_else_can_link_to_what_moves_the_state(void)
{
    EXPECT_EQUAL((uintptr_t)kernel_state_transition, 0);
    EXPECT_EQUAL((uintptr_t)orchestrator, 0);
}

/* --- version and errors ----------------------------------------------------------------------- */

/* SPEC: K5 */
static void the_version_is_the_first_line_of_the_boot(void)
{
    EXPECT_EQUAL(KERNEL_VERSION.major, 0);
    EXPECT_EQUAL(KERNEL_VERSION.minor, 1);
    EXPECT_EQUAL(KERNEL_VERSION.patch, 0);
    EXPECT(string_equal(KERNEL_VERSION.suffix, "alpha"));
    EXPECT_EQUAL(log_lines_find(FIRST_LINE, "helix 0.1.0-alpha"), FIRST_LINE);
}

/* Stable for ever: number, name and POSIX errno, as of the first release. */
static const struct {
    unsigned number;
    const char *name;
    int posix;
} errors[] = {
    {0, "HX_OK", 0},        {1, "HX_EINVAL", 22},     {2, "HX_ENOMEM", 12},
    {3, "HX_ENOENT", 2},    {4, "HX_EEXIST", 17},     {5, "HX_EBUSY", 16},
    {6, "HX_EAGAIN", 11},   {7, "HX_ETIMEDOUT", 110}, {8, "HX_EPERM", 1},
    {9, "HX_ESTATE", 22},   {10, "HX_ECONTEXT", 22},  {11, "HX_ERANGE", 34},
    {12, "HX_EFAULT", 14},  {13, "HX_ENOSYS", 38},    {14, "HX_EFORMAT", 8},
    {15, "HX_EVERSION", 8}, {16, "HX_ESTALE", 116},   {17, "HX_ECLOSED", 32},
    {18, "HX_EDIED", 5},    {19, "HX_ECYCLE", 40},    {20, "HX_EMISSING", 2},
    {21, "HX_EIO", 5},      {22, "HX_ENOSPC", 28},    {23, "HX_EIMPORT", 8},
};

/* SPEC: K6 */
static void errors_keep_their_numbers_names_and_errno(void)
{
    for (unsigned i = 0; i < HX_ARRAY_SIZE(errors); i++) {
        hx_err error = (hx_err)errors[i].number;

        if (!string_equal(hx_error_name(error), errors[i].name) ||
            hx_error_errno(error) != errors[i].posix || hx_error_text(error)[0] == '\0') {
            selftest_fail(__FILE__, __LINE__, "error %u is %s, errno %d", i, hx_error_name(error),
                          hx_error_errno(error));
        }
    }
    EXPECT(string_equal(hx_error_name((hx_err)NO_NUMBER), "HX_?"));
}

/* --- phases ----------------------------------------------------------------------------------- */

/* SPEC: L1 */
static void this_boot_went_through_the_phases_in_order(void)
{
    static const char *const lines[] = {
        "*phase: EarlyInit", "*phase: CoreInit", "*phase: LateInit", "*phase: Running", NULL,
    };

    EXPECT(log_lines_in_order(FIRST_LINE, lines));
    EXPECT_EQUAL(log_lines_count(FIRST_LINE, "*phase: *Init"), 3);
    EXPECT_EQUAL(log_lines_count(FIRST_LINE, "*phase: Running"), 1);
}

/* SPEC: L1 */
static void no_phase_can_be_entered_out_of_order(void)
{
    for (unsigned next = 0; next < PHASE_COUNT; next++) {
        EXPECT_EQUAL(lifecycle_advance((enum lifecycle_phase)next), HX_ESTATE);
        EXPECT_EQUAL(lifecycle_phase(), PHASE_RUNNING);
    }
    EXPECT_EQUAL(lifecycle_advance((enum lifecycle_phase)NO_NUMBER), HX_ESTATE);
}

/* SPEC: L5 */
static void each_state_has_its_phases(void)
{
    /* A star for each phase that fits, from Boot to Halted; rows by number of the state. */
    static const char *const fits[] = {"**.....", "..**...", "....*..",
                                       ".....**", "*******", "....*.."};

    EXPECT_EQUAL(HX_ARRAY_SIZE(fits), KERNEL_STATE_COUNT);
    for (unsigned state = 0; state < KERNEL_STATE_COUNT; state++) {
        for (unsigned phase = 0; phase < PHASE_COUNT; phase++) {
            bool wanted = fits[state][phase] == '*';

            if (lifecycle_phase_fits((enum kernel_state)state, (enum lifecycle_phase)phase) !=
                wanted) {
                selftest_fail(__FILE__, __LINE__, "%s in %s: wanted %d",
                              lifecycle_phase_name((enum lifecycle_phase)phase),
                              kernel_state_name((enum kernel_state)state), wanted);
            }
        }
    }
    EXPECT(lifecycle_phase_fits(kernel_state_current(), lifecycle_phase()));
}

#define TEST(function)                                                                             \
    {                                                                                              \
        .name = "core_kernel." #function, .run = function                                          \
    }

const struct selftest core_kernel_tests[] = {
    TEST(states_have_their_numbers_and_names),
    TEST(exactly_the_listed_transitions_exist),
    TEST(a_refused_transition_changes_nothing_and_is_logged),
    TEST(nobody_else_can_link_to_what_moves_the_state),
    TEST(the_version_is_the_first_line_of_the_boot),
    TEST(errors_keep_their_numbers_names_and_errno),
    TEST(this_boot_went_through_the_phases_in_order),
    TEST(no_phase_can_be_entered_out_of_order),
    TEST(each_state_has_its_phases),
    {.name = NULL},
};
