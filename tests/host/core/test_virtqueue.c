/* Virtqueues against a device that the test plays, honest or not; and the buffers that go in. */
#include "machine.h"

#include <core/device/virtqueue.h>

#define SIZE 8U

/* The ring as the specification lays it out (VIRTIO 1.1, 2.6), for the device's part. */
struct ring_descriptor {
    uint64_t address;
    uint32_t size;
    uint16_t flags;
    uint16_t next;
};

struct ring_used {
    uint32_t id;
    uint32_t length;
};

static struct virtqueue queue;
static struct virtqueue_addresses addresses;
static volatile uint16_t notification;
static struct dma_buffer buffer;
static unsigned completions;
static hx_err last_error;

static struct ring_descriptor *descriptor(unsigned index)
{
    return (struct ring_descriptor *)hal_direct_map(addresses.descriptors) + index;
}

static uint16_t *driver_word(unsigned index)
{
    return (uint16_t *)hal_direct_map(addresses.driver) + index;
}

/* The device has done with the request of a descriptor. */
static void use(uint32_t id, uint32_t length)
{
    uint16_t *words = hal_direct_map(addresses.device);
    struct ring_used *elements = (struct ring_used *)(words + 2);

    elements[words[1] % SIZE] = (struct ring_used){id, length};
    words[1]++;
}

static void note_completion(struct dma_buffer *completed, hx_err error)
{
    CHECK(completed == &buffer);
    completions++;
    last_error = error;
}

static void start(void)
{
    machine_boot(1);
    virtqueue_init(&queue);
    CHECK(virtqueue_start(&queue, SIZE, &notification, 3, &addresses) == HX_OK);
    buffer.completed = note_completion;
    CHECK(dma_buffer_register(&buffer) == HX_OK);
    buffer.segments[0] = (struct dma_segment){0x5000, 512};
    buffer.segments[1] = (struct dma_segment){0x9000, 1024};
    buffer.count = 2;
    buffer.device_writes = true;
}

static struct hx_queue_request request_of(uint64_t handle)
{
    return (struct hx_queue_request){
        .token = 77, .buffer = handle, .head = "0123456789abcde", .head_size = 16, .tail_size = 1};
}

static uint64_t add_one(void)
{
    uint64_t handle = dma_buffer_lend(&buffer);
    struct hx_queue_request request = request_of(handle);

    CHECK(virtqueue_add(&queue, &request) == HX_OK);
    return handle;
}

/* --- an honest device ------------------------------------------------------------------------- */

static void pass_one(void)
{
    struct hx_queue_answer answer;
    uint64_t handle;
    unsigned first;

    start();
    handle = add_one();
    CHECK(driver_word(1)[0] == 1);
    first = driver_word(2)[0];
    CHECK(memcmp(hal_direct_map(descriptor(first)->address), "0123456789abcde", 16) == 0);
    CHECK(descriptor(first)->size == 16 && descriptor(first)->flags == 1);
    first = descriptor(first)->next;
    CHECK(descriptor(first)->address == 0x5000 && descriptor(first)->size == 512);
    CHECK(descriptor(first)->flags == 3);
    first = descriptor(first)->next;
    CHECK(descriptor(first)->address == 0x9000 && descriptor(first)->size == 1024);
    first = descriptor(first)->next;
    CHECK(descriptor(first)->size == 1 && descriptor(first)->flags == 2);
    *(char *)hal_direct_map(descriptor(first)->address) = 42;
    CHECK(virtqueue_kick(&queue) == HX_OK && notification == 3);
    CHECK(virtqueue_take(&queue, &answer) == HX_EAGAIN);
    use(driver_word(2)[0], 512 + 1024 + 1);
    CHECK(virtqueue_take(&queue, &answer) == HX_OK);
    CHECK(answer.token == 77 && answer.written == 1537 && answer.tail[0] == 42);
    CHECK(virtqueue_take(&queue, &answer) == HX_EAGAIN);
    CHECK(dma_buffer_complete(handle, HX_EIO) == HX_OK && completions == 1 && last_error == HX_EIO);
}

static void a_request_passes_as_the_specification_lays_it_out(void **state)
{
    (void)state;
    passes_in_child(pass_one);
}

