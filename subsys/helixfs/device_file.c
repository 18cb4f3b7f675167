/* /helix/devices: what hangs at the bus, and whose it is. */
#include <base/format.h>
#include <core/device/device.h>
#include <core/gate/slot.h>
#include <subsys/helixfs/helixfs_private.h>

#define HEX_SIZE 12U

static const struct table_column device_columns[] = {
    {.name = "address", .kind = TABLE_WORD, .width = 7},
    {.name = "vendor", .kind = TABLE_WORD, .width = 6},
    {.name = "device", .kind = TABLE_WORD, .width = 6},
    {.name = "class", .kind = TABLE_WORD, .width = 6},
    {.name = "slot", .kind = TABLE_WORD, .width = 10},
    {.name = "interrupts", .kind = TABLE_NUMBER, .width = 10},
    {.name = "lies", .kind = TABLE_NUMBER, .width = 4},
    {.name = "storms", .kind = TABLE_NUMBER, .width = 6},
    {.name = "broken", .kind = TABLE_WORD, .width = 6},
};

static void add_hex(struct table *table, unsigned digits, uint32_t value)
{
    char text[HEX_SIZE];

    (void)format_text(text, sizeof(text), "%0*x", (int)digits, value);
    table_text(table, text);
}

/* Devices belong to slots: whichever instance is in it drives them. */
static const char *owner_name(const void *owner)
{
    return owner != NULL ? ((const struct slot *)owner)->name : "";
}

static hx_err fill_devices(struct table *table)
{
    struct device_content device;

    for (size_t i = 0; device_at(i, &device); i++) {
        add_hex(table, 4, device.function.address);
        add_hex(table, 4, device.function.vendor);
        add_hex(table, 4, device.function.device);
        add_hex(table, 6, device.function.class);
        table_text(table, owner_name(device.owner));
        table_number(table, device.interrupts);
        table_number(table, device.lies);
        table_number(table, device.storms);
        table_bool(table, device.is_broken);
    }
    return HX_OK;
}

const struct helixfs_table helixfs_devices = HELIXFS_TABLE(device_columns, fill_devices);
