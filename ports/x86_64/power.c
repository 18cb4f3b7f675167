#include <base/format.h>
#include <hal/console.h>
#include <hal/cpu.h>
#include <hal/interrupt.h>
#include <hal/power.h>
#include <ports/x86_64/acpi_tables.h>
#include <ports/x86_64/instructions.h>
#include <ports/x86_64/ioapic.h>
#include <ports/x86_64/paging.h>
#include <ports/x86_64/power.h>

/* PM1 control register (ACPI 6.4, table 4.19). */
#define PM1_SCI_ENABLE       0x0001 /* the machine is in ACPI mode */
#define PM1_SLEEP_TYPE       0x1C00
#define PM1_SLEEP_TYPE_SHIFT 10
#define PM1_SLEEP_ENABLE     0x2000

/* Sleep control register (ACPI 6.4, table 4.24). */
#define SLEEP_TYPE_SHIFT 2
#define SLEEP_ENABLE     0x20

#define KEYBOARD_COMMAND    0x64
#define KEYBOARD_INPUT_FULL 0x02
#define KEYBOARD_RESET      0xFE /* pulses the reset line */

#define DEBUG_CONSOLE 0xE9 /* QEMU -device isa-debugcon */
#define DEBUG_EXIT    0xF4 /* QEMU -device isa-debug-exit: status (value << 1) | 1 */

#define POLLS_MAX 100000 /* of a register that should change at once */

/* A register of one byte: a port, a device's memory, or neither: none. */
struct byte_register {
    uint16_t port;
    volatile uint8_t *memory;
};

static const struct acpi_summary *power_summary;
static struct byte_register reset_register;
static struct byte_register sleep_register;

static bool is_port(const struct acpi_register *reg)
{
    return reg->space == ACPI_SPACE_IO && reg->address <= UINT16_MAX;
}

static struct byte_register byte_register(const struct acpi_register *reg)
{
    if (reg->space == ACPI_SPACE_MEMORY) {
        return (struct byte_register){.memory = x86_map_device(reg->address, 1)};
    }
    return (struct byte_register){.port = is_port(reg) ? (uint16_t)reg->address : 0};
}

static void byte_register_write(const struct byte_register *reg, uint8_t value)
{
    if (reg->memory != NULL) {
        *reg->memory = value;
    } else if (reg->port != 0) {
        x86_out8(reg->port, value);
    }
}

void power_init(const struct acpi_summary *summary)
{
    power_summary = summary;
    reset_register = byte_register(&summary->reset);
    sleep_register = byte_register(&summary->sleep_control);
}

/* Give a command some time to take effect. */
static void power_wait(void)
{
    for (unsigned polls = 0; polls < POLLS_MAX; polls++) {
        hal_cpu_relax();
    }
}

/* Ask the firmware to hand the power registers over, if it has not done so yet. */
static void acpi_enable(uint16_t pm1a)
{
    if (power_summary->smi_command == 0 || (x86_in16(pm1a) & PM1_SCI_ENABLE) != 0) {
        return;
    }
    x86_out8(power_summary->smi_command, power_summary->acpi_enable);
    for (unsigned polls = 0; polls < POLLS_MAX; polls++) {
        if ((x86_in16(pm1a) & PM1_SCI_ENABLE) != 0) {
            return;
        }
        hal_cpu_relax();
    }
}

static void acpi_sleep(uint16_t port, uint8_t type)
{
    uint16_t control = x86_in16(port) & (uint16_t) ~(PM1_SLEEP_TYPE | PM1_SLEEP_ENABLE);

    x86_out16(port, (uint16_t)(control | type << PM1_SLEEP_TYPE_SHIFT | PM1_SLEEP_ENABLE));
}

/* By the registers of old. */
static void pm1_power_off(void)
{
    if (!is_port(&power_summary->pm1a_control)) {
        return;
    }
    acpi_enable((uint16_t)power_summary->pm1a_control.address);
    acpi_sleep((uint16_t)power_summary->pm1a_control.address, power_summary->sleep_type_a);
    if (is_port(&power_summary->pm1b_control)) {
        acpi_sleep((uint16_t)power_summary->pm1b_control.address, power_summary->sleep_type_b);
    }
}

/* Enter S5; returns when the machine cannot or does not. */
static void acpi_power_off(void)
{
    if (power_summary == NULL || !power_summary->has_sleep) {
        return;
    }
    if (power_summary->is_hardware_reduced) {
        byte_register_write(
            &sleep_register,
            (uint8_t)(power_summary->sleep_type_a << SLEEP_TYPE_SHIFT | SLEEP_ENABLE));
    } else {
        pm1_power_off();
    }
    power_wait();
}

void hal_power_off(void)
{
    hal_interrupts_disable();
    hal_console_flush();
    acpi_power_off();
    hal_cpu_halt();
}

static void keyboard_reset(void)
{
    for (unsigned polls = 0; polls < POLLS_MAX; polls++) {
        if ((x86_in8(KEYBOARD_COMMAND) & KEYBOARD_INPUT_FULL) == 0) {
            break;
        }
    }
    x86_out8(KEYBOARD_COMMAND, KEYBOARD_RESET);
    power_wait();
}

/* An exception without descriptor tables to deliver it, nor the faults of its delivery, with. */
static void triple_fault(void)
{
    static const struct {
        uint16_t limit;
        uint64_t base;
    } __attribute__((packed)) no_table;

    __asm__ volatile("lidt %0\n\tint3" : : "m"(no_table));
}

void hal_power_reset(void)
{
    hal_interrupts_disable();
    hal_console_flush();
    ioapic_silence();
    if (power_summary != NULL) {
        byte_register_write(&reset_register, power_summary->reset_value);
        power_wait();
    }
    keyboard_reset();
    triple_fault();
    hal_cpu_halt();
}

/*
 * The debug-exit device cannot give every status, so the status is a line on the debug console; the
 * device is for machines whose power-off does not work.
 */
void hal_power_exit(unsigned status)
{
    char line[32];
    size_t length = format_text(line, sizeof(line), "helix-exit: %u\n", status);

    hal_interrupts_disable();
    for (size_t i = 0; i < length; i++) {
        x86_out8(DEBUG_CONSOLE, (uint8_t)line[i]);
    }
    hal_console_flush();
    acpi_power_off();
    x86_out32(DEBUG_EXIT, status);
    hal_cpu_halt();
}

void hal_debug_break(void)
{
    __asm__ volatile("int3");
}
