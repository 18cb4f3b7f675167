/* Source: Virtual I/O Device (VIRTIO) 1.1, 5.2, and 3.1.1 for starting a device. */
#include <../modules/virtio_blk/device.h>
#include <helix/device.h>
#include <helix/module.h>
#include <stdatomic.h>

#define VENDOR     0x1af4
#define DEVICE     0x1042 /* 4.1.2: 0x1040 + the device's kind, 2 */
#define QUEUE_SIZE 128

/* Common configuration (4.1.4.3). */
#define DEVICE_SELECT HX_REGISTER(HX_WINDOW_COMMON, 0x00)
#define DEVICE_WORD   HX_REGISTER(HX_WINDOW_COMMON, 0x04)
#define DRIVER_SELECT HX_REGISTER(HX_WINDOW_COMMON, 0x08)
#define DRIVER_WORD   HX_REGISTER(HX_WINDOW_COMMON, 0x0c)
#define STATUS        HX_REGISTER(HX_WINDOW_COMMON, 0x14)
#define CAPACITY      HX_REGISTER(HX_WINDOW_DEVICE, 0x00)

/* Device status (2.1). */
#define STATUS_ACKNOWLEDGE 1U
#define STATUS_DRIVER      2U
#define STATUS_DRIVER_OK   4U
#define STATUS_FEATURES_OK 8U

/* Features (5.2.3, 6). */
#define FEATURE_READ_ONLY (1U << 5)
#define FEATURE_FLUSH     (1U << 9)
#define FEATURE_VERSION_1 (1U << 0) /* of the upper word */

/* A request (5.2.6). */
#define TYPE_IN    0U
#define TYPE_OUT   1U
#define TYPE_FLUSH 4U
#define ANSWER_OK  0U
#define ANSWER_NO  2U /* unsupported */

struct header {
    uint32_t type;
    uint32_t reserved;
    uint64_t sector;
};
_Static_assert(sizeof(struct header) <= HX_QUEUE_HEAD_MAX, "5.2.6: the header of a request");

/* What is kept from one instance to the next. */
struct known {
    uint64_t device; /* handle */
    uint64_t queue;  /* handle */
    uint64_t capacity;
    uint64_t features; /* of the lower word, as accepted */
};

#define STATE_KNOWN 1

static struct known known;
static _Atomic bool is_started; /* release in start; pairs with the acquire of the operations */

bool device_is_started(void)
{
    return atomic_load_explicit(&is_started, memory_order_acquire);
}

/* The queue has gone, or is of no use any more. */
static hx_err stop(void)
{
    atomic_store_explicit(&is_started, false, memory_order_relaxed);
    return HX_ESTATE;
}

/* --- starting --------------------------------------------------------------------------------- */

static hx_err set_status(uint64_t status)
{
    return hx_register_write(known.device, STATUS, 1, status);
}

static hx_err read_word(uint64_t word, uint64_t *features)
{
    hx_err error = hx_register_write(known.device, DEVICE_SELECT, 4, word);

    return error == HX_OK ? hx_register_read(known.device, DEVICE_WORD, 4, features) : error;
}

static hx_err write_word(uint64_t word, uint64_t features)
{
    hx_err error = hx_register_write(known.device, DRIVER_SELECT, 4, word);

    return error == HX_OK ? hx_register_write(known.device, DRIVER_WORD, 4, features) : error;
}

/* 3.1.1, steps 1 to 3: from nothing to a device that knows its driver. */
static hx_err wake_device(void)
{
    hx_err error = set_status(0);

    if (error == HX_OK) {
        error = set_status(STATUS_ACKNOWLEDGE);
    }
    return error == HX_OK ? set_status(STATUS_ACKNOWLEDGE | STATUS_DRIVER) : error;
}

static hx_err choose_features(void)
{
    uint64_t upper = 0;
    hx_err error = read_word(0, &known.features);

    if (error == HX_OK) {
        error = read_word(1, &upper);
    }
    if (error == HX_OK && (upper & FEATURE_VERSION_1) == 0) {
        return HX_ENODEV;
    }
    known.features &= FEATURE_READ_ONLY | FEATURE_FLUSH;
    if (error == HX_OK) {
        error = write_word(0, known.features);
    }
    return error == HX_OK ? write_word(1, FEATURE_VERSION_1) : error;
}

