/* core/config/boot_configuration.h: the builder against hostile loaders. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <core/config/boot_configuration.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <tests/host/random.h>

#define MIB (1024ULL * 1024)

static struct boot_configuration config;

static void add(uint64_t base, uint64_t size, enum memory_kind kind)
{
    assert_int_equal(boot_configuration_add_memory(&config, base, size, kind), HX_OK);
}

static void expect_region(size_t index, uint64_t base, uint64_t size, enum memory_kind kind)
{
    assert_true(index < config.memory_count);
    assert_true(config.memory_map[index].base == base);
    assert_true(config.memory_map[index].size == size);
    assert_int_equal(config.memory_map[index].kind, kind);
}

static int start(void **state)
{
    (void)state;
    boot_configuration_init(&config, "test");
    return 0;
}

/* SPEC: B1 */
static void an_unsorted_map_comes_out_sorted_and_joined(void **state)
{
    (void)state;
    add(3 * MIB, MIB, MEMORY_USABLE);
    add(0, MIB, MEMORY_USABLE);
    add(1 * MIB, MIB, MEMORY_USABLE);
    add(8 * MIB, MIB, MEMORY_RESERVED);
    assert_int_equal(boot_configuration_finish(&config), HX_OK);
    assert_int_equal(config.memory_count, 3);
    expect_region(0, 0, 2 * MIB, MEMORY_USABLE);
    expect_region(1, 3 * MIB, MIB, MEMORY_USABLE);
    expect_region(2, 8 * MIB, MIB, MEMORY_RESERVED);
    assert_int_equal(config.fixed_regions, 0);
    assert_true(boot_configuration_usable(&config) == 3 * MIB);
}

/* SPEC: B1 */
static void the_more_restrictive_of_two_overlapping_entries_wins(void **state)
{
    (void)state;
    add(0, 16 * MIB, MEMORY_USABLE);
    add(4 * MIB, MIB, MEMORY_RESERVED); /* a hole in the middle */
    add(15 * MIB, 2 * MIB, MEMORY_ACPI_NVS);
    add(4 * MIB, 2 * MIB, MEMORY_ACPI_RECLAIMABLE); /* hides behind the reserved part */
    assert_int_equal(boot_configuration_finish(&config), HX_OK);
    assert_int_equal(config.memory_count, 5);
    expect_region(0, 0, 4 * MIB, MEMORY_USABLE);
    expect_region(1, 4 * MIB, MIB, MEMORY_RESERVED);
    expect_region(2, 5 * MIB, MIB, MEMORY_ACPI_RECLAIMABLE);
    expect_region(3, 6 * MIB, 9 * MIB, MEMORY_USABLE);
    expect_region(4, 15 * MIB, 2 * MIB, MEMORY_ACPI_NVS);
    assert_int_equal(config.fixed_regions, 3);
}

/* SPEC: B1 */
static void zero_length_entries_are_dropped_and_counted(void **state)
{
    (void)state;
    add(0, MIB, MEMORY_USABLE);
    add(4096, 0, MEMORY_RESERVED);
    add(UINT64_MAX, 0, MEMORY_USABLE);
    assert_int_equal(boot_configuration_finish(&config), HX_OK);
    assert_int_equal(config.memory_count, 1);
    assert_int_equal(config.dropped_regions, 2);
}

/* SPEC: B1 */
static void wrapping_entries_are_clipped_and_counted(void **state)
{
    (void)state;
    add(0, MIB, MEMORY_USABLE);
    add(UINT64_MAX - 4095, 8192, MEMORY_RESERVED);
    add(16 * MIB, UINT64_MAX, MEMORY_RESERVED);
    add(UINT64_MAX, UINT64_MAX, MEMORY_USABLE); /* nothing of it is left */
    assert_int_equal(config.dropped_regions, 1);
    assert_int_equal(config.fixed_regions, 3);
    assert_int_equal(boot_configuration_finish(&config), HX_OK);
    assert_int_equal(config.memory_count, 2);
    expect_region(1, 16 * MIB, UINT64_MAX - 16 * MIB, MEMORY_RESERVED);
}

