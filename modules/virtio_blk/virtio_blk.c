/*
 * Driver of virtio block devices, version 1.1: counts what passes. Version 1.0 carries the numbers
 * along, as an optional record; what passes meanwhile is in none of them.
 */
#include <../modules/virtio_blk/device.h>
#include <helix/block.h>
#include <helix/device.h>
#include <helix/module.h>
#include <stdatomic.h>

#define STATE_NUMBERS STATE_OF_VERSIONS /* since minor version 1 */

/* Relaxed: statistics. */
static _Atomic uint64_t numbers[HX_BLOCK_NUMBERS];
static _Atomic uint64_t under_way; /* relaxed; of those that this version has begun */

struct record {
    uint64_t numbers[HX_BLOCK_NUMBERS];
    uint64_t under_way;
};

/* --- counting --------------------------------------------------------------------------------- */

static void add(enum hx_block_number index, uint64_t more)
{
    atomic_fetch_add_explicit(&numbers[index], more, memory_order_relaxed);
}

static void raise_most(uint64_t now)
{
    uint64_t most = atomic_load_explicit(&numbers[HX_BLOCK_MOST], memory_order_relaxed);

    while (most < now &&
           !atomic_compare_exchange_weak_explicit(&numbers[HX_BLOCK_MOST], &most, now,
                                                  memory_order_relaxed, memory_order_relaxed)) {
    }
}

static void count_begin(void)
{
    raise_most(atomic_fetch_add_explicit(&under_way, 1, memory_order_relaxed) + 1);
}

/* One that another version has begun was not counted when it was. */
static void count_end(void)
{
    uint64_t now = atomic_load_explicit(&under_way, memory_order_relaxed);

    while (now > 0 && !atomic_compare_exchange_weak_explicit(
                          &under_way, &now, now - 1, memory_order_relaxed, memory_order_relaxed)) {
    }
}

static void count_request(uint64_t kind, uint64_t sectors)
{
    static const uint8_t requests[] = {[HX_BLOCK_READ] = HX_BLOCK_READS,
                                       [HX_BLOCK_WRITE] = HX_BLOCK_WRITES,
                                       [HX_BLOCK_FLUSH] = HX_BLOCK_FLUSHES};

    add(requests[kind], 1);
    if (kind != HX_BLOCK_FLUSH) {
        add(kind == HX_BLOCK_READ ? HX_BLOCK_BYTES_READ : HX_BLOCK_BYTES_WRITTEN,
            sectors * HX_BLOCK_SECTOR);
    }
}

/* --- operations ------------------------------------------------------------------------------- */

/* The kernel has taken all requests back. */
static hx_err start(void)
{
    atomic_store_explicit(&under_way, 0, memory_order_relaxed);
    return device_start();
}

static hx_err submit(uint64_t request, uint64_t kind, uint64_t sector, uint64_t sectors)
{
    hx_err error;

    count_begin(); /* before the device has it: it may have done with it at once */
    error = device_submit(request, kind, sector);
    if (error == HX_OK) {
        count_request(kind, sectors);
    } else {
        count_end();
    }
    return error;
}

static hx_err interrupt(void)
{
    uint64_t request;
    hx_err outcome;
    hx_err error;

    while ((error = device_take(&request, &outcome)) == HX_OK) {
        add(HX_BLOCK_FAILED, outcome != HX_OK ? 1 : 0);
        count_end();
        (void)hx_buffer_complete(request, outcome);
    }
    return error == HX_EAGAIN ? HX_OK : error;
}

static uint64_t number(uint64_t index)
{
    return index < HX_BLOCK_NUMBERS ? atomic_load_explicit(&numbers[index], memory_order_relaxed)
                                    : 0;
}

static const struct hx_block_operations operations = {
    .start = start,
    .submit = submit,
    .interrupt = interrupt,
    .capacity = device_capacity,
    .flags = device_flags,
    .number = number,
};

/* --- state ------------------------------------------------------------------------------------ */

static hx_err export_state(uint64_t minor)
{
    struct record now = {.under_way = atomic_load_explicit(&under_way, memory_order_relaxed)};
    hx_err error = device_export();

    (void)minor;
    for (unsigned i = 0; i < HX_BLOCK_NUMBERS; i++) {
        now.numbers[i] = number(i);
    }
    /* A rehearsal's export may come between a request's two countings. */
    if (now.numbers[HX_BLOCK_MOST] < now.under_way) {
        now.numbers[HX_BLOCK_MOST] = now.under_way;
    }
    return error == HX_OK ? hx_state_put(STATE_NUMBERS | HX_STATE_OPTIONAL, &now, sizeof(now))
                          : error;
}

static hx_err read_record(struct record *old)
{
    hx_err error = HX_OK;

    if (hx_state_size(STATE_NUMBERS, 0) != UINT64_MAX) {
        error = hx_state_get(STATE_NUMBERS, 0, old, sizeof(*old));
    }
    /* Each one that is under way was begun, and counted as one of the most. */
    return error == HX_OK && old->under_way > old->numbers[HX_BLOCK_MOST] ? HX_EINVAL : error;
}

static hx_err import_state(uint64_t minor)
{
    struct record old = {{0}, 0};
    hx_err error = read_record(&old);

    if (error == HX_OK) {
        error = device_import();
    }
    if (error != HX_OK) {
        return error;
    }
    for (unsigned i = 0; i < HX_BLOCK_NUMBERS; i++) {
        atomic_store_explicit(&numbers[i], old.numbers[i], memory_order_relaxed);
    }
    /* Through 1.0, what was under way then has been done, and what is now is not counted. */
    atomic_store_explicit(&under_way, minor >= 1 ? old.under_way : 0, memory_order_relaxed);
    return HX_OK;
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
    .version = {.major = 1, .minor = 1, .patch = 0},
    .category = HX_CATEGORY_BLOCK,
    .operations_size = sizeof(operations),
    .operations = &operations,
    .lifecycle = &lifecycle,
    .state_kind = "virtio_blk",
};
