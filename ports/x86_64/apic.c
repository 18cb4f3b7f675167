#include <base/assert.h>
#include <hal/cpu.h>
#include <hal/interrupt.h>
#include <ports/x86_64/acpi_tables.h>
#include <ports/x86_64/apic.h>
#include <ports/x86_64/cpu_local.h>
#include <ports/x86_64/instructions.h>
#include <ports/x86_64/paging.h>

/* Registers (SDM 3A table 10-1). */
#define APIC_ID            (0x020 / 4)
#define APIC_TASK_PRIORITY (0x080 / 4)
#define APIC_LOGICAL_ID    (0x0D0 / 4)
#define APIC_FORMAT        (0x0E0 / 4)
#define APIC_SPURIOUS      (0x0F0 / 4)
#define APIC_ERROR_STATUS  (0x280 / 4)
#define APIC_COMMAND_LOW   (0x300 / 4)
#define APIC_COMMAND_HIGH  (0x310 / 4)
#define APIC_LVT_TIMER     (0x320 / 4)
#define APIC_LVT_COUNTERS  (0x340 / 4)
#define APIC_LVT_LINT0     (0x350 / 4) /* LINT1 follows at 0x360 */
#define APIC_LVT_ERROR     (0x370 / 4)
#define APIC_TIMER_INITIAL (0x380 / 4)
#define APIC_TIMER_CURRENT (0x390 / 4)
#define APIC_TIMER_DIVIDE  (0x3E0 / 4)

#define LINT_STRIDE 4 /* words between APIC_LVT_LINT0 and LINT1 */
#define LINT_COUNT  2

#define ID_SHIFT       24
#define SPURIOUS_ON    0x100 /* the APIC's software enable */
#define FORMAT_FLAT    0xFFFFFFFF
#define DIVIDE_BY_1    0xB
#define LVT_NMI        0x400
#define LVT_ACTIVE_LOW 0x2000
#define LVT_MASKED     0x10000

/* Interrupt command register (SDM 3A figure 10-12). */
#define COMMAND_NMI     0x400
#define COMMAND_INIT    0x500
#define COMMAND_STARTUP 0x600
#define COMMAND_PENDING 0x1000
#define COMMAND_ASSERT  0x4000

#define COMMAND_POLLS_MAX 100000

/* IA32_APIC_BASE (SDM 3A 10.4.4). */
#define MSR_APIC_BASE       0x1B
#define APIC_BASE_X2APIC    (1UL << 10)
#define APIC_BASE_ENABLE    (1UL << 11)
#define APIC_BASE_ADDRESS   0x000FFFFFFFFFF000UL
#define APIC_REGISTERS_SIZE 4096
#define LOGICAL_CPUS        8
#define PIC_VECTOR_FIRST    32
#define PIC_LINES           8
#define PIC_CASCADE_LINE    2

volatile uint32_t *x86_apic;
static const struct acpi_summary *apic_summary;

/*
 * One 8259A: move its vectors off those of the exceptions, because even with all lines masked it
 * can raise its spurious vector; then mask all (Intel 8259A data sheet, ICW1 to ICW4 and OCW1).
 */
static void pic_init(uint16_t port, uint8_t vector, uint8_t cascade)
{
    x86_out8(port, 0x11); /* ICW1: initialise, ICW4 follows */
    x86_out8(port + 1, vector);
    x86_out8(port + 1, cascade);
    x86_out8(port + 1, 0x01); /* ICW4: 8086 mode */
    x86_out8(port + 1, 0xFF); /* OCW1: all lines masked */
}

static void apic_map(void)
{
    uint64_t base = x86_msr_read(MSR_APIC_BASE);

    HX_ASSERT((base & APIC_BASE_X2APIC) == 0, "the firmware left the local APICs in xAPIC mode");
    x86_msr_write(MSR_APIC_BASE, base | APIC_BASE_ENABLE);
    x86_apic = x86_map_device(base & APIC_BASE_ADDRESS, APIC_REGISTERS_SIZE);
    HX_ASSERT(x86_apic != NULL, "the local APIC is where no memory is");
}

void apic_init(const struct acpi_summary *summary)
{
    apic_summary = summary;
    pic_init(0x20, PIC_VECTOR_FIRST, 1U << PIC_CASCADE_LINE);
    pic_init(0xA0, PIC_VECTOR_FIRST + PIC_LINES, PIC_CASCADE_LINE);
    apic_map();
    apic_init_this_cpu(0);
}

uint32_t apic_id(void)
{
    return x86_apic[APIC_ID] >> ID_SHIFT;
}

/* ACPI's name for the CPU with this APIC id. */
static uint32_t apic_processor_uid(uint32_t id)
{
    for (uint32_t i = 0; i < apic_summary->cpu_count; i++) {
        if (apic_summary->cpus[i].apic_id == id) {
            return apic_summary->cpus[i].processor_uid;
        }
    }
    return ACPI_EVERY_CPU;
}