static void pass_many(void)
{
    struct hx_queue_answer answer;
    struct hx_queue_request request = {.tail_size = 1};

    start();
    for (uint64_t round = 0; round < 70000; round++) {
        request.token = round;
        CHECK(virtqueue_add(&queue, &request) == HX_OK);
        use(driver_word(2 + round % SIZE)[0], 1);
        CHECK(virtqueue_take(&queue, &answer) == HX_OK && answer.token == round);
    }
    for (unsigned i = 0; i < SIZE; i++) {
        CHECK(virtqueue_add(&queue, &request) == HX_OK);
    }
    CHECK(virtqueue_add(&queue, &request) == HX_EAGAIN);
    request.tail_size = 0;
    CHECK(virtqueue_add(&queue, &request) == HX_EINVAL);
    request.tail_size = HX_QUEUE_TAIL_MAX + 1;
    CHECK(virtqueue_add(&queue, &request) == HX_EINVAL);
}

static void a_full_ring_takes_no_more_and_indices_wrap(void **state)
{
    (void)state;
    passes_in_child(pass_many);
}

/* --- handles ---------------------------------------------------------------------------------- */

static void misuse_handles(void)
{
    struct hx_queue_request request;
    struct hx_queue_answer answer;
    uint64_t handle;

    start();
    handle = add_one();
    request = request_of(handle);
    CHECK(virtqueue_add(&queue, &request) == HX_EBUSY);
    CHECK(dma_buffer_complete(handle, HX_OK) == HX_EBUSY && completions == 0);
    CHECK(dma_buffer_revoke(&buffer, handle) == HX_EBUSY);
    use(driver_word(2)[0], 0);
    CHECK(virtqueue_take(&queue, &answer) == HX_OK);
    CHECK(dma_buffer_complete(handle, HX_OK) == HX_OK && completions == 1);
    CHECK(dma_buffer_complete(handle, HX_OK) == HX_EINVAL && completions == 1);
    CHECK(virtqueue_add(&queue, &request) == HX_EINVAL);
    CHECK(dma_buffer_lend(&buffer) != handle);
    CHECK(dma_buffer_complete(handle, HX_OK) == HX_EINVAL);
    for (unsigned bit = 0; bit < 64; bit++) {
        request = request_of(dma_buffer_handle(&buffer) ^ 1UL << bit);
        CHECK(request.buffer == 0 || virtqueue_add(&queue, &request) == HX_EINVAL);
    }
    CHECK(dma_buffer_complete(dma_buffer_handle(&buffer), HX_OK) ==
          HX_ESTATE); /* no queue has had it */
    CHECK(dma_buffer_revoke(&buffer, dma_buffer_handle(&buffer)) == HX_OK && completions == 1);
}

static void a_handle_is_good_once_and_for_one_loan(void **state)
{
    (void)state;
    passes_in_child(misuse_handles);
}

static void stop_in_the_middle(void)
{
    struct hx_queue_request request = {.tail_size = 1};
    struct hx_queue_answer answer;
    uint64_t free_before;
    struct frame_statistics frames;
    uint64_t handle;

    start();
    handle = add_one();
    frames_statistics(&frames);
    free_before = frames.free;
    virtqueue_stop(&queue);
    frames_statistics(&frames);
    CHECK(frames.free == free_before + 2);
    CHECK(dma_buffer_revoke(&buffer, handle) == HX_OK);
    CHECK(virtqueue_add(&queue, &request) == HX_ESTALE);
    CHECK(virtqueue_kick(&queue) == HX_ESTALE);
    CHECK(virtqueue_take(&queue, &answer) == HX_ESTALE);
    CHECK(virtqueue_start(&queue, 3, NULL, 0, &addresses) == HX_EINVAL);
    CHECK(virtqueue_start(&queue, 256, NULL, 0, &addresses) == HX_EINVAL);
    CHECK(virtqueue_start(&queue, SIZE, NULL, 0, &addresses) == HX_OK);
    CHECK(virtqueue_add(&queue, &request) == HX_OK && virtqueue_kick(&queue) == HX_OK);
}

static void stopping_gives_back_what_is_in_the_ring(void **state)
{
    (void)state;
    passes_in_child(stop_in_the_middle);
}

/* --- a device that lies ----------------------------------------------------------------------- */

static void expect_broken(void)
{
    struct hx_queue_request request = {.tail_size = 1};
    struct hx_queue_answer answer;

    CHECK(virtqueue_take(&queue, &answer) == HX_EIO);
    CHECK(virtqueue_add(&queue, &request) == HX_EIO);
    CHECK(virtqueue_take(&queue, &answer) == HX_EIO);
    CHECK(queue.lies == 1);
    virtqueue_stop(&queue);
    CHECK(dma_buffer_revoke(&buffer, dma_buffer_handle(&buffer)) == HX_OK);
}