/* SPEC: B1 */
static void a_map_over_the_whole_address_space_does_not_overflow(void **state)
{
    (void)state;
    add(0, 1ULL << 63, MEMORY_USABLE);
    add(1ULL << 63, 1ULL << 63, MEMORY_USABLE);
    assert_int_equal(boot_configuration_finish(&config), HX_OK);
    assert_int_equal(config.memory_count, 1);
    assert_true(boot_configuration_usable(&config) == UINT64_MAX);
}

/* SPEC: B1 */
static void reserved_regions_are_never_usable(void **state)
{
    (void)state;
    add(0, MIB, MEMORY_RESERVED);
    add(0, MIB, MEMORY_USABLE);
    add(2 * MIB, MIB, MEMORY_BAD);
    add(4 * MIB, MIB, (enum memory_kind)77);
    assert_int_equal(boot_configuration_finish(&config), HX_EFORMAT);
    assert_true(boot_configuration_usable(&config) == 0);
    assert_int_equal(config.memory_count, 3);
    expect_region(2, 4 * MIB, MIB, MEMORY_RESERVED);
}

/* SPEC: B1 */
static void no_memory_at_all_is_a_clear_error(void **state)
{
    (void)state;
    assert_int_equal(boot_configuration_finish(&config), HX_EFORMAT);
    assert_int_equal(config.memory_count, 0);
}

/* SPEC: B1 B3 */
static void what_is_not_there_is_given_up_with_the_modules_in_it(void **state)
{
    (void)state;
    add(0, 4 * MIB, MEMORY_USABLE);
    add(4 * MIB, MIB, MEMORY_RESERVED);
    add(8 * MIB, 8 * MIB, MEMORY_USABLE);
    assert_int_equal(boot_configuration_add_module(&config, 3 * MIB, MIB, "", "low", 4), HX_OK);
    assert_int_equal(boot_configuration_add_module(&config, 11 * MIB, 2 * MIB, "", "high", 5),
                     HX_OK);
    assert_int_equal(boot_configuration_finish(&config), HX_OK);
    boot_configuration_cut_memory(&config, 2, 13 * MIB);
    expect_region(2, 8 * MIB, 5 * MIB, MEMORY_USABLE);
    assert_int_equal(config.module_count, 2);
    boot_configuration_cut_memory(&config, 2, 20 * MIB); /* behind its end: nothing to cut */
    expect_region(2, 8 * MIB, 5 * MIB, MEMORY_USABLE);
    boot_configuration_cut_memory(&config, 2, 12 * MIB);
    assert_int_equal(config.module_count, 1);
    assert_int_equal(config.dropped_modules, 1);
    boot_configuration_cut_memory(&config, 1, 4 * MIB);
    assert_int_equal(config.memory_count, 2);
    expect_region(1, 8 * MIB, 4 * MIB, MEMORY_USABLE);
    assert_non_null(boot_configuration_module(&config, "low"));
}

/* SPEC: B1 */
static void a_reservation_that_has_no_place_still_takes_memory_away(void **state)
{
    (void)state;
    for (uint64_t i = 0; i < BOOT_MEMORY_MAX; i++) {
        add(i * 2 * MIB, MIB, MEMORY_USABLE);
    }
    assert_int_equal(boot_configuration_add_memory(&config, MIB / 4, MIB / 4, MEMORY_RESERVED),
                     HX_ENOSPC);
    assert_int_equal(boot_configuration_add_memory(&config, 2 * MIB, MIB, MEMORY_BAD), HX_ENOSPC);
    assert_int_equal(boot_configuration_add_memory(&config, 4 * MIB, MIB / 2, MEMORY_USABLE),
                     HX_ENOSPC);
    assert_int_equal(config.dropped_regions, 3);
    assert_int_equal(boot_configuration_finish(&config), HX_OK);
    expect_region(0, MIB / 2, MIB / 2, MEMORY_USABLE);
    expect_region(1, 2 * MIB, MIB, MEMORY_BAD);
    expect_region(2, 4 * MIB, MIB, MEMORY_USABLE);
}

