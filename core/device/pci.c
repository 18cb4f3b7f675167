#include <core/device/pci.h>

/* Offsets in configuration space (figure 6-1). */
#define VENDOR         0x00U
#define COMMAND        0x04U
#define STATUS         0x06U
#define CLASS          0x08U
#define HEADER_TYPE    0x0eU
#define BAR_FIRST      0x10U
#define BRIDGE_BUSES   0x18U /* primary, secondary, subordinate */
#define CAPABILITIES   0x34U
#define CAPABILITY_MIN 0x40U /* lists lie behind the header */

#define COMMAND_MEMORY      0x0002U
#define COMMAND_MASTER      0x0004U
#define COMMAND_NO_INTX     0x0400U
#define STATUS_CAPABILITIES 0x0010U
#define HEADER_BRIDGE       0x01U
#define HEADER_KIND         0x7fU
#define HEADER_MANY         0x80U
#define DEVICES_ON_BUS      32U
#define FUNCTIONS           8U
#define CAPABILITIES_MAX    48U /* as many as fit: (256 - 64) / 4 */
#define BAR_IO              0x1U
#define BAR_KIND            0x6U
#define BAR_64              0x4U
#define BAR_FLAGS           0xfU
#define MSI_X_CONTROL       2U
#define MSI_X_TABLE         4U
#define MSI_X_ON            0x8000U
#define MSI_X_MASK_ALL      0x4000U
#define MSI_X_SIZE          0x07ffU
#define MSI_X_BAR           0x7U

/* --- reading and writing parts of words ------------------------------------------------------- */

uint16_t pci_read16(uint16_t address, uint32_t offset)
{
    return (uint16_t)(hal_pci_read(address, offset & ~3U) >> (offset & 2U) * 8);
}

uint8_t pci_read8(uint16_t address, uint32_t offset)
{
    return (uint8_t)(hal_pci_read(address, offset & ~3U) >> (offset & 3U) * 8);
}

/* The status beside it is cleared by ones: zeros leave it. */
static void write_command(uint16_t address, uint16_t command)
{
    hal_pci_write(address, COMMAND, command);
}

/* --- who is there ----------------------------------------------------------------------------- */

struct walk {
    void (*found)(const struct pci_function *function, void *argument);
    void *argument;
};

static void look_at_bus(const struct walk *walk, uint32_t bus, unsigned depth);

/* Behind a bridge: the bus that the firmware gave it, which has a greater number. */
static void look_behind(const struct walk *walk, uint16_t address, unsigned depth)
{
    uint32_t bus = pci_read8(address, BRIDGE_BUSES + 1);

    if (depth < PCI_DEPTH_MAX && bus > (uint32_t)address >> 8) {
        look_at_bus(walk, bus, depth + 1);
    }
}

/* Whether anything answers. */
static bool look_at(const struct walk *walk, uint16_t address, unsigned depth)
{
    uint32_t vendor = hal_pci_read(address, VENDOR);
    struct pci_function function;

    if ((vendor & 0xffff) == (HAL_PCI_NOTHING & 0xffff)) {
        return false;
    }
    function = (struct pci_function){
        .address = address,
        .vendor = (uint16_t)vendor,
        .device = (uint16_t)(vendor >> 16),
        .class = hal_pci_read(address, CLASS) >> 8,
    };
    walk->found(&function, walk->argument);
    if ((pci_read8(address, HEADER_TYPE) & HEADER_KIND) == HEADER_BRIDGE) {
        look_behind(walk, address, depth);
    }
    return true;
}

/* A tree that is no tree ends at the depth, so no bus is looked at without end. */
static void look_at_bus(const struct walk *walk, uint32_t bus, unsigned depth)
{
    for (uint32_t device = 0; device < DEVICES_ON_BUS; device++) {
        uint16_t first = hal_pci_function(bus, device, 0);

        if (!look_at(walk, first, depth) || (pci_read8(first, HEADER_TYPE) & HEADER_MANY) == 0) {
            continue;
        }
        for (uint32_t function = 1; function < FUNCTIONS; function++) {
            (void)look_at(walk, hal_pci_function(bus, device, function), depth);
        }
    }
}

void pci_for_each(void (*found)(const struct pci_function *function, void *argument),
                  void *argument)
{
    const struct walk walk = {found, argument};

    look_at_bus(&walk, 0, 0);
}

