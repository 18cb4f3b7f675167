#include <core/config/boot_configuration.h>
#include <ports/x86_64/pvh.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <tests/host/readers/fake_memory.h>

#include <cmocka.h>

#define LOW_SIZE    0x8000U
#define INFO        0x1000U
#define MODULES     0x2000U
#define MAP         0x3000U
#define TEXT        0x5000U
#define MODULE_TEXT 0x7000U

#define RAM_BASE 0x100000U
#define RAM_SIZE 0x10000U

/* Offsets of the start info's fields (Xen start_info.h). */
enum field {
    MAGIC = 0,
    VERSION = 4,
    MODULE_COUNT = 12,
    MODULE_LIST = 16,
    COMMAND_LINE = 24,
    RSDP = 32,
    MAP_LIST = 40,
    MAP_COUNT = 48,
    INFO_SIZE = 56
};

enum { RAM = 1, RESERVED = 2, TABLES = 3, NVS = 4, BAD = 5, DISABLED = 6, PERSISTENT = 7 };

struct machine {
    struct fake_memory memory;
    uint8_t low[LOW_SIZE];
    uint8_t ram[RAM_SIZE];
    uint32_t map_count;
    uint32_t module_count;
    struct boot_configuration config;
    const char *why;
};

static void put_32(struct machine *machine, uint32_t at, uint32_t value)
{
    memcpy(machine->low + at, &value, sizeof(value));
}

static void put_64(struct machine *machine, uint32_t at, uint64_t value)
{
    memcpy(machine->low + at, &value, sizeof(value));
}

static void add_map(struct machine *machine, uint64_t base, uint64_t size, uint32_t type)
{
    uint32_t at = MAP + 24 * machine->map_count++;

    put_64(machine, at, base);
    put_64(machine, at + 8, size);
    put_32(machine, at + 16, type);
    put_32(machine, INFO + MAP_COUNT, machine->map_count);
}

static void add_module(struct machine *machine, uint64_t base, uint64_t size, uint64_t text)
{
    uint32_t at = MODULES + 32 * machine->module_count++;

    put_64(machine, at, base);
    put_64(machine, at + 8, size);
    put_64(machine, at + 16, text);
    put_32(machine, INFO + MODULE_COUNT, machine->module_count);
}

/* A start info with a command line and 64 KiB of memory at 1 MiB. */
static int set_up(void **state)
{
    struct machine *machine = calloc(1, sizeof(*machine));

    assert_non_null(machine);
    fake_memory_add(&machine->memory, 0, machine->low, LOW_SIZE);
    fake_memory_add(&machine->memory, RAM_BASE, machine->ram, RAM_SIZE);
    put_32(machine, INFO + MAGIC, 0x336ec578);
    put_32(machine, INFO + VERSION, 1);
    put_64(machine, INFO + MODULE_LIST, MODULES);
    put_64(machine, INFO + COMMAND_LINE, TEXT);
    put_64(machine, INFO + RSDP, 0xf5a60);
    put_64(machine, INFO + MAP_LIST, MAP);
    strcpy((char *)machine->low + TEXT, "init=/bin/sh quiet");
    add_map(machine, RAM_BASE, RAM_SIZE, RAM);
    *state = machine;
    return 0;
}

static int tear_down(void **state)
{
    struct machine *machine = *state;

    fake_memory_release(&machine->memory);
    free(machine);
    return 0;
}

static hx_err read_at(struct machine *machine, uint64_t start_info)
{
    struct physical_reader reader = fake_memory_reader(&machine->memory);

    boot_configuration_init(&machine->config, "pvh");
    return pvh_read(&reader, start_info, &machine->config, &machine->why);
}

static hx_err read_info(struct machine *machine)
{
    return read_at(machine, INFO);
}

static void read_and_finish(struct machine *machine)
{
    assert_int_equal(read_info(machine), HX_OK);
    assert_int_equal(boot_configuration_finish(&machine->config), HX_OK);
}

