/*
 * PCI functions: which there are, where their registers lie, how they interrupt.
 * Source: PCI Local Bus Specification 3.0, chapter 6.
 *
 * Rules:
 * - What a function says of itself is not trusted: lists that do not end, ranges that wrap and
 *   offsets outside of configuration space end the search.
 * - Who changes a function serialises it (core/device/device.c).
 */
#ifndef CORE_DEVICE_PCI_H
#define CORE_DEVICE_PCI_H

#include <hal/pci.h>
#include <helix/attributes.h>
#include <helix/error.h>
#include <stdbool.h>
#include <stdint.h>

#define PCI_BARS 6U

/* Capabilities (appendix H). */
#define PCI_CAPABILITY_VENDOR 0x09U
#define PCI_CAPABILITY_MSI_X  0x11U

struct pci_function {
    uint16_t address; /* hal_pci_function() */
    uint16_t vendor;
    uint16_t device;
    uint32_t class; /* class, subclass, interface: 24 bits */
};

/* A range of device registers in memory; size 0: there is none. */
struct pci_range {
    uint64_t base; /* physical */
    uint64_t size;
};

/*
 * Call back for every function on the first bus and on those behind bridges, at most PCI_DEPTH_MAX
 * bridges deep.  Context: boot or thread.
 */
#define PCI_DEPTH_MAX 4U
void pci_for_each(void (*found)(const struct pci_function *function, void *argument),
                  void *argument);

/* 8, 16 and 32 bits at any aligned offset.  Context: any but nmi. */
uint8_t pci_read8(uint16_t address, uint32_t offset);
uint16_t pci_read16(uint16_t address, uint32_t offset);

/*
 * The offset of the next capability of a kind behind `after` (0: from the start), 0: there is none.
 * Context: any but nmi.
 */
uint8_t pci_next_capability(uint16_t address, uint8_t kind, uint8_t after);

/*
 * Where a base address register leads: its size is asked for, with the function deaf meanwhile.
 * Context: boot or thread; nobody uses the function.  Errors: HX_EINVAL no such register, HX_ENOENT
 * it leads to no memory.
 */
HX_MUST_USE hx_err pci_bar(uint16_t address, uint32_t index, struct pci_range *range);

/* Let the function answer to its memory registers, and reach memory by itself, or not any more. */
void pci_enable(uint16_t address, bool is_master);

/* The MSI-X table of a function: where, and how many entries.  Errors: HX_ENOENT none, or damaged.
 */
struct pci_msi_x {
    uint8_t capability;
    uint32_t bar;
    uint32_t offset; /* in the range of the bar */
    uint32_t entries;
};
HX_MUST_USE hx_err pci_find_msi_x(uint16_t address, struct pci_msi_x *table);

/* Have the function interrupt by its table's messages, or not at all. */
void pci_enable_msi_x(uint16_t address, const struct pci_msi_x *table, bool is_on);

#endif