/* --- capabilities ----------------------------------------------------------------------------- */

static uint8_t next_pointer(uint16_t address, uint8_t after)
{
    uint8_t next = pci_read8(address, after == 0 ? CAPABILITIES : after + 1U) & 0xfc;

    return next >= CAPABILITY_MIN ? next : 0;
}

uint8_t pci_next_capability(uint16_t address, uint8_t kind, uint8_t after)
{
    uint8_t offset = after;

    if ((pci_read16(address, STATUS) & STATUS_CAPABILITIES) == 0) {
        return 0;
    }
    for (unsigned i = 0; i < CAPABILITIES_MAX; i++) {
        offset = next_pointer(address, offset);
        if (offset == 0 || pci_read8(address, offset) == kind) {
            return offset;
        }
    }
    return 0;
}

hx_err pci_find_msi_x(uint16_t address, struct pci_msi_x *table)
{
    uint8_t offset = pci_next_capability(address, PCI_CAPABILITY_MSI_X, 0);
    uint32_t place;

    if (offset == 0 || offset > 256 - 12) {
        return HX_ENOENT;
    }
    place = hal_pci_read(address, offset + MSI_X_TABLE);
    *table = (struct pci_msi_x){
        .capability = offset,
        .bar = place & MSI_X_BAR,
        .offset = place & ~MSI_X_BAR,
        .entries = (pci_read16(address, offset + MSI_X_CONTROL) & MSI_X_SIZE) + 1U,
    };
    return table->bar < PCI_BARS ? HX_OK : HX_ENOENT;
}

void pci_enable_msi_x(uint16_t address, const struct pci_msi_x *table, bool is_on)
{
    uint32_t word = hal_pci_read(address, table->capability);

    word &= ~((uint32_t)(MSI_X_ON | MSI_X_MASK_ALL) << 16);
    hal_pci_write(address, table->capability, is_on ? word | (uint32_t)MSI_X_ON << 16 : word);
}

/* --- registers -------------------------------------------------------------------------------- */

/* What the register keeps of all ones: the bits of the size are zero. */
static uint32_t probe(uint16_t address, uint32_t offset)
{
    uint32_t value = hal_pci_read(address, offset);
    uint32_t mask;

    hal_pci_write(address, offset, UINT32_MAX);
    mask = hal_pci_read(address, offset);
    hal_pci_write(address, offset, value);
    return mask;
}

static void read_range(uint16_t address, uint32_t offset, bool is_64, struct pci_range *range)
{
    uint16_t command = pci_read16(address, COMMAND);
    uint64_t mask;

    range->base = hal_pci_read(address, offset) & ~BAR_FLAGS;
    write_command(address, (uint16_t)(command & ~COMMAND_MEMORY));
    mask = (uint64_t)UINT32_MAX << 32 | (probe(address, offset) & ~BAR_FLAGS);
    if (is_64) {
        range->base |= (uint64_t)hal_pci_read(address, offset + 4) << 32;
        mask = (mask & UINT32_MAX) | (uint64_t)probe(address, offset + 4) << 32;
    }
    write_command(address, command);
    range->size = ~mask + 1;
}

hx_err pci_bar(uint16_t address, uint32_t index, struct pci_range *range)
{
    uint32_t offset = BAR_FIRST + index * 4;
    uint32_t value;
    bool is_64;

    if (index >= PCI_BARS || (pci_read8(address, HEADER_TYPE) & HEADER_KIND) != 0) {
        return HX_EINVAL;
    }
    value = hal_pci_read(address, offset);
    is_64 = (value & BAR_KIND) == BAR_64;
    if ((value & BAR_IO) != 0 || (is_64 && index + 1 == PCI_BARS)) {
        return HX_ENOENT;
    }
    read_range(address, offset, is_64, range);
    if (range->base == 0 || range->size == 0 || range->base + range->size < range->base) {
        return HX_ENOENT;
    }
    return HX_OK;
}

void pci_enable(uint16_t address, bool is_master)
{
    uint16_t command = pci_read16(address, COMMAND) | COMMAND_MEMORY | COMMAND_NO_INTX;

    command &= (uint16_t)~COMMAND_MASTER;
    write_command(address, is_master ? command | COMMAND_MASTER : command);
}
