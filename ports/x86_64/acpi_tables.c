#include <ports/x86_64/acpi_private.h>

#define TABLE_LENGTH_MAX (4U << 20)
#define ROOT_ENTRIES_MAX 128U

/* Where a BIOS leaves the root pointer, on a 16-byte boundary (ACPI 6.4, 5.2.5.1). */
#define EBDA_SEGMENT 0x40eU
#define EBDA_SEARCH  1024U
#define EBDA_END     0xa0000U
#define ROM_BASE     0xe0000U
#define ROM_SIZE     0x20000U
#define RSDP_STEP    16U

/* 5.2.5.3; revision 0 ends before length. */
struct HX_PACKED rsdp {
    char signature[8];
    uint8_t checksum;
    char oem_id[6];
    uint8_t revision;
    uint32_t rsdt;
    uint32_t length;
    uint64_t xsdt;
    uint8_t extended_checksum;
    uint8_t reserved[3];
};
_Static_assert(sizeof(struct rsdp) == 36, "ACPI 6.4 table 5.3");
#define RSDP_SIZE_0   20U
#define RSDP_SIZE_MAX 256U

/* The root tables a root pointer names; 0: none. */
struct roots {
    uint64_t xsdt;
    uint64_t rsdt;
};

struct reading {
    const struct physical_reader *reader;
    struct acpi_summary *summary;
    struct acpi_dsdt_places dsdt;
};

static bool sums_to_zero(const uint8_t *bytes, size_t size)
{
    uint8_t sum = 0;

    for (size_t i = 0; i < size; i++) {
        sum = (uint8_t)(sum + bytes[i]);
    }
    return sum == 0;
}

static bool skip(const struct reading *reading, enum acpi_issue issue)
{
    acpi_note(reading->summary, issue);
    return false;
}

/* Check the table at address in full, and hand it out. */
static bool open_table(const struct reading *reading, uint64_t address, const char *signature,
                       struct acpi_table *table)
{
    struct acpi_header header;

    if (!physical_copy(reading->reader, address, &header, sizeof(header))) {
        return skip(reading, ACPI_ISSUE_UNREADABLE);
    }
    if (memcmp(header.signature, signature, sizeof(header.signature)) != 0) {
        return skip(reading, ACPI_ISSUE_SIGNATURE);
    }
    if (header.length < sizeof(header) || header.length > TABLE_LENGTH_MAX) {
        return skip(reading, ACPI_ISSUE_LENGTH);
    }
    table->length = header.length;
    table->bytes = physical_map(reading->reader, address, header.length);
    if (table->bytes == NULL) {
        return skip(reading, ACPI_ISSUE_UNREADABLE);
    }
    return sums_to_zero(table->bytes, table->length) || skip(reading, ACPI_ISSUE_CHECKSUM);
}

/* --- the tables the root names ---------------------------------------------------------------- */

static void take_madt(struct reading *reading, const struct acpi_table *table)
{
    if (reading->summary->has_madt) {
        acpi_note(reading->summary, ACPI_ISSUE_DUPLICATE);
        return;
    }
    acpi_read_madt(table, reading->summary);
}

static void take_fadt(struct reading *reading, const struct acpi_table *table)
{
    if (reading->summary->has_fadt) {
        acpi_note(reading->summary, ACPI_ISSUE_DUPLICATE);
        return;
    }
    acpi_read_fadt(table, reading->summary, &reading->dsdt);
}

static void take_hpet(struct reading *reading, const struct acpi_table *table)
{
    if (reading->summary->hpet != 0) {
        acpi_note(reading->summary, ACPI_ISSUE_DUPLICATE);
        return;
    }
    acpi_read_hpet(table, reading->summary);
}

static void take_ssdt(struct reading *reading, const struct acpi_table *table)
{
    if (!reading->summary->has_sleep) {
        acpi_read_sleep(table, reading->summary);
    }
}

static const struct {
    const char *signature;
    void (*take)(struct reading *reading, const struct acpi_table *table);
} TABLES[] = {
    {"APIC", take_madt},
    {"FACP", take_fadt},
    {"HPET", take_hpet},
    {"SSDT", take_ssdt},
};

/* Read the table at address if it is of a kind that matters here. */
static void take_table(struct reading *reading, uint64_t address)
{
    struct acpi_table table;
    char signature[4];

    if (!physical_copy(reading->reader, address, signature, sizeof(signature))) {
        acpi_note(reading->summary, ACPI_ISSUE_UNREADABLE);
        return;
    }
    for (size_t i = 0; i < HX_ARRAY_SIZE(TABLES); i++) {
        if (memcmp(signature, TABLES[i].signature, sizeof(signature)) == 0 &&
            open_table(reading, address, TABLES[i].signature, &table)) {
            TABLES[i].take(reading, &table);
        }
    }
}