/* SPEC: B1 */
static void a_map_with_too_many_pieces_keeps_what_fits_in_order(void **state)
{
    (void)state;
    add(0, 1024 * MIB, MEMORY_USABLE);
    for (uint64_t i = 1; i < BOOT_MEMORY_MAX; i++) {
        add(i * 2 * MIB, MIB, MEMORY_RESERVED);
    }
    assert_int_equal(boot_configuration_finish(&config), HX_OK);
    assert_int_equal(config.memory_count, BOOT_MEMORY_MAX);
    assert_int_equal(config.dropped_regions, 2 * BOOT_MEMORY_MAX - 1 - BOOT_MEMORY_MAX);
    for (size_t i = 1; i < config.memory_count; i++) {
        assert_true(config.memory_map[i].base ==
                    config.memory_map[i - 1].base + config.memory_map[i - 1].size);
    }
}

/* --- property: any map against a byte map of a small address space ---------------------------- */

#define CELLS 512U /* the reference knows this many addresses */

struct reference {
    int kind[CELLS]; /* -1: not covered */
};

static void reference_add(struct reference *reference, uint64_t base, uint64_t size, int kind)
{
    for (uint64_t i = base; i < CELLS && i - base < size; i++) {
        if (kind > reference->kind[i]) {
            reference->kind[i] = kind;
        }
    }
}

static void reference_of_map(struct reference *reference)
{
    memset(reference->kind, 0xff, sizeof(reference->kind));
    for (size_t i = 0; i < config.memory_count; i++) {
        const struct memory_region *region = &config.memory_map[i];

        reference_add(reference, region->base, region->size, (int)region->kind);
    }
}

/* Sorted, disjoint, not empty, and no two that could be one. */
static bool map_is_canonical(void)
{
    for (size_t i = 0; i < config.memory_count; i++) {
        const struct memory_region *region = &config.memory_map[i];
        const struct memory_region *before = region - 1;

        if (region->size == 0) {
            return false;
        }
        if (i > 0 &&
            (before->base + before->size > region->base ||
             (before->base + before->size == region->base && before->kind == region->kind))) {
            return false;
        }
    }
    return true;
}

static void random_map(struct reference *wanted, size_t entries)
{
    memset(wanted->kind, 0xff, sizeof(wanted->kind));
    boot_configuration_init(&config, "random");
    for (size_t i = 0; i < entries; i++) {
        uint64_t base = random_below(CELLS);
        uint64_t size = random_below(random_below(2) == 0 ? 8 : CELLS);
        int kind = (int)random_below(MEMORY_KIND_COUNT);
        bool full;

        if (random_below(20) == 0) {
            size = UINT64_MAX - random_below(8); /* wraps, nearly always */
        }
        full = size != 0 && config.memory_count == BOOT_MEMORY_MAX;
        assert_int_equal(boot_configuration_add_memory(&config, base, size, (enum memory_kind)kind),
                         full ? HX_ENOSPC : HX_OK);
        reference_add(wanted, base, size, kind);
    }
}

/* The map is good exactly when there is something to use. */
static void finish_random_map(void)
{
    hx_err error = boot_configuration_finish(&config);

    assert_int_equal(error, boot_configuration_usable(&config) > 0 ? HX_OK : HX_EFORMAT);
}

/* SPEC: B1 */
static void random_maps_agree_with_a_map_of_single_bytes(void **state)
{
    uint64_t seed = random_start();

    (void)state;
    for (unsigned round = 0; round < 20000; round++) {
        struct reference wanted;
        struct reference found;

        random_map(&wanted, random_below(round % 4 == 0 ? 60 : 12));
        finish_random_map();
        reference_of_map(&found);
        if (!map_is_canonical() || memcmp(&wanted, &found, sizeof(wanted)) != 0) {
            fail_msg("seed %llu, round %u", (unsigned long long)seed, round);
        }
    }
}

