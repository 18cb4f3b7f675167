#include <core/config/boot_configuration.h>
#include <ports/x86_64/multiboot2.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <tests/host/readers/fake_memory.h>

#include <cmocka.h>

#define LOW_SIZE    0x10000U
#define INFORMATION 0x1000U
#define FIRST_TAG   (INFORMATION + 8)

#define RAM_BASE 0x100000U
#define RAM_SIZE 0x10000U

/* Types of tags (Multiboot2 Specification 2.0, 3.6). */
enum {
    END = 0,
    COMMAND_LINE = 1,
    LOADER_NAME = 2,
    MODULE = 3,
    MAP = 6,
    FRAMEBUFFER = 8,
    RSDP_OLD = 14,
    RSDP_NEW = 15
};

enum { RAM = 1, RESERVED = 2, TABLES = 3, NVS = 4, BAD = 5 };

struct entry {
    uint64_t base;
    uint64_t size;
    uint32_t type;
    uint32_t reserved;
};

struct machine {
    struct fake_memory memory;
    uint8_t low[LOW_SIZE];
    uint8_t ram[RAM_SIZE];
    uint32_t next; /* where the next tag goes */
    struct boot_configuration config;
    const char *why;
};

static void put_32(struct machine *machine, uint32_t at, uint32_t value)
{
    memcpy(machine->low + at, &value, sizeof(value));
}

/* A tag with these bytes behind its header; returns where it is. */
static uint32_t add_tag(struct machine *machine, uint32_t type, const void *bytes, uint32_t size)
{
    uint32_t at = machine->next;

    put_32(machine, at, type);
    put_32(machine, at + 4, size + 8);
    if (size > 0) {
        memcpy(machine->low + at + 8, bytes, size);
    }
    machine->next = (at + 8 + size + 7) & ~7U;
    return at;
}

static uint32_t add_text(struct machine *machine, const char *text)
{
    return add_tag(machine, COMMAND_LINE, text, (uint32_t)strlen(text) + 1);
}

static uint32_t add_module(struct machine *machine, uint32_t start, uint32_t end, const char *text)
{
    uint8_t bytes[256];

    memcpy(bytes, &start, 4);
    memcpy(bytes + 4, &end, 4);
    strcpy((char *)bytes + 8, text);
    return add_tag(machine, MODULE, bytes, 8 + (uint32_t)strlen(text) + 1);
}

static uint32_t add_map(struct machine *machine, const struct entry *entries, uint32_t count)
{
    uint8_t bytes[0x8000];
    const uint32_t head[] = {sizeof(*entries), 0};

    memcpy(bytes, head, sizeof(head));
    memcpy(bytes + sizeof(head), entries, count * sizeof(*entries));
    return add_tag(machine, MAP, bytes, (uint32_t)(sizeof(head) + count * sizeof(*entries)));
}

static uint32_t add_framebuffer(struct machine *machine, uint8_t kind)
{
    static const uint8_t colours[] = {16, 8, 8, 8, 0, 8};
    const uint64_t physical = 0xfd000000;
    const uint32_t sizes[] = {4096, 1024, 768};
    uint8_t bytes[30] = {0};

    memcpy(bytes, &physical, 8);
    memcpy(bytes + 8, sizes, sizeof(sizes));
    bytes[20] = 32;
    bytes[21] = kind;
    memcpy(bytes + 24, colours, sizeof(colours));
    return add_tag(machine, FRAMEBUFFER, bytes, sizeof(bytes));
}

/* Close the list. */
static void end_tags(struct machine *machine)
{
    add_tag(machine, END, NULL, 0);
    put_32(machine, INFORMATION, machine->next - INFORMATION);
}

static const struct entry SOME_RAM = {RAM_BASE, RAM_SIZE, RAM, 0};