static enum memory_kind kind_at(const struct boot_configuration *config, uint64_t address)
{
    for (size_t i = 0; i < config->memory_count; i++) {
        const struct memory_region *region = &config->memory_map[i];

        if (address >= region->base && address - region->base < region->size) {
            return region->kind;
        }
    }
    return MEMORY_KIND_COUNT;
}

/* SPEC: B1 B3 */
static void a_good_start_info_becomes_a_configuration(void **state)
{
    struct machine *machine = *state;
    const struct boot_module *module;

    strcpy((char *)machine->low + MODULE_TEXT, "initrd compressed=no");
    machine->ram[0x4000] = 0x5a;
    add_module(machine, RAM_BASE + 0x4000, 0x123, MODULE_TEXT);
    add_map(machine, 0xfec00000, 0x1000, RESERVED);
    read_and_finish(machine);
    assert_null(machine->why);
    assert_string_equal(machine->config.command_line, "init=/bin/sh quiet");
    assert_int_equal(machine->config.acpi_rsdp, 0xf5a60);
    assert_int_equal(boot_configuration_usable(&machine->config), RAM_SIZE);
    assert_int_equal(kind_at(&machine->config, 0xfec00000), MEMORY_RESERVED);
    module = boot_configuration_module(&machine->config, "initrd");
    assert_non_null(module);
    assert_string_equal(module->command_line, "compressed=no");
    assert_int_equal(module->physical, RAM_BASE + 0x4000);
    assert_int_equal(module->size, 0x123);
    assert_int_equal(*(const uint8_t *)module->data, 0x5a);
}

static void a_start_info_without_options_is_enough(void **state)
{
    struct machine *machine = *state;

    put_64(machine, INFO + COMMAND_LINE, 0);
    put_64(machine, INFO + MODULE_LIST, 0);
    put_64(machine, INFO + RSDP, 0);
    read_and_finish(machine);
    assert_null(machine->why);
    assert_string_equal(machine->config.command_line, "");
    assert_int_equal(machine->config.module_count, 0);
}

static void a_later_version_is_read_as_version_1(void **state)
{
    struct machine *machine = *state;

    put_32(machine, INFO + VERSION, 7);
    read_and_finish(machine);
    assert_null(machine->why);
}

/* SPEC: B1 */
static void a_wrong_magic_number_is_refused(void **state)
{
    struct machine *machine = *state;

    for (uint32_t bit = 0; bit < 32; bit++) {
        put_32(machine, INFO + MAGIC, 0x336ec578U ^ 1U << bit);
        assert_int_equal(read_info(machine), HX_EFORMAT);
        assert_non_null(machine->why);
    }
}

static void version_0_is_refused_because_it_has_no_memory_map(void **state)
{
    struct machine *machine = *state;

    put_32(machine, INFO + VERSION, 0);
    assert_int_equal(read_info(machine), HX_EVERSION);
    assert_non_null(strstr(machine->why, "memory map"));
}

/* SPEC: B1 */
static void a_start_info_outside_memory_is_refused(void **state)
{
    struct machine *machine = *state;
    static const uint64_t wild[] = {0xdeadbeef000, UINT64_MAX, UINT64_MAX - 8, 1ULL << 63};

    for (size_t i = 0; i < HX_ARRAY_SIZE(wild); i++) {
        assert_int_equal(read_at(machine, wild[i]), HX_EFAULT);
        assert_non_null(machine->why);
    }
}

/* SPEC: B1 */
static void a_start_info_cut_anywhere_is_refused(void **state)
{
    struct machine *machine = *state;

    for (uint32_t kept = 0; kept < INFO_SIZE; kept++) {
        machine->memory.regions[0].size = INFO + kept;
        assert_int_not_equal(read_info(machine), HX_OK);
        assert_non_null(machine->why);
    }
}

