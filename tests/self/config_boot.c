/* The boot configuration of this very boot, and its builder and parser on this machine. */
#include <tests/self/suites.h>

#include <base/string.h>
#include <core/config/kernel_configuration.h>
#include <hal/memory.h>
#include <kern/frames.h>
#include <kern/heap.h>

#define MIB (1024ULL * 1024)

static uint64_t region_end(const struct memory_region *region)
{
    return region->base + region->size;
}

/* --- the memory map --------------------------------------------------------------------------- */

static void expect_canonical_map(const struct boot_configuration *config)
{
    for (size_t i = 0; i < config->memory_count; i++) {
        const struct memory_region *region = &config->memory_map[i];

        EXPECT(region->size > 0);
        EXPECT(region_end(region) > region->base);
        EXPECT(i == 0 || region_end(region - 1) <= region->base);
    }
}

/* SPEC: B1 */
static void the_memory_map_of_this_boot_is_sorted_and_disjoint(void)
{
    const struct boot_configuration *config = kernel_boot_configuration();

    EXPECT(config->loader[0] != '\0');
    EXPECT(config->memory_count > 0);
    expect_canonical_map(config);
}

/* SPEC: B1 */
static void the_allocator_manages_no_more_than_the_usable_memory(void)
{
    struct frame_statistics statistics;
    uint64_t usable = boot_configuration_usable(kernel_boot_configuration());

    frames_statistics(&statistics);
    EXPECT(statistics.total > 0);
    EXPECT(statistics.total * HAL_PAGE_SIZE <= usable);
}

static void build_hostile_map(struct boot_configuration *config)
{
    boot_configuration_init(config, "hostile");
    EXPECT_EQUAL(boot_configuration_add_memory(config, 4 * MIB, 4 * MIB, MEMORY_USABLE), HX_OK);
    EXPECT_EQUAL(boot_configuration_add_memory(config, 0, 4 * MIB, MEMORY_USABLE), HX_OK);
    EXPECT_EQUAL(boot_configuration_add_memory(config, 2 * MIB, MIB, MEMORY_RESERVED), HX_OK);
    EXPECT_EQUAL(boot_configuration_add_memory(config, MIB, 0, MEMORY_USABLE), HX_OK);
    EXPECT_EQUAL(boot_configuration_add_memory(config, UINT64_MAX - 9, 99, MEMORY_BAD), HX_OK);
}

/* SPEC: B1 */
static void a_hostile_map_is_put_right(void)
{
    struct boot_configuration *config = heap_allocate(sizeof(*config), OWNER_CORE);

    EXPECT(config != NULL);
    if (config == NULL) {
        return;
    }
    build_hostile_map(config);
    EXPECT_EQUAL(boot_configuration_finish(config), HX_OK);
    expect_canonical_map(config);
    EXPECT_EQUAL(config->memory_count, 4);
    EXPECT_EQUAL(config->memory_map[0].size, 2 * MIB);
    EXPECT_EQUAL(config->memory_map[1].kind, MEMORY_RESERVED);
    EXPECT_EQUAL(config->memory_map[2].base, 3 * MIB);
    EXPECT_EQUAL(config->memory_map[2].size, 5 * MIB);
    EXPECT_EQUAL(config->dropped_regions, 1);
    EXPECT_EQUAL(config->fixed_regions, 2);
    boot_configuration_init(config, "empty");
    EXPECT_EQUAL(boot_configuration_finish(config), HX_EFORMAT);
    heap_free(config);
}

/* --- the command line ------------------------------------------------------------------------- */

/* SPEC: B2 */
static void the_option_that_started_these_tests_is_there(void)
{
    EXPECT(command_line_has(kernel_command_line(), "selftest"));
    EXPECT_EQUAL(kernel_command_line()->dropped, 0);
}

static void expect_text(const struct command_line *line, const char *key, const char *wanted)
{
    const char *value = command_line_text(line, key, "(absent)");

    if (!string_equal(value, wanted)) {
        selftest_fail(__FILE__, __LINE__, "%s is \"%s\", wanted \"%s\"", key, value, wanted);
    }
}

/* SPEC: B2 */
static void quotes_units_and_unknown_keys_are_understood(void)
{
    struct command_line *line = heap_allocate(sizeof(*line), OWNER_CORE);
    const struct command_line_option *unknown;
    uint64_t number = 0;
    bool truth = true;

    EXPECT(line != NULL);
    if (line == NULL) {
        return;
    }
    command_line_parse(line, "init=\"/bin/my sh\" smp=2K other='a \"b\"' gate.x=off -- -l 'x y'");
    expect_text(line, "init", "/bin/my sh");
    expect_text(line, "other", "a \"b\"");
    EXPECT_EQUAL(command_line_u64(line, "smp", &number), HX_OK);
    EXPECT_EQUAL(number, 2048);
    EXPECT_EQUAL(command_line_u64(line, "init", &number), HX_EINVAL);
    EXPECT_EQUAL(command_line_bool(line, "gate.x", &truth), HX_OK);
    EXPECT(!truth);
    EXPECT(string_equal(line->init_arguments, "-l 'x y'"));
    unknown = command_line_unknown(line, 0);
    EXPECT(unknown != NULL && string_equal(unknown->key, "other"));
    EXPECT(command_line_unknown(line, 1) == NULL);
    heap_free(line);
}

