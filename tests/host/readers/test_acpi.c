#include <hal/cpu.h>
#include <ports/x86_64/acpi_tables.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <tests/host/readers/fake_memory.h>

#include <cmocka.h>

_Static_assert(ACPI_CPU_MAX == HAL_CPU_MAX, "as many CPUs as the kernel drives");

#define LOW_SIZE    0x1000U
#define EBDA        0x9fc00U
#define EBDA_SIZE   0x400U
#define ROM         0xe0000U
#define ROM_SIZE    0x20000U
#define ARENA       0x7fe0000U
#define ARENA_SIZE  0x20000U
#define RSDP        ARENA /* where the loader finds it */
#define HEADER_SIZE 36U
#define FADT_SIZE   244U

struct machine {
    struct fake_memory memory;
    uint8_t low[LOW_SIZE];
    uint8_t ebda[EBDA_SIZE];
    uint8_t rom[ROM_SIZE];
    uint8_t arena[ARENA_SIZE];
    uint32_t arena_used;
    uint64_t tables[256]; /* for the root table */
    uint32_t table_count;
    uint8_t body[0x4000]; /* of the table being made, behind its header */
    uint32_t body_size;
    struct acpi_summary summary;
};

/* --- builders --------------------------------------------------------------------------------- */

static uint8_t *arena_at(struct machine *machine, uint64_t address)
{
    return machine->arena + (address - ARENA);
}

static void fix_checksum(uint8_t *bytes, uint32_t size, uint32_t at)
{
    uint8_t sum = 0;

    bytes[at] = 0;
    for (uint32_t i = 0; i < size; i++) {
        sum = (uint8_t)(sum + bytes[i]);
    }
    bytes[at] = (uint8_t)-sum;
}

/* Repair a table's checksum after a change. */
static void reseal(struct machine *machine, uint64_t table)
{
    uint8_t *bytes = arena_at(machine, table);
    uint32_t length;

    memcpy(&length, bytes + 4, sizeof(length));
    fix_checksum(bytes, length, 9);
}

static void body_bytes(struct machine *machine, const void *bytes, uint32_t size)
{
    memcpy(machine->body + machine->body_size, bytes, size);
    machine->body_size += size;
}

#define BODY(machine, ...)                                                                         \
    body_bytes((machine), (const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__}))

/* Make a table of the body, at an odd address because nothing promises alignment. */
static uint64_t make_table(struct machine *machine, const char *signature)
{
    uint64_t address = ARENA + machine->arena_used + 1;
    uint8_t *bytes = arena_at(machine, address);
    uint32_t length = HEADER_SIZE + machine->body_size;

    memset(bytes, 0, HEADER_SIZE);
    memcpy(bytes, signature, 4);
    memcpy(bytes + 4, &length, sizeof(length));
    memcpy(bytes + HEADER_SIZE, machine->body, machine->body_size);
    fix_checksum(bytes, length, 9);
    machine->arena_used += length + 1;
    machine->body_size = 0;
    memset(machine->body, 0, sizeof(machine->body));
    return address;
}

static uint64_t list_table(struct machine *machine, const char *signature)
{
    uint64_t address = make_table(machine, signature);

    machine->tables[machine->table_count++] = address;
    return address;
}

static uint64_t make_xsdt(struct machine *machine)
{
    body_bytes(machine, machine->tables, machine->table_count * 8);
    return make_table(machine, "XSDT");
}

static uint64_t make_rsdt(struct machine *machine)
{
    for (uint32_t i = 0; i < machine->table_count; i++) {
        body_bytes(machine, &machine->tables[i], 4);
    }
    return make_table(machine, "RSDT");
}

static void make_rsdp(uint8_t *at, uint8_t revision, uint64_t rsdt, uint64_t xsdt)
{
    memcpy(at, "RSD PTR ", 8);
    at[15] = revision;
    memcpy(at + 16, &rsdt, 4);
    fix_checksum(at, 20, 8);
    if (revision >= 2) {
        uint32_t length = 36;

        memcpy(at + 20, &length, sizeof(length));
        memcpy(at + 24, &xsdt, sizeof(xsdt));
        fix_checksum(at, 36, 32);
    }
}

