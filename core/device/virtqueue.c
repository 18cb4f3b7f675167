#include <base/assert.h>
#include <base/memory.h>
#include <core/device/virtqueue.h>
#include <kern/frames.h>
#include <stdatomic.h>
#include <stddef.h>

/* --- the ring's layout (VIRTIO 1.1, 2.6) ------------------------------------------------------ */

struct descriptor {
    uint64_t address;
    uint32_t size;
    uint16_t flags;
    uint16_t next;
};

#define DESCRIPTOR_NEXT   1U
#define DESCRIPTOR_WRITES 2U /* the device writes, else it reads */

struct available_ring {
    uint16_t flags;
    _Atomic uint16_t index;
    uint16_t ring[VIRTQUEUE_SIZE_MAX];
};

struct used_element {
    uint32_t id;
    uint32_t length;
};

struct used_ring {
    _Atomic uint16_t flags;
    _Atomic uint16_t index;
    struct used_element ring[VIRTQUEUE_SIZE_MAX];
};

#define USED_NO_NOTIFY 1U

/* What a request carries besides its buffer. */
struct own_bytes {
    uint8_t head[HX_QUEUE_HEAD_MAX];
    uint8_t tail[HX_QUEUE_TAIL_MAX];
};

/* The two pages of a queue. */
struct ring {
    struct descriptor descriptors[VIRTQUEUE_SIZE_MAX];
    struct available_ring available;
    struct used_ring used;
    uint8_t rest[HAL_PAGE_SIZE - 3336];
    struct own_bytes bytes[VIRTQUEUE_SIZE_MAX];
};
_Static_assert(offsetof(struct ring, bytes) == HAL_PAGE_SIZE &&
                   sizeof(struct ring) == 2 * HAL_PAGE_SIZE,
               "the ring fills one page, the requests' own bytes another");
_Static_assert(offsetof(struct ring, used) % 4 == 0, "VIRTIO 1.1, 2.6: alignment of the used ring");

#define RING_ORDER 1U

static struct ring *ring_of(const struct virtqueue *queue)
{
    return hal_direct_map(queue->memory);
}

/* --- start and stop --------------------------------------------------------------------------- */

void virtqueue_init(struct virtqueue *queue)
{
    memset(queue, 0, sizeof(*queue));
    spinlock_init(&queue->lock, LOCK_RANK_CORE, "virtqueue");
}

static void make_empty(struct virtqueue *queue)
{
    memset(ring_of(queue), 0, sizeof(struct ring));
    memset(queue->requests, 0, sizeof(queue->requests));
    for (uint16_t i = 0; i < queue->size; i++) {
        queue->next[i] = i + 1;
    }
    queue->free_first = 0;
    queue->free_count = queue->size;
    queue->available = 0;
    queue->used = 0;
}

hx_err virtqueue_start(struct virtqueue *queue, uint16_t size, volatile uint16_t *notification,
                       uint16_t number, struct virtqueue_addresses *addresses)
{
    hx_err error;

    if (size == 0 || size > VIRTQUEUE_SIZE_MAX || (size & (size - 1)) != 0) {
        return HX_EINVAL;
    }
    if (queue->state != VIRTQUEUE_STOPPED) {
        return HX_EBUSY;
    }
    error = frames_allocate(RING_ORDER, OWNER_CORE, &queue->memory);
    if (error != HX_OK) {
        return error;
    }
    queue->size = size;
    queue->notification = notification;
    queue->number = number;
    make_empty(queue);
    addresses->descriptors = queue->memory + offsetof(struct ring, descriptors);
    addresses->driver = queue->memory + offsetof(struct ring, available);
    addresses->device = queue->memory + offsetof(struct ring, used);

    hal_interrupt_state state = spinlock_acquire(&queue->lock);

    queue->state = VIRTQUEUE_RUNNING;
    spinlock_release(&queue->lock, state);
    return HX_OK;
}

void virtqueue_stop(struct virtqueue *queue)
{
    hal_interrupt_state state = spinlock_acquire(&queue->lock);
    bool was_running = queue->state != VIRTQUEUE_STOPPED;

    queue->state = VIRTQUEUE_STOPPED;
    for (uint16_t i = 0; was_running && i < queue->size; i++) {
        if (queue->requests[i].length != 0 && queue->requests[i].buffer != NULL) {
            dma_buffer_dequeue(queue->requests[i].buffer, false);
        }
    }
    spinlock_release(&queue->lock, state);
    if (was_running) {
        frames_free(queue->memory, RING_ORDER);
    }
}