/* --- modules ---------------------------------------------------------------------------------- */

/* SPEC: B3 */
static void every_boot_module_is_reachable_by_its_name(void)
{
    const struct boot_configuration *config = kernel_boot_configuration();

    if (config->module_count == 0) {
        selftest_skip("the loader passed no modules");
        return;
    }
    for (size_t i = 0; i < config->module_count; i++) {
        const struct boot_module *module = &config->modules[i];
        const struct boot_module *found = boot_configuration_module(config, module->name);

        EXPECT(found != NULL && string_equal(found->name, module->name));
        EXPECT(module->size > 0);
        EXPECT(module->command_line != NULL);
        EXPECT_EQUAL((uintptr_t)module->data, (uintptr_t)hal_direct_map(module->physical));
    }
    EXPECT(boot_configuration_module(config, "no such module") == NULL);
}

static bool lies_in_a_module(uint64_t base, uint64_t size)
{
    const struct boot_configuration *config = kernel_boot_configuration();

    for (size_t i = 0; i < config->module_count; i++) {
        const struct boot_module *module = &config->modules[i];

        if (base < module->physical + module->size && module->physical < base + size) {
            return true;
        }
    }
    return false;
}

/* A block taken from the allocator; the record lies in the block. */
struct taken {
    struct taken *next;
    unsigned order;
};

/* Blocks smaller than this are left, for whoever else runs. */
#define TAKE_ORDER_MIN 4U

/* Take blocks of one order while there are any. */
static struct taken *take_all(unsigned order, struct taken *taken)
{
    uint64_t physical;

    while (frames_allocate(order, OWNER_CORE, &physical) == HX_OK) {
        struct taken *block = hal_direct_map(physical);

        if (lies_in_a_module(physical, HAL_PAGE_SIZE << order)) {
            selftest_fail(__FILE__, __LINE__, "order %u at 0x%lx is a module's", order,
                          (unsigned long)physical);
            break; /* and write nothing into it */
        }
        block->next = taken;
        block->order = order;
        taken = block;
    }
    return taken;
}

static void give_all_back(struct taken *taken)
{
    while (taken != NULL) {
        struct taken *next = taken->next;

        frames_free(hal_direct_physical(taken), taken->order);
        taken = next;
    }
}

/* SPEC: B3 */
static void the_allocator_hands_out_no_frame_of_a_module(void)
{
    struct taken *taken = NULL;

    for (unsigned order = FRAME_ORDER_MAX + 1; order-- > TAKE_ORDER_MIN;) {
        taken = take_all(order, taken);
    }
    EXPECT(taken != NULL);
    give_all_back(taken);
}

/* SPEC: B3 */
static void no_frame_of_a_module_has_an_owner(void)
{
    const struct boot_configuration *config = kernel_boot_configuration();

    for (size_t i = 0; i < config->module_count; i++) {
        const struct boot_module *module = &config->modules[i];
        uint64_t end = module->physical + module->size;

        for (uint64_t at = module->physical & ~(HAL_PAGE_SIZE - 1); at < end; at += HAL_PAGE_SIZE) {
            if (frames_owner(at) != OWNER_NONE) {
                selftest_fail(__FILE__, __LINE__, "frame 0x%lx of %s has an owner",
                              (unsigned long)at, module->name);
                return;
            }
        }
    }
}

/* --- read-only -------------------------------------------------------------------------------- */

static void expect_same_options(const struct command_line *a, const struct command_line *b)
{
    EXPECT_EQUAL(a->count, b->count);
    for (size_t i = 0; i < a->count && i < b->count; i++) {
        EXPECT(string_equal(a->options[i].key, b->options[i].key));
        EXPECT(string_equal(a->options[i].value, b->options[i].value));
    }
}

/* What was parsed at boot is what the text still says: neither has been written to since. */
/* SPEC: B2 B4 */
static void the_configuration_has_not_changed_since_boot(void)
{
    struct command_line *line = heap_allocate(sizeof(*line), OWNER_CORE);

    EXPECT(line != NULL);
    if (line == NULL) {
        return;
    }
    command_line_parse(line, kernel_boot_configuration()->command_line);
    expect_same_options(line, kernel_command_line());
    EXPECT(string_equal(line->init_arguments, kernel_command_line()->init_arguments));
    heap_free(line);
}

#define TEST(function)                                                                             \
    {                                                                                              \
        .name = "config_boot." #function, .run = function                                          \
    }

const struct selftest config_boot_tests[] = {
    TEST(the_memory_map_of_this_boot_is_sorted_and_disjoint),
    TEST(the_allocator_manages_no_more_than_the_usable_memory),
    TEST(a_hostile_map_is_put_right),
    TEST(the_option_that_started_these_tests_is_there),
    TEST(quotes_units_and_unknown_keys_are_understood),
    TEST(every_boot_module_is_reachable_by_its_name),
    TEST(the_allocator_hands_out_no_frame_of_a_module),
    TEST(no_frame_of_a_module_has_an_owner),
    TEST(the_configuration_has_not_changed_since_boot),
    {.name = NULL},
};
