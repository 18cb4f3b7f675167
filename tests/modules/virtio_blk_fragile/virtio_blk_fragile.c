/*
 * A driver of virtio block devices that dies after a few requests: for the tests of trials. Where
 * and when depends on the first request's handle, which is another each time: before a request is
 * begun, with it in the ring and nobody told so, or with its answer taken out of the ring.
 */
#include <../modules/virtio_blk/device.h>
#include <helix/block.h>
#include <helix/device.h>
#include <helix/module.h>
#include <stdatomic.h>

#define LOAN_SHIFT 32 /* the part of a handle that differs from use to use */
#define FUSE_MAX   16U

enum place { PLACE_BEFORE, PLACE_BEGUN, PLACE_TAKEN, PLACE_COUNT };

/* Relaxed: whichever thread comes first. */
static _Atomic uint64_t lot; /* of the first request; 0: there was none yet */
static _Atomic uint64_t passed[PLACE_COUNT];

static void pass(enum place place, uint64_t request)
{
    uint64_t none = 0;
    uint64_t mine;

    (void)atomic_compare_exchange_strong_explicit(&lot, &none, request >> LOAN_SHIFT,
                                                  memory_order_relaxed, memory_order_relaxed);
    mine = atomic_load_explicit(&lot, memory_order_relaxed);
    if (mine % PLACE_COUNT == place &&
        atomic_fetch_add_explicit(&passed[place], 1, memory_order_relaxed) == mine % FUSE_MAX) {
        __builtin_trap();
    }
}

static hx_err submit(uint64_t request, uint64_t kind, uint64_t sector, uint64_t sectors)
{
    hx_err error;

    (void)sectors;
    pass(PLACE_BEFORE, request);
    error = device_submit(request, kind, sector);
    if (error == HX_OK) {
        pass(PLACE_BEGUN, request);
    }
    return error;
}

static hx_err interrupt(void)
{
    uint64_t request;
    hx_err outcome;
    hx_err error;

    while ((error = device_take(&request, &outcome)) == HX_OK) {
        pass(PLACE_TAKEN, request);
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
    .name = "virtio_blk_fragile",
    .version = {.major = 1, .minor = 1, .patch = 0},
    .category = HX_CATEGORY_BLOCK,
    .operations_size = sizeof(operations),
    .operations = &operations,
    .lifecycle = &lifecycle,
    .state_kind = "virtio_blk",
};
