/* A device's first claim: where its registers are, and how it interrupts. */
#include <core/debug/log.h>
#include <core/device/device_private.h>
#include <core/interrupts/dispatcher.h>
#include <kern/area.h>
#include <kern/heap.h>

/* A capability that tells of a window (VIRTIO 1.1, 4.1.4: struct virtio_pci_cap). */
#define CAP_KIND       3U
#define CAP_BAR        4U
#define CAP_OFFSET     8U
#define CAP_LENGTH     12U
#define CAP_MULTIPLIER 16U
#define CAP_SIZE       20U

#define WINDOW_SIZE_MAX 0x10000U
#define COMMON_SIZE     0x38U /* 4.1.4.3: struct virtio_pci_common_cfg */

/* An entry of the MSI-X table in 32-bit words (PCI 3.0, 6.8.2). */
#define MESSAGE_ADDRESS 0
#define MESSAGE_UPPER   1
#define MESSAGE_DATA    2
#define MESSAGE_MASK    3
#define MESSAGE_SIZE    16U

static hx_err map(const struct device *device, uint32_t bar, uint32_t offset, uint32_t size,
                  volatile void **registers)
{
    struct pci_range range;
    hx_err error = pci_bar(device->function.address, bar, &range);

    if (error != HX_OK || size > range.size || offset > range.size - size) {
        return HX_ENODEV;
    }
    return area_map_device(range.base + offset, size, registers);
}

/* --- windows ---------------------------------------------------------------------------------- */

static hx_err map_window(struct device *device, uint8_t capability, unsigned kind)
{
    uint16_t address = device->function.address;
    uint32_t size = hal_pci_read(address, capability + CAP_LENGTH);
    volatile void *registers;
    hx_err error;

    size = size < WINDOW_SIZE_MAX ? size : WINDOW_SIZE_MAX;
    error = map(device, pci_read8(address, capability + CAP_BAR),
                hal_pci_read(address, capability + CAP_OFFSET), size, &registers);
    if (error != HX_OK) {
        return error;
    }
    device->windows[kind] = (struct device_window){.base = registers, .size = size};
    if (kind == DEVICE_WINDOW_NOTIFY) {
        device->notify_multiplier = hal_pci_read(address, capability + CAP_MULTIPLIER);
    }
    return HX_OK;
}

/* Of several windows of a kind the first is to be used (4.1.4). */
static hx_err map_windows(struct device *device)
{
    uint16_t address = device->function.address;
    uint8_t offset = pci_next_capability(address, PCI_CAPABILITY_VENDOR, 0);
    hx_err error = HX_OK;

    while (offset != 0 && offset <= 256 - CAP_SIZE && error == HX_OK) {
        unsigned kind = pci_read8(address, offset + CAP_KIND);

        if (kind > 0 && kind < DEVICE_WINDOW_COUNT && device->windows[kind].base == NULL) {
            error = map_window(device, offset, kind);
        }
        offset = pci_next_capability(address, PCI_CAPABILITY_VENDOR, offset);
    }
    if (error == HX_OK && (device->windows[DEVICE_WINDOW_COMMON].size < COMMON_SIZE ||
                           device->windows[DEVICE_WINDOW_NOTIFY].size < sizeof(uint16_t))) {
        error = HX_ENODEV;
    }
    return error;
}

/* --- interrupts ------------------------------------------------------------------------------- */

/* Whoever is the first to see that it is one. */
static void end_storm(struct device *device)
{
    if (atomic_exchange_explicit(&device->is_silent, true, memory_order_relaxed)) {
        return;
    }
    device->message[MESSAGE_MASK] = 1;
    atomic_fetch_add_explicit(&device->storms, 1, memory_order_relaxed);
    kerror("device %04x:%04x interrupts, and has nothing to say: it does so no more",
           device->function.vendor, device->function.device);
    device_tell_storm(device);
}

void device_end_silence(struct device *device)
{
    atomic_store_explicit(&device->vain, 0, memory_order_relaxed);
    if (atomic_exchange_explicit(&device->is_silent, false, memory_order_relaxed)) {
        device->message[MESSAGE_MASK] = 0;
    }
}

static enum interrupt_action note_interrupt(void *argument, struct hal_frame *frame)
{
    struct device *device = argument;

    (void)frame;
    atomic_fetch_add_explicit(&device->interrupts, 1, memory_order_relaxed);
    if (atomic_fetch_add_explicit(&device->vain, 1, memory_order_relaxed) + 1 >=
        DEVICE_STORM_LIMIT) {
        end_storm(device);
    }
    wait_queue_wake_all(&device->interrupted);
    return INTERRUPT_RESCHEDULE;
}

static hx_err map_message(struct device *device)
{
    volatile void *entry;
    hx_err error;

    if (device->message != NULL) {
        return HX_OK;
    }
    if (pci_find_msi_x(device->function.address, &device->messages) != HX_OK) {
        return HX_ENODEV;
    }
    error = map(device, device->messages.bar, device->messages.offset, MESSAGE_SIZE, &entry);
    device->message = error == HX_OK ? entry : NULL;
    return error;
}

/* One vector for the whole device, on the first CPU, which never leaves. */
static hx_err connect(struct device *device)
{
    uint8_t vector = interrupt_free_vector();
    struct hal_pci_message message;
    hx_err error;

    if (vector == 0) {
        return HX_ENOSPC;
    }
    error = hal_pci_message(0, vector, &message);
    if (error == HX_OK) {
        error = interrupt_register(vector, "device", note_interrupt, device, false);
    }
    if (error != HX_OK) {
        return error;
    }
    device->message[MESSAGE_ADDRESS] = (uint32_t)message.address;
    device->message[MESSAGE_UPPER] = (uint32_t)(message.address >> 32);
    device->message[MESSAGE_DATA] = message.data;
    device->message[MESSAGE_MASK] = 0;
    pci_enable_msi_x(device->function.address, &device->messages, true);
    device->vector = vector;
    return HX_OK;
}

/* --- all of it -------------------------------------------------------------------------------- */

static hx_err make_queues(struct device *device)
{
    if (device->queues != NULL) {
        return HX_OK;
    }
    device->queues = heap_allocate_zeroed(DEVICE_QUEUES_MAX * sizeof(struct virtqueue), OWNER_CORE);
    for (unsigned i = 0; device->queues != NULL && i < DEVICE_QUEUES_MAX; i++) {
        virtqueue_init(&device->queues[i]);
    }
    return device->queues != NULL ? HX_OK : HX_ENOMEM;
}

hx_err device_set_up(struct device *device)
{
    hx_err error;

    if (device->vector != 0) {
        return HX_OK;
    }
    pci_enable(device->function.address, false);
    error = map_windows(device);
    if (error == HX_OK) {
        error = map_message(device);
    }
    if (error == HX_OK) {
        error = make_queues(device);
    }
    return error == HX_OK ? connect(device) : error;
}
