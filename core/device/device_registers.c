/* Registers of a virtio device: core's own accesses, and those that its driver may make. */
#include <core/device/device_private.h>
#include <kern/thread.h>

/* VIRTIO 1.1, 4.1.4.3: struct virtio_pci_common_cfg. */
#define COMMON_DEVICE_SELECT 0x00U
#define COMMON_DRIVER_SELECT 0x08U
#define COMMON_DRIVER_WORD   0x0cU
#define COMMON_STATUS        0x14U
#define COMMON_QUEUE_SELECT  0x16U
#define COMMON_QUEUE_SIZE    0x18U
#define COMMON_QUEUE_VECTOR  0x1aU
#define COMMON_QUEUE_ENABLE  0x1cU
#define COMMON_QUEUE_NOTIFY  0x1eU
#define COMMON_DESCRIPTORS   0x20U
#define COMMON_DRIVER        0x28U
#define COMMON_DEVICE        0x30U

/*
 * Feature bits that a driver may accept: those of its kind of device, and VERSION_1. The others (6)
 * change what rings look like, which is core's business.
 */
#define FEATURES_LOW  0x00ffffffU /* of bits 0 to 31: those of the kind */
#define FEATURES_HIGH 0x00000001U /* of bits 32 to 63: VIRTIO_F_VERSION_1 */

#define RESET_POLLS_MAX  1000U
#define RESET_POLL_NS    100000U
#define RESET_POLLS_FAST 100U

/* --- accesses --------------------------------------------------------------------------------- */

static uint32_t load(const volatile char *place, uint64_t width)
{
    switch (width) {
    case 1:
        return *(const volatile uint8_t *)place;
    case 2:
        return *(const volatile uint16_t *)place;
    default:
        return *(const volatile uint32_t *)place;
    }
}

static void store(volatile char *place, uint64_t width, uint32_t value)
{
    switch (width) {
    case 1:
        *(volatile uint8_t *)place = (uint8_t)value;
        break;
    case 2:
        *(volatile uint16_t *)place = (uint16_t)value;
        break;
    default:
        *(volatile uint32_t *)place = value;
        break;
    }
}

static volatile char *common(const struct device *device, uint32_t offset)
{
    return device->windows[DEVICE_WINDOW_COMMON].base + offset;
}

static void store_address(const struct device *device, uint32_t offset, uint64_t address)
{
    store(common(device, offset), 4, (uint32_t)address);
    store(common(device, offset + 4), 4, (uint32_t)(address >> 32));
}

/* --- reset ------------------------------------------------------------------------------------ */

/* Whether it has come to rest: it says so in its status (4.1.4.3.2). */
static bool wait_for_rest(const struct device *device)
{
    for (unsigned polls = 0; polls < RESET_POLLS_MAX; polls++) {
        if (load(common(device, COMMON_STATUS), 1) == 0) {
            return true;
        }
        if (polls >= RESET_POLLS_FAST) {
            thread_sleep(RESET_POLL_NS);
        }
    }
    return false;
}

hx_err device_reset(struct device *device)
{
    bool is_at_rest;

    store(common(device, COMMON_STATUS), 1, 0);
    is_at_rest = wait_for_rest(device);
    if (!is_at_rest) {
        pci_enable(device->function.address, false); /* whatever it does, it reaches no memory */
    }
    for (unsigned i = 0; i < DEVICE_QUEUES_MAX; i++) {
        virtqueue_stop(&device->queues[i]);
    }
    device_end_silence(device);
    return is_at_rest ? HX_OK : HX_ETIMEDOUT;
}

/* --- for its driver --------------------------------------------------------------------------- */

/* Where a driver's access goes, NULL with *error if it may not be. */
static volatile char *resolve(const struct device *device, uint64_t place, uint64_t width,
                              hx_err *error)
{
    uint64_t kind = place >> 32;
    uint32_t offset = (uint32_t)place;

    *error = HX_ERANGE;
    if ((width != 1 && width != 2 && width != 4 && width != 8) || offset % width != 0 ||
        kind >= DEVICE_WINDOW_COUNT || offset > device->windows[kind].size ||
        width > device->windows[kind].size - offset) {
        return NULL;
    }
    *error = kind == DEVICE_WINDOW_NOTIFY ? HX_EPERM : HX_OK;
    return *error == HX_OK ? device->windows[kind].base + offset : NULL;
}

