/* The FADT: power management registers (ACPI 6.4, 5.2.9). The HPET table: a timer's address. */
#include <ports/x86_64/acpi_private.h>

/* Table 5.9; the fields of revisions after 1 may be missing. */
struct HX_PACKED fadt {
    struct acpi_header header;
    uint32_t firmware_control;
    uint32_t dsdt;
    uint8_t reserved_0;
    uint8_t profile;
    uint16_t sci_interrupt;
    uint32_t smi_command;
    uint8_t acpi_enable;
    uint8_t acpi_disable;
    uint8_t s4bios_request;
    uint8_t pstate_control;
    uint32_t pm1a_event;
    uint32_t pm1b_event;
    uint32_t pm1a_control;
    uint32_t pm1b_control;
    uint32_t pm2_control;
    uint32_t pm_timer;
    uint32_t gpe0;
    uint32_t gpe1;
    uint8_t pm1_event_length;
    uint8_t pm1_control_length;
    uint8_t pm2_control_length;
    uint8_t pm_timer_length;
    uint8_t reserved_1[16];
    uint8_t century;
    uint16_t boot_flags;
    uint8_t reserved_2;
    uint32_t flags;
    struct acpi_generic_address reset;
    uint8_t reset_value;
    uint8_t reserved_3[3];
    uint64_t x_firmware_control;
    uint64_t x_dsdt;
    struct acpi_generic_address x_pm1a_event;
    struct acpi_generic_address x_pm1b_event;
    struct acpi_generic_address x_pm1a_control;
    struct acpi_generic_address x_pm1b_control;
    struct acpi_generic_address x_pm2_control;
    struct acpi_generic_address x_pm_timer;
    struct acpi_generic_address x_gpe0;
    struct acpi_generic_address x_gpe1;
    struct acpi_generic_address sleep_control;
    struct acpi_generic_address sleep_status;
};
_Static_assert(offsetof(struct fadt, century) == 108, "ACPI 6.4 table 5.9");
_Static_assert(sizeof(struct fadt) == 268, "ACPI 6.4 table 5.9");

/* The length of the table in ACPI 1.0. */
#define FADT_SIZE_1 116U

/* Table 5.10 */
#define FADT_TIMER_32_BIT     (1U << 8)
#define FADT_RESET_SUPPORTED  (1U << 10)
#define FADT_HARDWARE_REDUCED (1U << 20)

#define CMOS_SIZE         128U
#define PM_TIMER_WIDTH    32U
#define PM1_CONTROL_WIDTH 16U

struct HX_PACKED hpet {
    struct acpi_header header;
    uint32_t block_id;
    struct acpi_generic_address address;
    uint8_t number;
    uint16_t minimum_tick;
    uint8_t protection;
};
_Static_assert(sizeof(struct hpet) == 56, "IA-PC HPET 1.0a, 3.2.4");

#define HPET_ALIGNMENT  1024U
#define HPET_PERIOD_MAX 100000000U

#define GENERIC_MEMORY 0
#define GENERIC_IO     1

static const struct acpi_register NO_REGISTER = {.space = ACPI_SPACE_NONE};

/* A port register of width bits, or none if it does not fit the 64 KiB of ports. */
static struct acpi_register port(struct acpi_summary *summary, uint64_t address, uint8_t width)
{
    if (address == 0) {
        return NO_REGISTER;
    }
    if (address > UINT16_MAX + 1U - width / 8U) {
        acpi_note(summary, ACPI_ISSUE_ENTRY_VALUE);
        return NO_REGISTER;
    }
    return (struct acpi_register){.space = ACPI_SPACE_IO, .width = width, .address = address};
}

/*
 * A register in generic form. Its stated width is not used: firmware is known to leave it wrong,
 * and the specification fixes the width of each register that is read here.
 */
static struct acpi_register generic(struct acpi_summary *summary,
                                    const struct acpi_generic_address *from, uint8_t width)
{
    if (from->address == 0) {
        return NO_REGISTER;
    }
    if (from->space == GENERIC_IO && from->shift == 0) {
        return port(summary, from->address, width);
    }
    if (from->space == GENERIC_MEMORY && from->shift == 0 &&
        from->address <= UINT64_MAX - width / 8U) {
        return (struct acpi_register){
            .space = ACPI_SPACE_MEMORY, .width = width, .address = from->address};
    }
    acpi_note(summary, ACPI_ISSUE_ENTRY_VALUE);
    return NO_REGISTER;
}

