/* Driver of virtio block devices, version 1.0: passes requests on. */
#include <../modules/virtio_blk/device.h>
#include <helix/block.h>
#include <helix/device.h>
#include <helix/module.h>

static hx_err submit(uint64_t request, uint64_t kind, uint64_t sector, uint64_t sectors)
{
    (void)sectors;
    return device_submit(request, kind, sector);
}

static hx_err interrupt(void)
{
    uint64_t request;
    hx_err outcome;
    hx_err error;

    while ((error = device_take(&request, &outcome)) == HX_OK) {
        (void)hx_buffer_complete(request, outcome);
    }
    return error == HX_EAGAIN ? HX_OK : error;
}

static const struct hx_block_operations operations = {
    .start = device_start,
    .submit = submit,
    .interrupt = interrupt,
    .capacity = device_capacity,
    .flags = device_flags,
};

static hx_err export_state(uint64_t minor)
{
    (void)minor;
    return device_export();
}

static hx_err import_state(uint64_t minor)
{
    (void)minor;
    return device_import();
}

static const struct hx_module_lifecycle lifecycle = {
    .import_state = import_state,
    .export_state = export_state,
};

const struct hx_module_descriptor hx_module = {
    .magic = HX_MODULE_MAGIC,
    .abi = HX_MODULE_ABI,
    .size = sizeof(struct hx_module_descriptor),
    .name = "virtio_blk",
    .version = {.major = 1, .minor = 0, .patch = 0},
    .category = HX_CATEGORY_BLOCK,
    .operations_size = sizeof(operations),
    .operations = &operations,
    .lifecycle = &lifecycle,
    .state_kind = "virtio_blk",
};