hx_err device_read_register(struct device *device, uint64_t place, uint64_t width, uint64_t *value)
{
    hx_err error;
    const volatile char *from = resolve(device, place, width, &error);

    if (from == NULL) {
        return error;
    }
    *value = load(from, width);
    if (width == 8) {
        *value |= (uint64_t)load(from + 4, 4) << 32;
    }
    return HX_OK;
}

static hx_err accept_features(const struct device *device, uint32_t features)
{
    static const uint32_t allowed[] = {FEATURES_LOW, FEATURES_HIGH};
    uint32_t word = load(common(device, COMMON_DRIVER_SELECT), 4);

    if (word >= HX_ARRAY_SIZE(allowed) || (features & ~allowed[word]) != 0) {
        return HX_EPERM;
    }
    store(common(device, COMMON_DRIVER_WORD), 4, features);
    return HX_OK;
}

/* The common window is core's but for features and status. */
static hx_err write_common(struct device *device, uint32_t offset, uint64_t width, uint32_t value)
{
    if (offset == COMMON_STATUS && width == 1) {
        if ((value & 0xff) == 0) {
            return device_reset(device);
        }
        store(common(device, offset), 1, value);
        return HX_OK;
    }
    if (offset == COMMON_DRIVER_WORD && width == 4) {
        return accept_features(device, value);
    }
    if ((offset != COMMON_DEVICE_SELECT && offset != COMMON_DRIVER_SELECT) || width != 4) {
        return HX_EPERM;
    }
    store(common(device, offset), 4, value);
    return HX_OK;
}

hx_err device_write_register(struct device *device, uint64_t place, uint64_t width, uint64_t value)
{
    hx_err error;
    volatile char *to = resolve(device, place, width, &error);

    if (to == NULL) {
        return error;
    }
    if (place >> 32 == DEVICE_WINDOW_COMMON) {
        return write_common(device, (uint32_t)place, width, (uint32_t)value);
    }
    store(to, width, (uint32_t)value);
    if (width == 8) {
        store(to + 4, 4, (uint32_t)(value >> 32));
    }
    return HX_OK;
}

/* --- queues ----------------------------------------------------------------------------------- */

/* The greatest power of two that neither of them forbids. */
static uint16_t size_of_queue(uint16_t wanted, uint32_t offered)
{
    uint16_t size = VIRTQUEUE_SIZE_MAX;

    while (size > wanted || size > offered) {
        size /= 2;
    }
    return size;
}

hx_err device_start_queue(struct device *device, uint16_t index, uint16_t size)
{
    const struct device_window *notify = &device->windows[DEVICE_WINDOW_NOTIFY];
    struct virtqueue_addresses addresses;
    uint64_t place;
    hx_err error;

    store(common(device, COMMON_QUEUE_SELECT), 2, index);
    size = size_of_queue(size, load(common(device, COMMON_QUEUE_SIZE), 2));
    place = (uint64_t)load(common(device, COMMON_QUEUE_NOTIFY), 2) * device->notify_multiplier;
    if (size == 0 || place > notify->size - sizeof(uint16_t) || place % sizeof(uint16_t) != 0) {
        return HX_ENOENT;
    }
    error = virtqueue_start(&device->queues[index], size,
                            (volatile uint16_t *)(notify->base + place), index, &addresses);
    if (error != HX_OK) {
        return error;
    }
    store(common(device, COMMON_QUEUE_SIZE), 2, size);
    store(common(device, COMMON_QUEUE_VECTOR), 2, 0);
    store_address(device, COMMON_DESCRIPTORS, addresses.descriptors);
    store_address(device, COMMON_DRIVER, addresses.driver);
    store_address(device, COMMON_DEVICE, addresses.device);
    store(common(device, COMMON_QUEUE_ENABLE), 2, 1);
    return HX_OK;
}
