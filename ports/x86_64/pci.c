/* PCI configuration space through its two ports, and messages to the local APICs. */
#include <hal/cpu.h>
#include <hal/pci.h>
#include <ports/x86_64/cpu_local.h>
#include <ports/x86_64/instructions.h>
#include <ports/x86_64/port_lock.h>

/* Mechanism #1 (PCI Local Bus Specification 3.0, 3.2.2.3.2). */
#define CONFIG_ADDRESS 0xCF8
#define CONFIG_DATA    0xCFC
#define CONFIG_ENABLE  0x80000000U

/* A message's address and data (Intel SDM 3A, 10.11): fixed delivery, edge, physical destination.
 */
#define MESSAGE_ADDRESS           0xFEE00000U
#define MESSAGE_DESTINATION_SHIFT 12

static struct port_lock lock = PORT_LOCK_INIT;

static void choose(uint16_t function, uint32_t offset)
{
    x86_out32(CONFIG_ADDRESS, CONFIG_ENABLE | (uint32_t)function << 8 | (offset & 0xFC));
}

uint32_t hal_pci_read(uint16_t function, uint32_t offset)
{
    hal_interrupt_state state = port_lock_acquire(&lock);
    uint32_t value;

    choose(function, offset);
    value = x86_in32(CONFIG_DATA);
    port_lock_release(&lock, state);
    return value;
}

void hal_pci_write(uint16_t function, uint32_t offset, uint32_t value)
{
    hal_interrupt_state state = port_lock_acquire(&lock);

    choose(function, offset);
    x86_out32(CONFIG_DATA, value);
    port_lock_release(&lock, state);
}

hx_err hal_pci_message(uint32_t cpu, uint8_t vector, struct hal_pci_message *message)
{
    if (cpu >= hal_cpu_count()) {
        return HX_EINVAL;
    }
    message->address = MESSAGE_ADDRESS | x86_cpus[cpu].apic_id << MESSAGE_DESTINATION_SHIFT;
    message->data = vector;
    return HX_OK;
}
