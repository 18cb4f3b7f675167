#include <base/memory.h>
#include <hal/user.h>
#include <kern/heap.h>
#include <kern/mutex.h>
#include <kern/thread.h>
#include <subsys/block/block.h>
#include <subsys/block/block_file.h>
#include <subsys/vfs/device.h>
#include <subsys/vfs/file.h>

/* What Linux numbers virtio disks from, as a rule. */
#define MAJOR 254U

/* Requests of ioctl(2) (Linux, linux/fs.h). */
#define GET_SIZE_512   0x1260U     /* BLKGETSIZE: unsigned long, sectors of 512 bytes */
#define GET_SIZE_BYTES 0x80081272U /* BLKGETSIZE64 */
#define GET_SECTOR     0x1268U     /* BLKSSZGET: int */
#define GET_READ_ONLY  0x125eU     /* BLKROGET: int */
#define FLUSH          0x1261U     /* BLKFLSBUF */

#define BOUNCE_MAX 65536U /* bytes of one request */

static struct block_device *disk;
static struct mutex partial_mutex;

static uint64_t size_in_bytes(void)
{
    return block_sectors(disk) * HX_BLOCK_SECTOR;
}

/* --- pieces ----------------------------------------------------------------------------------- */

/* One request's worth: whole sectors around the bytes that are wanted. */
struct piece {
    char *bytes;     /* of the sectors */
    uint64_t sector; /* the first */
    size_t size;     /* bytes of the sectors */
    size_t skip;     /* before the wanted bytes */
    size_t wanted;
};

static struct piece piece_at(char *bounce, uint64_t offset, size_t left)
{
    struct piece piece = {
        .bytes = bounce, .sector = offset / HX_BLOCK_SECTOR, .skip = offset % HX_BLOCK_SECTOR};
    size_t room = BOUNCE_MAX - piece.skip;

    piece.wanted = left < room ? left : room;
    piece.size = (piece.skip + piece.wanted + HX_BLOCK_SECTOR - 1) & ~(size_t)(HX_BLOCK_SECTOR - 1);
    return piece;
}

static hx_err move(const struct piece *piece, enum hx_block_kind kind)
{
    const struct dma_segment segment = {.physical = hal_direct_physical(piece->bytes),
                                        .size = (uint32_t)piece->size};

    return block_transfer(disk, kind, piece->sector, &segment, 1);
}

static char *get_bounce(size_t size)
{
    size_t sectors = (size + 2 * HX_BLOCK_SECTOR - 1) & ~(size_t)(HX_BLOCK_SECTOR - 1);

    return heap_allocate(sectors < BOUNCE_MAX ? sectors : BOUNCE_MAX, OWNER_CORE);
}

/* How much of a transfer lies before the end. */
static size_t within(const struct transfer *transfer, uint64_t offset)
{
    uint64_t rest = offset < size_in_bytes() ? size_in_bytes() - offset : 0;

    return transfer->left < rest ? transfer->left : (size_t)rest;
}

typedef hx_err (*piece_mover)(const struct piece *piece, struct transfer *transfer, size_t *moved);

/* Piece by piece, until all is moved, something fails or a signal has come. */
static hx_err move_all(struct transfer *transfer, uint64_t offset, size_t size, piece_mover mover,
                       size_t *done)
{
    char *bounce = get_bounce(size);
    hx_err error = bounce != NULL ? HX_OK : HX_ENOMEM;

    while (*done < size && error == HX_OK) {
        struct piece piece = piece_at(bounce, offset + *done, size - *done);
        size_t moved = 0;

        error = mover(&piece, transfer, &moved);
        *done += moved;
        if (thread_is_interrupted() && error == HX_OK) {
            break;
        }
    }
    heap_free(bounce);
    return error;
}

/* --- the file --------------------------------------------------------------------------------- */

static hx_err read_piece(const struct piece *piece, struct transfer *transfer, size_t *moved)
{
    hx_err error = move(piece, HX_BLOCK_READ);

    return error == HX_OK ? transfer_out(transfer, piece->bytes + piece->skip, piece->wanted, moved)
                          : error;
}

static hx_err read_disk(struct file *file, struct transfer *transfer, uint64_t offset, size_t *done)
{
    (void)file;
    *done = 0;
    return move_all(transfer, offset, within(transfer, offset), read_piece, done);
}

/* What the caller cannot be read of is not written. */
static hx_err fill_and_write(const struct piece *piece, struct transfer *transfer, size_t *moved)
{
    hx_err error = transfer_in(transfer, piece->bytes + piece->skip, piece->wanted, moved);

    if (error == HX_OK) {
        error = move(piece, HX_BLOCK_WRITE);
    }
    *moved = error == HX_OK ? *moved : 0;
    return error;
}

static hx_err write_piece(const struct piece *piece, struct transfer *transfer, size_t *moved)
{
    hx_err error;

    if (piece->size == piece->wanted) {
        return fill_and_write(piece, transfer, moved);
    }
    mutex_lock(&partial_mutex);
    error = move(piece, HX_BLOCK_READ);
    if (error == HX_OK) {
        error = fill_and_write(piece, transfer, moved);
    }
    mutex_unlock(&partial_mutex);
    return error;
}

static hx_err write_disk(struct file *file, struct transfer *transfer, uint64_t offset,
                         size_t *done)
{
    size_t size = within(transfer, offset);

    (void)file;
    *done = 0;
    if (size == 0) {
        return transfer->left > 0 ? HX_ENOSPC : HX_OK;
    }
    return move_all(transfer, offset, size, write_piece, done);
}

static hx_err sync_disk(struct file *file)
{
    (void)file;
    return block_flush(disk);
}

static uint64_t disk_size(const struct file *file)
{
    (void)file;
    return size_in_bytes();
}

static hx_err control_disk(struct file *file, uint32_t request, uintptr_t argument, int64_t *result)
{
    uint64_t number;
    int32_t word;

    *result = 0;
    switch (request) {
    case GET_SIZE_512:
    case GET_SIZE_BYTES:
        number = request == GET_SIZE_512 ? block_sectors(disk) : size_in_bytes();
        return hal_user_copy_out(argument, &number, sizeof(number));
    case GET_SECTOR:
    case GET_READ_ONLY:
        word = request == GET_SECTOR ? (int32_t)HX_BLOCK_SECTOR
                                     : (int32_t)(block_flags(disk) & HX_BLOCK_READ_ONLY);
        return hal_user_copy_out(argument, &word, sizeof(word));
    case FLUSH:
        return sync_disk(file);
    default:
        return HX_ENOTTY;
    }
}

static const struct file_ops disk_ops = {
    .read = read_disk,
    .write = write_disk,
    .control = control_disk,
    .size = disk_size,
    .sync = sync_disk,
    .can_seek = true,
};

static const struct device disk_file = {
    .name = "vda",
    .number = (uint64_t)MAJOR << 32,
    .mode = 0660,
    .ops = &disk_ops,
    .is_block = true,
    .is_raw = true,
};

hx_err block_file_register(struct block_device *device)
{
    disk = device;
    mutex_init(&partial_mutex, "disk");
    return device_register(&disk_file);
}