static int set_up(void **state)
{
    struct machine *machine = calloc(1, sizeof(*machine));

    assert_non_null(machine);
    fake_memory_add(&machine->memory, 0, machine->low, LOW_SIZE);
    fake_memory_add(&machine->memory, EBDA, machine->ebda, EBDA_SIZE);
    fake_memory_add(&machine->memory, ROM, machine->rom, ROM_SIZE);
    fake_memory_add(&machine->memory, ARENA, machine->arena, ARENA_SIZE);
    machine->arena_used = 64; /* the root pointer */
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

static hx_err read_from(struct machine *machine, uint64_t rsdp)
{
    struct physical_reader reader = fake_memory_reader(&machine->memory);

    return acpi_read(&reader, rsdp, &machine->summary);
}

/* Read the listed tables through a good root pointer and XSDT. */
static const struct acpi_summary *read_listed(struct machine *machine)
{
    make_rsdp(machine->arena, 2, 0, make_xsdt(machine));
    assert_int_equal(read_from(machine, RSDP), HX_OK);
    return &machine->summary;
}

static uint32_t issue_count(const struct acpi_summary *summary)
{
    uint32_t sum = 0;

    for (size_t i = 0; i < ACPI_ISSUE_COUNT; i++) {
        sum += summary->issues[i];
    }
    return sum;
}

static void assert_only_issue(const struct acpi_summary *summary, enum acpi_issue issue,
                              uint32_t times)
{
    assert_int_equal(summary->issues[issue], times);
    assert_int_equal(issue_count(summary), times);
}

/* --- MADT pieces ------------------------------------------------------------------------------ */

static void madt_begin(struct machine *machine)
{
    BODY(machine, 0, 0, 0xe0, 0xfe, 1, 0, 0, 0);
}

static void madt_cpu(struct machine *machine, uint8_t uid, uint8_t apic_id, uint8_t flags)
{
    BODY(machine, 0, 8, uid, apic_id, flags, 0, 0, 0);
}

static void madt_x2apic(struct machine *machine, uint32_t apic_id, uint8_t flags)
{
    BODY(machine, 9, 16, 0, 0);
    body_bytes(machine, &apic_id, 4);
    BODY(machine, flags, 0, 0, 0, 7, 0, 0, 0);
}

static void madt_io_apic(struct machine *machine, uint8_t id, uint32_t address, uint32_t base)
{
    BODY(machine, 1, 12, id, 0);
    body_bytes(machine, &address, 4);
    body_bytes(machine, &base, 4);
}

static void madt_override(struct machine *machine, uint8_t line, uint8_t gsi, uint8_t flags)
{
    BODY(machine, 2, 10, 0, line, gsi, 0, 0, 0, flags, 0);
}

/* --- FADT pieces ------------------------------------------------------------------------------ */

/* Offsets from the start of the table (ACPI 6.4, table 5.9). */
enum fadt_field {
    DSDT = 40,
    SCI = 46,
    SMI = 48,
    ENABLE = 52,
    PM1A = 64,
    PM1B = 68,
    TIMER = 76,
    CENTURY = 108,
    FLAGS = 112,
    RESET = 116,
    RESET_VALUE = 128,
    X_DSDT = 140,
    X_PM1A = 172,
    X_TIMER = 208,
    SLEEP_CONTROL = 244,
    FADT_SIZE_6 = 268
};

static void fadt_put(struct machine *machine, enum fadt_field field, uint64_t value, uint32_t size)
{
    memcpy(machine->body + ((uint32_t)field - HEADER_SIZE), &value, size);
}

static void fadt_register(struct machine *machine, enum fadt_field field, uint8_t space,
                          uint64_t address)
{
    fadt_put(machine, field, space, 4);
    memcpy(machine->body + ((uint32_t)field - HEADER_SIZE) + 4, &address, sizeof(address));
}

/* The registers of QEMU's q35. */
static void fadt_begin(struct machine *machine)
{
    machine->body_size = FADT_SIZE - HEADER_SIZE;
    fadt_put(machine, SCI, 9, 2);
    fadt_put(machine, SMI, 0xb2, 4);
    fadt_put(machine, ENABLE, 2, 1);
    fadt_put(machine, PM1A, 0x604, 4);
    fadt_put(machine, TIMER, 0x608, 4);
    fadt_put(machine, CENTURY, 0x32, 1);
    fadt_put(machine, FLAGS, 1U << 10, 4);
    fadt_register(machine, RESET, 1, 0xcf9);
    fadt_put(machine, RESET_VALUE, 0x0f, 1);
}

static void assert_port(const struct acpi_register *found, uint64_t address, uint8_t width)
{
    assert_int_equal(found->space, ACPI_SPACE_IO);
    assert_int_equal(found->address, address);
    assert_int_equal(found->width, width);
}

/* A DSDT of these bytes, with a FADT that points to it. */
#define LIST_DSDT(machine, ...)                                                                    \
    do {                                                                                           \
        uint64_t dsdt_;                                                                            \
        BODY(machine, __VA_ARGS__);                                                                \
        dsdt_ = make_table(machine, "DSDT");                                                       \
        fadt_begin(machine);                                                                       \
        fadt_put(machine, DSDT, dsdt_, 4);                                                         \
        (void)list_table(machine, "FACP");                                                         \
    } while (0)

/* --- root pointer and root tables ------------------------------------------------------------- */

static void list_one_cpu(struct machine *machine)
{
    madt_begin(machine);
    madt_cpu(machine, 0, 0, 1);
    (void)list_table(machine, "APIC");
}

static void the_loaders_root_pointer_is_used(void **state)
{
    struct machine *machine = *state;

    list_one_cpu(machine);
    assert_int_equal(read_listed(machine)->rsdp, RSDP);
    assert_int_equal(machine->summary.cpu_count, 1);
    assert_int_equal(issue_count(&machine->summary), 0);
}

static void a_root_pointer_of_acpi_1_leads_to_the_rsdt(void **state)
{
    struct machine *machine = *state;

    list_one_cpu(machine);
    make_rsdp(machine->arena, 0, make_rsdt(machine), 0);
    assert_int_equal(read_from(machine, RSDP), HX_OK);
    assert_int_equal(machine->summary.cpu_count, 1);
    assert_int_equal(issue_count(&machine->summary), 0);
}

static void the_rom_is_searched_when_the_loader_gave_nothing(void **state)
{
    struct machine *machine = *state;

    list_one_cpu(machine);
    memcpy(machine->rom + 0x200, "RSD PTR with a wrong checksum", 29);
    make_rsdp(machine->rom + ROM_SIZE - 48, 2, 0, make_xsdt(machine));
    assert_int_equal(read_from(machine, 0), HX_OK);
    assert_int_equal(machine->summary.rsdp, ROM + ROM_SIZE - 48);
    assert_int_equal(machine->summary.cpu_count, 1);
    assert_only_issue(&machine->summary, ACPI_ISSUE_RSDP, 1);
}

static void the_extended_bios_data_area_is_searched_too(void **state)
{
    struct machine *machine = *state;
    uint16_t segment = EBDA >> 4;

    list_one_cpu(machine);
    memcpy(machine->low + 0x40e, &segment, sizeof(segment));
    make_rsdp(machine->ebda + 0x30, 0, make_rsdt(machine), 0);
    assert_int_equal(read_from(machine, 0), HX_OK);
    assert_int_equal(machine->summary.rsdp, EBDA + 0x30);
}

static void a_wild_root_pointer_from_the_loader_is_replaced_by_the_one_in_the_rom(void **state)
{
    struct machine *machine = *state;
    static const uint64_t wild[] = {1, ARENA + 3, UINT64_MAX, UINT64_MAX - 19, 1ULL << 50};

    list_one_cpu(machine);
    make_rsdp(machine->rom, 0, make_rsdt(machine), 0);
    for (size_t i = 0; i < HX_ARRAY_SIZE(wild); i++) {
        assert_int_equal(read_from(machine, wild[i]), HX_OK);
        assert_int_equal(machine->summary.rsdp, ROM);
        assert_int_equal(machine->summary.issues[ACPI_ISSUE_RSDP], 1);
    }
}

static void a_machine_without_acpi_is_said_to_have_none(void **state)
{
    struct machine *machine = *state;

    machine->memory.count = 0;
    assert_int_equal(read_from(machine, 0), HX_ENOENT);
    assert_int_equal(machine->summary.rsdp, 0);
    assert_int_equal(machine->summary.cpu_count, 0);
    assert_int_equal(issue_count(&machine->summary), 0);
}

static void a_root_pointer_with_any_bit_flipped_is_not_trusted(void **state)
{
    struct machine *machine = *state;

    list_one_cpu(machine);
    make_rsdp(machine->arena, 0, make_rsdt(machine), 0);
    for (uint32_t bit = 0; bit < 20 * 8; bit++) {
        machine->arena[bit / 8] ^= (uint8_t)(1U << bit % 8);
        assert_int_equal(read_from(machine, RSDP), HX_ENOENT);
        machine->arena[bit / 8] ^= (uint8_t)(1U << bit % 8);
    }
}

static void a_bad_extended_half_falls_back_to_the_rsdt(void **state)
{
    struct machine *machine = *state;
    static const uint32_t lengths[] = {0, 20, 35, 257, UINT32_MAX};
    uint64_t rsdt;

    list_one_cpu(machine);
    rsdt = make_rsdt(machine);
    for (size_t i = 0; i < HX_ARRAY_SIZE(lengths); i++) {
        make_rsdp(machine->arena, 2, rsdt, 0x1234567890);
        memcpy(machine->arena + 20, &lengths[i], 4);
        fix_checksum(machine->arena, 36, 32);
        assert_int_equal(read_from(machine, RSDP), HX_OK);
        assert_int_equal(machine->summary.cpu_count, 1);
        assert_only_issue(&machine->summary, ACPI_ISSUE_RSDP, 1);
    }
}

static void a_bad_xsdt_falls_back_to_the_rsdt(void **state)
{
    struct machine *machine = *state;
    uint64_t xsdt, rsdt;

    list_one_cpu(machine);
    rsdt = make_rsdt(machine);
    xsdt = make_xsdt(machine);
    *arena_at(machine, xsdt + 12) ^= 1;
    make_rsdp(machine->arena, 2, rsdt, xsdt);
    assert_int_equal(read_from(machine, RSDP), HX_OK);
    assert_int_equal(machine->summary.cpu_count, 1);
    assert_only_issue(&machine->summary, ACPI_ISSUE_CHECKSUM, 1);
}

static void wild_and_repeated_entries_of_the_root_table_are_skipped(void **state)
{
    struct machine *machine = *state;

    machine->tables[machine->table_count++] = 0xffffffffffffff00;
    machine->tables[machine->table_count++] = 0x123456789000;
    machine->tables[machine->table_count++] = ARENA + ARENA_SIZE - 2;
    list_one_cpu(machine);
    machine->tables[machine->table_count++] = machine->tables[3];
    assert_int_equal(read_listed(machine)->cpu_count, 1);
    assert_int_equal(machine->summary.issues[ACPI_ISSUE_UNREADABLE], 3);
    assert_int_equal(machine->summary.issues[ACPI_ISSUE_DUPLICATE], 1);
}

static void a_root_table_that_lists_itself_is_no_loop(void **state)
{
    struct machine *machine = *state;
    uint64_t xsdt;

    list_one_cpu(machine);
    machine->table_count++;
    xsdt = make_xsdt(machine);
    memcpy(arena_at(machine, xsdt + HEADER_SIZE + 8), &xsdt, sizeof(xsdt));
    reseal(machine, xsdt);
    make_rsdp(machine->arena, 2, 0, xsdt);
    assert_int_equal(read_from(machine, RSDP), HX_OK);
    assert_int_equal(machine->summary.cpu_count, 1);
}

static void put_hpet(struct machine *machine, uint8_t space, uint64_t address)
{
    BODY(machine, 1, 0xa2, 0x86, 0x80, space, 64, 0, 0);
    body_bytes(machine, &address, 8);
    BODY(machine, 0, 0, 0, 0);
    (void)list_table(machine, "HPET");
}

static void a_root_table_that_is_too_long_is_cut(void **state)
{
    struct machine *machine = *state;

    list_one_cpu(machine);
    machine->table_count = 200; /* null but for the first and the last */
    put_hpet(machine, 0, 0xfed00000);
    assert_int_equal(read_listed(machine)->cpu_count, 1);
    assert_int_equal(machine->summary.hpet, 0);
    assert_int_equal(machine->summary.issues[ACPI_ISSUE_TABLE_LIMIT], 1);
}

static void a_table_with_a_bad_length_or_checksum_is_skipped(void **state)
{
    struct machine *machine = *state;
    static const struct {
        uint32_t length;
        enum acpi_issue issue;
    } cases[] = {
        {0, ACPI_ISSUE_LENGTH},
        {HEADER_SIZE - 1, ACPI_ISSUE_LENGTH},
        {UINT32_MAX, ACPI_ISSUE_LENGTH},
        {ARENA_SIZE, ACPI_ISSUE_UNREADABLE},
        {HEADER_SIZE + 1, ACPI_ISSUE_CHECKSUM},
    };
    uint64_t madt;

    list_one_cpu(machine);
    madt = machine->tables[0];
    make_rsdp(machine->arena, 2, 0, make_xsdt(machine));
    for (size_t i = 0; i < HX_ARRAY_SIZE(cases); i++) {
        memcpy(arena_at(machine, madt + 4), &cases[i].length, 4);
        assert_int_equal(read_from(machine, RSDP), HX_OK);
        assert_false(machine->summary.has_madt);
        assert_only_issue(&machine->summary, cases[i].issue, 1);
    }
}

/* --- MADT ------------------------------------------------------------------------------------- */

static void cpus_are_listed_once_and_empty_sockets_are_not(void **state)
{
    struct machine *machine = *state;
    const struct acpi_summary *summary;

    madt_begin(machine);
    madt_cpu(machine, 0, 0, 1);
    madt_cpu(machine, 1, 4, 1);
    madt_cpu(machine, 2, 9, 0);    /* an empty socket */
    madt_cpu(machine, 3, 6, 2);    /* may come later */
    madt_cpu(machine, 4, 0xff, 1); /* the broadcast address */
    madt_x2apic(machine, 4, 1);    /* again */
    madt_x2apic(machine, 300, 1);
    madt_x2apic(machine, UINT32_MAX, 1);
    (void)list_table(machine, "APIC");
    summary = read_listed(machine);
    assert_int_equal(summary->cpu_count, 4);
    assert_int_equal(summary->cpus[1].apic_id, 4);
    assert_int_equal(summary->cpus[1].processor_uid, 1);
    assert_true(summary->cpus[1].is_enabled);
    assert_int_equal(summary->cpus[2].apic_id, 6);
    assert_false(summary->cpus[2].is_enabled);
    assert_int_equal(summary->cpus[3].apic_id, 300);
    assert_int_equal(summary->issues[ACPI_ISSUE_DUPLICATE], 1);
    assert_int_equal(summary->issues[ACPI_ISSUE_ENTRY_VALUE], 2);
    assert_int_equal(summary->local_apic, 0xfee00000);
    assert_true(summary->has_8259);
}

static void more_cpus_than_the_kernel_drives_are_counted(void **state)
{
    struct machine *machine = *state;

    madt_begin(machine);
    for (uint8_t i = 0; i < 100; i++) {
        madt_cpu(machine, i, i, 1);
    }
    (void)list_table(machine, "APIC");
    assert_int_equal(read_listed(machine)->cpu_count, ACPI_CPU_MAX);
    assert_only_issue(&machine->summary, ACPI_ISSUE_CPU_LIMIT, 100 - ACPI_CPU_MAX);
}

static void io_apics_keep_their_first_interrupt_number(void **state)
{
    struct machine *machine = *state;
    const struct acpi_summary *summary;

    madt_begin(machine);
    madt_io_apic(machine, 2, 0xfec00000, 0);
    madt_io_apic(machine, 3, 0xfec01000, 24);
    madt_io_apic(machine, 4, 0xfec00000, 48); /* the first again */
    madt_io_apic(machine, 5, 0xfec02000, 24); /* numbers taken */
    madt_io_apic(machine, 6, 0, 72);
    for (uint8_t i = 0; i < 8; i++) {
        madt_io_apic(machine, i, 0xfed00000 + i * 0x1000U, 100 + i);
    }
    (void)list_table(machine, "APIC");
    summary = read_listed(machine);
    assert_int_equal(summary->io_apic_count, ACPI_IO_APIC_MAX);
    assert_int_equal(summary->io_apics[1].address, 0xfec01000);
    assert_int_equal(summary->io_apics[1].gsi_base, 24);
    assert_int_equal(summary->io_apics[1].id, 3);
    assert_int_equal(summary->issues[ACPI_ISSUE_DUPLICATE], 2);
    assert_int_equal(summary->issues[ACPI_ISSUE_ENTRY_VALUE], 1);
    assert_int_equal(summary->issues[ACPI_ISSUE_ENTRY_LIMIT], 2);
}

static void overrides_say_where_and_how_an_isa_line_arrives(void **state)
{
    struct machine *machine = *state;
    const struct acpi_summary *summary;

    madt_begin(machine);
    madt_override(machine, 0, 2, 0);
    madt_override(machine, 9, 9, 0xd);   /* level, active high */
    madt_override(machine, 10, 10, 0xf); /* level, active low */
    madt_override(machine, 0, 5, 0);     /* again */
    madt_override(machine, 16, 16, 0);   /* no ISA line */
    madt_override(machine, 11, 11, 0xa); /* reserved modes */
    (void)list_table(machine, "APIC");
    summary = read_listed(machine);
    assert_int_equal(summary->override_count, 4);
    assert_int_equal(summary->overrides[0].gsi, 2);
    assert_false(summary->overrides[0].line.is_level);
    assert_true(summary->overrides[1].line.is_level);
    assert_false(summary->overrides[1].line.is_active_low);
    assert_true(summary->overrides[2].line.is_active_low);
    assert_false(summary->overrides[3].line.is_level);
    assert_int_equal(summary->issues[ACPI_ISSUE_DUPLICATE], 1);
    assert_int_equal(summary->issues[ACPI_ISSUE_ENTRY_VALUE], 2);
}

static void nmi_inputs_are_listed_up_to_the_limit(void **state)
{
    struct machine *machine = *state;
    const struct acpi_summary *summary;

    madt_begin(machine);
    BODY(machine, 4, 6, 0xff, 0, 0, 1);
    BODY(machine, 4, 6, 3, 5, 0, 0);
    BODY(machine, 4, 6, 3, 5, 0, 2); /* there is no LINT2 */
    BODY(machine, 10, 12, 0xf, 0, 0xff, 0xff, 0xff, 0xff, 1, 0, 0, 0);
    for (uint8_t i = 0; i < 10; i++) {
        BODY(machine, 3, 8, 0, 0, i, 0, 0, 0);
        BODY(machine, 4, 6, i, 0, 0, 1);
    }
    (void)list_table(machine, "APIC");
    summary = read_listed(machine);
    assert_int_equal(summary->nmi_count, ACPI_NMI_MAX);
    assert_int_equal(summary->nmis[7].gsi, 7);
    assert_int_equal(summary->local_nmi_count, ACPI_LOCAL_NMI_MAX);
    assert_int_equal(summary->local_nmis[0].processor_uid, ACPI_EVERY_CPU);
    assert_int_equal(summary->local_nmis[0].input, 1);
    assert_int_equal(summary->local_nmis[1].processor_uid, 3);
    assert_int_equal(summary->local_nmis[2].processor_uid, ACPI_EVERY_CPU);
    assert_true(summary->local_nmis[2].line.is_level);
    assert_int_equal(summary->issues[ACPI_ISSUE_ENTRY_VALUE], 1);
    assert_int_equal(summary->issues[ACPI_ISSUE_ENTRY_LIMIT], 2 + 5);
}

static void the_local_apic_may_be_elsewhere(void **state)
{
    struct machine *machine = *state;

    madt_begin(machine);
    BODY(machine, 5, 12, 0, 0, 0, 0, 0xe0, 0xfd, 1, 0, 0, 0);
    BODY(machine, 5, 12, 0, 0, 1, 0, 0xe0, 0xfd, 1, 0, 0, 0); /* no page */
    (void)list_table(machine, "APIC");
    assert_int_equal(read_listed(machine)->local_apic, 0x1fde00000);
    assert_only_issue(&machine->summary, ACPI_ISSUE_ENTRY_VALUE, 1);
}

static void an_entry_that_is_cut_ends_the_list_and_a_short_one_is_skipped(void **state)
{
    struct machine *machine = *state;
    static const uint8_t lengths[] = {0, 1, 200};

    for (size_t i = 0; i < HX_ARRAY_SIZE(lengths); i++) {
        madt_begin(machine);
        madt_cpu(machine, 0, 1, 1);
        BODY(machine, 0, 4, 7, 7);       /* too short for a CPU */
        BODY(machine, 0x7f, 5, 1, 2, 3); /* of a kind nobody knows */
        madt_cpu(machine, 0, 2, 1);
        BODY(machine, 0, lengths[i], 0, 3, 1, 0, 0, 0);
        machine->table_count = 0;
        (void)list_table(machine, "APIC");
        assert_int_equal(read_listed(machine)->cpu_count, 2);
        assert_only_issue(&machine->summary, ACPI_ISSUE_ENTRY_LENGTH, 2);
    }
}

static void a_madt_cut_anywhere_gives_what_is_whole(void **state)
{
    struct machine *machine = *state;

    for (uint32_t size = 0; size <= 8 + 3 * 8; size++) {
        madt_begin(machine);
        for (uint8_t i = 0; i < 3; i++) {
            madt_cpu(machine, i, i, 1);
        }
        machine->body_size = size;
        machine->table_count = 0;
        machine->arena_used = 64;
        (void)list_table(machine, "APIC");
        assert_int_equal(read_listed(machine)->cpu_count, size < 8 ? 0 : (size - 8) / 8);
        assert_int_equal(machine->summary.has_madt, size >= 8);
    }
}

static void only_the_first_of_two_madts_counts(void **state)
{
    struct machine *machine = *state;

    list_one_cpu(machine);
    madt_begin(machine);
    madt_cpu(machine, 9, 9, 1);
    (void)list_table(machine, "APIC");
    assert_int_equal(read_listed(machine)->cpu_count, 1);
    assert_int_equal(machine->summary.cpus[0].apic_id, 0);
    assert_only_issue(&machine->summary, ACPI_ISSUE_DUPLICATE, 1);
}

/* --- FADT and HPET ---------------------------------------------------------------------------- */

static void the_fadt_gives_timer_power_and_reset_registers(void **state)
{
    struct machine *machine = *state;
    const struct acpi_summary *summary;

    fadt_begin(machine);
    (void)list_table(machine, "FACP");
    summary = read_listed(machine);
    assert_true(summary->has_fadt);
    assert_port(&summary->pm_timer, 0x608, 32);
    assert_false(summary->pm_timer_is_32_bit);
    assert_port(&summary->pm1a_control, 0x604, 16);
    assert_int_equal(summary->pm1b_control.space, ACPI_SPACE_NONE);
    assert_port(&summary->reset, 0xcf9, 8);
    assert_int_equal(summary->reset_value, 0x0f);
    assert_int_equal(summary->sci_interrupt, 9);
    assert_int_equal(summary->century, 0x32);
    assert_int_equal(summary->smi_command, 0xb2);
    assert_int_equal(summary->acpi_enable, 2);
    assert_int_equal(issue_count(summary), 0);
}

static void extended_registers_are_preferred_when_they_make_sense(void **state)
{
    struct machine *machine = *state;
    const struct acpi_summary *summary;

    fadt_begin(machine);
    fadt_register(machine, X_PM1A, 1, 0xb004);
    fadt_register(machine, X_TIMER, 0, 0xfed80808);
    (void)list_table(machine, "FACP");
    summary = read_listed(machine);
    assert_port(&summary->pm1a_control, 0xb004, 16);
    assert_int_equal(summary->pm_timer.space, ACPI_SPACE_MEMORY);
    assert_int_equal(summary->pm_timer.address, 0xfed80808);
}

static void extended_registers_that_make_no_sense_leave_the_old_ones(void **state)
{
    struct machine *machine = *state;
    const struct acpi_summary *summary;

    fadt_begin(machine);
    fadt_register(machine, X_PM1A, 1, 0xffff);      /* 16 bits do not fit there */
    fadt_register(machine, X_TIMER, 0x7f, 0x12345); /* a space of its own */
    (void)list_table(machine, "FACP");
    summary = read_listed(machine);
    assert_port(&summary->pm1a_control, 0x604, 16);
    assert_port(&summary->pm_timer, 0x608, 32);
    assert_only_issue(summary, ACPI_ISSUE_ENTRY_VALUE, 2);
}

static void impossible_ports_are_no_registers(void **state)
{
    struct machine *machine = *state;
    const struct acpi_summary *summary;

    fadt_begin(machine);
    fadt_put(machine, PM1A, 0x10000, 4);
    fadt_put(machine, PM1B, 0xfffe, 4); /* the last one that fits */
    fadt_put(machine, TIMER, 0xfffd, 4);
    fadt_put(machine, SMI, 0x10000, 4);
    fadt_put(machine, CENTURY, 200, 1);
    (void)list_table(machine, "FACP");
    summary = read_listed(machine);
    assert_int_equal(summary->pm1a_control.space, ACPI_SPACE_NONE);
    assert_port(&summary->pm1b_control, 0xfffe, 16);
    assert_int_equal(summary->pm_timer.space, ACPI_SPACE_NONE);
    assert_int_equal(summary->smi_command, 0);
    assert_int_equal(summary->century, 0);
    assert_only_issue(summary, ACPI_ISSUE_ENTRY_VALUE, 4);
}

static void a_reset_register_that_is_not_supported_is_none(void **state)
{
    struct machine *machine = *state;

    fadt_begin(machine);
    fadt_put(machine, FLAGS, 1U << 8, 4);
    (void)list_table(machine, "FACP");
    assert_int_equal(read_listed(machine)->reset.space, ACPI_SPACE_NONE);
    assert_true(machine->summary.pm_timer_is_32_bit);
}

static void a_machine_without_the_hardware_of_old_has_a_sleep_control_register(void **state)
{
    struct machine *machine = *state;
    const struct acpi_summary *summary;

    fadt_begin(machine);
    machine->body_size = FADT_SIZE_6 - HEADER_SIZE;
    fadt_put(machine, FLAGS, 1U << 20 | 1U << 10, 4);
    fadt_register(machine, SLEEP_CONTROL, 0, 0xfea00000);
    fadt_register(machine, RESET, 0, 0xfea00002);
    (void)list_table(machine, "FACP");
    summary = read_listed(machine);
    assert_true(summary->is_hardware_reduced);
    assert_int_equal(summary->sleep_control.space, ACPI_SPACE_MEMORY);
    assert_int_equal(summary->sleep_control.address, 0xfea00000);
    assert_int_equal(summary->reset.space, ACPI_SPACE_MEMORY);
    assert_int_equal(summary->reset.address, 0xfea00002);
    /* What such a table says about the old registers is to be ignored. */
    assert_int_equal(summary->pm1a_control.space, ACPI_SPACE_NONE);
    assert_int_equal(summary->pm_timer.space, ACPI_SPACE_NONE);
    assert_int_equal(summary->smi_command, 0);
    assert_int_equal(issue_count(summary), 0);
}

static void a_sleep_control_register_is_none_of_a_machine_with_the_hardware_of_old(void **state)
{
    struct machine *machine = *state;

    fadt_begin(machine);
    machine->body_size = FADT_SIZE_6 - HEADER_SIZE;
    fadt_register(machine, SLEEP_CONTROL, 0, 0xfea00000);
    (void)list_table(machine, "FACP");
    assert_int_equal(read_listed(machine)->sleep_control.space, ACPI_SPACE_NONE);
    assert_false(machine->summary.is_hardware_reduced);
    assert_port(&machine->summary.pm1a_control, 0x604, 16);
}

static void a_fadt_of_acpi_1_is_read_without_the_later_fields(void **state)
{
    struct machine *machine = *state;

    fadt_begin(machine);
    machine->body_size = 116 - HEADER_SIZE;
    (void)list_table(machine, "FACP");
    assert_port(&read_listed(machine)->pm_timer, 0x608, 32);
    assert_int_equal(machine->summary.reset.space, ACPI_SPACE_NONE);
    fadt_begin(machine);
    machine->body_size = 115 - HEADER_SIZE;
    machine->table_count = 0;
    (void)list_table(machine, "FACP");
    assert_false(read_listed(machine)->has_fadt);
    assert_only_issue(&machine->summary, ACPI_ISSUE_LENGTH, 1);
}

static void the_first_hpet_that_makes_sense_is_taken(void **state)
{
    struct machine *machine = *state;

    put_hpet(machine, 1, 0x1000);     /* ports */
    put_hpet(machine, 0, 0);          /* nowhere */
    put_hpet(machine, 0, 0xfed00001); /* not aligned */
    put_hpet(machine, 0, 0xfed00000);
    put_hpet(machine, 0, 0xfed10000);
    assert_int_equal(read_listed(machine)->hpet, 0xfed00000);
    assert_int_equal(machine->summary.issues[ACPI_ISSUE_ENTRY_VALUE], 3);
    assert_int_equal(machine->summary.issues[ACPI_ISSUE_DUPLICATE], 1);
}

static void an_hpet_period_outside_the_specification_is_none(void **state)
{
    (void)state;
    assert_int_equal(acpi_hpet_period(0x0098968080860201), 10000000); /* QEMU's: 10 ns */
    assert_int_equal(acpi_hpet_period(0x05f5e10000000000), 100000000);
    assert_int_equal(acpi_hpet_period(0x05f5e10100000000), 0);
    assert_int_equal(acpi_hpet_period(UINT64_MAX), 0); /* nothing answers there */
    assert_int_equal(acpi_hpet_period(0xffffffff), 0);
}

/* --- \_S5_ ------------------------------------------------------------------------------------ */

#define S5      '_', 'S', '5', '_'
#define NAME_S5 0x08, S5

static void assert_sleep(struct machine *machine, uint8_t a, uint8_t b)
{
    const struct acpi_summary *summary = read_listed(machine);

    assert_true(summary->has_sleep);
    assert_int_equal(summary->sleep_type_a, a);
    assert_int_equal(summary->sleep_type_b, b);
    machine->table_count = 0;
}

static void assert_no_sleep(struct machine *machine)
{
    assert_false(read_listed(machine)->has_sleep);
    assert_int_equal(machine->summary.issues[ACPI_ISSUE_SLEEP], 1);
    machine->table_count = 0;
}

static void sleep_values_are_read_in_every_encoding(void **state)
{
    struct machine *machine = *state;

    LIST_DSDT(machine, NAME_S5, 0x12, 0x06, 4, 0, 0, 0, 0);
    assert_sleep(machine, 0, 0); /* ZeroOp, as QEMU has it */
    LIST_DSDT(machine, 0x08, '\\', S5, 0x12, 0x08, 4, 0x0a, 5, 0x0a, 6, 0, 0);
    assert_sleep(machine, 5, 6); /* the name with its root, bytes */
    LIST_DSDT(machine, NAME_S5, 0x12, 0x04, 2, 1, 0xff);
    assert_sleep(machine, 1, 7); /* OneOp, OnesOp */
    LIST_DSDT(machine, NAME_S5, 0x12, 0x0a, 2, 0x0b, 3, 0, 0x0c, 4, 0, 0, 0);
    assert_sleep(machine, 3, 4); /* a word, a double word */
    LIST_DSDT(machine, NAME_S5, 0x12, 0x0c, 2, 0x0e, 2, 0, 0, 0, 0, 0, 0, 0, 1);
    assert_sleep(machine, 2, 1); /* a quad word */
    LIST_DSDT(machine, NAME_S5, 0x12, 0x05, 1, 0x0b, 5, 3);
    assert_sleep(machine, 5, 3); /* both in one element */
    LIST_DSDT(machine, NAME_S5, 0x12, 0x46, 0, 2, 0x0a, 5, 0);
    assert_sleep(machine, 5, 0); /* a length of two bytes */
    LIST_DSDT(machine, NAME_S5, 0x12, 0x87, 0, 0, 2, 1, 0, 0);
    assert_sleep(machine, 1, 0); /* of three */
    LIST_DSDT(machine, NAME_S5, 0x12, 0xc7, 0, 0, 0, 2, 1, 1);
    assert_sleep(machine, 1, 1); /* of four */
}

static void sleep_packages_in_doubt_are_passed_over(void **state)
{
    struct machine *machine = *state;

    LIST_DSDT(machine, NAME_S5, 0x12, 0x3f, 4, 0, 0, 0, 0);
    assert_no_sleep(machine); /* longer than the table */
    LIST_DSDT(machine, NAME_S5, 0x12, 0x02, 4, 0, 0, 0, 0);
    assert_no_sleep(machine); /* no room for elements */
    LIST_DSDT(machine, NAME_S5, 0x12, 0x00, 4, 0, 0);
    assert_no_sleep(machine); /* shorter than its own length */
    LIST_DSDT(machine, NAME_S5, 0x12, 0x76, 0, 2, 1, 1, 0);
    assert_no_sleep(machine); /* reserved bits of the length */
    LIST_DSDT(machine, NAME_S5, 0x12, 0x06, 2, 0x0a, 8, 0x0a, 5);
    assert_no_sleep(machine); /* more than three bits */
    LIST_DSDT(machine, NAME_S5, 0x12, 0x06, 0, 0, 0, 0, 0);
    assert_no_sleep(machine); /* no elements */
    LIST_DSDT(machine, NAME_S5, 0x12, 0x06, 2, 0x0d, '5', 0, 0);
    assert_no_sleep(machine); /* a string */
    LIST_DSDT(machine, NAME_S5, 0x11, 0x06, 2, 0, 0, 0, 0);
    assert_no_sleep(machine); /* a buffer */
    LIST_DSDT(machine, NAME_S5, 0x12, 0x05, 2, 1, 0x0b, 1);
    assert_no_sleep(machine); /* the word is cut by the package */
    LIST_DSDT(machine, NAME_S5, 0xc2);
    assert_no_sleep(machine); /* cut by the table */
}

static void a_mention_of_the_name_is_no_definition(void **state)
{
    struct machine *machine = *state;

    LIST_DSDT(machine, 0x70, S5, 0x12, 0x06, 4, 1, 1, 0, 0, NAME_S5, 0x12, 0x06, 4, 5, 5, 0, 0, 0,
              NAME_S5, 0x12, 0x04, 2, 1, 1);
    assert_int_equal(read_listed(machine)->issues[ACPI_ISSUE_SLEEP], 1);
    assert_true(machine->summary.has_sleep); /* the last one */
    assert_int_equal(machine->summary.sleep_type_a, 1);
}

static void the_name_at_the_very_end_of_a_table_is_harmless(void **state)
{
    struct machine *machine = *state;

    LIST_DSDT(machine, NAME_S5);
    assert_false(read_listed(machine)->has_sleep);
    machine->table_count = 0;
    LIST_DSDT(machine, '_', 'S', '5');
    assert_false(read_listed(machine)->has_sleep);
    machine->table_count = 0;
    LIST_DSDT(machine, S5, 0x12, 4, 2, 1, 1); /* nothing of its own before the name */
    assert_false(read_listed(machine)->has_sleep);
}

static void an_ssdt_is_searched_too_but_the_dsdt_wins(void **state)
{
    struct machine *machine = *state;

    BODY(machine, NAME_S5, 0x12, 0x04, 2, 1, 1);
    (void)list_table(machine, "SSDT");
    BODY(machine, NAME_S5, 0x12, 0x06, 2, 0x0a, 6, 0x0a, 6);
    (void)list_table(machine, "SSDT");
    assert_sleep(machine, 1, 1);
    machine->table_count = 2;
    LIST_DSDT(machine, NAME_S5, 0x12, 0x06, 2, 0x0a, 5, 0x0a, 5);
    assert_sleep(machine, 5, 5);
}

static void a_bad_extended_dsdt_falls_back_to_the_old_one(void **state)
{
    struct machine *machine = *state;
    uint64_t dsdt;

    BODY(machine, NAME_S5, 0x12, 0x04, 2, 1, 1);
    dsdt = make_table(machine, "DSDT");
    fadt_begin(machine);
    fadt_put(machine, DSDT, dsdt, 4);
    fadt_put(machine, X_DSDT, 0xabcdef0123456789, 8);
    machine->tables[0] = ARENA + machine->arena_used + 1;
    (void)list_table(machine, "FACP");
    assert_sleep(machine, 1, 1);
    assert_only_issue(&machine->summary, ACPI_ISSUE_UNREADABLE, 1);
}

static void a_dsdt_that_is_something_else_is_not_read(void **state)
{
    struct machine *machine = *state;
    uint64_t fadt = ARENA + machine->arena_used + 1;

    fadt_begin(machine);
    fadt_put(machine, DSDT, fadt, 4); /* the FADT itself */
    (void)list_table(machine, "FACP");
    assert_false(read_listed(machine)->has_sleep);
    assert_only_issue(&machine->summary, ACPI_ISSUE_SIGNATURE, 1);
}

static void every_issue_has_a_sentence(void **state)
{
    (void)state;
    for (unsigned i = 0; i < ACPI_ISSUE_COUNT; i++) {
        assert_true(strlen(acpi_issue_text((enum acpi_issue)i)) > 10);
    }
    assert_string_equal(acpi_issue_text(ACPI_ISSUE_COUNT), "unknown issue");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_loaders_root_pointer_is_used),
        TEST(a_root_pointer_of_acpi_1_leads_to_the_rsdt),
        TEST(the_rom_is_searched_when_the_loader_gave_nothing),
        TEST(the_extended_bios_data_area_is_searched_too),
        TEST(a_wild_root_pointer_from_the_loader_is_replaced_by_the_one_in_the_rom),
        TEST(a_machine_without_acpi_is_said_to_have_none),
        TEST(a_root_pointer_with_any_bit_flipped_is_not_trusted),
        TEST(a_bad_extended_half_falls_back_to_the_rsdt),
        TEST(a_bad_xsdt_falls_back_to_the_rsdt),
        TEST(wild_and_repeated_entries_of_the_root_table_are_skipped),
        TEST(a_root_table_that_lists_itself_is_no_loop),
        TEST(a_root_table_that_is_too_long_is_cut),
        TEST(a_table_with_a_bad_length_or_checksum_is_skipped),
        TEST(cpus_are_listed_once_and_empty_sockets_are_not),
        TEST(more_cpus_than_the_kernel_drives_are_counted),
        TEST(io_apics_keep_their_first_interrupt_number),
        TEST(overrides_say_where_and_how_an_isa_line_arrives),
        TEST(nmi_inputs_are_listed_up_to_the_limit),
        TEST(the_local_apic_may_be_elsewhere),
        TEST(an_entry_that_is_cut_ends_the_list_and_a_short_one_is_skipped),
        TEST(a_madt_cut_anywhere_gives_what_is_whole),
        TEST(only_the_first_of_two_madts_counts),
        TEST(the_fadt_gives_timer_power_and_reset_registers),
        TEST(extended_registers_are_preferred_when_they_make_sense),
        TEST(extended_registers_that_make_no_sense_leave_the_old_ones),
        TEST(impossible_ports_are_no_registers),
        TEST(a_reset_register_that_is_not_supported_is_none),
        TEST(a_machine_without_the_hardware_of_old_has_a_sleep_control_register),
        TEST(a_sleep_control_register_is_none_of_a_machine_with_the_hardware_of_old),
        TEST(a_fadt_of_acpi_1_is_read_without_the_later_fields),
        TEST(the_first_hpet_that_makes_sense_is_taken),
        TEST(an_hpet_period_outside_the_specification_is_none),
        TEST(sleep_values_are_read_in_every_encoding),
        TEST(sleep_packages_in_doubt_are_passed_over),
        TEST(a_mention_of_the_name_is_no_definition),
        TEST(the_name_at_the_very_end_of_a_table_is_harmless),
        TEST(an_ssdt_is_searched_too_but_the_dsdt_wins),
        TEST(a_bad_extended_dsdt_falls_back_to_the_old_one),
        TEST(a_dsdt_that_is_something_else_is_not_read),
        TEST(every_issue_has_a_sentence),
    };

    return cmocka_run_group_tests_name("readers/acpi", tests, NULL, NULL);
}