/* Steps 4 to 6. */
static hx_err negotiate(void)
{
    uint64_t status = 0;
    hx_err error = choose_features();

    if (error == HX_OK) {
        error = set_status(STATUS_ACKNOWLEDGE | STATUS_DRIVER | STATUS_FEATURES_OK);
    }
    if (error == HX_OK) {
        error = hx_register_read(known.device, STATUS, 1, &status);
    }
    return error == HX_OK && (status & STATUS_FEATURES_OK) == 0 ? HX_ENODEV : error;
}

hx_err device_start(void)
{
    hx_err error = hx_device_claim(VENDOR, DEVICE, &known.device);

    if (error == HX_OK) {
        error = wake_device();
    }
    if (error == HX_OK) {
        error = negotiate();
    }
    if (error == HX_OK) {
        error = hx_register_read(known.device, CAPACITY, 8, &known.capacity);
    }
    if (error == HX_OK) {
        error = hx_queue_create(known.device, 0, QUEUE_SIZE, &known.queue);
    }
    if (error == HX_OK) {
        error =
            set_status(STATUS_ACKNOWLEDGE | STATUS_DRIVER | STATUS_FEATURES_OK | STATUS_DRIVER_OK);
    }
    if (error == HX_OK) {
        atomic_store_explicit(&is_started, true, memory_order_release);
    }
    return error;
}

/* --- requests --------------------------------------------------------------------------------- */

hx_err device_submit(uint64_t request, uint64_t kind, uint64_t sector)
{
    static const uint32_t types[] = {
        [HX_BLOCK_READ] = TYPE_IN, [HX_BLOCK_WRITE] = TYPE_OUT, [HX_BLOCK_FLUSH] = TYPE_FLUSH};
    struct hx_queue_request entry = {
        .token = request, .buffer = request, .head_size = sizeof(struct header), .tail_size = 1};
    struct header header = {.sector = sector};
    hx_err error;

    if (kind > HX_BLOCK_FLUSH) {
        return HX_ENOSYS;
    }
    if (!device_is_started()) {
        return HX_ESTATE;
    }
    header.type = types[kind];
    __builtin_memcpy(entry.head, &header, sizeof(header));
    error = hx_queue_add(known.queue, &entry);
    if (error == HX_OK) {
        error = hx_queue_kick(known.queue);
    }
    return error == HX_ESTALE || error == HX_EIO ? stop() : error;
}

static hx_err meaning(uint8_t answer)
{
    if (answer == ANSWER_OK) {
        return HX_OK;
    }
    return answer == ANSWER_NO ? HX_ENOSYS : HX_EIO;
}

hx_err device_take(uint64_t *request, hx_err *outcome)
{
    struct hx_queue_answer answer;
    hx_err error = device_is_started() ? hx_queue_take(known.queue, &answer) : HX_ESTATE;

    if (error == HX_OK) {
        *request = answer.token;
        *outcome = meaning(answer.tail[0]);
        return HX_OK;
    }
    return error == HX_EAGAIN ? HX_EAGAIN : stop();
}

uint64_t device_capacity(void)
{
    return device_is_started() ? known.capacity : 0;
}

uint64_t device_flags(void)
{
    return ((known.features & FEATURE_READ_ONLY) != 0 ? HX_BLOCK_READ_ONLY : 0U) |
           ((known.features & FEATURE_FLUSH) != 0 ? HX_BLOCK_CACHES : 0U);
}

/* --- state ------------------------------------------------------------------------------------ */

/* Without a started device there is nothing to hand over: the next one starts it. */
hx_err device_export(void)
{
    return device_is_started() ? hx_state_put(STATE_KNOWN, &known, sizeof(known)) : HX_OK;
}

hx_err device_import(void)
{
    struct known old;
    hx_err error;

    if (hx_state_size(STATE_KNOWN, 0) == UINT64_MAX) {
        return HX_OK;
    }
    error = hx_state_get(STATE_KNOWN, 0, &old, sizeof(old));
    if (error == HX_OK && (old.features & ~(uint64_t)(FEATURE_READ_ONLY | FEATURE_FLUSH)) != 0) {
        error = HX_EINVAL; /* no driver ever accepts others */
    }
    if (error == HX_OK) {
        known = old;
        atomic_store_explicit(&is_started, true, memory_order_release);
    }
    return error;
}
