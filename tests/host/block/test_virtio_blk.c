/*
 * The disk's driver, its operations called as the kernel calls them, on a device that is an array:
 * what it counts, what it hands on, and what it does not take over.
 */
#include <helix/block.h>
#include <helix/device.h>
#include <helix/module.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define TAG_KNOWN    1U
#define TAG_NUMBERS  2U
#define RECORDS_MAX  4U
#define RECORD_MAX   128U
#define REQUESTS_MAX 16U
#define SECTORS      1000U
#define DEVICE       7U
#define QUEUE        9U

static const struct hx_block_operations *ops;

/* --- the kernel's side: the device ------------------------------------------------------------ */

static struct {
    uint64_t status;
    uint64_t feature_word;
    bool is_old; /* does not offer VERSION_1 */
    struct hx_queue_request requests[REQUESTS_MAX];
    uint32_t count; /* in the queue */
    uint8_t answer; /* to each */
    bool is_stopped;
    uint64_t completed;
    hx_err outcome; /* of the last one */
} device;

hx_err hx_device_claim(uint64_t vendor, uint64_t kind, uint64_t *handle)
{
    assert_int_equal(vendor, 0x1af4);
    assert_int_equal(kind, 0x1042);
    *handle = DEVICE;
    return HX_OK;
}

hx_err hx_register_read(uint64_t handle, uint64_t place, uint64_t width, uint64_t *value)
{
    assert_int_equal(handle, DEVICE);
    assert_in_range(width, 1, 8);
    if (place == HX_REGISTER(HX_WINDOW_DEVICE, 0)) {
        *value = SECTORS;
    } else if (place == HX_REGISTER(HX_WINDOW_COMMON, 0x14)) {
        *value = device.status;
    } else if (device.feature_word == 0) {
        *value = 0xffffffffU; /* all that there are */
    } else {
        *value = device.is_old ? 0 : 1;
    }
    return HX_OK;
}

hx_err hx_register_write(uint64_t handle, uint64_t place, uint64_t width, uint64_t value)
{
    assert_int_equal(handle, DEVICE);
    assert_in_range(width, 1, 8);
    if (place == HX_REGISTER(HX_WINDOW_COMMON, 0)) {
        device.feature_word = value;
    } else if (place == HX_REGISTER(HX_WINDOW_COMMON, 0x14)) {
        device.status = value;
    }
    return HX_OK;
}

hx_err hx_queue_create(uint64_t handle, uint64_t index, uint64_t size, uint64_t *queue)
{
    assert_int_equal(handle, DEVICE);
    assert_int_equal(index, 0);
    assert_true(size > 0);
    *queue = QUEUE;
    return HX_OK;
}

hx_err hx_queue_add(uint64_t queue, const struct hx_queue_request *request)
{
    assert_int_equal(queue, QUEUE);
    if (device.is_stopped) {
        return HX_ESTALE;
    }
    if (device.count == REQUESTS_MAX) {
        return HX_EAGAIN;
    }
    device.requests[device.count++] = *request;
    return HX_OK;
}

hx_err hx_queue_kick(uint64_t queue)
{
    assert_int_equal(queue, QUEUE);
    return HX_OK;
}

hx_err hx_queue_take(uint64_t queue, struct hx_queue_answer *answer)
{
    assert_int_equal(queue, QUEUE);
    if (device.count == 0) {
        return HX_EAGAIN;
    }
    *answer = (struct hx_queue_answer){.token = device.requests[--device.count].token};
    answer->tail[0] = device.answer;
    return HX_OK;
}

hx_err hx_buffer_complete(uint64_t buffer, hx_err error)
{
    assert_true(buffer != 0);
    device.completed++;
    device.outcome = error;
    return HX_OK;
}

/* --- the kernel's side: states ---------------------------------------------------------------- */

static struct record {
    uint32_t tag;
    size_t size;
    uint8_t bytes[RECORD_MAX];
} records[RECORDS_MAX];
static uint32_t record_count;

static struct record *find_record(uint32_t tag)
{
    for (uint32_t i = 0; i < record_count; i++) {
        if ((records[i].tag & ~HX_STATE_OPTIONAL) == tag) {
            return &records[i];
        }
    }
    return NULL;
}

