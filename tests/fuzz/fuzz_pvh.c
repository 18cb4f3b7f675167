/*
 * Whatever the loader left in memory, pvh_read touches nothing else and yields a configuration
 * whose map is in order, or an error with a sentence. The input is the memory from BASE on; it
 * begins with the start info.
 */
#include <core/config/boot_configuration.h>
#include <ports/x86_64/pvh.h>
#include <stdio.h>
#include <tests/fuzz/seeded.h>
#include <tests/host/readers/fake_memory.h>

#define BASE        0x1000U
#define MODULES     64U
#define MAP         128U
#define TEXT        256U
#define SAMPLE_SIZE 512U

static const uint64_t NUMBERS[] = {0,
                                   1,
                                   2,
                                   7,
                                   32,
                                   128,
                                   1024,
                                   BASE,
                                   BASE + MODULES,
                                   BASE + MAP,
                                   BASE + TEXT,
                                   BASE + SAMPLE_SIZE,
                                   0x100000,
                                   UINT32_MAX,
                                   1ULL << 52,
                                   UINT64_MAX,
                                   UINT64_MAX - 4095};

static void make_sample(uint8_t sample[SAMPLE_SIZE])
{
    const uint32_t head[] = {0x336ec578, 1, 0, 1};
    const uint64_t places[] = {BASE + MODULES, BASE + TEXT, 0xf5a60, BASE + MAP, 3};
    const uint64_t modules[] = {BASE, 16, BASE + TEXT, 0};
    const uint64_t map[] = {0, 0x100000, 1, 0x1000, 0x1000, 2, 0x8000, 0x100000, 1};

    memset(sample, 0, SAMPLE_SIZE);
    memcpy(sample, head, sizeof(head));
    memcpy(sample + sizeof(head), places, sizeof(places));
    memcpy(sample + MODULES, modules, sizeof(modules));
    memcpy(sample + MAP, map, sizeof(map));
    memcpy(sample + TEXT, "initrd loglevel=debug", 21);
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

static void check_configuration(const struct boot_configuration *config)
{
    unsigned sum = 0;

    must(config->memory_count <= BOOT_MEMORY_MAX, "the map is inside its table");
    for (size_t i = 0; i < config->memory_count; i++) {
        const struct memory_region *region = &config->memory_map[i];

        must(region->size > 0, "no region is empty");
        must(i == 0 || region[-1].base + region[-1].size <= region->base, "regions are in order");
    }
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

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct boot_configuration config;
    struct fake_memory memory = {0};
    struct physical_reader reader = fake_memory_reader(&memory);
    const char *why;
    hx_err error;

    fake_memory_add(&memory, BASE, data, size);
    boot_configuration_init(&config, "pvh");
    error = pvh_read(&reader, BASE, &config, &why);
    must(error == HX_OK || why != NULL, "a refusal has a sentence");
    if (error == HX_OK && boot_configuration_finish(&config) == HX_OK) {
        check_configuration(&config);
    }
    fake_memory_release(&memory);
    return 0;
}
