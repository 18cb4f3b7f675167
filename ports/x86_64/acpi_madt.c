/* The MADT: processors and interrupt controllers (ACPI 6.4, 5.2.12). */
#include <ports/x86_64/acpi_private.h>

struct HX_PACKED madt {
    struct acpi_header header;
    uint32_t local_apic;
    uint32_t flags;
};
_Static_assert(sizeof(struct madt) == 44, "ACPI 6.4 table 5.19");
#define MADT_HAS_8259 1U

struct HX_PACKED madt_local_apic {
    uint8_t type, length;
    uint8_t uid;
    uint8_t apic_id;
    uint32_t flags;
};

struct HX_PACKED madt_io_apic {
    uint8_t type, length;
    uint8_t id;
    uint8_t reserved;
    uint32_t address;
    uint32_t gsi_base;
};

struct HX_PACKED madt_override {
    uint8_t type, length;
    uint8_t bus;
    uint8_t isa_line;
    uint32_t gsi;
    uint16_t flags;
};

struct HX_PACKED madt_nmi {
    uint8_t type, length;
    uint16_t flags;
    uint32_t gsi;
};

struct HX_PACKED madt_local_nmi {
    uint8_t type, length;
    uint8_t uid;
    uint16_t flags;
    uint8_t input;
};

struct HX_PACKED madt_address_override {
    uint8_t type, length;
    uint16_t reserved;
    uint64_t address;
};

struct HX_PACKED madt_x2apic {
    uint8_t type, length;
    uint16_t reserved;
    uint32_t apic_id;
    uint32_t flags;
    uint32_t uid;
};

struct HX_PACKED madt_x2apic_nmi {
    uint8_t type, length;
    uint16_t flags;
    uint32_t uid;
    uint8_t input;
    uint8_t reserved[3];
};

/* Table 5.22: flags of a processor. */
#define CPU_ENABLED        1U
#define CPU_ONLINE_CAPABLE 2U

/* The identifiers that address all processors (Intel SDM 3A, 10.6.2.1 and 10.12.9). */
#define APIC_BROADCAST   0xffU
#define X2APIC_BROADCAST 0xffffffffU
#define UID_EVERY_CPU    0xffU

#define ISA_LINES 16U
#define APIC_PAGE 4096U

#define GSI_LAST          UINT32_MAX
#define IO_APIC_LINES_MAX 256U /* the version register has 8 bits for it */

/* Table 5.26: polarity in bits 0-1, trigger mode in bits 2-3; 2 is reserved in both. */
static struct acpi_line line_of(struct acpi_summary *summary, uint16_t flags)
{
    unsigned polarity = flags & 3U;
    unsigned trigger = (flags >> 2) & 3U;

    if (polarity == 2 || trigger == 2) {
        acpi_note(summary, ACPI_ISSUE_ENTRY_VALUE);
    }
    return (struct acpi_line){.is_level = trigger == 3, .is_active_low = polarity == 3};
}

static bool has_cpu(const struct acpi_summary *summary, uint32_t apic_id)
{
    for (uint32_t i = 0; i < summary->cpu_count; i++) {
        if (summary->cpus[i].apic_id == apic_id) {
            return true;
        }
    }
    return false;
}

/* Firmware lists empty sockets too, with neither flag: they are no issue. */
static void add_cpu(struct acpi_summary *summary, uint32_t apic_id, uint32_t uid, uint32_t flags)
{
    if ((flags & (CPU_ENABLED | CPU_ONLINE_CAPABLE)) == 0) {
        return;
    }
    if (has_cpu(summary, apic_id)) {
        acpi_note(summary, ACPI_ISSUE_DUPLICATE);
    } else if (summary->cpu_count == ACPI_CPU_MAX) {
        acpi_note(summary, ACPI_ISSUE_CPU_LIMIT);
    } else {
        summary->cpus[summary->cpu_count++] = (struct acpi_cpu){
            .apic_id = apic_id, .processor_uid = uid, .is_enabled = (flags & CPU_ENABLED) != 0};
    }
}