static void take_all(struct reading *reading, const struct acpi_table *root, size_t entry_size)
{
    size_t count = (root->length - sizeof(struct acpi_header)) / entry_size;

    if (count > ROOT_ENTRIES_MAX) {
        acpi_note(reading->summary, ACPI_ISSUE_TABLE_LIMIT);
        count = ROOT_ENTRIES_MAX;
    }
    for (size_t i = 0; i < count; i++) {
        uint64_t address = 0; /* little endian: a short entry leaves the upper half zero */

        memcpy(&address, root->bytes + sizeof(struct acpi_header) + i * entry_size, entry_size);
        take_table(reading, address);
    }
}

/* The DSDT's \_S5_ replaces one from an SSDT. */
static void take_dsdt(struct reading *reading)
{
    const struct acpi_dsdt_places *dsdt = &reading->dsdt;
    struct acpi_table table;

    if (dsdt->extended != 0 && open_table(reading, dsdt->extended, "DSDT", &table)) {
        acpi_read_sleep(&table, reading->summary);
    } else if (dsdt->legacy != 0 && dsdt->legacy != dsdt->extended &&
               open_table(reading, dsdt->legacy, "DSDT", &table)) {
        acpi_read_sleep(&table, reading->summary);
    }
}

/* --- root pointer ----------------------------------------------------------------------------- */

/* Whether the 36-byte form is there and whole. */
static bool read_extended(const struct physical_reader *reader, uint64_t address, struct rsdp *rsdp)
{
    const uint8_t *bytes;

    if (!physical_copy(reader, address, rsdp, sizeof(*rsdp)) || rsdp->length < sizeof(*rsdp) ||
        rsdp->length > RSDP_SIZE_MAX) {
        return false;
    }
    bytes = physical_map(reader, address, rsdp->length);
    return bytes != NULL && sums_to_zero(bytes, rsdp->length);
}

static bool read_root_pointer(const struct reading *reading, uint64_t address, struct roots *roots)
{
    const uint8_t *bytes = physical_map(reading->reader, address, RSDP_SIZE_0);
    struct rsdp rsdp;

    if (bytes == NULL || memcmp(bytes, "RSD PTR ", sizeof(rsdp.signature)) != 0 ||
        !sums_to_zero(bytes, RSDP_SIZE_0)) {
        return skip(reading, ACPI_ISSUE_RSDP);
    }
    memcpy(&rsdp, bytes, RSDP_SIZE_0);
    roots->rsdt = rsdp.rsdt;
    if (rsdp.revision >= 2) {
        if (read_extended(reading->reader, address, &rsdp)) {
            roots->xsdt = rsdp.xsdt;
        } else {
            acpi_note(reading->summary, ACPI_ISSUE_RSDP);
        }
    }
    return true;
}

/* Read everything below the root pointer at address; false if it leads nowhere. */
static bool take_root(struct reading *reading, uint64_t address)
{
    struct acpi_table root;
    struct roots roots = {0};
    size_t entry_size;

    if (!read_root_pointer(reading, address, &roots)) {
        return false;
    }
    if (roots.xsdt != 0 && open_table(reading, roots.xsdt, "XSDT", &root)) {
        entry_size = sizeof(uint64_t);
    } else if (roots.rsdt != 0 && open_table(reading, roots.rsdt, "RSDT", &root)) {
        entry_size = sizeof(uint32_t);
    } else {
        return false;
    }
    reading->summary->rsdp = address;
    take_all(reading, &root, entry_size);
    take_dsdt(reading);
    return true;
}

static bool search(struct reading *reading, uint64_t base, uint64_t size)
{
    for (uint64_t address = base; address < base + size; address += RSDP_STEP) {
        const void *bytes = physical_map(reading->reader, address, RSDP_SIZE_0);

        if (bytes != NULL && memcmp(bytes, "RSD PTR ", 8) == 0 && take_root(reading, address)) {
            return true;
        }
    }
    return false;
}

static bool search_ebda(struct reading *reading)
{
    uint16_t segment = 0;
    uint64_t base;

    if (!physical_copy(reading->reader, EBDA_SEGMENT, &segment, sizeof(segment))) {
        return false;
    }
    base = (uint64_t)segment << 4;
    return base != 0 && base + EBDA_SEARCH <= EBDA_END && search(reading, base, EBDA_SEARCH);
}

hx_err acpi_read(const struct physical_reader *reader, uint64_t rsdp, struct acpi_summary *summary)
{
    struct reading reading = {.reader = reader, .summary = summary};

    memset(summary, 0, sizeof(*summary));
    if ((rsdp != 0 && take_root(&reading, rsdp)) || search_ebda(&reading) ||
        search(&reading, ROM_BASE, ROM_SIZE)) {
        return HX_OK;
    }
    return HX_ENOENT;
}

const char *acpi_issue_text(enum acpi_issue issue)
{
#define ACPI_ISSUE_TEXT(name, text) [name] = (text),
    static const char *const texts[ACPI_ISSUE_COUNT] = {ACPI_ISSUE_LIST(ACPI_ISSUE_TEXT)};
#undef ACPI_ISSUE_TEXT

    return issue < ACPI_ISSUE_COUNT ? texts[issue] : "unknown issue";
}