static hx_err state_error(const struct virtqueue *queue)
{
    static const hx_err errors[] = {
        [VIRTQUEUE_STOPPED] = HX_ESTALE,
        [VIRTQUEUE_RUNNING] = HX_OK,
        [VIRTQUEUE_BROKEN] = HX_EIO,
    };

    return errors[queue->state];
}

/* --- adding ----------------------------------------------------------------------------------- */

/* A chain of descriptors as it grows. */
struct chain {
    struct virtqueue *queue;
    uint16_t first;
    uint16_t last;
    uint16_t length;
};

/* There is a free one: add_locked has counted. */
static void append_locked(struct chain *chain, uint64_t address, uint32_t size, uint16_t flags)
{
    struct virtqueue *queue = chain->queue;
    struct descriptor *descriptors = ring_of(queue)->descriptors;
    uint16_t index = queue->free_first;

    queue->free_first = queue->next[index];
    queue->free_count--;
    descriptors[index] =
        (struct descriptor){.address = address, .size = size, .flags = flags, .next = 0};
    if (chain->length++ == 0) {
        chain->first = index;
    } else {
        descriptors[chain->last].flags |= DESCRIPTOR_NEXT;
        descriptors[chain->last].next = index;
        queue->next[chain->last] = index;
    }
    chain->last = index;
}

/* Where the own bytes of the request that begins at a descriptor lie, for the device. */
static uint64_t own_address(const struct virtqueue *queue, uint16_t first, size_t member)
{
    return queue->memory + offsetof(struct ring, bytes) + first * sizeof(struct own_bytes) + member;
}

static void build_locked(struct virtqueue *queue, const struct hx_queue_request *request,
                         struct dma_buffer *buffer)
{
    struct chain chain = {.queue = queue};
    uint16_t first = queue->free_first;
    uint16_t flags = buffer != NULL && buffer->device_writes ? DESCRIPTOR_WRITES : 0;
    struct virtqueue_request *record = &queue->requests[first];

    *record = (struct virtqueue_request){.buffer = buffer, .token = request->token};
    if (request->head_size > 0) {
        memcpy(ring_of(queue)->bytes[first].head, request->head, request->head_size);
        append_locked(&chain, own_address(queue, first, offsetof(struct own_bytes, head)),
                      request->head_size, 0);
    }
    for (uint32_t i = 0; buffer != NULL && i < buffer->count; i++) {
        append_locked(&chain, buffer->segments[i].physical, buffer->segments[i].size, flags);
        record->writable += flags != 0 ? buffer->segments[i].size : 0;
    }
    if (request->tail_size > 0) {
        append_locked(&chain, own_address(queue, first, offsetof(struct own_bytes, tail)),
                      request->tail_size, DESCRIPTOR_WRITES);
        record->writable += request->tail_size;
        record->tail_size = (uint8_t)request->tail_size;
    }
    record->length = (uint8_t)chain.length;
}

static void publish_locked(struct virtqueue *queue, uint16_t first)
{
    struct available_ring *available = &ring_of(queue)->available;

    available->ring[queue->available & (queue->size - 1)] = first;
    queue->available++;
    /* The device reads the index before the descriptors. Sequentially consistent: virtqueue_kick
     * then looks whether the device wants to be told. */
    atomic_store_explicit(&available->index, queue->available, memory_order_seq_cst);
}

/* Take the request's buffer, if it has one.  Errors: as dma_buffer_enqueue; HX_EPERM. */
static hx_err enqueue_buffer(const struct hx_queue_request *request, struct dma_buffer **buffer)
{
    hx_err error = request->buffer != 0 ? dma_buffer_enqueue(request->buffer, buffer) : HX_OK;

    if (error == HX_OK && *buffer != NULL && (*buffer)->agrees != NULL &&
        !(*buffer)->agrees(*buffer, request->head, request->head_size)) {
        dma_buffer_dequeue(*buffer, false);
        error = HX_EPERM;
    }
    return error;
}

