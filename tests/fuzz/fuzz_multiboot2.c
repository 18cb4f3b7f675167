/*
 * Whatever the loader left in memory, multiboot2_read touches nothing else and yields a
 * configuration whose map is in order, or an error with a sentence. The input is the memory from
 * BASE on; it begins with the boot information.
 */
#include <core/config/boot_configuration.h>
#include <ports/x86_64/multiboot2.h>
#include <stdio.h>
#include <tests/fuzz/seeded.h>
#include <tests/host/readers/fake_memory.h>

#define BASE        0x1000U
#define SAMPLE_SIZE 512U

/* Types and sizes of tags, of map entries and of the whole, and addresses. */
static const uint64_t NUMBERS[] = {0,
                                   1,
                                   3,
                                   6,
                                   8,
                                   14,
                                   15,
                                   16,
                                   24,
                                   32,
                                   38,
                                   64,
                                   256,
                                   768,
                                   BASE,
                                   BASE + SAMPLE_SIZE,
                                   0x100000,
                                   1U << 20,
                                   UINT32_MAX,
                                   UINT32_MAX - 7,
                                   1ULL << 52,
                                   UINT64_MAX,
                                   UINT64_MAX - 4095};

static size_t put_tag(uint8_t *to, uint32_t type, const void *bytes, uint32_t size)
{
    const uint32_t header[] = {type, size + 8};

    memcpy(to, header, sizeof(header));
    memcpy(to + sizeof(header), bytes, size);
    return (size + 15) & ~(size_t)7;
}

static void make_sample(uint8_t sample[SAMPLE_SIZE])
{
    const struct {
        uint32_t start, end;
        char text[16];
    } module = {BASE, BASE + 16, "initrd one two"};
    const struct {
        uint32_t size, version;
        uint64_t entries[9];
    } map = {24, 0, {0, 0x100000, 1, 0x1000, 0x1000, 2, 0x8000, 0x100000, 1}};
    const struct {
        uint64_t physical;
        uint32_t pitch, width, height;
        uint8_t bits, kind, reserved[2], colours[6];
    } screen = {0xfd000000, 4096, 1024, 768, 32, 1, {0}, {16, 8, 8, 8, 0, 8}};
    size_t at = 8;

    memset(sample, 0, SAMPLE_SIZE);
    at += put_tag(sample + at, 1, "loglevel=debug", 15);
    at += put_tag(sample + at, 3, &module, sizeof(module));
    at += put_tag(sample + at, 6, &map, sizeof(map));
    at += put_tag(sample + at, 8, &screen, 30);
    at += put_tag(sample + at, 14, "RSD PTR 012345678901", 20);
    at += put_tag(sample + at, 15, "RSD PTR 0123456789012345678901234567", 36);
    at += put_tag(sample + at, 0, "", 0);
    memcpy(sample, &(uint32_t){(uint32_t)at}, 4);
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned int seed)
{
    uint8_t sample[SAMPLE_SIZE];
    const struct seeded seeded = {sample, SAMPLE_SIZE, NUMBERS, HX_ARRAY_SIZE(NUMBERS)};

    make_sample(sample);
    return seeded_mutate(&seeded, data, size, max_size, seed);
}

static void must(bool holds, const char *sentence)
{
    if (!holds) {
        fprintf(stderr, "does not hold: %s\n", sentence);
        abort();
    }
}

static void check_map(const struct boot_configuration *config)
{
    must(config->memory_count <= BOOT_MEMORY_MAX, "the map is inside its table");
    for (size_t i = 0; i < config->memory_count; i++) {
        const struct memory_region *region = &config->memory_map[i];

        must(region->size > 0, "no region is empty");
        must(i == 0 || region[-1].base + region[-1].size <= region->base, "regions are in order");
    }
}

static void check_modules(const struct boot_configuration *config)
{
    unsigned sum = 0;

    for (size_t i = 0; i < config->module_count; i++) {
        const struct boot_module *module = &config->modules[i];

        must(strlen(module->name) < BOOT_MODULE_NAME_MAX, "a module has a name");
        sum += (unsigned)strlen(module->command_line);
        for (uint64_t at = 0; at < module->size; at++) {
            sum += ((const uint8_t *)module->data)[at];
        }
    }
    must(strlen(config->command_line) < BOOT_COMMAND_LINE_MAX && sum < UINT32_MAX,
         "everything can be read");
}

static void check_screen(const struct boot_framebuffer *screen)
{
    must(screen->physical == 0 ||
             screen->physical + boot_framebuffer_size(screen) > screen->physical,
         "a screen has bytes and does not wrap");
}

/* What acpi_read will look at first. */
static void check_rsdp(const struct physical_reader *reader, uint64_t rsdp)
{
    must(rsdp == 0 || physical_map(reader, rsdp, 20) != NULL, "the root pointer can be read");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct boot_configuration config;
    struct fake_memory memory = {0};
    struct physical_reader reader = fake_memory_reader(&memory);
    const char *why;
    hx_err error;

    fake_memory_add(&memory, BASE, data, size);
    boot_configuration_init(&config, "multiboot2");
    error = multiboot2_read(&reader, BASE, &config, &why);
    must(error == HX_OK || why != NULL, "a refusal has a sentence");
    if (error == HX_OK && boot_configuration_finish(&config) == HX_OK) {
        check_map(&config);
        check_modules(&config);
        check_screen(&config.framebuffer);
        check_rsdp(&reader, config.acpi_rsdp);
    }
    fake_memory_release(&memory);
    return 0;
}