/* With more entries than fit, memory may be lost but never become usable that should not be. */
/* SPEC: B1 */
static void overfull_random_maps_never_gain_usable_bytes(void **state)
{
    uint64_t seed = random_start();

    (void)state;
    for (unsigned round = 0; round < 3000; round++) {
        struct reference wanted;
        struct reference found;

        random_map(&wanted, BOOT_MEMORY_MAX + random_below(100));
        finish_random_map();
        reference_of_map(&found);
        for (size_t i = 0; i < CELLS; i++) {
            if (found.kind[i] == MEMORY_USABLE && wanted.kind[i] != MEMORY_USABLE) {
                fail_msg("seed %llu, round %u: byte %zu", (unsigned long long)seed, round, i);
            }
        }
        assert_true(map_is_canonical());
    }
}

/* --- modules ---------------------------------------------------------------------------------- */

static hx_err add_module(uint64_t physical, uint64_t size, const char *text)
{
    return boot_configuration_add_module(&config, physical, size, (const void *)physical, text,
                                         200);
}

/* SPEC: B3 */
static void modules_are_found_by_name_with_their_own_command_lines(void **state)
{
    const struct boot_module *module;

    (void)state;
    add(0, 64 * MIB, MEMORY_USABLE);
    assert_int_equal(add_module(MIB, 4096, NULL), HX_OK);
    assert_int_equal(add_module(2 * MIB, 4097, "  sched.hxm \t quantum=5  x"), HX_OK);
    assert_int_equal(add_module(3 * MIB, 1, "plain"), HX_OK);
    assert_int_equal(add_module(4 * MIB, 1, ""), HX_OK);
    assert_int_equal(boot_configuration_finish(&config), HX_OK);
    module = boot_configuration_module(&config, "initrd");
    assert_non_null(module);
    assert_true(module->physical == MIB && module->size == 4096);
    assert_string_equal(module->command_line, "");
    module = boot_configuration_module(&config, "sched.hxm");
    assert_non_null(module);
    assert_true(module->physical == 2 * MIB && module->size == 4097);
    assert_string_equal(module->command_line, "quantum=5  x");
    assert_string_equal(boot_configuration_module(&config, "plain")->command_line, "");
    assert_non_null(boot_configuration_module(&config, "module3"));
    assert_null(boot_configuration_module(&config, "sched"));
    assert_null(boot_configuration_module(&config, ""));
}

/* SPEC: B1 B3 */
static void bad_modules_are_refused_and_counted(void **state)
{
    (void)state;
    assert_int_equal(add_module(MIB, 0, NULL), HX_EINVAL);
    assert_int_equal(add_module(UINT64_MAX - 10, 11, NULL), HX_EINVAL);
    assert_int_equal(add_module(MIB, UINT64_MAX, NULL), HX_EINVAL);
    for (uint64_t i = 0; i < BOOT_MODULE_MAX; i++) {
        assert_int_equal(add_module(i * MIB, 4096, "m"), HX_OK);
    }
    assert_int_equal(add_module(99 * MIB, 4096, "m"), HX_ENOSPC);
    assert_int_equal(config.dropped_modules, 4);
    assert_int_equal(config.module_count, BOOT_MODULE_MAX);
}

