#include <hal/cpu.h>
#include <hal/interrupt.h>
#include <ports/x86_64/acpi_tables.h>
#include <ports/x86_64/cpu_local.h>
#include <ports/x86_64/ioapic.h>
#include <ports/x86_64/paging.h>
#include <ports/x86_64/port_lock.h>
#include <ports/x86_64/start.h>

#define IOAPIC_SELECT         (0x00 / 4) /* word index of the register window */
#define IOAPIC_WINDOW         (0x10 / 4)
#define IOAPIC_REGISTERS_SIZE 4096

#define REGISTER_VERSION     1
#define REGISTER_REDIRECTION 0x10 /* two for each line, low half first */
#define VERSION_LAST_SHIFT   16   /* number of the last entry */

#define ISA_LINES    16
#define TIMER_LINE   2
#define LOGICAL_CPUS 8 /* those that apic_init_this_cpu() gives a logical id */

struct ioapic {
    volatile uint32_t *registers;
    uint32_t first; /* its lines: first .. first + count - 1 */
    uint32_t count;
};

static struct ioapic ioapics[ACPI_IO_APIC_MAX];
static uint32_t ioapic_count;
static uint32_t line_count;
static const struct acpi_summary *ioapic_summary;

/* Covers the select and window registers of all I/O APICs. */
static struct port_lock ioapic_lock = PORT_LOCK_INIT;

static uint32_t ioapic_read(const struct ioapic *ioapic, uint32_t index)
{
    ioapic->registers[IOAPIC_SELECT] = index;
    return ioapic->registers[IOAPIC_WINDOW];
}

static void ioapic_write(const struct ioapic *ioapic, uint32_t index, uint32_t value)
{
    ioapic->registers[IOAPIC_SELECT] = index;
    ioapic->registers[IOAPIC_WINDOW] = value;
}

static uint32_t entry_register(const struct ioapic *ioapic, uint32_t line)
{
    return REGISTER_REDIRECTION + 2 * (line - ioapic->first);
}

static uint64_t entry_read(const struct ioapic *ioapic, uint32_t line)
{
    uint32_t low = entry_register(ioapic, line);

    return ioapic_read(ioapic, low) | (uint64_t)ioapic_read(ioapic, low + 1) << 32;
}

/* The halves are written apart, so the line is masked until both agree. */
static void entry_write(const struct ioapic *ioapic, uint32_t line, uint64_t entry)
{
    uint32_t low = entry_register(ioapic, line);

    ioapic_write(ioapic, low, ioapic_read(ioapic, low) | (uint32_t)IOAPIC_MASKED);
    ioapic_write(ioapic, low + 1, (uint32_t)(entry >> 32));
    ioapic_write(ioapic, low, (uint32_t)entry);
}

/* An empty bus keeps nothing, and neither does a ROM. */
static bool keeps_selection(const struct ioapic *ioapic, uint32_t index)
{
    ioapic->registers[IOAPIC_SELECT] = index;
    return ioapic->registers[IOAPIC_SELECT] == index;
}

/* Whether there is one at the address. */
static bool ioapic_open(struct ioapic *ioapic, uint64_t address)
{
    ioapic->registers = x86_map_device(address, IOAPIC_REGISTERS_SIZE);
    if (ioapic->registers == NULL || !keeps_selection(ioapic, REGISTER_REDIRECTION) ||
        !keeps_selection(ioapic, REGISTER_VERSION)) {
        return false;
    }
    ioapic->count = ((ioapic_read(ioapic, REGISTER_VERSION) >> VERSION_LAST_SHIFT) & 0xFF) + 1;
    return true;
}

static void ioapic_add(const struct acpi_io_apic *found)
{
    struct ioapic *ioapic = &ioapics[ioapic_count];

    if (!ioapic_open(ioapic, found->address)) {
        x86_boot_warn("there is no I/O APIC where ACPI says: ignored");
        return;
    }
    ioapic_count++;
    ioapic->first = found->gsi_base;
    for (uint32_t i = 0; i < ioapic->count; i++) {
        entry_write(ioapic, ioapic->first + i, IOAPIC_MASKED);
    }
    if (ioapic->first + ioapic->count > line_count) {
        line_count = ioapic->first + ioapic->count;
    }
}

void ioapic_init(const struct acpi_summary *summary)
{
    ioapic_summary = summary;
    for (uint32_t i = 0; i < summary->io_apic_count; i++) {
        ioapic_add(&summary->io_apics[i]);
    }
}

void ioapic_silence(void)
{
    for (uint32_t i = 0; i < ioapic_count; i++) {
        for (uint32_t line = 0; line < ioapics[i].count; line++) {
            ioapic_write(&ioapics[i], entry_register(&ioapics[i], ioapics[i].first + line),
                         (uint32_t)IOAPIC_MASKED);
        }
    }
}

uint32_t ioapic_found(void)
{
    return ioapic_count;
}

