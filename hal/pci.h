/*
 * The machine's PCI bus: configuration space, and messages that devices send as interrupts.
 * Source: PCI Local Bus Specification 3.0, 3.2.2.3.2 and 6.8.
 *
 * Rules:
 * - A function is named by its bus, device and function numbers as the specification packs them.
 * - A machine without the bus reads as one on which nothing answers.
 */
#ifndef HAL_PCI_H
#define HAL_PCI_H

#include <helix/attributes.h>
#include <helix/error.h>
#include <stdint.h>

#define HAL_PCI_NOTHING 0xffffffffU /* what is read where nothing answers */

static inline uint16_t hal_pci_function(uint32_t bus, uint32_t device, uint32_t function)
{
    return (uint16_t)(bus << 8 | device << 3 | function);
}

/* Read or write 32 bits at an offset below 256 that is a multiple of 4.  Context: any but nmi. */
uint32_t hal_pci_read(uint16_t function, uint32_t offset);
void hal_pci_write(uint16_t function, uint32_t offset, uint32_t value);

/* What a device writes, and where, to raise an interrupt (MSI). */
struct hal_pci_message {
    uint64_t address;
    uint32_t data;
};

/* The message that raises a vector on a CPU.  Context: any.  Errors: HX_EINVAL no such CPU. */
HX_MUST_USE hx_err hal_pci_message(uint32_t cpu, uint8_t vector, struct hal_pci_message *message);

#endif