/* SPEC: B1 */
static void a_memory_map_that_lies_is_refused(void **state)
{
    struct machine *machine = *state;
    static const struct {
        uint64_t list;
        uint32_t count;
        hx_err error;
    } lies[] = {
        {MAP, 0, HX_EFORMAT},
        {MAP, UINT32_MAX, HX_EFORMAT},
        {MAP, 1025, HX_EFORMAT},
        {MAP, 1024, HX_EFAULT}, /* reaches beyond low memory */
        {UINT64_MAX - 10, 1, HX_EFORMAT},
        {UINT64_MAX - 24 * 3, 4, HX_EFORMAT},
        {LOW_SIZE - 24, 2, HX_EFAULT},
        {0, 1, HX_OK}, /* nonsense, but memory: its only entry is empty */
        {0x7fffffffffff, 1, HX_EFAULT},
    };

    for (size_t i = 0; i < HX_ARRAY_SIZE(lies); i++) {
        put_64(machine, INFO + MAP_LIST, lies[i].list);
        put_32(machine, INFO + MAP_COUNT, lies[i].count);
        assert_int_equal(read_info(machine), lies[i].error);
        assert_true((machine->why != NULL) == (lies[i].error != HX_OK));
    }
    put_64(machine, INFO + MAP_LIST, 0);
    put_32(machine, INFO + MAP_COUNT, 1);
    assert_int_equal(read_info(machine), HX_OK);
    assert_int_equal(boot_configuration_finish(&machine->config), HX_EFORMAT);
}

/* SPEC: B1 */
static void the_kinds_of_memory_are_told_apart_and_unknown_ones_are_reserved(void **state)
{
    struct machine *machine = *state;
    static const struct {
        uint32_t type;
        enum memory_kind kind;
    } kinds[] = {
        {0, MEMORY_RESERVED},
        {RESERVED, MEMORY_RESERVED},
        {TABLES, MEMORY_ACPI_RECLAIMABLE},
        {NVS, MEMORY_ACPI_NVS},
        {BAD, MEMORY_BAD},
        {DISABLED, MEMORY_RESERVED},
        {PERSISTENT, MEMORY_PERSISTENT},
        {8, MEMORY_RESERVED},
        {UINT32_MAX, MEMORY_RESERVED},
    };

    for (size_t i = 0; i < HX_ARRAY_SIZE(kinds); i++) {
        add_map(machine, 0x10000000 + i * 0x2000, 0x1000, kinds[i].type);
    }
    read_and_finish(machine);
    for (size_t i = 0; i < HX_ARRAY_SIZE(kinds); i++) {
        assert_int_equal(kind_at(&machine->config, 0x10000000 + i * 0x2000), kinds[i].kind);
    }
}

/* SPEC: B1 */
static void overlapping_unsorted_empty_and_wrapping_regions_are_resolved(void **state)
{
    struct machine *machine = *state;
    const struct boot_configuration *config = &machine->config;

    add_map(machine, 0x40000000, 0x10000, RAM);
    add_map(machine, 0x20000000, 0x10000, RAM);             /* unsorted */
    add_map(machine, 0x20004000, 0x1000, RESERVED);         /* inside the one before */
    add_map(machine, 0x30000000, 0, RAM);                   /* empty */
    add_map(machine, UINT64_MAX - 0xfff, 0x5000, RESERVED); /* wraps */
    read_and_finish(machine);
    assert_int_equal(boot_configuration_usable(config), RAM_SIZE + 0x20000 - 0x1000);
    assert_int_equal(kind_at(config, 0x20004fff), MEMORY_RESERVED);
    assert_int_equal(kind_at(config, 0x20003fff), MEMORY_USABLE);
    assert_int_equal(kind_at(config, 0x20005000), MEMORY_USABLE);
    assert_int_equal(kind_at(config, 0), MEMORY_KIND_COUNT);
    assert_int_equal(config->dropped_regions, 1);
    assert_true(config->fixed_regions >= 2);
    for (size_t i = 1; i < config->memory_count; i++) {
        const struct memory_region *before = &config->memory_map[i - 1];

        assert_true(before->base + before->size <= config->memory_map[i].base);
    }
}

