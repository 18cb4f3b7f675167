/* A PCI bus inside a process: what a test plugs in. */
#include <hal/cpu.h>
#include <hal/pci.h>
#include <ports/hosted/hosted.h>
#include <stddef.h>

static const struct hosted_pci_bus *bus;

void hosted_plug_pci(const struct hosted_pci_bus *plugged)
{
    bus = plugged;
}

uint32_t hal_pci_read(uint16_t function, uint32_t offset)
{
    return bus != NULL ? bus->read(function, offset) : HAL_PCI_NOTHING;
}

void hal_pci_write(uint16_t function, uint32_t offset, uint32_t value)
{
    if (bus != NULL) {
        bus->write(function, offset, value);
    }
}

/* Who imitates a device raises the vector with hal_interrupt_send. */
hx_err hal_pci_message(uint32_t cpu, uint8_t vector, struct hal_pci_message *message)
{
    if (cpu >= hal_cpu_count()) {
        return HX_EINVAL;
    }
    *message = (struct hal_pci_message){.address = cpu, .data = vector};
    return HX_OK;
}
