#include <base/string.h>
#include <kern/spinlock.h>
#include <stdatomic.h>
#include <stddef.h>
#include <subsys/access/access.h>
#include <subsys/vfs/device.h>

#define DEVICES_MAX 64U

/* Entries below the count never change; the lock is for who registers. */
static const struct device *devices[DEVICES_MAX];
static _Atomic uint32_t device_count;
static struct spinlock lock = SPINLOCK_INIT(LOCK_RANK_CORE, "devices");

static uint32_t count(void)
{
    /* acquire: pairs with the release in add_locked */
    return atomic_load_explicit(&device_count, memory_order_acquire);
}

const struct device *device_find(uint64_t number)
{
    for (uint32_t i = 0; i < count(); i++) {
        if (devices[i]->number == number) {
            return devices[i];
        }
    }
    return NULL;
}

static hx_err add_locked(const struct device *device)
{
    uint32_t index = count();

    if (device_find(device->number) != NULL) {
        return HX_EEXIST;
    }
    if (index == DEVICES_MAX) {
        return HX_ENOSPC;
    }
    devices[index] = device;
    atomic_store_explicit(&device_count, index + 1, memory_order_release);
    return HX_OK;
}

hx_err device_register(const struct device *device)
{
    hal_interrupt_state state = spinlock_acquire(&lock);
    hx_err error = add_locked(device);

    spinlock_release(&lock, state);
    return error;
}

const struct device *device_next(const struct device *device)
{
    uint32_t index = 0;

    while (device != NULL && index < count() && devices[index++] != device) {
    }
    return index < count() ? devices[index] : NULL;
}

/* --- as resources ----------------------------------------------------------------------------- */

static hx_err find_named(const char *name, uint64_t *number)
{
    for (uint32_t i = 0; i < count(); i++) {
        if (devices[i]->is_raw && devices[i]->name != NULL &&
            string_equal(name, devices[i]->name)) {
            *number = devices[i]->number;
            return HX_OK;
        }
    }
    return HX_ENOENT;
}

static bool name_of(uint64_t number, char name[RESOURCE_NAME_SIZE])
{
    const struct device *device = device_find(number);

    return device != NULL && device->name != NULL &&
           string_copy(name, RESOURCE_NAME_SIZE, device->name);
}

/* Those that are raw, by rising number. */
static bool next_raw(uint64_t from, uint64_t *number)
{
    bool is_there = false;

    for (uint32_t i = 0; i < count(); i++) {
        uint64_t its = devices[i]->number;

        if (devices[i]->is_raw && its >= from && (!is_there || its < *number)) {
            *number = its;
            is_there = true;
        }
    }
    return is_there;
}

hx_err device_names_init(void)
{
    static const struct resource_names names = {
        .type = RESOURCE_TYPE_DEVICE, .find = find_named, .name = name_of, .next = next_raw};

    return resource_names_register(&names);
}