static const struct ioapic *ioapic_of_line(uint32_t line)
{
    for (uint32_t i = 0; i < ioapic_count; i++) {
        if (line - ioapics[i].first < ioapics[i].count) {
            return &ioapics[i];
        }
    }
    return NULL;
}

uint64_t ioapic_entry(uint32_t line)
{
    const struct ioapic *ioapic = ioapic_of_line(line);
    hal_interrupt_state state;
    uint64_t entry;

    if (ioapic == NULL) {
        return 0;
    }
    state = port_lock_acquire(&ioapic_lock);
    entry = entry_read(ioapic, line);
    port_lock_release(&ioapic_lock, state);
    return entry;
}

uint32_t hal_line_count(void)
{
    return line_count;
}

/*
 * ISA interrupt 0 where no override says otherwise. ACPI without the hardware of old is silent
 * about the interval timer; one that is there nevertheless, as in QEMU's microvm, has the input
 * that it has by default (MultiProcessor Specification 1.4, chapter 5).
 */
static uint32_t timer_line(void)
{
    return ioapic_summary->is_hardware_reduced && ioapic_of_line(TIMER_LINE) != NULL ? TIMER_LINE
                                                                                     : 0;
}

hx_err hal_line_of_isa(uint32_t isa, uint32_t *line, struct hal_line_mode *mode)
{
    if (isa >= ISA_LINES) {
        return HX_EINVAL;
    }
    *line = isa == 0 ? timer_line() : isa;
    *mode = (struct hal_line_mode){.level = false, .active_low = false};
    for (uint32_t i = 0; i < ioapic_summary->override_count; i++) {
        const struct acpi_override *override = &ioapic_summary->overrides[i];

        if (override->isa_line == isa) {
            *line = override->gsi;
            mode->level = override->line.is_level;
            mode->active_low = override->line.is_active_low;
        }
    }
    return ioapic_of_line(*line) != NULL ? HX_OK : HX_ENOSYS;
}

/* The destination half of an entry for a set of CPUs, see the rules in the header. */
static uint64_t entry_destination(uint64_t cpu_mask)
{
    if ((cpu_mask & (cpu_mask - 1)) == 0) {
        uint32_t cpu = (uint32_t)__builtin_ctzll(cpu_mask);

        return (uint64_t)x86_cpus[cpu].apic_id << IOAPIC_DESTINATION_SHIFT;
    }
    if (cpu_mask >> LOGICAL_CPUS == 0) {
        return cpu_mask << IOAPIC_DESTINATION_SHIFT | IOAPIC_LOGICAL;
    }
    return IOAPIC_BROADCAST << IOAPIC_DESTINATION_SHIFT;
}

hx_err hal_line_route(uint32_t line, uint8_t vector, uint64_t cpu_mask, struct hal_line_mode mode)
{
    const struct ioapic *ioapic = ioapic_of_line(line);
    hal_interrupt_state state;
    uint64_t entry;

    if (ioapic == NULL || vector < HAL_VECTOR_FIRST || vector > HAL_VECTOR_LAST ||
        vector == HAL_VECTOR_SYSCALL || cpu_mask == 0 || cpu_mask >> hal_cpu_count() != 0) {
        return HX_EINVAL;
    }
    entry = vector | entry_destination(cpu_mask) | (mode.level ? IOAPIC_LEVEL : 0) |
            (mode.active_low ? IOAPIC_ACTIVE_LOW : 0);
    state = port_lock_acquire(&ioapic_lock);
    entry_write(ioapic, line, entry | (entry_read(ioapic, line) & IOAPIC_MASKED));
    port_lock_release(&ioapic_lock, state);
    return HX_OK;
}

/* As an edge, whatever the line is: the data sheet allows NMIs no other. */
void ioapic_route_nmi(uint32_t line, struct hal_line_mode mode)
{
    const struct ioapic *ioapic = ioapic_of_line(line);
    uint64_t every_cpu = (1UL << LOGICAL_CPUS) - 1;
    hal_interrupt_state state = port_lock_acquire(&ioapic_lock);

    entry_write(ioapic, line,
                IOAPIC_NMI | IOAPIC_LOGICAL | every_cpu << IOAPIC_DESTINATION_SHIFT |
                    (mode.active_low ? IOAPIC_ACTIVE_LOW : 0));
    port_lock_release(&ioapic_lock, state);
}

static void line_set_masked(uint32_t line, bool masked)
{
    const struct ioapic *ioapic = ioapic_of_line(line);
    hal_interrupt_state state;
    uint32_t low;

    if (ioapic == NULL) {
        return;
    }
    state = port_lock_acquire(&ioapic_lock);
    low = ioapic_read(ioapic, entry_register(ioapic, line)) & ~(uint32_t)IOAPIC_MASKED;
    ioapic_write(ioapic, entry_register(ioapic, line),
                 low | (masked ? (uint32_t)IOAPIC_MASKED : 0));
    port_lock_release(&ioapic_lock, state);
}

void hal_line_mask(uint32_t line)
{
    line_set_masked(line, true);
}

void hal_line_unmask(uint32_t line)
{
    line_set_masked(line, false);
}
