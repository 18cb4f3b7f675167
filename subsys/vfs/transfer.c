#include <base/memory.h>
#include <subsys/vfs/transfer.h>

/* The next part is the present one. There is one: not all bytes have been moved. */
static void begin_part(struct transfer *transfer)
{
    const struct transfer_part *part = transfer->next++;

    transfer->base = part->base;
    transfer->size = part->size < transfer->left ? part->size : transfer->left;
}

void transfer_init_parts(struct transfer *transfer, const struct transfer_part *parts, size_t total)
{
    *transfer = (struct transfer){.left = total, .is_user = true, .next = parts};
}

/* What is done with one piece: at most size bytes at the caller's address; answers how many. */
typedef size_t (*mover)(bool is_user, uintptr_t caller, void *kernel, size_t size);

static HX_ALWAYS_INLINE hx_err move(struct transfer *transfer, char *kernel, size_t size,
                                    size_t *done, mover move_piece)
{
    size_t total = 0;

    for (;;) {
        size_t wanted = size - total;
        size_t piece = wanted < transfer->size ? wanted : transfer->size;
        size_t moved = move_piece(transfer->is_user, transfer->base,
                                  kernel != NULL ? kernel + total : NULL, piece);

        transfer_advance(transfer, moved);
        total += moved;
        if (moved < piece || total == size || transfer->left == 0) {
            *done = total;
            return moved == piece ? HX_OK : HX_EFAULT;
        }
        begin_part(transfer);
    }
}

static size_t piece_out(bool is_user, uintptr_t caller, void *kernel, size_t size)
{
    if (is_user) {
        return hal_user_copy_out_partly(caller, kernel, size);
    }
    memcpy((void *)caller, kernel, size);
    return size;
}

static size_t piece_in(bool is_user, uintptr_t caller, void *kernel, size_t size)
{
    if (is_user) {
        return hal_user_copy_in_partly(kernel, caller, size);
    }
    memcpy(kernel, (const void *)caller, size);
    return size;
}

static size_t piece_zeros(bool is_user, uintptr_t caller, void *kernel, size_t size)
{
    (void)kernel;
    if (is_user) {
        return hal_user_clear_partly(caller, size);
    }
    memset((void *)caller, 0, size);
    return size;
}

hx_err transfer_out_pieces(struct transfer *transfer, const void *from, size_t size, size_t *done)
{
    return move(transfer, (char *)(uintptr_t)from, size, done, piece_out);
}

hx_err transfer_in_pieces(struct transfer *transfer, void *to, size_t size, size_t *done)
{
    return move(transfer, to, size, done, piece_in);
}

hx_err transfer_zeros_pieces(struct transfer *transfer, size_t size, size_t *done)
{
    return move(transfer, NULL, size, done, piece_zeros);
}
