/* Who has which device. */
#include <core/debug/log.h>
#include <core/device/device_private.h>
#include <core/device/legacy_serial.h>
#include <helix/device.h>

/* Handles: the generation above, below it the device's number, and for queues theirs. */
#define GENERATION_SHIFT 32
#define DEVICE_SHIFT     8
#define NUMBER_MASK      0xffU

static struct device devices[DEVICES_MAX];
static size_t device_count; /* M  does not change after device_init */
static struct mutex mutex;
static bool is_initialised;

/* --- what is there ---------------------------------------------------------------------------- */

static void add(const struct pci_function *function, void *argument)
{
    struct device *device = &devices[device_count];

    (void)argument;
    if (device_count == DEVICES_MAX) {
        kwarn("device %04x:%04x is not used: there are too many", function->vendor,
              function->device);
        return;
    }
    device->function = *function;
    wait_queue_init(&device->interrupted, "device");
    device_count++;
}

void device_init(void)
{
    if (is_initialised) {
        return;
    }
    is_initialised = true;
    mutex_init(&mutex, "devices");
    pci_for_each(add, NULL);
}

bool device_at(size_t number, struct device_content *content)
{
    const struct device *device = &devices[number < device_count ? number : 0];

    if (number >= device_count) {
        return false;
    }
    *content = (struct device_content){
        .function = device->function,
        .owner = atomic_load_explicit(&device->owner, memory_order_relaxed),
        .vector = device->vector,
        .interrupts = atomic_load_explicit(&device->interrupts, memory_order_relaxed),
        .storms = atomic_load_explicit(&device->storms, memory_order_relaxed),
        .is_broken = device->is_broken,
    };
    for (unsigned i = 0; device->queues != NULL && i < DEVICE_QUEUES_MAX; i++) {
        content->lies += device->queues[i].lies;
    }
    return true;
}

/* --- whose it is ------------------------------------------------------------------------------ */

static const void *owner_of(const struct device *device)
{
    /* Acquire: pairs with the release in take. */
    return atomic_load_explicit(&device->owner, memory_order_acquire);
}

static uint64_t handle_of(const struct device *device)
{
    uint32_t generation = atomic_load_explicit(&device->generation, memory_order_relaxed);

    return (uint64_t)generation << GENERATION_SHIFT | (uint64_t)(device - devices) << DEVICE_SHIFT;
}

/* The device of a handle, or of one of its queues'; NULL: it is not the owner's. */
static struct device *find(const void *owner, uint64_t handle)
{
    uint64_t number = handle >> DEVICE_SHIFT & (UINT32_MAX >> DEVICE_SHIFT);
    struct device *device = &devices[number < DEVICES_MAX ? number : 0];

    return owner != NULL && owner_of(device) == owner &&
                   (handle & ~(uint64_t)NUMBER_MASK) == handle_of(device)
               ? device
               : NULL;
}

static struct device *choose_locked(const void *owner, uint16_t vendor, uint16_t kind)
{
    struct device *chosen = NULL;

    for (size_t i = 0; i < device_count; i++) {
        struct device *device = &devices[i];

        if (device->function.vendor != vendor || device->function.device != kind ||
            device->is_broken) {
            continue;
        }
        if (owner_of(device) == owner) {
            return device;
        }
        chosen = chosen == NULL && owner_of(device) == NULL ? device : chosen;
    }
    return chosen;
}

static hx_err reset_locked(struct device *device)
{
    hx_err error = device_reset(device);

    if (error != HX_OK) {
        device->is_broken = true;
        kerror("device %04x:%04x does not obey a reset and is given up", device->function.vendor,
               device->function.device);
    }
    return error;
}

static hx_err take_locked(struct device *device, const void *owner)
{
    hx_err error;

    if (owner_of(device) == owner) {
        return HX_OK;
    }
    error = device_set_up(device);
    if (error == HX_OK) {
        pci_enable(device->function.address, true);
        error = reset_locked(device);
    }
    if (error == HX_OK) {
        atomic_fetch_add_explicit(&device->generation, 1, memory_order_relaxed);
        /* Release: who sees the owner sees the device set up. */
        atomic_store_explicit(&device->owner, owner, memory_order_release);
    }
    return error;
}