static hx_err add_locked(struct virtqueue *queue, const struct hx_queue_request *request)
{
    struct dma_buffer *buffer = NULL;
    uint32_t own = (request->head_size > 0 ? 1U : 0U) + (request->tail_size > 0 ? 1U : 0U);
    uint16_t first = queue->free_first;
    hx_err error = state_error(queue);

    if (error == HX_OK) {
        error = enqueue_buffer(request, &buffer);
    }
    if (error != HX_OK) {
        return error;
    }

    uint32_t needed = own + (buffer != NULL ? buffer->count : 0);

    if (needed == 0 || needed > queue->free_count) {
        if (buffer != NULL) {
            dma_buffer_dequeue(buffer, false);
        }
        return needed == 0 || needed > queue->size ? HX_EINVAL : HX_EAGAIN;
    }
    build_locked(queue, request, buffer);
    publish_locked(queue, first);
    return HX_OK;
}

hx_err virtqueue_add(struct virtqueue *queue, const struct hx_queue_request *request)
{
    hal_interrupt_state state;
    hx_err error;

    if (request->head_size > HX_QUEUE_HEAD_MAX || request->tail_size > HX_QUEUE_TAIL_MAX) {
        return HX_EINVAL;
    }
    state = spinlock_acquire(&queue->lock);
    error = add_locked(queue, request);
    spinlock_release(&queue->lock, state);
    return error;
}

/* Where the device wants to be told, NULL: it does not. */
static volatile uint16_t *wanted_notification_locked(const struct virtqueue *queue)
{
    /* Sequentially consistent: either the device sees the index, or we see that it waits. */
    return (atomic_load_explicit(&ring_of(queue)->used.flags, memory_order_seq_cst) &
            USED_NO_NOTIFY) == 0
               ? queue->notification
               : NULL;
}

/*
 * The register is written without the lock: that can take as long as the device likes, and all who
 * use the queue would spin meanwhile. It stays mapped when the queue stops, and a device that was
 * reset looks at its new ring once more than it need.
 */
hx_err virtqueue_kick(struct virtqueue *queue)
{
    volatile uint16_t *notification = NULL;
    hal_interrupt_state state = spinlock_acquire(&queue->lock);
    hx_err error = queue->state == VIRTQUEUE_STOPPED ? HX_ESTALE : HX_OK;

    if (error == HX_OK) {
        notification = wanted_notification_locked(queue);
    }
    spinlock_release(&queue->lock, state);
    if (notification != NULL) {
        *notification = queue->number;
    }
    return error;
}

/* --- taking ----------------------------------------------------------------------------------- */

static hx_err break_locked(struct virtqueue *queue)
{
    queue->state = VIRTQUEUE_BROKEN;
    queue->lies++;
    return HX_EIO;
}

static void free_chain_locked(struct virtqueue *queue, uint16_t first, uint16_t length)
{
    uint16_t last = first;

    for (uint16_t i = 1; i < length; i++) {
        last = queue->next[last];
    }
    queue->next[last] = queue->free_first;
    queue->free_first = first;
    queue->free_count += length;
}

static void finish_locked(struct virtqueue *queue, uint16_t first, uint32_t written,
                          struct hx_queue_answer *answer)
{
    struct virtqueue_request *request = &queue->requests[first];

    *answer = (struct hx_queue_answer){.token = request->token, .written = written};
    memcpy(answer->tail, ring_of(queue)->bytes[first].tail, request->tail_size);
    if (request->buffer != NULL) {
        dma_buffer_dequeue(request->buffer, true);
    }
    free_chain_locked(queue, first, request->length);
    *request = (struct virtqueue_request){0};
    queue->used++;
}

static hx_err take_locked(struct virtqueue *queue, struct hx_queue_answer *answer)
{
    const struct used_ring *used = &ring_of(queue)->used;
    /* Acquire: pairs with the device's store after it has written the element and the data. */
    uint16_t count =
        (uint16_t)(atomic_load_explicit(&used->index, memory_order_acquire) - queue->used);
    struct used_element element;

    if (count == 0) {
        return HX_EAGAIN;
    }
    element = *(const volatile struct used_element *)&used->ring[queue->used & (queue->size - 1)];
    if (count > queue->size || element.id >= queue->size ||
        queue->requests[element.id].length == 0 ||
        element.length > queue->requests[element.id].writable) {
        return break_locked(queue);
    }
    finish_locked(queue, (uint16_t)element.id, element.length, answer);
    return HX_OK;
}

hx_err virtqueue_take(struct virtqueue *queue, struct hx_queue_answer *answer)
{
    hal_interrupt_state state = spinlock_acquire(&queue->lock);
    hx_err error = state_error(queue);

    if (error == HX_OK) {
        error = take_locked(queue, answer);
    }
    spinlock_release(&queue->lock, state);
    return error;
}
