/* Shared by the acpi_*.c files alone: what a table that has been checked looks like. */
#ifndef PORTS_X86_64_ACPI_PRIVATE_H
#define PORTS_X86_64_ACPI_PRIVATE_H

#include <base/memory.h>
#include <ports/x86_64/acpi_tables.h>

/* ACPI 6.4, 5.2.6: the header of every table but the root pointer. */
struct HX_PACKED acpi_header {
    char signature[4];
    uint32_t length;
    uint8_t revision;
    uint8_t checksum;
    char oem_id[6];
    char oem_table_id[8];
    uint32_t oem_revision;
    uint32_t creator_id;
    uint32_t creator_revision;
};
_Static_assert(sizeof(struct acpi_header) == 36, "ACPI 6.4 table 5.4");

/* A table whose length and checksum hold; length >= sizeof(struct acpi_header). */
struct acpi_table {
    const uint8_t *bytes;
    uint32_t length;
};

/* 5.2.3.2 */
struct HX_PACKED acpi_generic_address {
    uint8_t space;
    uint8_t width;
    uint8_t shift;
    uint8_t access;
    uint64_t address;
};
_Static_assert(sizeof(struct acpi_generic_address) == 12, "ACPI 6.4 table 5.1");

/* Where the FADT says the DSDT is; 0: nowhere. */
struct acpi_dsdt_places {
    uint64_t extended;
    uint64_t legacy;
};

static inline void acpi_note(struct acpi_summary *summary, enum acpi_issue issue)
{
    if (summary->issues[issue] != UINT16_MAX) {
        summary->issues[issue]++;
    }
}

/* Copy the part of a table that the structure describes; what the table lacks is zero. */
static inline void acpi_copy(const struct acpi_table *table, void *to, size_t size)
{
    size_t present = table->length < size ? table->length : size;

    memset(to, 0, size);
    memcpy(to, table->bytes, present);
}

void acpi_read_madt(const struct acpi_table *table, struct acpi_summary *summary);
void acpi_read_fadt(const struct acpi_table *table, struct acpi_summary *summary,
                    struct acpi_dsdt_places *dsdt);
void acpi_read_hpet(const struct acpi_table *table, struct acpi_summary *summary);

/* Look for \_S5_ in a DSDT or SSDT; the summary changes only if a good one is found. */
void acpi_read_sleep(const struct acpi_table *table, struct acpi_summary *summary);

#endif