/* SPEC: B1 B3 */
static void a_module_outside_usable_memory_is_dropped(void **state)
{
    (void)state;
    add(MIB, MIB, MEMORY_USABLE);
    add(2 * MIB, MIB, MEMORY_USABLE);
    add(3 * MIB, MIB, MEMORY_RESERVED);
    assert_int_equal(add_module(MIB, 2 * MIB, "whole"), HX_OK);
    assert_int_equal(add_module(MIB - 1, 4096, "before"), HX_OK);
    assert_int_equal(add_module(3 * MIB - 1, 2, "behind"), HX_OK);
    assert_int_equal(add_module(9 * MIB, 1, "nowhere"), HX_OK);
    assert_int_equal(add_module(3 * MIB - 1, 1, "last own"), HX_OK);
    assert_int_equal(boot_configuration_finish(&config), HX_OK);
    assert_int_equal(config.module_count, 2);
    assert_int_equal(config.dropped_modules, 3);
    assert_non_null(boot_configuration_module(&config, "whole"));
    assert_string_equal(boot_configuration_module(&config, "last")->command_line, "own");
}

/* SPEC: B3 */
static void long_module_texts_are_cut_and_never_read_beyond_their_limit(void **state)
{
    char *text = malloc(150);

    (void)state;
    memset(text, 'n', 150);
    assert_int_equal(boot_configuration_add_module(&config, MIB, 1, NULL, text, 150), HX_OK);
    assert_int_equal(strlen(config.modules[0].name), BOOT_MODULE_NAME_MAX - 1);
    assert_string_equal(config.modules[0].command_line, "");
    assert_int_equal(boot_configuration_add_module(&config, MIB, 1, NULL, text, 3), HX_OK);
    assert_string_equal(config.modules[1].name, "nnn");
    text[1] = ' ';
    assert_int_equal(boot_configuration_add_module(&config, MIB, 1, NULL, text, 150), HX_OK);
    assert_string_equal(config.modules[2].name, "n");
    assert_int_equal(strlen(config.modules[2].command_line), 127 - 2);
    free(text);
}

/* --- the command line and names --------------------------------------------------------------- */

/* SPEC: B1 */
static void a_command_line_that_does_not_fit_is_cut_and_said_to_be(void **state)
{
    static char long_text[2 * BOOT_COMMAND_LINE_MAX];
    char *unterminated = malloc(4);

    (void)state;
    assert_int_equal(boot_configuration_set_command_line(&config, "a=b c", 100), HX_OK);
    assert_string_equal(config.command_line, "a=b c");
    assert_int_equal(boot_configuration_set_command_line(&config, NULL, 100), HX_OK);
    assert_string_equal(config.command_line, "");
    memcpy(unterminated, "abcd", 4);
    assert_int_equal(boot_configuration_set_command_line(&config, unterminated, 4), HX_ERANGE);
    assert_string_equal(config.command_line, "abcd");
    memset(long_text, 'x', sizeof(long_text) - 1);
    assert_int_equal(boot_configuration_set_command_line(&config, long_text, sizeof(long_text)),
                     HX_ERANGE);
    assert_int_equal(strlen(config.command_line), BOOT_COMMAND_LINE_MAX - 1);
    long_text[BOOT_COMMAND_LINE_MAX - 1] = '\0';
    assert_int_equal(boot_configuration_set_command_line(&config, long_text, sizeof(long_text)),
                     HX_OK);
    free(unterminated);
}

static const struct boot_framebuffer screen = {
    .physical = 0xe0000000,
    .width = 1024,
    .height = 768,
    .pitch = 4096,
    .bits = 32,
    .red = {.shift = 16, .size = 8},
    .green = {.shift = 8, .size = 8},
    .blue = {.shift = 0, .size = 8},
};

static void expect_no_screen(struct boot_framebuffer wrong)
{
    assert_int_equal(boot_configuration_set_framebuffer(&config, &wrong), HX_EINVAL);
    assert_true(config.framebuffer.physical == 0);
}

