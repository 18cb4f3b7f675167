#include <base/memory.h>
#include <hal/user.h>
#include <subsys/vfs/transfer.h>

void transfer_init_parts(struct transfer *transfer, const struct transfer_part *parts, size_t count,
                         size_t total)
{
    transfer->parts = parts;
    transfer->count = count;
    transfer->offset = 0;
    transfer->left = total;
    transfer->is_user = true;
}

void transfer_init_user(struct transfer *transfer, uintptr_t base, size_t size)
{
    transfer->single = (struct transfer_part){base, size};
    transfer_init_parts(transfer, &transfer->single, 1, size);
}

void transfer_init_kernel(struct transfer *transfer, void *base, size_t size)
{
    transfer_init_user(transfer, (uintptr_t)base, size);
    transfer->is_user = false;
}

/* What is done with one piece: at most size bytes at the caller's address; answers how many. */
typedef size_t (*mover)(bool is_user, uintptr_t caller, void *kernel, size_t size);

static void advance(struct transfer *transfer, size_t size)
{
    transfer->left -= size;
    transfer->offset += size;
    if (transfer->offset == transfer->parts->size && transfer->count > 1) {
        transfer->parts++;
        transfer->count--;
        transfer->offset = 0;
    }
}

static HX_ALWAYS_INLINE hx_err move(struct transfer *transfer, char *kernel, size_t size,
                                    size_t *done, mover move_piece)
{
    size_t wanted = size < transfer->left ? size : transfer->left;

    *done = 0;
    while (*done < wanted) {
        size_t rest_of_part = transfer->parts->size - transfer->offset;
        size_t rest = wanted - *done;
        size_t piece = rest < rest_of_part ? rest : rest_of_part;
        size_t moved = move_piece(transfer->is_user, transfer->parts->base + transfer->offset,
                                  kernel != NULL ? kernel + *done : NULL, piece);

        advance(transfer, moved);
        *done += moved;
        if (moved < piece) {
            return HX_EFAULT;
        }
    }
    return HX_OK;
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
        return hal_user_clear(caller, size) == HX_OK ? size : 0;
    }
    memset((void *)caller, 0, size);
    return size;
}

hx_err transfer_out(struct transfer *transfer, const void *from, size_t size, size_t *done)
{
    return move(transfer, (char *)(uintptr_t)from, size, done, piece_out);
}

hx_err transfer_in(struct transfer *transfer, void *to, size_t size, size_t *done)
{
    return move(transfer, to, size, done, piece_in);
}

hx_err transfer_zeros(struct transfer *transfer, size_t size, size_t *done)
{
    return move(transfer, NULL, size, done, piece_zeros);
}