hx_err hx_state_put(uint32_t tag, const void *bytes, size_t size)
{
    assert_true(record_count < RECORDS_MAX && size <= RECORD_MAX);
    records[record_count].tag = tag;
    records[record_count].size = size;
    memcpy(records[record_count++].bytes, bytes, size);
    return HX_OK;
}

uint64_t hx_state_size(uint32_t tag, uint32_t index)
{
    const struct record *record = find_record(tag);

    return record != NULL && index == 0 ? record->size : UINT64_MAX;
}

hx_err hx_state_get(uint32_t tag, uint32_t index, void *to, size_t size)
{
    const struct record *record = find_record(tag);

    if (record == NULL || index != 0) {
        return HX_ENOENT;
    }
    if (record->size != size) {
        return HX_EVERSION;
    }
    memcpy(to, record->bytes, size);
    return HX_OK;
}

static void export_as(uint64_t minor)
{
    record_count = 0;
    assert_int_equal(hx_module.lifecycle->export_state(minor), HX_OK);
}

static hx_err import_as(uint64_t minor)
{
    return hx_module.lifecycle->import_state(minor);
}

/* What version 1.0 writes. */
static void export_of_1_0(void)
{
    export_as(0);
    assert_non_null(find_record(TAG_KNOWN));
    records[0] = *find_record(TAG_KNOWN);
    record_count = 1;
}

/* --- helpers ---------------------------------------------------------------------------------- */

/* A driver that has just been started, and has counted nothing. */
static int begin(void **state)
{
    (void)state;
    memset(&device, 0, sizeof(device));
    record_count = 0;
    assert_int_equal(import_as(1), HX_OK);
    return ops->start() == HX_OK ? 0 : -1;
}

static void submit(enum hx_block_kind kind, uint64_t sectors)
{
    static uint64_t request;

    assert_int_equal(ops->submit(++request, kind, 0, sectors), HX_OK);
}

static void expect_numbers(const uint64_t wanted[HX_BLOCK_NUMBERS])
{
    for (uint32_t i = 0; i < HX_BLOCK_NUMBERS; i++) {
        assert_int_equal(ops->number(i), wanted[i]);
    }
}

/* --- tests ------------------------------------------------------------------------------------ */

static void a_device_before_version_1_is_not_driven(void **state)
{
    (void)state;
    device.is_old = true;
    assert_int_equal(ops->start(), HX_ENODEV);
}

static void what_passes_is_counted(void **state)
{
    const uint64_t wanted[HX_BLOCK_NUMBERS] = {1, 2, 1, 8 * 512, 5 * 512, 0, 4};
    const uint64_t after[HX_BLOCK_NUMBERS] = {1, 2, 1, 8 * 512, 5 * 512, 4, 4};

    (void)state;
    submit(HX_BLOCK_READ, 8);
    submit(HX_BLOCK_WRITE, 3);
    submit(HX_BLOCK_WRITE, 2);
    submit(HX_BLOCK_FLUSH, 0);
    expect_numbers(wanted);
    device.answer = 1; /* 5.2.6: VIRTIO_BLK_S_IOERR */
    assert_int_equal(ops->interrupt(), HX_OK);
    assert_int_equal(device.completed, 4);
    assert_int_equal(device.outcome, HX_EIO);
    expect_numbers(after);
    assert_int_equal(ops->number(HX_BLOCK_NUMBERS), 0);
}

static void what_does_not_pass_is_not_counted(void **state)
{
    const uint64_t nothing[HX_BLOCK_NUMBERS] = {[HX_BLOCK_MOST] = 1};

    (void)state;
    assert_int_equal(ops->submit(1, HX_BLOCK_FLUSH + 1, 0, 1), HX_ENOSYS);
    device.is_stopped = true;
    assert_int_equal(ops->submit(2, HX_BLOCK_WRITE, 0, 1), HX_ESTATE);
    assert_int_equal(ops->submit(3, HX_BLOCK_WRITE, 0, 1), HX_ESTATE);
    expect_numbers(nothing);
    assert_int_equal(ops->capacity(), 0);
}