static void take_local_apic(struct acpi_summary *summary, const void *bytes)
{
    struct madt_local_apic entry;

    memcpy(&entry, bytes, sizeof(entry));
    if (entry.apic_id != APIC_BROADCAST) {
        add_cpu(summary, entry.apic_id, entry.uid, entry.flags);
    } else if ((entry.flags & (CPU_ENABLED | CPU_ONLINE_CAPABLE)) != 0) {
        acpi_note(summary, ACPI_ISSUE_ENTRY_VALUE);
    }
}

static void take_x2apic(struct acpi_summary *summary, const void *bytes)
{
    struct madt_x2apic entry;

    memcpy(&entry, bytes, sizeof(entry));
    if (entry.apic_id != X2APIC_BROADCAST) {
        add_cpu(summary, entry.apic_id, entry.uid, entry.flags);
    } else if ((entry.flags & (CPU_ENABLED | CPU_ONLINE_CAPABLE)) != 0) {
        acpi_note(summary, ACPI_ISSUE_ENTRY_VALUE);
    }
}

static bool has_io_apic(const struct acpi_summary *summary, const struct madt_io_apic *entry)
{
    for (uint32_t i = 0; i < summary->io_apic_count; i++) {
        if (summary->io_apics[i].address == entry->address ||
            summary->io_apics[i].gsi_base == entry->gsi_base) {
            return true;
        }
    }
    return false;
}

static void take_io_apic(struct acpi_summary *summary, const void *bytes)
{
    struct madt_io_apic entry;

    memcpy(&entry, bytes, sizeof(entry));
    if (entry.address == 0 || entry.gsi_base > GSI_LAST - IO_APIC_LINES_MAX) {
        acpi_note(summary, ACPI_ISSUE_ENTRY_VALUE);
    } else if (has_io_apic(summary, &entry)) {
        acpi_note(summary, ACPI_ISSUE_DUPLICATE);
    } else if (summary->io_apic_count == ACPI_IO_APIC_MAX) {
        acpi_note(summary, ACPI_ISSUE_ENTRY_LIMIT);
    } else {
        summary->io_apics[summary->io_apic_count++] = (struct acpi_io_apic){
            .address = entry.address, .gsi_base = entry.gsi_base, .id = entry.id};
    }
}

static bool has_override(const struct acpi_summary *summary, uint8_t isa_line)
{
    for (uint32_t i = 0; i < summary->override_count; i++) {
        if (summary->overrides[i].isa_line == isa_line) {
            return true;
        }
    }
    return false;
}

/* There are as many places as ISA lines and no line twice, so the array cannot overflow. */
static void take_override(struct acpi_summary *summary, const void *bytes)
{
    struct madt_override entry;

    _Static_assert(ACPI_OVERRIDE_MAX >= ISA_LINES, "one override for each ISA line");
    memcpy(&entry, bytes, sizeof(entry));
    if (entry.bus != 0 || entry.isa_line >= ISA_LINES) {
        acpi_note(summary, ACPI_ISSUE_ENTRY_VALUE);
    } else if (has_override(summary, entry.isa_line)) {
        acpi_note(summary, ACPI_ISSUE_DUPLICATE);
    } else {
        summary->overrides[summary->override_count++] = (struct acpi_override){
            .isa_line = entry.isa_line, .gsi = entry.gsi, .line = line_of(summary, entry.flags)};
    }
}

static void take_nmi(struct acpi_summary *summary, const void *bytes)
{
    struct madt_nmi entry;

    memcpy(&entry, bytes, sizeof(entry));
    if (summary->nmi_count == ACPI_NMI_MAX) {
        acpi_note(summary, ACPI_ISSUE_ENTRY_LIMIT);
        return;
    }
    summary->nmis[summary->nmi_count++] =
        (struct acpi_nmi){.gsi = entry.gsi, .line = line_of(summary, entry.flags)};
}