/* 64 KiB of memory at 1 MiB; the tags are the test's. */
static int set_up(void **state)
{
    struct machine *machine = calloc(1, sizeof(*machine));

    assert_non_null(machine);
    fake_memory_add(&machine->memory, 0, machine->low, LOW_SIZE);
    fake_memory_add(&machine->memory, RAM_BASE, machine->ram, RAM_SIZE);
    machine->next = FIRST_TAG;
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

static hx_err read_at(struct machine *machine, uint64_t information)
{
    struct physical_reader reader = fake_memory_reader(&machine->memory);

    boot_configuration_init(&machine->config, "multiboot2");
    return multiboot2_read(&reader, information, &machine->config, &machine->why);
}

static hx_err read_information(struct machine *machine)
{
    return read_at(machine, INFORMATION);
}

static void read_and_finish(struct machine *machine)
{
    assert_int_equal(read_information(machine), HX_OK);
    assert_int_equal(boot_configuration_finish(&machine->config), HX_OK);
}

static void assert_refused(struct machine *machine, hx_err error)
{
    assert_int_equal(read_information(machine), error);
    assert_non_null(machine->why);
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
static void a_good_information_becomes_a_configuration(void **state)
{
    struct machine *machine = *state;
    const struct entry entries[] = {SOME_RAM, {0xfec00000, 0x1000, RESERVED, 0}};
    const struct boot_module *module;
    uint32_t rsdp;

    machine->ram[0x4000] = 0x5a;
    add_tag(machine, LOADER_NAME, "GRUB 2.06", 10);
    add_text(machine, "init=/bin/sh quiet");
    add_map(machine, entries, 2);
    add_module(machine, RAM_BASE + 0x4000, RAM_BASE + 0x4123, "initrd compressed=no");
    add_framebuffer(machine, 1);
    rsdp = add_tag(machine, RSDP_OLD, "RSD PTR 901234567890", 20);
    end_tags(machine);
    read_and_finish(machine);
    assert_null(machine->why);
    assert_string_equal(machine->config.loader, "multiboot2");
    assert_string_equal(machine->config.command_line, "init=/bin/sh quiet");
    assert_int_equal(machine->config.acpi_rsdp, rsdp + 8);
    assert_int_equal(boot_configuration_usable(&machine->config), RAM_SIZE);
    assert_int_equal(kind_at(&machine->config, 0xfec00000), MEMORY_RESERVED);
    module = boot_configuration_module(&machine->config, "initrd");
    assert_non_null(module);
    assert_string_equal(module->command_line, "compressed=no");
    assert_int_equal(module->physical, RAM_BASE + 0x4000);
    assert_int_equal(module->size, 0x123);
    assert_int_equal(*(const uint8_t *)module->data, 0x5a);
}

/* SPEC: B1 */
static void the_screen_is_described(void **state)
{
    struct machine *machine = *state;
    const struct boot_framebuffer *screen = &machine->config.framebuffer;

    add_map(machine, &SOME_RAM, 1);
    add_framebuffer(machine, 1);
    end_tags(machine);
    read_and_finish(machine);
    assert_null(machine->why);
    assert_int_equal(screen->physical, 0xfd000000);
    assert_int_equal(screen->pitch, 4096);
    assert_int_equal(screen->width, 1024);
    assert_int_equal(screen->height, 768);
    assert_int_equal(screen->bits, 32);
    assert_int_equal(screen->red.shift, 16);
    assert_int_equal(screen->green.shift, 8);
    assert_int_equal(screen->blue.shift, 0);
    assert_int_equal(screen->blue.size, 8);
}

static void a_screen_of_text_or_with_a_palette_is_none_and_no_mistake(void **state)
{
    struct machine *machine = *state;

    for (uint8_t kind = 0; kind <= 2; kind = (uint8_t)(kind + 2)) {
        machine->next = FIRST_TAG;
        add_map(machine, &SOME_RAM, 1);
        add_framebuffer(machine, kind);
        end_tags(machine);
        read_and_finish(machine);
        assert_null(machine->why);
        assert_int_equal(machine->config.framebuffer.physical, 0);
    }
}

/* SPEC: B1 */
static void a_screen_that_makes_no_sense_is_ignored_and_said_so(void **state)
{
    struct machine *machine = *state;
    static const struct {
        uint32_t offset; /* of the tag */
        uint32_t value;
    } lies[] = {{4, 37}, {4, 8}, {16, 4095}, {20, 0}, {20, UINT32_MAX}, {24, 1U << 20}};

    for (size_t i = 0; i < HX_ARRAY_SIZE(lies); i++) {
        uint32_t tag;

        machine->next = FIRST_TAG;
        add_map(machine, &SOME_RAM, 1);
        tag = add_framebuffer(machine, 1);
        put_32(machine, tag + lies[i].offset, lies[i].value);
        /* A shorter tag is followed by the end, where that would be. */
        machine->next = lies[i].offset == 4 ? (tag + lies[i].value + 7) & ~7U : machine->next;
        end_tags(machine);
        read_and_finish(machine);
        assert_non_null(strstr(machine->why, "screen"));
        assert_int_equal(machine->config.framebuffer.physical, 0);
    }
}

static void an_information_without_options_is_enough(void **state)
{
    struct machine *machine = *state;

    add_map(machine, &SOME_RAM, 1);
    end_tags(machine);
    read_and_finish(machine);
    assert_null(machine->why);
    assert_string_equal(machine->config.command_line, "");
    assert_int_equal(machine->config.module_count, 0);
    assert_int_equal(machine->config.acpi_rsdp, 0);
}

/* SPEC: B1 */
static void unknown_tags_are_skipped_whatever_their_size(void **state)
{
    struct machine *machine = *state;
    static const uint32_t types[] = {4, 5, 7, 9, 10, 17, 21, 22, 31, 32, 1000, UINT32_MAX};
    const uint8_t bytes[40] = {0};

    for (size_t i = 0; i < HX_ARRAY_SIZE(types); i++) {
        add_tag(machine, types[i], bytes, (uint32_t)(3 * i));
        add_tag(machine, types[i], bytes, 0); /* twice, which is nobody's business */
    }
    add_map(machine, &SOME_RAM, 1);
    end_tags(machine);
    read_and_finish(machine);
    assert_null(machine->why);
}

/* SPEC: B1 */
static void an_information_without_a_memory_map_is_refused(void **state)
{
    struct machine *machine = *state;

    add_text(machine, "quiet");
    end_tags(machine);
    assert_refused(machine, HX_ENOENT);
    assert_non_null(strstr(machine->why, "memory map"));
}

/* SPEC: B1 */
static void an_information_outside_memory_or_askew_is_refused(void **state)
{
    struct machine *machine = *state;
    static const struct {
        uint64_t place;
        hx_err error;
    } wild[] = {
        {0xdeadbeef000, HX_EFAULT},    {UINT64_MAX, HX_EFAULT},
        {UINT64_MAX - 7, HX_EFAULT},   {1ULL << 63, HX_EFAULT},
        {LOW_SIZE - 4, HX_EFAULT},     {INFORMATION + 4, HX_EFORMAT},
        {INFORMATION + 1, HX_EFORMAT}, {RAM_BASE + 0x100, HX_EFORMAT}, /* zeros */
    };

    add_map(machine, &SOME_RAM, 1);
    end_tags(machine);
    for (size_t i = 0; i < HX_ARRAY_SIZE(wild); i++) {
        assert_int_equal(read_at(machine, wild[i].place), wild[i].error);
        assert_non_null(machine->why);
    }
}

/* SPEC: B1 */
static void a_total_size_that_lies_is_refused(void **state)
{
    struct machine *machine = *state;
    static const struct {
        uint32_t size;
        hx_err error;
    } lies[] = {
        {0, HX_EFORMAT},          {7, HX_EFORMAT},  {8, HX_EFORMAT},
        {15, HX_EFORMAT},         {16, HX_EFORMAT}, {(1U << 20) + 1, HX_EFORMAT},
        {UINT32_MAX, HX_EFORMAT},
    };

    add_map(machine, &SOME_RAM, 1);
    end_tags(machine);
    for (size_t i = 0; i < HX_ARRAY_SIZE(lies); i++) {
        put_32(machine, INFORMATION, lies[i].size);
        assert_refused(machine, lies[i].error);
    }
}

/* SPEC: B1 */
static void a_list_of_tags_without_an_end_is_refused(void **state)
{
    struct machine *machine = *state;

    add_map(machine, &SOME_RAM, 1);
    add_text(machine, "quiet");
    put_32(machine, INFORMATION, machine->next - INFORMATION);
    assert_refused(machine, HX_EFORMAT);
    assert_non_null(strstr(machine->why, "no end"));
    /* Nor does an end count that lies behind the total size. */
    add_tag(machine, END, NULL, 0);
    assert_refused(machine, HX_EFORMAT);
    /* A list that runs on into memory that is not there. */
    put_32(machine, INFORMATION, LOW_SIZE);
    machine->next -= 8;
    while (machine->next < LOW_SIZE) {
        add_tag(machine, LOADER_NAME, NULL, 0);
    }
    assert_refused(machine, HX_EFAULT);
}

/* SPEC: B1 */
static void a_tag_with_an_impossible_size_is_refused(void **state)
{
    struct machine *machine = *state;
    static const uint32_t sizes[] = {0, 1, 7, 0x1000, UINT32_MAX, UINT32_MAX - 7};
    uint32_t tag = add_text(machine, "quiet");

    add_map(machine, &SOME_RAM, 1);
    end_tags(machine);
    for (size_t i = 0; i < HX_ARRAY_SIZE(sizes); i++) {
        put_32(machine, tag + 4, sizes[i]);
        assert_refused(machine, HX_EFORMAT);
    }
}

/* SPEC: B1 */
static void an_information_cut_anywhere_is_refused(void **state)
{
    struct machine *machine = *state;
    uint32_t size;

    add_text(machine, "init=/bin/sh quiet");
    add_module(machine, RAM_BASE, RAM_BASE + 0x1000, "initrd");
    add_framebuffer(machine, 1);
    add_map(machine, &SOME_RAM, 1);
    end_tags(machine);
    size = machine->next - INFORMATION;
    for (uint32_t kept = 0; kept < size; kept++) {
        machine->memory.regions[0].size = INFORMATION + kept;
        assert_int_not_equal(read_information(machine), HX_OK);
        assert_non_null(machine->why);
    }
    machine->memory.regions[0].size = LOW_SIZE;
    for (uint32_t said = 0; said < size; said++) {
        put_32(machine, INFORMATION, said);
        assert_int_not_equal(read_information(machine), HX_OK);
        assert_non_null(machine->why);
    }
}

/* SPEC: B1 */
static void a_memory_map_whose_entries_lie_about_their_size_is_refused(void **state)
{
    struct machine *machine = *state;
    static const uint32_t sizes[] = {
        0, 1, 8, 16, 23, 25, 32, 48, 1U << 16, UINT32_MAX, UINT32_MAX - 7};
    const struct entry entries[] = {SOME_RAM, SOME_RAM, SOME_RAM};
    uint32_t tag = add_map(machine, entries, 3);

    end_tags(machine);
    for (size_t i = 0; i < HX_ARRAY_SIZE(sizes); i++) {
        put_32(machine, tag + 8, sizes[i]);
        assert_refused(machine, HX_EFORMAT);
    }
    put_32(machine, tag + 8, 24);
    put_32(machine, tag + 4, 16); /* no entry at all */
    assert_refused(machine, HX_EFORMAT);
    put_32(machine, tag + 4, 12);
    assert_refused(machine, HX_EFORMAT);
}

/* SPEC: B1 */
static void a_memory_map_of_impossible_length_is_refused(void **state)
{
    struct machine *machine = *state;
    struct entry *entries = calloc(1025, sizeof(*entries));

    assert_non_null(entries);
    entries[0] = SOME_RAM;
    add_map(machine, entries, 1025);
    end_tags(machine);
    assert_refused(machine, HX_EFORMAT);
    machine->next = FIRST_TAG;
    add_map(machine, entries, 1024);
    end_tags(machine);
    read_and_finish(machine);
    assert_int_equal(boot_configuration_usable(&machine->config), RAM_SIZE);
    free(entries);
}

static void entries_of_a_later_version_may_be_longer(void **state)
{
    struct machine *machine = *state;
    const struct {
        uint32_t size, version;
        struct entry first;
        uint64_t more_of_first;
        struct entry second;
        uint64_t more_of_second;
    } map = {32, 7, SOME_RAM, UINT64_MAX, {0x40000000, 0x1000, BAD, 0}, UINT64_MAX};

    add_tag(machine, MAP, &map, sizeof(map));
    end_tags(machine);
    read_and_finish(machine);
    assert_null(machine->why);
    assert_int_equal(machine->config.memory_count, 2);
    assert_int_equal(kind_at(&machine->config, 0x40000000), MEMORY_BAD);
}

/* SPEC: B1 */
static void the_kinds_of_memory_are_told_apart_and_unknown_ones_are_reserved(void **state)
{
    struct machine *machine = *state;
    static const struct {
        uint32_t type;
        enum memory_kind kind;
    } kinds[] = {
        {RAM, MEMORY_USABLE},   {0, MEMORY_RESERVED},   {RESERVED, MEMORY_RESERVED},
        {NVS, MEMORY_ACPI_NVS}, {BAD, MEMORY_BAD},      {TABLES, MEMORY_ACPI_RECLAIMABLE},
        {6, MEMORY_RESERVED},   {7, MEMORY_PERSISTENT}, {UINT32_MAX, MEMORY_RESERVED},
    };
    struct entry entries[HX_ARRAY_SIZE(kinds)];

    for (size_t i = 0; i < HX_ARRAY_SIZE(kinds); i++) {
        entries[i] = (struct entry){0x10000000 + i * 0x2000, 0x1000, kinds[i].type, 0};
    }
    add_map(machine, entries, HX_ARRAY_SIZE(kinds));
    end_tags(machine);
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
    const struct entry entries[] = {
        {0x40000000, 0x10000, RAM, 0},
        {0x20000000, 0x10000, RAM, 0},
        {0x20004000, 0x1000, RESERVED, 0},
        {0x30000000, 0, RAM, 0},
        {UINT64_MAX - 0xfff, 0x5000, RESERVED, 0},
    };

    add_map(machine, entries, HX_ARRAY_SIZE(entries));
    end_tags(machine);
    read_and_finish(machine);
    assert_int_equal(boot_configuration_usable(config), 0x20000 - 0x1000);
    assert_int_equal(kind_at(config, 0x20004fff), MEMORY_RESERVED);
    assert_int_equal(config->dropped_regions, 1);
    assert_true(config->fixed_regions >= 2);
}

/* SPEC: B1 */
static void what_is_said_twice_counts_once(void **state)
{
    struct machine *machine = *state;
    const struct entry other = {0x40000000, 0x10000, RAM, 0};

    add_text(machine, "first");
    add_text(machine, "second");
    add_map(machine, &SOME_RAM, 1);
    add_map(machine, &other, 1);
    end_tags(machine);
    read_and_finish(machine);
    assert_non_null(strstr(machine->why, "twice"));
    assert_string_equal(machine->config.command_line, "first");
    assert_int_equal(boot_configuration_usable(&machine->config), RAM_SIZE);
}

/* SPEC: B1 */
static void a_command_line_too_long_is_cut_and_said_so(void **state)
{
    struct machine *machine = *state;
    char text[BOOT_COMMAND_LINE_MAX + 100];

    memset(text, 'a', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    add_text(machine, text);
    add_map(machine, &SOME_RAM, 1);
    end_tags(machine);
    read_and_finish(machine);
    assert_non_null(strstr(machine->why, "too long"));
    assert_int_equal(strlen(machine->config.command_line), BOOT_COMMAND_LINE_MAX - 1);
}

/* SPEC: B1 */
static void a_command_line_without_an_end_is_ignored_and_said_so(void **state)
{
    struct machine *machine = *state;

    for (uint32_t size = 0; size <= 9; size += 9) {
        machine->next = FIRST_TAG;
        add_tag(machine, COMMAND_LINE, "init=/bin", size); /* the NUL is not the tag's */
        add_map(machine, &SOME_RAM, 1);
        end_tags(machine);
        read_and_finish(machine);
        assert_non_null(strstr(machine->why, "command line"));
        assert_string_equal(machine->config.command_line, "");
    }
}

/* SPEC: B1 B3 */
static void bad_modules_are_dropped_and_the_good_one_stays(void **state)
{
    struct machine *machine = *state;

    add_map(machine, &SOME_RAM, 1);
    add_module(machine, RAM_BASE, RAM_BASE, "empty");
    add_module(machine, RAM_BASE + 0x1000, RAM_BASE, "backwards");
    add_module(machine, RAM_BASE, RAM_BASE + RAM_SIZE + 1, "too-long");
    add_module(machine, RAM_BASE, UINT32_MAX, "huge");
    add_module(machine, 0x70000000, 0x70001000, "nowhere");
    add_module(machine, INFORMATION, INFORMATION + 0x100, "not-usable-memory");
    add_tag(machine, MODULE, "1234567", 7); /* too short to say where it is */
    add_module(machine, RAM_BASE + 0x1000, RAM_BASE + 0x2000, "good one");
    end_tags(machine);
    read_and_finish(machine);
    assert_non_null(strstr(machine->why, "module"));
    assert_int_equal(machine->config.module_count, 1);
    assert_int_equal(machine->config.dropped_modules, 7);
    assert_non_null(boot_configuration_module(&machine->config, "good"));
}

static void a_module_whose_name_has_no_end_keeps_its_bytes(void **state)
{
    struct machine *machine = *state;
    const uint32_t places[] = {RAM_BASE, RAM_BASE + 0x1000};
    uint8_t bytes[12];

    memcpy(bytes, places, 8);
    memcpy(bytes + 8, "name", 4);
    for (uint32_t size = 8; size <= 12; size += 4) {
        machine->next = FIRST_TAG;
        add_map(machine, &SOME_RAM, 1);
        add_tag(machine, MODULE, bytes, size);
        end_tags(machine);
        read_and_finish(machine);
        assert_non_null(strstr(machine->why, "command line"));
        assert_int_equal(machine->config.module_count, 1);
        assert_string_equal(machine->config.modules[0].name, "initrd");
        assert_string_equal(machine->config.modules[0].command_line, "");
    }
}

/* SPEC: B3 */
static void more_modules_than_the_table_holds_are_counted(void **state)
{
    struct machine *machine = *state;

    add_map(machine, &SOME_RAM, 1);
    for (uint32_t i = 0; i < BOOT_MODULE_MAX + 3; i++) {
        add_module(machine, RAM_BASE + i * 0x100, RAM_BASE + i * 0x100 + 0x100, "one");
    }
    end_tags(machine);
    read_and_finish(machine);
    assert_int_equal(machine->config.module_count, BOOT_MODULE_MAX);
    assert_int_equal(machine->config.dropped_modules, 3);
    assert_non_null(machine->why);
}

static void the_newer_root_pointer_is_preferred_wherever_it_stands(void **state)
{
    struct machine *machine = *state;
    const uint8_t bytes[36] = {0};

    for (uint32_t new_first = 0; new_first < 2; new_first++) {
        uint32_t first, second;

        machine->next = FIRST_TAG;
        add_map(machine, &SOME_RAM, 1);
        first = add_tag(machine, new_first ? RSDP_NEW : RSDP_OLD, bytes, new_first ? 36 : 20);
        second = add_tag(machine, new_first ? RSDP_OLD : RSDP_NEW, bytes, new_first ? 20 : 36);
        end_tags(machine);
        read_and_finish(machine);
        assert_null(machine->why);
        assert_int_equal(machine->config.acpi_rsdp, (new_first ? first : second) + 8);
    }
}

/* SPEC: B1 */
static void a_root_pointer_that_is_too_short_is_ignored_and_said_so(void **state)
{
    struct machine *machine = *state;
    const uint8_t bytes[36] = {0};

    for (uint32_t is_new = 0; is_new < 2; is_new++) {
        machine->next = FIRST_TAG;
        add_map(machine, &SOME_RAM, 1);
        add_tag(machine, is_new ? RSDP_NEW : RSDP_OLD, bytes, is_new ? 35 : 19);
        end_tags(machine);
        read_and_finish(machine);
        assert_non_null(strstr(machine->why, "root pointer"));
        assert_int_equal(machine->config.acpi_rsdp, 0);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_good_information_becomes_a_configuration),
        TEST(the_screen_is_described),
        TEST(a_screen_of_text_or_with_a_palette_is_none_and_no_mistake),
        TEST(a_screen_that_makes_no_sense_is_ignored_and_said_so),
        TEST(an_information_without_options_is_enough),
        TEST(unknown_tags_are_skipped_whatever_their_size),
        TEST(an_information_without_a_memory_map_is_refused),
        TEST(an_information_outside_memory_or_askew_is_refused),
        TEST(a_total_size_that_lies_is_refused),
        TEST(a_list_of_tags_without_an_end_is_refused),
        TEST(a_tag_with_an_impossible_size_is_refused),
        TEST(an_information_cut_anywhere_is_refused),
        TEST(a_memory_map_whose_entries_lie_about_their_size_is_refused),
        TEST(a_memory_map_of_impossible_length_is_refused),
        TEST(entries_of_a_later_version_may_be_longer),
        TEST(the_kinds_of_memory_are_told_apart_and_unknown_ones_are_reserved),
        TEST(overlapping_unsorted_empty_and_wrapping_regions_are_resolved),
        TEST(what_is_said_twice_counts_once),
        TEST(a_command_line_too_long_is_cut_and_said_so),
        TEST(a_command_line_without_an_end_is_ignored_and_said_so),
        TEST(bad_modules_are_dropped_and_the_good_one_stays),
        TEST(a_module_whose_name_has_no_end_keeps_its_bytes),
        TEST(more_modules_than_the_table_holds_are_counted),
        TEST(the_newer_root_pointer_is_preferred_wherever_it_stands),
        TEST(a_root_pointer_that_is_too_short_is_ignored_and_said_so),
    };

    return cmocka_run_group_tests_name("readers/multiboot2", tests, NULL, NULL);
}
