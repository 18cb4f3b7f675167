#include <abi/linux/call.h>
#include <abi/linux/vector.h>
#include <hal/user.h>
#include <kern/heap.h>

void linux_vector_put(struct linux_vector *vector)
{
    if (vector->parts != vector->few) {
        heap_free(vector->parts);
    }
}

/* As Linux's import_iovec: first that no size is negative, then that all lies in user space. */
static hx_err sum_up(const struct transfer_part *parts, size_t count, size_t *total)
{
    for (size_t i = 0; i < count; i++) {
        if (parts[i].size > (size_t)INT64_MAX) {
            return HX_EINVAL;
        }
    }
    *total = 0;
    for (size_t i = 0; i < count; i++) {
        if (!hal_user_is_range(parts[i].base, parts[i].size)) {
            return HX_EFAULT;
        }
        *total += parts[i].size;
    }
    return HX_OK;
}

hx_err linux_vector_get(struct linux_vector *vector, uint64_t address, uint64_t count)
{
    size_t total = 0;
    hx_err error;

    if (count > LINUX_PARTS_MAX) {
        return HX_EINVAL;
    }
    vector->parts = vector->few;
    if (count > LINUX_FEW_PARTS) {
        vector->parts = heap_allocate(count * sizeof(struct transfer_part), OWNER_CORE);
        if (vector->parts == NULL) {
            return HX_ENOMEM;
        }
    }
    vector->parts[0] = (struct transfer_part){0, 0};
    error = hal_user_copy_in(vector->parts, address, count * sizeof(struct transfer_part));
    if (error == HX_OK) {
        error = sum_up(vector->parts, (size_t)count, &total);
    }
    if (error != HX_OK) {
        linux_vector_put(vector);
        return error;
    }
    transfer_init_parts(&vector->transfer, vector->parts, linux_at_most(total));
    return HX_OK;
}