static void add_local_nmi(struct acpi_summary *summary, uint32_t uid, uint8_t input, uint16_t flags)
{
    if (input > 1) {
        acpi_note(summary, ACPI_ISSUE_ENTRY_VALUE);
    } else if (summary->local_nmi_count == ACPI_LOCAL_NMI_MAX) {
        acpi_note(summary, ACPI_ISSUE_ENTRY_LIMIT);
    } else {
        summary->local_nmis[summary->local_nmi_count++] = (struct acpi_local_nmi){
            .processor_uid = uid, .input = input, .line = line_of(summary, flags)};
    }
}

static void take_local_nmi(struct acpi_summary *summary, const void *bytes)
{
    struct madt_local_nmi entry;

    memcpy(&entry, bytes, sizeof(entry));
    add_local_nmi(summary, entry.uid == UID_EVERY_CPU ? ACPI_EVERY_CPU : entry.uid, entry.input,
                  entry.flags);
}

static void take_x2apic_nmi(struct acpi_summary *summary, const void *bytes)
{
    struct madt_x2apic_nmi entry;

    memcpy(&entry, bytes, sizeof(entry));
    add_local_nmi(summary, entry.uid, entry.input, entry.flags);
}

static void set_local_apic(struct acpi_summary *summary, uint64_t address)
{
    if (address == 0 || address % APIC_PAGE != 0) {
        acpi_note(summary, ACPI_ISSUE_ENTRY_VALUE);
        return;
    }
    summary->local_apic = address;
}

static void take_address(struct acpi_summary *summary, const void *bytes)
{
    struct madt_address_override entry;

    memcpy(&entry, bytes, sizeof(entry));
    set_local_apic(summary, entry.address);
}

/* Indexed by the type of entry (table 5.21); what is not here is of no interest. */
static const struct {
    size_t size; /* at least this long */
    void (*take)(struct acpi_summary *summary, const void *bytes);
} ENTRIES[] = {
    [0] = {sizeof(struct madt_local_apic), take_local_apic},
    [1] = {sizeof(struct madt_io_apic), take_io_apic},
    [2] = {sizeof(struct madt_override), take_override},
    [3] = {sizeof(struct madt_nmi), take_nmi},
    [4] = {sizeof(struct madt_local_nmi), take_local_nmi},
    [5] = {sizeof(struct madt_address_override), take_address},
    [9] = {sizeof(struct madt_x2apic), take_x2apic},
    [10] = {sizeof(struct madt_x2apic_nmi), take_x2apic_nmi},
};

static void take_entry(struct acpi_summary *summary, const uint8_t *bytes, size_t length)
{
    uint8_t type = bytes[0];

    if (type >= HX_ARRAY_SIZE(ENTRIES) || ENTRIES[type].take == NULL) {
        return;
    }
    if (length < ENTRIES[type].size) {
        acpi_note(summary, ACPI_ISSUE_ENTRY_LENGTH);
        return;
    }
    ENTRIES[type].take(summary, bytes);
}

void acpi_read_madt(const struct acpi_table *table, struct acpi_summary *summary)
{
    size_t offset = sizeof(struct madt);
    struct madt madt;

    if (table->length < sizeof(madt)) {
        acpi_note(summary, ACPI_ISSUE_LENGTH);
        return;
    }
    acpi_copy(table, &madt, sizeof(madt));
    summary->has_madt = true;
    summary->has_8259 = (madt.flags & MADT_HAS_8259) != 0;
    set_local_apic(summary, madt.local_apic);
    while (offset < table->length) {
        const uint8_t *entry = table->bytes + offset;
        size_t room = table->length - offset;

        if (room < 2 || entry[1] < 2 || entry[1] > room) {
            acpi_note(summary, ACPI_ISSUE_ENTRY_LENGTH);
            return; /* where the next one begins is unknown */
        }
        take_entry(summary, entry, entry[1]);
        offset += entry[1];
    }
}
