/*
 * null, zero and full through the gate. What is asked for is a word, so that the module's answer to
 * the usual question costs one comparison.
 */
#include <core/gate/gate.h>
#include <helix/character_device.h>
#include <kern/thread.h>
#include <subsys/devices/served_devices.h>
#include <subsys/vfs/file.h>

#define READ_AT_ONCE 65536U /* bytes; then it is looked for signals */

static struct slot *slot; /* immutable after served_devices_init */

hx_err served_devices_init(void)
{
    slot = slot_find("memory");
    return slot != NULL ? HX_OK : HX_EMISSING;
}

/* --- answers ---------------------------------------------------------------------------------- */

/* The one that is right, in the module's words. */
static uint64_t right_answer(enum hx_character_device_operation operation, uint64_t minor,
                             uint64_t size)
{
    if (operation == CHARACTER_DEVICE_READ) {
        return minor == HX_MEMORY_NULL ? 0 : HX_CHARACTER_ANSWER(size, 0);
    }
    return minor == HX_MEMORY_FULL ? HX_CHARACTER_REFUSAL(HX_ENOSPC) : HX_CHARACTER_ANSWER(size, 0);
}

/* The module's is not the usual one, or there is none: whoever answers wrongly ends. */
static uint64_t judge(enum hx_character_device_operation operation, uint64_t minor, uint64_t size,
                      struct hal_gate_result result)
{
    uint64_t right = right_answer(operation, minor, size);

    if (result.error == HX_OK && result.value != right) {
        slot_distrust(slot);
    }
    return right;
}

static uint64_t ask(enum hx_character_device_operation operation, uint64_t minor, uint64_t size)
{
    return judge(operation, minor, size, gate_call(slot, operation, minor, size, 0, 0));
}

/* --- reading ---------------------------------------------------------------------------------- */

/* Give the caller as many zeros as an answer says. */
static hx_err give(struct transfer *transfer, uint64_t answer, size_t *done)
{
    size_t size = HX_CHARACTER_COUNT(answer);

    *done = 0;
    return size != 0 ? transfer_zeros(transfer, size, done) : HX_OK;
}

static HX_NOINLINE hx_err read_unusual(uint64_t minor, struct transfer *transfer,
                                       struct hal_gate_result result, size_t *done)
{
    return give(transfer, judge(CHARACTER_DEVICE_READ, minor, transfer->left, result), done);
}

/* Piece by piece, until one is shorter than it could be, or a signal comes. */
static HX_NOINLINE hx_err read_much(uint64_t minor, struct transfer *transfer, size_t *done)
{
    hx_err error;
    size_t wanted;
    size_t moved;

    do {
        wanted = transfer->left < READ_AT_ONCE ? transfer->left : READ_AT_ONCE;
        error = give(transfer, ask(CHARACTER_DEVICE_READ, minor, wanted), &moved);
        *done += moved;
    } while (error == HX_OK && moved == wanted && transfer->left > 0 && !thread_is_interrupted());
    return error;
}

/*
 * The usual case: as many zeros as are wanted, into one piece of user memory, which
 * hal_user_clear refuses what is not. No error comes with a value but 0. The transfer is at its end
 * then, and its place does not matter.
 */
static HX_ALWAYS_INLINE hx_err read_served(uint64_t minor, struct transfer *transfer, size_t *done)
{
    struct hal_gate_result result;

    if (HX_UNLIKELY(transfer->left > READ_AT_ONCE)) {
        return read_much(minor, transfer, done);
    }
    result = gate_call(slot, CHARACTER_DEVICE_READ, minor, transfer->left, 0, 0);
    if (HX_UNLIKELY(minor == HX_MEMORY_NULL) || HX_UNLIKELY(result.value != transfer->left)) {
        return read_unusual(minor, transfer, result, done);
    }
    if (HX_LIKELY(transfer->left <= transfer->size) &&
        HX_LIKELY(hal_user_clear(transfer->base, transfer->left) == HX_OK)) {
        *done = transfer->left;
        transfer->left = 0;
        return HX_OK;
    }
    return transfer_zeros_pieces(transfer, transfer->left, done);
}

/* --- writing ---------------------------------------------------------------------------------- */

static hx_err take(struct transfer *transfer, uint64_t answer, size_t *done)
{
    *done = HX_CHARACTER_COUNT(answer);
    transfer->left -= *done;
    return (hx_err)HX_CHARACTER_ERROR(answer);
}

static HX_ALWAYS_INLINE hx_err write_served(uint64_t minor, struct transfer *transfer, size_t *done)
{
    size_t size = transfer->left;
    struct hal_gate_result result;

    if (size == 0) {
        *done = 0;
        return HX_OK;
    }
    result = gate_call(slot, CHARACTER_DEVICE_WRITE, minor, size, 0, 0);
    if (HX_UNLIKELY(minor == HX_MEMORY_FULL) || HX_UNLIKELY(result.error != HX_OK) ||
        HX_UNLIKELY(result.value != size)) {
        return take(transfer, judge(CHARACTER_DEVICE_WRITE, minor, size, result), done);
    }
    return take(transfer, size, done);
}

/* --- the files -------------------------------------------------------------------------------- */

#define SERVED_OPERATIONS(name, minor)                                                             \
    static hx_err read_##name(struct file *file, struct transfer *transfer, uint64_t offset,       \
                              size_t *done)                                                        \
    {                                                                                              \
        (void)file;                                                                                \
        (void)offset;                                                                              \
        return read_served(minor, transfer, done);                                                 \
    }                                                                                              \
                                                                                                   \
    static hx_err write_##name(struct file *file, struct transfer *transfer, uint64_t offset,      \
                               size_t *done)                                                       \
    {                                                                                              \
        (void)file;                                                                                \
        (void)offset;                                                                              \
        return write_served(minor, transfer, done);                                                \
    }

SERVED_OPERATIONS(null, HX_MEMORY_NULL)
SERVED_OPERATIONS(zero, HX_MEMORY_ZERO)
SERVED_OPERATIONS(full, HX_MEMORY_FULL)

/* A mapping of zeros is an anonymous one. */
static hx_err map_zeros(struct file *file, struct memory_object **object)
{
    (void)file;
    *object = NULL;
    return HX_OK;
}

const struct file_ops served_null = {
    .read = read_null,
    .write = write_null,
    .can_seek = true,
    .ignores_position = true,
};
const struct file_ops served_zero = {
    .read = read_zero,
    .write = write_zero,
    .map = map_zeros,
    .can_seek = true,
    .ignores_position = true,
};
const struct file_ops served_full = {
    .read = read_full,
    .write = write_full,
    .map = map_zeros,
    .can_seek = true,
    .ignores_position = true,
};