hx_err device_claim(const void *owner, uint16_t vendor, uint16_t kind, uint64_t *handle)
{
    struct device *device;
    hx_err error = HX_ENOENT;

    if (vendor == HX_VENDOR_LEGACY) {
        return kind == HX_LEGACY_SERIAL ? legacy_serial_claim(owner, handle) : HX_ENOENT;
    }
    mutex_lock(&mutex);
    device = owner != NULL ? choose_locked(owner, vendor, kind) : NULL;
    if (device != NULL) {
        error = take_locked(device, owner);
        *handle = handle_of(device);
    }
    mutex_unlock(&mutex);
    return error;
}

void device_release(const void *owner)
{
    mutex_lock(&mutex);
    for (size_t i = 0; i < device_count; i++) {
        struct device *device = &devices[i];

        if (owner_of(device) == owner) {
            atomic_fetch_add_explicit(&device->generation, 1, memory_order_relaxed);
            (void)reset_locked(device); /* one that does not obey is not given out again */
            pci_enable(device->function.address, false);
            atomic_store_explicit(&device->owner, NULL, memory_order_release);
        }
    }
    mutex_unlock(&mutex);
}

struct wait_queue *device_interrupts(const void *owner)
{
    for (size_t i = 0; i < device_count; i++) {
        if (owner_of(&devices[i]) == owner) {
            return &devices[i].interrupted;
        }
    }
    return NULL;
}

static _Atomic(device_storm_listener *) storm_listener;

void device_on_storm(device_storm_listener *listener)
{
    atomic_store_explicit(&storm_listener, listener, memory_order_release);
}

void device_tell_storm(const struct device *device)
{
    device_storm_listener *listener = atomic_load_explicit(&storm_listener, memory_order_acquire);
    const void *owner = owner_of(device);

    if (listener != NULL && owner != NULL) {
        listener(owner);
    }
}

/* --- what it may do with it ------------------------------------------------------------------- */

hx_err device_read(const void *owner, uint64_t handle, uint64_t place, uint64_t width,
                   uint64_t *value)
{
    struct device *device;
    hx_err error = HX_ESTALE;

    if (legacy_serial_is(handle)) {
        return legacy_serial_read(owner, place, width, value);
    }
    mutex_lock(&mutex);
    device = find(owner, handle);
    if (device != NULL) {
        error = device_read_register(device, place, width, value);
    }
    mutex_unlock(&mutex);
    return error;
}

hx_err device_write(const void *owner, uint64_t handle, uint64_t place, uint64_t width,
                    uint64_t value)
{
    struct device *device;
    hx_err error = HX_ESTALE;

    if (legacy_serial_is(handle)) {
        return legacy_serial_write(owner, place, width, value);
    }
    mutex_lock(&mutex);
    device = find(owner, handle);
    if (device != NULL) {
        error = device_write_register(device, place, width, value);
    }
    mutex_unlock(&mutex);
    return error;
}

hx_err device_create_queue(const void *owner, uint64_t handle, uint64_t index, uint64_t size,
                           uint64_t *queue)
{
    struct device *device;
    hx_err error = HX_ESTALE;

    mutex_lock(&mutex);
    device = find(owner, handle);
    if (device != NULL) {
        error = index < DEVICE_QUEUES_MAX && size <= UINT16_MAX
                    ? device_start_queue(device, (uint16_t)index, (uint16_t)size)
                    : HX_ENOENT;
        *queue = handle | index;
    }
    mutex_unlock(&mutex);
    return error;
}

hx_err device_find_queue(const void *owner, uint64_t handle, struct virtqueue **queue)
{
    struct device *device = find(owner, handle);
    uint64_t index = handle & NUMBER_MASK;

    if (device == NULL || index >= DEVICE_QUEUES_MAX) {
        return HX_ESTALE;
    }
    *queue = &device->queues[index];
    return HX_OK;
}

hx_err device_take(const void *owner, uint64_t handle, struct hx_queue_answer *answer)
{
    struct device *device = find(owner, handle);
    struct virtqueue *queue;
    hx_err error = device_find_queue(owner, handle, &queue);

    if (error == HX_OK) {
        error = virtqueue_take(queue, answer);
    }
    if (error == HX_OK && device != NULL) {
        atomic_store_explicit(&device->vain, 0, memory_order_relaxed);
    }
    return error;
}
