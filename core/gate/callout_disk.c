/* Callouts: the disk, for file systems. */
#include <core/device/disk.h>
#include <core/gate/callout.h>
#include <core/gate/loan.h>
#include <kern/thread.h>

#define PIECE 512U /* bytes that are moved at once between the disk and the module */

static const struct disk_ops *disk; /* set once, at boot */

void disk_register(const struct disk_ops *ops)
{
    disk = ops;
}

static hx_err check_caller(const struct hal_activation *activation)
{
    if (callout_instance(activation)->category != HX_CATEGORY_FILE_SYSTEM) {
        return HX_EPERM;
    }
    if (disk == NULL) {
        return HX_ENODEV;
    }
    return context_can_block() ? HX_OK : HX_ECONTEXT;
}

/* Decided before anything is moved. */
static hx_err check_range(const struct hal_activation *activation, uint64_t offset, uint64_t size)
{
    hx_err error = check_caller(activation);
    uint64_t whole = error == HX_OK ? disk->size() : 0;

    if (error == HX_OK && (size > whole || offset > whole - size)) {
        error = whole == 0 ? HX_ENODEV : HX_ERANGE;
    }
    return error;
}

static size_t piece_of(uint64_t left)
{
    return left < PIECE ? (size_t)left : PIECE;
}

uint64_t callout_disk_size(struct hal_activation *activation, const uint64_t arguments[4])
{
    (void)arguments;
    return check_caller(activation) == HX_OK ? disk->size() : 0;
}

uint64_t callout_disk_read(struct hal_activation *activation, const uint64_t arguments[4])
{
    uint64_t size = arguments[2];
    hx_err error = check_range(activation, arguments[0], size);
    char piece[PIECE];

    for (uint64_t at = 0; at < size && error == HX_OK; at += PIECE) {
        size_t length = piece_of(size - at);

        error = disk->read(arguments[0] + at, piece, length);
        if (error == HX_OK) {
            error = callout_copy_out(activation, arguments[1] + at, piece, length);
        }
    }
    return error;
}

uint64_t callout_disk_write(struct hal_activation *activation, const uint64_t arguments[4])
{
    uint64_t size = arguments[2];
    hx_err error = check_range(activation, arguments[0], size);
    char piece[PIECE];

    for (uint64_t at = 0; at < size && error == HX_OK; at += PIECE) {
        size_t length = piece_of(size - at);

        error = callout_copy_in(activation, piece, arguments[1] + at, length);
        if (error == HX_OK) {
            error = disk->write(arguments[0] + at, piece, length);
        }
    }
    return error;
}

uint64_t callout_disk_read_to_loan(struct hal_activation *activation, const uint64_t arguments[4])
{
    void *bytes;
    hx_err error = check_range(activation, arguments[0], arguments[3]);

    if (error == HX_OK) {
        error = loan_bytes(activation, arguments[1], arguments[2], arguments[3], true, &bytes);
    }
    return error == HX_OK ? disk->read(arguments[0], bytes, arguments[3]) : error;
}

uint64_t callout_disk_write_from_loan(struct hal_activation *activation,
                                      const uint64_t arguments[4])
{
    void *bytes;
    hx_err error = check_range(activation, arguments[0], arguments[3]);

    if (error == HX_OK) {
        error = loan_bytes(activation, arguments[1], arguments[2], arguments[3], false, &bytes);
    }
    return error == HX_OK ? disk->write(arguments[0], bytes, arguments[3]) : error;
}
