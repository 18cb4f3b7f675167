/*
 * Reader of the ACPI tables a kernel needs to drive the machine: processors, interrupt controllers,
 * timers, power-off and reset. No interpreter: of the AML only the \_S5_ package is looked for.
 * Source: ACPI specification 6.4 (chapter and table numbers in the .c files), IA-PC HPET 1.0a.
 *
 * Rules:
 * - Firmware is not trusted. A table or entry that makes no sense is skipped and counted under its
 *   reason; the summary holds the best that the rest allows.
 * - The summary is plain data: no pointer into the tables, valid after they are gone.
 */
#ifndef PORTS_X86_64_ACPI_TABLES_H
#define PORTS_X86_64_ACPI_TABLES_H

#include <helix/attributes.h>
#include <helix/error.h>
#include <ports/x86_64/physical_reader.h>
#include <stdbool.h>
#include <stdint.h>

#define ACPI_CPU_MAX       32 /* HAL_CPU_MAX; who fills the CPU table asserts that they agree */
#define ACPI_IO_APIC_MAX   8
#define ACPI_OVERRIDE_MAX  16 /* one for each ISA line */
#define ACPI_NMI_MAX       8
#define ACPI_LOCAL_NMI_MAX 8

/* X(enumerator, what was skipped and why) */
#define ACPI_ISSUE_LIST(X)                                                                         \
    X(ACPI_ISSUE_RSDP, "a root pointer is malformed")                                              \
    X(ACPI_ISSUE_UNREADABLE, "a table is not in readable memory")                                  \
    X(ACPI_ISSUE_SIGNATURE, "a table is not what its referrer says")                               \
    X(ACPI_ISSUE_LENGTH, "a table is too short or impossibly long")                                \
    X(ACPI_ISSUE_CHECKSUM, "a table's checksum is wrong")                                          \
    X(ACPI_ISSUE_DUPLICATE, "a table or entry is there twice")                                     \
    X(ACPI_ISSUE_TABLE_LIMIT, "the root table lists too many tables")                              \
    X(ACPI_ISSUE_ENTRY_LENGTH, "a MADT entry is cut or too short")                                 \
    X(ACPI_ISSUE_ENTRY_VALUE, "an entry or register has an impossible value")                      \
    X(ACPI_ISSUE_CPU_LIMIT, "there are more CPUs than the kernel can drive")                       \
    X(ACPI_ISSUE_ENTRY_LIMIT, "there are more interrupt entries than the kernel keeps")            \
    X(ACPI_ISSUE_SLEEP, "the package \\_S5_ is malformed")

#define ACPI_ISSUE_ENUM(name, text) name,
enum acpi_issue { ACPI_ISSUE_LIST(ACPI_ISSUE_ENUM) ACPI_ISSUE_COUNT };
#undef ACPI_ISSUE_ENUM

struct acpi_cpu {
    uint32_t apic_id;
    uint32_t processor_uid;
    bool is_enabled; /* else it may be brought online later */
};

struct acpi_io_apic {
    uint64_t address;
    uint32_t gsi_base;
    uint8_t id;
};

/* How a line signals; "conforms to the bus" is resolved to ISA's: edge, active high. */
struct acpi_line {
    bool is_level;
    bool is_active_low;
};

struct acpi_override {
    uint8_t isa_line;
    uint32_t gsi;
    struct acpi_line line;
};

/* An I/O APIC input that is an NMI. */
struct acpi_nmi {
    uint32_t gsi;
    struct acpi_line line;
};

/* A local APIC input that is an NMI. */
struct acpi_local_nmi {
    uint32_t processor_uid; /* ACPI_EVERY_CPU: of all */
    uint8_t input;          /* LINT0 or LINT1 */
    struct acpi_line line;
};
#define ACPI_EVERY_CPU UINT32_MAX

enum acpi_space { ACPI_SPACE_NONE, ACPI_SPACE_MEMORY, ACPI_SPACE_IO };

/* A register, or none. An I/O address is a port number. */
struct acpi_register {
    enum acpi_space space;
    uint8_t width; /* bits */
    uint64_t address;
};

/* What is missing is zero: an empty array, a register in no space, a flag that is false. */
struct acpi_summary {
    uint64_t rsdp; /* physical address of the root pointer that was used, 0: no ACPI */

    bool has_madt;
    bool has_8259; /* two PICs that must be masked */
    uint64_t local_apic;
    struct acpi_cpu cpus[ACPI_CPU_MAX]; /* no two with one apic_id */
    uint32_t cpu_count;
    struct acpi_io_apic io_apics[ACPI_IO_APIC_MAX];
    uint32_t io_apic_count;
    struct acpi_override overrides[ACPI_OVERRIDE_MAX]; /* no two for one isa_line */
    uint32_t override_count;
    struct acpi_nmi nmis[ACPI_NMI_MAX];
    uint32_t nmi_count;
    struct acpi_local_nmi local_nmis[ACPI_LOCAL_NMI_MAX];
    uint32_t local_nmi_count;

    bool has_fadt;
    bool is_hardware_reduced; /* no timer, no PM1 registers: sleep_control in their place */
    uint32_t fadt_flags;      /* as in the table */
    uint16_t sci_interrupt;   /* a GSI; an ISA line, through the overrides, where has_8259 */
    uint8_t century;          /* index of the century in the CMOS clock, 0: none */
    uint16_t smi_command;     /* port to write acpi_enable to, 0: ACPI mode is always on */
    uint8_t acpi_enable;
    struct acpi_register pm_timer;
    bool pm_timer_is_32_bit; /* else it wraps at 24 bits */
    struct acpi_register pm1a_control;
    struct acpi_register pm1b_control;
    struct acpi_register sleep_control;
    struct acpi_register reset; /* none unless the flags say it is supported */
    uint8_t reset_value;

    bool has_sleep; /* the two values of \_S5_, 0..7 each */
    uint8_t sleep_type_a;
    uint8_t sleep_type_b;

    uint64_t hpet; /* address of its registers, 0: none */

    uint16_t issues[ACPI_ISSUE_COUNT]; /* how often; stays at 65535 */
};

/*
 * Read everything. rsdp is the address the loader gave or 0; if there is nothing valid, the two
 * places where a BIOS leaves the root pointer are searched.
 * Context: boot.  Errors: HX_ENOENT no valid root pointer and root table; the summary is then empty
 * but for the issues.
 */
HX_MUST_USE hx_err acpi_read(const struct physical_reader *reader, uint64_t rsdp,
                             struct acpi_summary *summary);

/*
 * The period in femtoseconds that the HPET's first register states, or 0 if that is none: the
 * specification allows 1 to 100,000,000 (IA-PC HPET 1.0a, 2.3.4).  Context: any.
 */
uint32_t acpi_hpet_period(uint64_t capabilities);

/* One sentence about an issue, for the boot log.  Context: any. */
const char *acpi_issue_text(enum acpi_issue issue);

#endif
