/* A driver of virtio block devices that lies at some sectors: for the tests of doubt. */
#include <../modules/virtio_blk/device.h>
#include <helix/block.h>
#include <helix/block_lies.h>
#include <helix/device.h>
#include <helix/module.h>
#include <stdatomic.h>

/* Relaxed: start comes after the answer that asks for it. */
static _Atomic bool has_half;
static _Atomic bool is_stuck;
static _Atomic bool is_deaf;

static hx_err start(void)
{
    return atomic_load_explicit(&is_stuck, memory_order_relaxed) ? HX_EIO : device_start();
}

static hx_err ask_for_start(_Atomic bool *what_then)
{
    atomic_store_explicit(what_then, true, memory_order_relaxed);
    return HX_ESTATE;
}

/* It serves on, so that nothing but what it says of its device can end it. */
static hx_err shrink_once(uint64_t request, uint64_t kind, uint64_t sector)
{
    return atomic_load_explicit(&has_half, memory_order_relaxed)
               ? device_submit(request, kind, sector)
               : ask_for_start(&has_half);
}

static hx_err go_deaf(uint64_t request, uint64_t kind, uint64_t sector)
{
    atomic_store_explicit(&is_deaf, true, memory_order_relaxed);
    return device_submit(request, kind, sector);
}

static hx_err submit(uint64_t request, uint64_t kind, uint64_t sector, uint64_t sectors)
{
    (void)sectors;
    if (kind == HX_BLOCK_FLUSH && atomic_load_explicit(&is_deaf, memory_order_relaxed)) {
        return HX_OK;
    }
    switch (sector) {
    case HX_BLOCK_LIE_SILENT:
        return HX_OK;
    case HX_BLOCK_LIE_REFUSED:
        return HX_EINVAL;
    case HX_BLOCK_LIE_DONE:
        (void)hx_buffer_complete(request, HX_OK);
        return HX_OK;
    case HX_BLOCK_LIE_FAILED:
        (void)hx_buffer_complete(request, HX_EIO);
        return HX_OK;
    case HX_BLOCK_LIE_HALF:
        return shrink_once(request, kind, sector);
    case HX_BLOCK_LIE_STUCK:
        return ask_for_start(&is_stuck);
    case HX_BLOCK_LIE_ELSEWHERE:
        return device_submit(request, kind, sector + 1);
    case HX_BLOCK_LIE_DEAF:
        return go_deaf(request, kind, sector);
    default:
        return device_submit(request, kind, sector);
    }
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

static uint64_t capacity(void)
{
    bool is_half = atomic_load_explicit(&has_half, memory_order_relaxed);

    return is_half ? device_capacity() / 2 : device_capacity();
}

static const struct hx_block_operations operations = {
    .start = start,
    .submit = submit,
    .interrupt = interrupt,
    .capacity = capacity,
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
    .name = "virtio_blk_liar",
    .version = {.major = 1, .minor = 0, .patch = 0},
    .category = HX_CATEGORY_BLOCK,
    .operations_size = sizeof(operations),
    .operations = &operations,
    .lifecycle = &lifecycle,
    .state_kind = "virtio_blk",
};