/* SPEC: B1 */
static void a_map_too_long_for_the_table_never_makes_reserved_memory_usable(void **state)
{
    struct machine *machine = *state;

    for (uint64_t i = 0; i < 200; i++) {
        add_map(machine, 0x10000000 + i * 0x10000, 0x8000, RAM);
    }
    add_map(machine, 0x10000000, 0x1000, RESERVED);
    add_map(machine, 0x10012000, 0x1000, BAD);
    read_and_finish(machine);
    assert_non_null(machine->why);
    assert_true(machine->config.dropped_regions > 0);
    assert_int_not_equal(kind_at(&machine->config, 0x10000800), MEMORY_USABLE);
    assert_int_not_equal(kind_at(&machine->config, 0x10012800), MEMORY_USABLE);
    assert_int_equal(kind_at(&machine->config, 0x10020000), MEMORY_USABLE);
}

static void a_command_line_may_cross_pages(void **state)
{
    struct machine *machine = *state;

    put_64(machine, INFO + COMMAND_LINE, TEXT + 0xff8);
    strcpy((char *)machine->low + TEXT + 0xff8, "init=/sbin/a-long-name");
    read_and_finish(machine);
    assert_null(machine->why);
    assert_string_equal(machine->config.command_line, "init=/sbin/a-long-name");
}

/* SPEC: B1 */
static void a_command_line_too_long_is_cut_and_said_so(void **state)
{
    struct machine *machine = *state;

    memset(machine->low + TEXT, 'a', LOW_SIZE - TEXT);
    read_and_finish(machine);
    assert_non_null(strstr(machine->why, "too long"));
    assert_int_equal(strlen(machine->config.command_line), BOOT_COMMAND_LINE_MAX - 1);
}

/* SPEC: B1 */
static void a_command_line_that_runs_out_of_memory_is_ignored_and_said_so(void **state)
{
    struct machine *machine = *state;
    static const uint64_t wild[] = {LOW_SIZE - 0x10, LOW_SIZE, UINT64_MAX, UINT64_MAX - 0xfff,
                                    1ULL << 52};

    memset(machine->low + LOW_SIZE - 0x10, 'x', 0x10); /* no NUL up to the end */
    for (size_t i = 0; i < HX_ARRAY_SIZE(wild); i++) {
        put_64(machine, INFO + COMMAND_LINE, wild[i]);
        assert_int_equal(read_info(machine), HX_OK);
        assert_non_null(strstr(machine->why, "command line"));
        assert_string_equal(machine->config.command_line, "");
    }
}

/* SPEC: B1 B3 */
static void bad_modules_are_dropped_and_the_good_one_stays(void **state)
{
    struct machine *machine = *state;

    strcpy((char *)machine->low + MODULE_TEXT, "good one");
    add_module(machine, RAM_BASE, 0, MODULE_TEXT);            /* empty */
    add_module(machine, RAM_BASE, RAM_SIZE + 1, MODULE_TEXT); /* ends outside memory */
    add_module(machine, RAM_BASE, UINT64_MAX, MODULE_TEXT);   /* wraps */
    add_module(machine, 0x7000000000, 0x1000, MODULE_TEXT);   /* nothing there */
    add_module(machine, MODULES, 0x100, MODULE_TEXT);         /* readable, not usable memory */
    add_module(machine, RAM_BASE + 0x1000, 0x1000, MODULE_TEXT);
    read_and_finish(machine);
    assert_non_null(strstr(machine->why, "module"));
    assert_int_equal(machine->config.module_count, 1);
    assert_int_equal(machine->config.dropped_modules, 5);
    assert_non_null(boot_configuration_module(&machine->config, "good"));
}

