/*
 * Devices, as drivers reach them.
 *
 * Rules:
 * - A driver claims a device for its slot: claiming it again, by the same slot's next instance too,
 *   gives the same device in the state it is in. It comes back when the kernel resets it, because
 * an instance has died or was unloaded; its handles are HX_ESTALE then.
 * - Registers are reached through windows, and through no others. What would make the device reach
 *   memory, or interrupt, is the kernel's: such registers are refused with HX_EPERM.
 * - Memory is named by handles of buffers that the kernel lends; a driver never has an address.
 * - Interrupts arrive as calls of the category's operation for them.
 */
#ifndef HELIX_DEVICE_H
#define HELIX_DEVICE_H

#include <helix/error.h>
#include <stdint.h>

/* The windows of a virtio device (VIRTIO 1.1, 4.1.4). */
enum hx_device_window {
    HX_WINDOW_COMMON = 1, /* common configuration: features and status can be written */
    HX_WINDOW_INTERRUPT = 3,
    HX_WINDOW_DEVICE = 4, /* configuration of its kind */
    HX_WINDOW_SERIAL = 5, /* the one of HX_LEGACY_SERIAL */
    HX_WINDOW_END,
};

/* The vendor of what is on no bus, and the kinds of that. */
#define HX_VENDOR_LEGACY 0xffffU
#define HX_LEGACY_SERIAL 0x0001U /* the console's 16550 */

/*
 * Its registers (TI PC16550D data sheet, table II), of a byte each. Bytes are sent as far as the
 * kernel has given the driver some, and the status that was read last says that there is room for
 * them; and taken as far as it has asked for some, the device has some and their reader has room:
 * more are HX_EAGAIN. So is another byte than the next one that was given, and who sends it ends.
 */
enum hx_serial_register {
    HX_SERIAL_DATA = 0,     /* written: sent; read: taken, which the kernel sees */
    HX_SERIAL_IDENTITY = 2, /* read: whether there are FIFOs */
    HX_SERIAL_STATUS = 5,   /* read */
};

/* The same, tables II and IV. */
#define HX_SERIAL_RECEIVED 0x01U /* status: there is a byte to be taken */
#define HX_SERIAL_EMPTY    0x20U /* status: all that was written has left for the wire */
#define HX_SERIAL_FIFOS    0xc0U /* identity: both bits, FIFOs that work */
#define HX_SERIAL_DEPTH    16U   /* bytes of one */

/* A register: a window and the bytes from its beginning. */
#define HX_REGISTER(window, offset) ((uint64_t)(window) << 32 | (uint32_t)(offset))

/*
 * Claim the first device of that vendor and kind that nobody else has.
 * Errors: HX_ENOENT there is none, HX_ENODEV it is none that a module can drive, HX_EFAULT.
 */
hx_err hx_device_claim(uint64_t vendor, uint64_t device, uint64_t *handle);

/*
 * Read or write 1, 2, 4 or 8 bytes; 8 as two accesses of 4, the lower first.
 * Errors: HX_ESTALE, HX_ERANGE outside of the window or not aligned, HX_EPERM, HX_EFAULT.
 */
hx_err hx_register_read(uint64_t device, uint64_t place, uint64_t width, uint64_t *value);
hx_err hx_register_write(uint64_t device, uint64_t place, uint64_t width, uint64_t value);

/* --- queues -------------------------------------------------------------------------------------
 */

#define HX_QUEUE_HEAD_MAX 16
#define HX_QUEUE_TAIL_MAX 16

/* One request: bytes for the device, the buffer, bytes from the device, in this order. */
struct hx_queue_request {
    uint64_t token;  /* given back with the answer */
    uint64_t buffer; /* 0: none; which way it goes is its owner's to say */
    uint8_t head[HX_QUEUE_HEAD_MAX];
    uint32_t head_size;
    uint32_t tail_size; /* at most HX_QUEUE_TAIL_MAX */
};

struct hx_queue_answer {
    uint64_t token;
    uint64_t written; /* bytes that the device says it wrote, those of the tail included */
    uint8_t tail[HX_QUEUE_TAIL_MAX];
};

/*
 * Set up queue number index of a device, with at most size requests' parts; *queue is its handle.
 * Errors: HX_ESTALE, HX_ENOENT the device has no such queue, HX_EBUSY it is set up, HX_ENOMEM,
 * HX_EFAULT.
 */
hx_err hx_queue_create(uint64_t device, uint64_t index, uint64_t size, uint64_t *queue);

/*
 * Put a request into a queue.
 * Errors: HX_ESTALE no such queue, HX_EINVAL nothing to pass, or no such buffer; HX_EPERM the bytes
 * for the device ask for something else than the buffer was lent for, HX_EBUSY the
 * buffer is in a queue, HX_EAGAIN the queue is full, HX_EIO the device has said what cannot be,
 * HX_EFAULT.
 */
hx_err hx_queue_add(uint64_t queue, const struct hx_queue_request *request);

/* Tell the device that there are requests.  Errors: HX_ESTALE. */
hx_err hx_queue_kick(uint64_t queue);

/* A request that the device has done with.  Errors: HX_EAGAIN none, HX_ESTALE, HX_EIO, HX_EFAULT.
 */
hx_err hx_queue_take(uint64_t queue, struct hx_queue_answer *answer);

/*
 * Tell the owner of a buffer how it went; the handle is void then.
 * Errors: HX_EINVAL no such buffer, HX_EBUSY it is in a queue.
 */
hx_err hx_buffer_complete(uint64_t buffer, hx_err error);

#endif