/* The generic form where it makes sense, else the port of the old one. */
static struct acpi_register prefer(struct acpi_summary *summary,
                                   const struct acpi_generic_address *extended, uint32_t legacy,
                                   uint8_t width)
{
    struct acpi_register found = generic(summary, extended, width);

    return found.space != ACPI_SPACE_NONE ? found : port(summary, legacy, width);
}

/* What a machine without the hardware of old has instead of it (4.1); the rest is to be ignored. */
static void read_reduced_registers(const struct fadt *fadt, struct acpi_summary *summary)
{
    summary->is_hardware_reduced = true;
    summary->sleep_control = generic(summary, &fadt->sleep_control, 8);
}

static void read_registers(const struct fadt *fadt, struct acpi_summary *summary)
{
    summary->pm_timer = prefer(summary, &fadt->x_pm_timer, fadt->pm_timer, PM_TIMER_WIDTH);
    summary->pm_timer_is_32_bit = (fadt->flags & FADT_TIMER_32_BIT) != 0;
    summary->pm1a_control =
        prefer(summary, &fadt->x_pm1a_control, fadt->pm1a_control, PM1_CONTROL_WIDTH);
    summary->pm1b_control =
        prefer(summary, &fadt->x_pm1b_control, fadt->pm1b_control, PM1_CONTROL_WIDTH);
}

static void read_reset(const struct fadt *fadt, struct acpi_summary *summary)
{
    if ((fadt->flags & FADT_RESET_SUPPORTED) != 0) {
        summary->reset = generic(summary, &fadt->reset, 8);
        summary->reset_value = fadt->reset_value;
    }
}

static void read_acpi_enable(const struct fadt *fadt, struct acpi_summary *summary)
{
    if (fadt->smi_command > UINT16_MAX) {
        acpi_note(summary, ACPI_ISSUE_ENTRY_VALUE);
        return;
    }
    summary->smi_command = (uint16_t)fadt->smi_command;
    summary->acpi_enable = fadt->acpi_enable;
}

void acpi_read_fadt(const struct acpi_table *table, struct acpi_summary *summary,
                    struct acpi_dsdt_places *dsdt)
{
    struct fadt fadt;

    if (table->length < FADT_SIZE_1) {
        acpi_note(summary, ACPI_ISSUE_LENGTH);
        return;
    }
    acpi_copy(table, &fadt, sizeof(fadt));
    summary->has_fadt = true;
    summary->fadt_flags = fadt.flags;
    summary->sci_interrupt = fadt.sci_interrupt;
    if (fadt.century < CMOS_SIZE) {
        summary->century = fadt.century;
    } else {
        acpi_note(summary, ACPI_ISSUE_ENTRY_VALUE);
    }
    if ((fadt.flags & FADT_HARDWARE_REDUCED) != 0) {
        read_reduced_registers(&fadt, summary);
    } else {
        read_acpi_enable(&fadt, summary);
        read_registers(&fadt, summary);
    }
    read_reset(&fadt, summary);
    *dsdt = (struct acpi_dsdt_places){.extended = fadt.x_dsdt, .legacy = fadt.dsdt};
}

void acpi_read_hpet(const struct acpi_table *table, struct acpi_summary *summary)
{
    struct hpet hpet;

    if (table->length < sizeof(hpet)) {
        acpi_note(summary, ACPI_ISSUE_LENGTH);
        return;
    }
    acpi_copy(table, &hpet, sizeof(hpet));
    if (hpet.address.space != GENERIC_MEMORY || hpet.address.address == 0 ||
        hpet.address.address % HPET_ALIGNMENT != 0) {
        acpi_note(summary, ACPI_ISSUE_ENTRY_VALUE);
        return;
    }
    summary->hpet = hpet.address.address;
}

uint32_t acpi_hpet_period(uint64_t capabilities)
{
    uint32_t femtoseconds = (uint32_t)(capabilities >> 32);

    return femtoseconds <= HPET_PERIOD_MAX ? femtoseconds : 0;
}
