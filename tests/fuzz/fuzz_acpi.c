/*
 * Whatever the firmware left in memory, acpi_read touches nothing else and its summary is inside
 * its tables. The input is the memory from BASE on; it begins with the root pointer. The mutator
 * mends the checksums most of the time, or nothing behind them would ever be reached.
 */
#include <ports/x86_64/acpi_tables.h>
#include <stdio.h>
#include <tests/fuzz/seeded.h>
#include <tests/host/readers/fake_memory.h>

#define BASE        0xe0000U /* so that the search finds it too */
#define XSDT        64U
#define RSDT        128U
#define FADT        256U
#define MADT        512U
#define HPET        768U
#define DSDT        832U
#define SSDT        960U
#define SAMPLE_SIZE 1024U

static const uint64_t NUMBERS[] = {
    0,           1,           2,           3,           5,           9,           10,
    0x12,        0x08,        36,          44,          116,         244,         0xff,
    BASE,        BASE + XSDT, BASE + RSDT, BASE + FADT, BASE + MADT, BASE + HPET, BASE + DSDT,
    BASE + SSDT, 0x535f,      0x5f35535f,  UINT32_MAX,  UINT64_MAX,  4 << 20,     0xffff};

static const uint32_t TABLES[] = {XSDT, RSDT, FADT, MADT, HPET, DSDT, SSDT};

static void mend(uint8_t *bytes, size_t size, size_t at)
{
    uint8_t sum = 0;

    bytes[at] = 0;
    for (size_t i = 0; i < size; i++) {
        sum = (uint8_t)(sum + bytes[i]);
    }
    bytes[at] = (uint8_t)-sum;
}

static void mend_all(uint8_t *data, size_t size)
{
    for (size_t i = 0; i < HX_ARRAY_SIZE(TABLES); i++) {
        uint32_t length;

        if (TABLES[i] + 36 > size) {
            continue;
        }
        memcpy(&length, data + TABLES[i] + 4, sizeof(length));
        if (length >= 36 && length <= size - TABLES[i]) {
            mend(data + TABLES[i], length, 9);
        }
    }
    if (size >= 36) {
        mend(data, 20, 8);
        mend(data, 36, 32);
    }
}

static void put_table(uint8_t *sample, uint32_t at, const char *signature, const void *body,
                      uint32_t size)
{
    uint32_t length = 36 + size;

    memcpy(sample + at, signature, 4);
    memcpy(sample + at + 4, &length, sizeof(length));
    memcpy(sample + at + 36, body, size);
}

static void make_sample(uint8_t sample[SAMPLE_SIZE])
{
    const uint32_t short_list[] = {BASE + FADT, BASE + MADT, BASE + SSDT};
    const uint64_t long_list[] = {BASE + SSDT, BASE + FADT, BASE + HPET};
    const uint32_t rsdt = BASE + RSDT, length = 36, dsdt = BASE + DSDT;
    const uint64_t xsdt = BASE + XSDT;
    uint8_t fadt[220] = {0};
    const uint8_t hpet[20] = {1, 0xa2, 0x86, 0x80, 0, 64, 0, 0, 0, 0, 0xd0, 0xfe};
    const uint8_t sleep[] = {8, '_', 'S', '5', '_', 0x12, 6, 4, 0x0a, 5, 0, 0};
    const uint8_t madt[] = {0, 0,  0xe0, 0xfe, 1, 0, 0,    0, /* local APIC, flags */
                            0, 8,  0,    0,    1, 0, 0,    0, /* a CPU */
                            9, 16, 0,    0,    1, 0, 0,    0,    1, 0, 0, 0,
                            1, 0,  0,    0,                                   /* another */
                            1, 12, 0,    0,    0, 0, 0xc0, 0xfe, 0, 0, 0, 0,  /* I/O APIC */
                            2, 10, 0,    0,    2, 0, 0,    0,    0, 0,        /* override */
                            3, 8,  0,    0,    5, 0, 0,    0,                 /* NMI */
                            4, 6,  0xff, 0,    0, 1,                          /* local NMI */
                            5, 12, 0,    0,    0, 0, 0xe0, 0xfe, 0, 0, 0, 0}; /* local APIC again */

    memset(sample, 0, SAMPLE_SIZE);
    memcpy(sample, "RSD PTR ", 8);
    sample[15] = 2;
    memcpy(sample + 16, &rsdt, sizeof(rsdt));
    memcpy(sample + 20, &length, sizeof(length));
    memcpy(sample + 24, &xsdt, sizeof(xsdt));
    memcpy(fadt + 4, &dsdt, sizeof(dsdt));
    put_table(sample, XSDT, "XSDT", long_list, sizeof(long_list));
    put_table(sample, RSDT, "RSDT", short_list, sizeof(short_list));
    put_table(sample, FADT, "FACP", fadt, sizeof(fadt));
    put_table(sample, MADT, "APIC", madt, sizeof(madt));
    put_table(sample, HPET, "HPET", hpet, sizeof(hpet));
    put_table(sample, DSDT, "DSDT", sleep, sizeof(sleep));
    put_table(sample, SSDT, "SSDT", sleep, sizeof(sleep));
    mend_all(sample, SAMPLE_SIZE);
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned int seed)
{
    uint8_t sample[SAMPLE_SIZE];
    const struct seeded seeded = {sample, SAMPLE_SIZE, NUMBERS, HX_ARRAY_SIZE(NUMBERS)};

    make_sample(sample);
    size = seeded_mutate(&seeded, data, size, max_size, seed);
    if (seed % 8 != 0) {
        mend_all(data, size);
    }
    return size;
}

static void must(bool holds, const char *sentence)
{
    if (!holds) {
        fprintf(stderr, "does not hold: %s\n", sentence);
        abort();
    }
}

static void check_summary(const struct acpi_summary *summary)
{
    must(summary->cpu_count <= ACPI_CPU_MAX, "CPUs are inside their table");
    must(summary->io_apic_count <= ACPI_IO_APIC_MAX, "I/O APICs are inside their table");
    must(summary->override_count <= ACPI_OVERRIDE_MAX, "overrides are inside their table");
    must(summary->nmi_count <= ACPI_NMI_MAX, "NMIs are inside their table");
    must(summary->local_nmi_count <= ACPI_LOCAL_NMI_MAX, "local NMIs are inside their table");
    must(summary->sleep_type_a <= 7 && summary->sleep_type_b <= 7, "sleep types have three bits");
    must(summary->local_apic % 4096 == 0, "the local APIC is a page");
    must(summary->century < 128, "the century is in the CMOS");
    must(summary->pm_timer.space != ACPI_SPACE_IO || summary->pm_timer.address <= 0xfffc,
         "the timer's port exists");
    for (uint32_t i = 0; i < summary->cpu_count; i++) {
        for (uint32_t j = 0; j < i; j++) {
            must(summary->cpus[i].apic_id != summary->cpus[j].apic_id, "a CPU is listed once");
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct acpi_summary summary;
    struct fake_memory memory = {0};
    struct physical_reader reader = fake_memory_reader(&memory);
    hx_err error;

    fake_memory_add(&memory, BASE, data, size);
    error = acpi_read(&reader, BASE, &summary);
    must((error == HX_OK) == (summary.rsdp != 0), "a root pointer was used, or nothing was found");
    check_summary(&summary);
    fake_memory_release(&memory);
    return 0;
}