static void use_what_is_outside(void)
{
    start();
    (void)add_one();
    use(SIZE, 1);
    expect_broken();
}

static void use_far_outside(void)
{
    start();
    (void)add_one();
    use(UINT32_MAX, 1);
    expect_broken();
}

static void use_what_is_free(void)
{
    start();
    (void)add_one();
    use(SIZE - 1, 1);
    expect_broken();
}

static void use_the_middle(void)
{
    start();
    (void)add_one();
    use(descriptor(driver_word(2)[0])->next, 1);
    expect_broken();
}

static void write_too_much(void)
{
    start();
    (void)add_one();
    use(driver_word(2)[0], 512 + 1024 + 2);
    expect_broken();
}

static void use_more_than_there_is(void)
{
    start();
    (void)add_one();
    ((uint16_t *)hal_direct_map(addresses.device))[1] = SIZE + 1;
    expect_broken();
}

/* The device writes over the descriptors: what core goes by is its own. */
static void write_over_the_descriptors(void)
{
    struct hx_queue_answer answer;
    struct hx_queue_request request = {.tail_size = 1};

    start();
    (void)add_one();
    memset(descriptor(0), 0xff, SIZE * sizeof(struct ring_descriptor));
    use(driver_word(2)[0], 1);
    CHECK(virtqueue_take(&queue, &answer) == HX_OK && answer.token == 77);
    for (unsigned i = 0; i < SIZE; i++) {
        CHECK(virtqueue_add(&queue, &request) == HX_OK);
    }
}

static void a_device_that_lies_breaks_the_queue_and_nothing_else(void **state)
{
    void (*const lies[])(void) = {
        use_what_is_outside, use_far_outside,        use_what_is_free,          use_the_middle,
        write_too_much,      use_more_than_there_is, write_over_the_descriptors};

    (void)state;
    for (size_t i = 0; i < HX_ARRAY_SIZE(lies); i++) {
        passes_in_child(lies[i]);
    }
}

/* --- what the device is asked for ------------------------------------------------------------- */

static bool begins_with_0(struct dma_buffer *asked, const uint8_t *head, size_t size)
{
    return asked == &buffer && size == 16 && head[0] == '0';
}

static void ask_for_something_else(void)
{
    struct hx_queue_request request;
    uint64_t handle;

    start();
    buffer.agrees = begins_with_0;
    handle = dma_buffer_lend(&buffer);
    request = request_of(handle);
    request.head[0] = '1';
    CHECK(virtqueue_add(&queue, &request) == HX_EPERM && driver_word(1)[0] == 0);
    request = request_of(handle);
    request.head_size = 15;
    CHECK(virtqueue_add(&queue, &request) == HX_EPERM && driver_word(1)[0] == 0);
    /* No queue has had it. */
    CHECK(dma_buffer_complete(handle, HX_OK) == HX_ESTATE && completions == 0);
    request = request_of(handle);
    CHECK(virtqueue_add(&queue, &request) == HX_OK && driver_word(1)[0] == 1);
}

/* SPEC: H5 */
static void a_device_is_not_asked_for_what_the_buffer_was_not_lent_for(void **state)
{
    (void)state;
    passes_in_child(ask_for_something_else);
}

static void find_no_room(void)
{
    struct hx_queue_request small = {.tail_size = 1};
    struct hx_queue_request request;
    uint64_t handle;

    start();
    for (unsigned i = 0; i < SIZE; i++) {
        CHECK(virtqueue_add(&queue, &small) == HX_OK);
    }
    handle = dma_buffer_lend(&buffer);
    request = request_of(handle);
    CHECK(virtqueue_add(&queue, &request) == HX_EAGAIN);
    CHECK(dma_buffer_complete(handle, HX_OK) == HX_ESTATE && completions == 0);
}

static void what_found_no_room_was_not_done(void **state)
{
    (void)state;
    passes_in_child(find_no_room);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_request_passes_as_the_specification_lays_it_out),
        cmocka_unit_test(a_full_ring_takes_no_more_and_indices_wrap),
        cmocka_unit_test(a_handle_is_good_once_and_for_one_loan),
        cmocka_unit_test(stopping_gives_back_what_is_in_the_ring),
        cmocka_unit_test(a_device_is_not_asked_for_what_the_buffer_was_not_lent_for),
        cmocka_unit_test(what_found_no_room_was_not_done),
        cmocka_unit_test(a_device_that_lies_breaks_the_queue_and_nothing_else),
    };

    return cmocka_run_group_tests_name("core/virtqueue", tests, NULL, NULL);
}
