/* Callouts: devices, their registers and queues, and buffers that were lent for them. */
#include <core/device/device.h>
#include <core/gate/callout.h>
#include <kern/thread.h>

/* What a module has of devices is its slot's: the next instance goes on with it. */
static const void *owner_of(const struct hal_activation *activation)
{
    return callout_instance(activation)->slot;
}

static hx_err give(const struct hal_activation *activation, uint64_t to, uint64_t value,
                   hx_err error)
{
    return error == HX_OK ? callout_copy_out(activation, to, &value, sizeof(value)) : error;
}

/* --- devices and registers -------------------------------------------------------------------- */

uint64_t callout_device_claim(struct hal_activation *activation, const uint64_t arguments[4])
{
    uint64_t handle = 0;
    hx_err error;

    if (!context_can_block()) {
        return HX_ECONTEXT;
    }
    if (arguments[0] > UINT16_MAX || arguments[1] > UINT16_MAX) {
        return HX_ENOENT;
    }
    error =
        device_claim(owner_of(activation), (uint16_t)arguments[0], (uint16_t)arguments[1], &handle);
    return give(activation, arguments[2], handle, error);
}

uint64_t callout_register_read(struct hal_activation *activation, const uint64_t arguments[4])
{
    uint64_t value = 0;
    hx_err error;

    if (!context_can_block()) {
        return HX_ECONTEXT;
    }
    error = device_read(owner_of(activation), arguments[0], arguments[1], arguments[2], &value);
    return give(activation, arguments[3], value, error);
}

uint64_t callout_register_write(struct hal_activation *activation, const uint64_t arguments[4])
{
    return context_can_block() ? device_write(owner_of(activation), arguments[0], arguments[1],
                                              arguments[2], arguments[3])
                               : HX_ECONTEXT;
}

/* --- queues ----------------------------------------------------------------------------------- */

uint64_t callout_queue_create(struct hal_activation *activation, const uint64_t arguments[4])
{
    uint64_t queue = 0;
    hx_err error;

    if (!context_can_block()) {
        return HX_ECONTEXT;
    }
    error =
        device_create_queue(owner_of(activation), arguments[0], arguments[1], arguments[2], &queue);
    return give(activation, arguments[3], queue, error);
}

uint64_t callout_queue_add(struct hal_activation *activation, const uint64_t arguments[4])
{
    struct hx_queue_request request;
    struct virtqueue *queue;
    hx_err error = device_find_queue(owner_of(activation), arguments[0], &queue);

    if (error == HX_OK) {
        error = callout_copy_in(activation, &request, arguments[1], sizeof(request));
    }
    return error == HX_OK ? virtqueue_add(queue, &request) : error;
}

uint64_t callout_queue_kick(struct hal_activation *activation, const uint64_t arguments[4])
{
    struct virtqueue *queue;
    hx_err error = device_find_queue(owner_of(activation), arguments[0], &queue);

    return error == HX_OK ? virtqueue_kick(queue) : error;
}

uint64_t callout_queue_take(struct hal_activation *activation, const uint64_t arguments[4])
{
    struct hx_queue_answer answer;
    hx_err error = device_take(owner_of(activation), arguments[0], &answer);

    return error == HX_OK ? callout_copy_out(activation, arguments[1], &answer, sizeof(answer))
                          : error;
}

/* --- buffers ---------------------------------------------------------------------------------- */

uint64_t callout_buffer_complete(struct hal_activation *activation, const uint64_t arguments[4])
{
    (void)activation;
    return dma_buffer_complete(arguments[0], (hx_err)arguments[1]);
}
