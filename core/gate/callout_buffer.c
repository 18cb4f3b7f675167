/* Callouts: buffers that the caller of an operation lends. */
#include <core/gate/callout.h>
#include <core/gate/lend.h>
#include <kern/thread.h>

/* Range of a lent buffer, NULL with *error if there is none such. */
static char *find_range(const struct hal_activation *activation, const uint64_t arguments[4],
                        bool is_write, hx_err *error)
{
    const struct gate_buffers *lent = thread_current()->gate_buffers;
    const struct gate_buffer *buffer;

    *error = HX_EINVAL;
    if (lent == NULL || lent->record != activation || arguments[0] >= lent->count) {
        return NULL;
    }
    buffer = &lent->buffers[arguments[0]];
    if (is_write && !buffer->is_writable) {
        return NULL;
    }
    *error = HX_ERANGE;
    if (arguments[3] > buffer->size || arguments[1] > buffer->size - arguments[3]) {
        return NULL;
    }
    *error = HX_OK;
    return (char *)buffer->base + arguments[1];
}

uint64_t callout_buffer_read(struct hal_activation *activation, const uint64_t arguments[4])
{
    hx_err error;
    const char *from = find_range(activation, arguments, false, &error);

    return from != NULL ? callout_copy_out(activation, arguments[2], from, arguments[3]) : error;
}

uint64_t callout_buffer_write(struct hal_activation *activation, const uint64_t arguments[4])
{
    hx_err error;
    char *to = find_range(activation, arguments, true, &error);

    return to != NULL ? callout_copy_in(activation, to, arguments[2], arguments[3]) : error;
}