static void a_module_that_the_port_cannot_reach_is_dropped(void **state)
{
    struct machine *machine = *state;

    add_map(machine, 0x4000000000, 0x10000, RAM); /* usable, but the reader refuses it */
    add_module(machine, 0x4000000000, 0x1000, 0);
    read_and_finish(machine);
    assert_int_equal(machine->config.module_count, 0);
    assert_int_equal(machine->config.dropped_modules, 1);
}

static void a_module_with_a_wild_command_line_keeps_its_bytes(void **state)
{
    struct machine *machine = *state;

    add_module(machine, RAM_BASE, 0x1000, 0x7fffffffff00);
    read_and_finish(machine);
    assert_non_null(strstr(machine->why, "command line"));
    assert_int_equal(machine->config.module_count, 1);
    assert_string_equal(machine->config.modules[0].command_line, "");
}

/* SPEC: B1 */
static void a_module_count_that_lies_is_cut_and_counted(void **state)
{
    struct machine *machine = *state;

    add_module(machine, RAM_BASE, 0x1000, 0);
    put_32(machine, INFO + MODULE_COUNT, UINT32_MAX);
    read_and_finish(machine);
    assert_int_equal(machine->config.module_count, 1);
    assert_int_equal(machine->config.dropped_modules, UINT32_MAX - 1);
}

/* SPEC: B1 */
static void a_module_list_outside_memory_is_dropped_and_counted(void **state)
{
    struct machine *machine = *state;
    static const uint64_t wild[] = {LOW_SIZE - 31, UINT64_MAX - 40, UINT64_MAX, 1ULL << 60};

    for (size_t i = 0; i < HX_ARRAY_SIZE(wild); i++) {
        put_64(machine, INFO + MODULE_LIST, wild[i]);
        put_32(machine, INFO + MODULE_COUNT, 3);
        assert_int_equal(read_info(machine), HX_OK);
        assert_int_equal(machine->config.module_count, 0);
        assert_int_equal(machine->config.dropped_modules, 3);
        assert_non_null(machine->why);
    }
}

/* SPEC: B3 */
static void more_modules_than_the_table_holds_are_counted(void **state)
{
    struct machine *machine = *state;

    for (uint64_t i = 0; i < BOOT_MODULE_MAX + 3; i++) {
        add_module(machine, RAM_BASE + i * 0x100, 0x100, 0);
    }
    read_and_finish(machine);
    assert_int_equal(machine->config.module_count, BOOT_MODULE_MAX);
    assert_int_equal(machine->config.dropped_modules, 3);
    assert_non_null(machine->why);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_good_start_info_becomes_a_configuration),
        TEST(a_start_info_without_options_is_enough),
        TEST(a_later_version_is_read_as_version_1),
        TEST(a_wrong_magic_number_is_refused),
        TEST(version_0_is_refused_because_it_has_no_memory_map),
        TEST(a_start_info_outside_memory_is_refused),
        TEST(a_start_info_cut_anywhere_is_refused),
        TEST(a_memory_map_that_lies_is_refused),
        TEST(the_kinds_of_memory_are_told_apart_and_unknown_ones_are_reserved),
        TEST(overlapping_unsorted_empty_and_wrapping_regions_are_resolved),
        TEST(a_map_too_long_for_the_table_never_makes_reserved_memory_usable),
        TEST(a_command_line_may_cross_pages),
        TEST(a_command_line_too_long_is_cut_and_said_so),
        TEST(a_command_line_that_runs_out_of_memory_is_ignored_and_said_so),
        TEST(bad_modules_are_dropped_and_the_good_one_stays),
        TEST(a_module_that_the_port_cannot_reach_is_dropped),
        TEST(a_module_with_a_wild_command_line_keeps_its_bytes),
        TEST(a_module_count_that_lies_is_cut_and_counted),
        TEST(a_module_list_outside_memory_is_dropped_and_counted),
        TEST(more_modules_than_the_table_holds_are_counted),
    };

    return cmocka_run_group_tests_name("readers/pvh", tests, NULL, NULL);
}