/* Mask LINT0 and LINT1, except where one is wired to a non-maskable interrupt. */
static void apic_init_inputs(void)
{
    uint32_t uid = apic_processor_uid(apic_id());

    for (uint32_t input = 0; input < LINT_COUNT; input++) {
        x86_apic[APIC_LVT_LINT0 + input * LINT_STRIDE] = LVT_MASKED;
    }
    for (uint32_t i = 0; i < apic_summary->local_nmi_count; i++) {
        const struct acpi_local_nmi *nmi = &apic_summary->local_nmis[i];

        if ((nmi->processor_uid == uid || nmi->processor_uid == ACPI_EVERY_CPU) &&
            nmi->input < LINT_COUNT) {
            x86_apic[APIC_LVT_LINT0 + nmi->input * LINT_STRIDE] =
                LVT_NMI | (nmi->line.is_active_low ? LVT_ACTIVE_LOW : 0);
        }
    }
}

void apic_init_this_cpu(uint32_t cpu)
{
    x86_apic[APIC_FORMAT] = FORMAT_FLAT;
    x86_apic[APIC_LOGICAL_ID] = cpu < LOGICAL_CPUS ? 1U << (cpu + ID_SHIFT) : 0;
    x86_apic[APIC_TASK_PRIORITY] = 0;
    x86_apic[APIC_SPURIOUS] = SPURIOUS_ON | X86_VECTOR_SPURIOUS;
    apic_init_inputs();
    x86_apic[APIC_LVT_COUNTERS] = LVT_MASKED;
    x86_apic[APIC_ERROR_STATUS] = 0;
    x86_apic[APIC_LVT_ERROR] = X86_VECTOR_ERROR;
    x86_apic[APIC_TIMER_DIVIDE] = DIVIDE_BY_1;
    x86_apic[APIC_LVT_TIMER] = HAL_VECTOR_TIMER; /* mode bits 0: one shot */
    x86_apic[APIC_TIMER_INITIAL] = 0;
}

void apic_leave(void)
{
    x86_apic[APIC_TIMER_INITIAL] = 0;
    x86_apic[APIC_LOGICAL_ID] = 0;
    x86_apic[APIC_LVT_LINT0] = LVT_MASKED;
    x86_apic[APIC_LVT_LINT0 + LINT_STRIDE] = LVT_MASKED;
    x86_apic[APIC_SPURIOUS] = X86_VECTOR_SPURIOUS;
}

/* --- messages --------------------------------------------------------------------------------- */

static void apic_wait_sent(void)
{
    for (unsigned polls = 0; polls < COMMAND_POLLS_MAX; polls++) {
        if ((x86_apic[APIC_COMMAND_LOW] & COMMAND_PENDING) == 0) {
            return;
        }
        hal_cpu_relax();
    }
}

/*
 * The destination is written first; writing the low half sends. A non-maskable interrupt may come
 * between the two and send a message of its own, so each sender leaves the destination as it was.
 */
static void apic_send(uint32_t id, uint32_t command)
{
    hal_interrupt_state state = hal_interrupts_save();
    uint32_t destination = x86_apic[APIC_COMMAND_HIGH];

    apic_wait_sent();
    x86_apic[APIC_COMMAND_HIGH] = id << ID_SHIFT;
    x86_apic[APIC_COMMAND_LOW] = command | COMMAND_ASSERT;
    apic_wait_sent();
    x86_apic[APIC_COMMAND_HIGH] = destination;
    hal_interrupts_restore(state);
}

void apic_send_init(uint32_t id)
{
    apic_send(id, COMMAND_INIT);
}

void apic_send_startup(uint32_t id, uint32_t physical_page)
{
    apic_send(id, COMMAND_STARTUP | (physical_page >> 12));
}

void hal_interrupt_send(uint32_t cpu, uint8_t vector)
{
    HX_DEBUG_ASSERT(cpu < hal_cpu_count(), "a message goes to a CPU that exists");
    apic_send(x86_cpus[cpu].apic_id, vector);
}

hx_err hal_interrupt_send_nmi(uint32_t cpu)
{
    HX_DEBUG_ASSERT(cpu < hal_cpu_count(), "a message goes to a CPU that exists");
    apic_send(x86_cpus[cpu].apic_id, COMMAND_NMI);
    return HX_OK;
}

/* --- timer ------------------------------------------------------------------------------------ */

void apic_timer_start(uint32_t count)
{
    x86_apic[APIC_TIMER_INITIAL] = count;
}

uint32_t apic_timer_left(void)
{
    return x86_apic[APIC_TIMER_CURRENT];
}
