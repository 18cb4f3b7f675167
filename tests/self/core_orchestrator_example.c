/* The worked example of docs/orchestrator.md, run. */
#include <base/string.h>
#include <core/config/kernel_configuration.h>
#include <tests/self/suites.h>

/* example: subsystems */
#include <core/component/component.h>
#include <core/orchestrator/subsystem_set.h>

static uint64_t beats; /* what the subsystem is there for */

static void heart_stats(struct component_stats *numbers)
{
    numbers->operations = beats;
}

static const struct component heart_component = {
    .name = "example.heart", .version = "1.0.0", .stats = heart_stats};

/* What init began it takes back when it fails: it may be tried again. */
static hx_err heart_init(const struct boot_configuration *config)
{
    (void)config;
    beats = 1;
    return component_register(&heart_component);
}

static hx_err heart_suspend(void)
{
    beats = 0;
    return HX_OK;
}

static hx_err heart_resume(void)
{
    beats = 1;
    return HX_OK;
}

static hx_err heart_shutdown(void)
{
    return component_unregister(&heart_component);
}

static const char *const heart_needs[] = {"lungs", NULL};

static const struct subsystem heart = {
    .name = "heart",
    .version = "1.0.0",
    .dependencies = heart_needs,
    .init = heart_init,
    .shutdown = heart_shutdown,
    .suspend = heart_suspend,
    .resume = heart_resume,
};

/* What is not given does nothing, and that always works. */
static const struct subsystem lungs = {.name = "lungs", .version = "1.0.0"};
/* end of example */

/* SPEC: S1 O2 O7 O8 */
static void the_heart_starts_behind_the_lungs_and_rests_while_suspended(void)
{
    static struct subsystem_set set;
    static struct subsystem_failure failure;
    char text[64];
    subsystem_id id;

    set = (struct subsystem_set){0};
    EXPECT_EQUAL(subsystem_set_add(&set, &heart, &id), HX_OK);
    EXPECT_EQUAL(subsystem_set_init(&set, kernel_boot_configuration(), &failure), HX_EMISSING);
    EXPECT(string_equal(failure.text, "heart depends on lungs, which is not registered"));
    EXPECT_EQUAL(subsystem_set_add(&set, &lungs, &id), HX_OK);
    EXPECT_EQUAL(subsystem_set_init(&set, kernel_boot_configuration(), &failure), HX_OK);
    EXPECT_EQUAL(component_get_stats(&heart_component).operations, 1);
    (void)subsystem_set_text(&set, text, sizeof text);
    EXPECT(string_equal(text, "1 lungs 1.0.0\n2 heart 1.0.0 <- lungs\n"));
    EXPECT_EQUAL(subsystem_set_suspend(&set, &failure), HX_OK);
    EXPECT_EQUAL(beats, 0);
    EXPECT_EQUAL(subsystem_set_resume(&set, &failure), HX_OK);
    EXPECT_EQUAL(beats, 1);
    EXPECT_EQUAL(subsystem_set_shutdown(&set, SUBSYSTEM_SHUTDOWN_LIMIT_NS, &failure), HX_OK);
}

const struct selftest core_orchestrator_example_tests[] = {
    {.name = "core_orchestrator_example."
             "the_heart_starts_behind_the_lungs_and_rests_while_suspended",
     .run = the_heart_starts_behind_the_lungs_and_rests_while_suspended},
    {.name = NULL},
};