/* SPEC: R5 */
static void numbers_and_the_queue_go_on_to_the_next_instance(void **state)
{
    const uint64_t wanted[HX_BLOCK_NUMBERS] = {2, 0, 0, 3 * 512, 0, 0, 2};
    const uint64_t after[HX_BLOCK_NUMBERS] = {2, 1, 0, 3 * 512, 512, 0, 3};

    (void)state;
    submit(HX_BLOCK_READ, 1);
    submit(HX_BLOCK_READ, 2);
    export_as(1);
    assert_int_equal(ops->start(), HX_OK); /* something else is counted meanwhile */
    submit(HX_BLOCK_FLUSH, 0);
    device.count--;
    assert_int_equal(import_as(1), HX_OK);
    expect_numbers(wanted);
    assert_int_equal(ops->capacity(), SECTORS);
    submit(HX_BLOCK_WRITE, 1); /* beside the two that are under way */
    expect_numbers(after);
    assert_int_equal(ops->interrupt(), HX_OK);
    assert_int_equal(device.completed, 3);
}

/* SPEC: R5 */
static void what_1_0_wrote_is_taken_over_and_counts_from_zero(void **state)
{
    const uint64_t wanted[HX_BLOCK_NUMBERS] = {[HX_BLOCK_MOST] = 1, [HX_BLOCK_FLUSHES] = 1};

    (void)state;
    submit(HX_BLOCK_READ, 1);
    export_of_1_0();
    assert_int_equal(import_as(0), HX_OK);
    assert_int_equal(ops->capacity(), SECTORS);
    assert_int_equal(ops->interrupt(), HX_OK); /* one that it has not begun itself */
    assert_int_equal(device.completed, 1);
    submit(HX_BLOCK_FLUSH, 0);
    expect_numbers(wanted);
}

/* SPEC: R5 */
static void what_was_under_way_before_1_0_does_not_pile_up(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 10; i++) {
        submit(HX_BLOCK_READ, 1);
        submit(HX_BLOCK_READ, 1);
        export_as(0); /* 1.0 carries the numbers along, and ends both */
        assert_int_equal(find_record(TAG_NUMBERS)->tag, TAG_NUMBERS | HX_STATE_OPTIONAL);
        device.count = 0;
        assert_int_equal(import_as(0), HX_OK);
    }
    assert_int_equal(ops->number(HX_BLOCK_READS), 20);
    assert_int_equal(ops->number(HX_BLOCK_MOST), 2);
}

/* SPEC: R5 */
static void a_record_that_cannot_be_is_refused(void **state)
{
    const uint64_t offset_of_features = 3 * sizeof(uint64_t);
    const uint64_t offset_of_under_way = HX_BLOCK_NUMBERS * sizeof(uint64_t);

    (void)state;
    export_as(1);
    find_record(TAG_NUMBERS)->size--;
    assert_int_equal(import_as(1), HX_EVERSION);
    export_as(1);
    find_record(TAG_KNOWN)->size++;
    assert_int_equal(import_as(1), HX_EVERSION);
    export_as(1);
    find_record(TAG_KNOWN)->bytes[offset_of_features] |= 1; /* one that it never accepts */
    assert_int_equal(import_as(1), HX_EINVAL);
    export_as(1);
    find_record(TAG_NUMBERS)->bytes[offset_of_under_way] = 1; /* when there was never one */
    assert_int_equal(import_as(1), HX_EINVAL);
    export_as(1);
    assert_int_equal(import_as(1), HX_OK);
}

static void what_was_not_started_hands_no_device_on(void **state)
{
    (void)state;
    device.is_stopped = true;
    assert_int_equal(ops->submit(1, HX_BLOCK_WRITE, 0, 1), HX_ESTATE);
    export_as(1);
    assert_null(find_record(TAG_KNOWN));
    assert_int_equal(import_as(1), HX_OK);
    assert_int_equal(ops->interrupt(), HX_ESTATE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_device_before_version_1_is_not_driven, begin),
        cmocka_unit_test_setup(what_passes_is_counted, begin),
        cmocka_unit_test_setup(what_does_not_pass_is_not_counted, begin),
        cmocka_unit_test_setup(numbers_and_the_queue_go_on_to_the_next_instance, begin),
        cmocka_unit_test_setup(what_1_0_wrote_is_taken_over_and_counts_from_zero, begin),
        cmocka_unit_test_setup(what_was_under_way_before_1_0_does_not_pile_up, begin),
        cmocka_unit_test_setup(a_record_that_cannot_be_is_refused, begin),
        cmocka_unit_test_setup(what_was_not_started_hands_no_device_on, begin),
    };

    ops = hx_module.operations;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