/* SPEC: B1 */
static void a_screen_that_cannot_be_one_is_refused(void **state)
{
    struct boot_framebuffer wrong = screen;

    (void)state;
    wrong.width = 0;
    expect_no_screen(wrong);
    wrong.width = 1025; /* more than a row holds */
    expect_no_screen(wrong);
    wrong = screen;
    wrong.height = BOOT_FRAMEBUFFER_SIDE_MAX + 1;
    expect_no_screen(wrong);
    wrong = screen;
    wrong.bits = 8;
    expect_no_screen(wrong);
    wrong = screen;
    wrong.red.shift = 25;
    expect_no_screen(wrong);
    wrong = screen;
    wrong.blue.size = 0;
    expect_no_screen(wrong);
    wrong = screen;
    wrong.physical = UINT64_MAX - 4096; /* its end wraps */
    expect_no_screen(wrong);
    wrong.physical = 0;
    expect_no_screen(wrong);
    assert_int_equal(boot_configuration_set_framebuffer(&config, &screen), HX_OK);
    assert_memory_equal(&config.framebuffer, &screen, sizeof(screen));
}

/* SPEC: B1 */
static void a_screen_in_memory_is_forgotten(void **state)
{
    (void)state;
    assert_int_equal(boot_configuration_set_framebuffer(&config, &screen), HX_OK);
    add(0, 16 * MIB, MEMORY_USABLE);
    add(0xe0000000, 16 * MIB, MEMORY_RESERVED);
    assert_int_equal(boot_configuration_finish(&config), HX_OK);
    assert_true(config.framebuffer.physical == screen.physical);
    assert_int_equal(config.warning_count, 0);
    add(0xe02ff000, 4096, MEMORY_USABLE); /* its last page */
    config.memory_map[1].size = 0x2ff000;
    assert_int_equal(boot_configuration_finish(&config), HX_OK);
    assert_true(config.framebuffer.physical == 0);
    assert_int_equal(config.warning_count, 1);
}

static void kinds_and_loaders_have_names(void **state)
{
    (void)state;
    assert_string_equal(memory_kind_name(MEMORY_USABLE), "usable");
    assert_string_equal(memory_kind_name(MEMORY_BAD), "bad");
    assert_string_equal(memory_kind_name(MEMORY_KIND_COUNT), "unknown");
    assert_string_equal(memory_kind_name((enum memory_kind) - 1), "unknown");
    assert_string_equal(config.loader, "test");
    boot_configuration_init(&config, "a loader with a name that is much too long for it");
    assert_int_equal(strlen(config.loader), BOOT_LOADER_NAME_MAX - 1);
}

#define FRESH(test) cmocka_unit_test_setup(test, start)

int main(void)
{
    const struct CMUnitTest tests[] = {
        FRESH(an_unsorted_map_comes_out_sorted_and_joined),
        FRESH(the_more_restrictive_of_two_overlapping_entries_wins),
        FRESH(zero_length_entries_are_dropped_and_counted),
        FRESH(wrapping_entries_are_clipped_and_counted),
        FRESH(a_map_over_the_whole_address_space_does_not_overflow),
        FRESH(reserved_regions_are_never_usable),
        FRESH(no_memory_at_all_is_a_clear_error),
        FRESH(what_is_not_there_is_given_up_with_the_modules_in_it),
        FRESH(a_reservation_that_has_no_place_still_takes_memory_away),
        FRESH(a_map_with_too_many_pieces_keeps_what_fits_in_order),
        FRESH(random_maps_agree_with_a_map_of_single_bytes),
        FRESH(overfull_random_maps_never_gain_usable_bytes),
        FRESH(modules_are_found_by_name_with_their_own_command_lines),
        FRESH(bad_modules_are_refused_and_counted),
        FRESH(a_module_outside_usable_memory_is_dropped),
        FRESH(long_module_texts_are_cut_and_never_read_beyond_their_limit),
        FRESH(a_command_line_that_does_not_fit_is_cut_and_said_to_be),
        FRESH(a_screen_that_cannot_be_one_is_refused),
        FRESH(a_screen_in_memory_is_forgotten),
        FRESH(kinds_and_loaders_have_names),
    };

    return cmocka_run_group_tests_name("config/boot_configuration", tests, NULL, NULL);
}
