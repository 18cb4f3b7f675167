/* Requests of block devices: waiting for the driver, with it, done. */
#include <base/memory.h>
#include <subsys/block/block_private.h>

/* That of block_suspend. */
static struct block_request *last_flush(struct block_device *device)
{
    return &device->requests[BLOCK_REQUESTS];
}

/* --- ends ------------------------------------------------------------------------------------- */

/* Whether somebody waits for the driver to have nothing, and it has. The device's lock is held. */
static bool is_awaited_locked(const struct block_device *device)
{
    return HX_UNLIKELY(device->rest != BLOCK_AWAKE) && device->given == 0;
}

static void finish(struct block_request *request, hx_err error)
{
    struct block_device *device = request->device;
    hal_interrupt_state state = spinlock_acquire(&device->lock);
    bool is_awaited;

    device->given -= request->state == REQUEST_GIVEN ? 1 : 0;
    device->numbers.errors += error != HX_OK ? 1 : 0;
    device->done += error == HX_OK ? 1 : 0;
    request->error = error;
    request->state = REQUEST_DONE;
    is_awaited = is_awaited_locked(device);
    spinlock_release(&device->lock, state);
    wait_queue_wake_all(&request->done);
    if (is_awaited) {
        wait_queue_wake_all(&device->quiet);
    }
}

/* Whether an error of its driver's is to be seen by who asked. If not, who said it twice is given
 * nothing more: it may answer in the call that gives it the request. */
static bool is_believed(struct block_request *request, hx_err error)
{
    struct block_device *device = request->device;
    uint64_t now = hal_clock_now();
    hal_interrupt_state state = spinlock_acquire(&device->lock);
    bool is = ++request->refusals > BLOCK_REFUSALS_MAX || now < device->believed_until ||
              (error == HX_ENOSYS && request->kind == HX_BLOCK_FLUSH);

    if (request->refusals > BLOCK_REFUSALS_MAX) {
        device->believed_until = now + BLOCK_BELIEF_NS;
    }
    if (!is && request->refusals == BLOCK_REFUSALS_MAX) {
        device->doubted_epoch = device->epoch;
    }
    spinlock_release(&device->lock, state);
    return is;
}

static void put_back(struct block_request *request, bool is_try);

/* Once by the same driver again, then by another. */
static void refuse(struct block_request *request, hx_err error)
{
    struct block_device *device = request->device;
    bool is_first = request->refusals == 0;

    if (is_believed(request, error)) {
        finish(request, error);
    } else {
        put_back(request, true);
        block_signal(device, is_first ? BLOCK_EVENT_PENDING : BLOCK_EVENT_DOUBT);
    }
}

static void completed(struct dma_buffer *buffer, hx_err error)
{
    struct block_request *request = HX_CONTAINER_OF(buffer, struct block_request, buffer);
    struct block_device *device = request->device;

    if (error == HX_OK) {
        finish(request, HX_OK);
    } else {
        refuse(request, error);
    }
    if (!list_is_empty(&device->pending)) {
        block_signal(device, BLOCK_EVENT_PENDING);
    }
}

/* A request's head (VIRTIO 1.1, 5.2.6). */
struct head {
    uint32_t type;
    uint32_t reserved;
    uint64_t sector; /* of a flush it means nothing */
};

/* It says where on the disk the bytes come from or go to: the kernel has said so itself. */
static bool agrees(struct dma_buffer *buffer, const uint8_t *bytes, size_t size)
{
    static const uint32_t types[] = {
        [HX_BLOCK_READ] = 0, [HX_BLOCK_WRITE] = 1, [HX_BLOCK_FLUSH] = 4};
    struct block_request *request = HX_CONTAINER_OF(buffer, struct block_request, buffer);
    struct head head = {0};
    bool is_right;

    memcpy(&head, bytes, size < sizeof(head) ? size : sizeof(head));
    is_right = size == sizeof(head) && head.type == types[request->kind] &&
               (request->kind == HX_BLOCK_FLUSH || head.sector == request->sector);
    if (!is_right) {
        atomic_store_explicit(&request->device->was_wrong, true, memory_order_relaxed);
    }
    return is_right;
}

/* It was given to a driver, which does not have it any more: it waits again, before the others. */
static void put_back(struct block_request *request, bool is_try)
{
    struct block_device *device = request->device;
    hal_interrupt_state state = spinlock_acquire(&device->lock);
    bool is_vain = is_try && ++request->tries >= BLOCK_TRIES_MAX;
    bool is_awaited;

    device->numbers.repeated += is_try ? 1 : 0;
    if (!is_vain) {
        device->given--;
        request->state = REQUEST_PENDING;
        list_push_front(&device->pending, &request->link);
    }
    is_awaited = is_awaited_locked(device);
    spinlock_release(&device->lock, state);
    if (is_vain) {
        finish(request, HX_EIO);
    } else if (is_awaited) {
        wait_queue_wake_all(&device->quiet);
    }
}

void block_take_back_all(struct block_device *device)
{
    for (unsigned i = BLOCK_PLACES; i-- > 0;) {
        struct block_request *request = &device->requests[i];
        uint64_t handle = dma_buffer_handle(&request->buffer);

        if (handle != 0 && dma_buffer_revoke(&request->buffer, handle) == HX_OK) {
            put_back(request, true);
        }
    }
}

/* --- to the driver ---------------------------------------------------------------------------- */

/* A request that is lent: under which handle, and to the driver of which epoch. */
struct loan {
    struct block_request *request; /* NULL: none is */
    uint64_t handle;
    uint32_t epoch;
};

/* The request is in nobody's list. The device's lock is held. */
static struct loan lend_locked(struct block_request *request)
{
    struct block_device *device = request->device;

    request->state = REQUEST_GIVEN;
    request->given_ns = hal_clock_now();
    device->given++;
    return (struct loan){request, dma_buffer_lend(&request->buffer), device->epoch};
}

/* What becomes of a request that the driver did not take. */
static void take_back(const struct loan *loan, hx_err error)
{
    struct block_request *request = loan->request;
    struct block_device *device = request->device;
    bool is_trouble = block_is_trouble(device, loan->epoch, error);

    /* Otherwise it is done, somebody else has taken it back, or the device may be in the middle of
     * it: then whoever starts the driver anew takes it back. */
    if (dma_buffer_revoke(&request->buffer, loan->handle) == HX_OK) {
        if (is_trouble || error == HX_EAGAIN) {
            put_back(request, false);
            block_signal(device, BLOCK_EVENT_PENDING);
        } else {
            refuse(request, error);
        }
    }
}

/* Returns whether the driver took it. */
static bool give(const struct loan *loan)
{
    const struct block_request *request = loan->request;
    hx_err error = block_call(request->device, BLOCK_SUBMIT, loan->handle, (uint64_t)request->kind,
                              request->sector, request->sectors);

    if (error != HX_OK) {
        take_back(loan, error);
    }
    return error == HX_OK;
}

/* The first one that may be given, taken out of the list; NULL: none. The device's lock is held. */
static struct block_request *take_pending_locked(struct block_device *device)
{
    struct block_request *flush = last_flush(device);
    struct list *link;

    if (HX_LIKELY(device->rest == BLOCK_AWAKE)) {
        link = list_pop_front(&device->pending);
        return link != NULL ? LIST_ENTRY(link, struct block_request, link) : NULL;
    }
    if (device->rest != BLOCK_HELD || flush->state != REQUEST_PENDING) {
        return NULL;
    }
    list_remove(&flush->link);
    return flush;
}

static struct loan lend_pending(struct block_device *device)
{
    struct loan loan = {0};
    hal_interrupt_state state = spinlock_acquire(&device->lock);
    bool is_served = device->is_up && device->doubted_epoch != device->epoch;
    struct block_request *request = is_served ? take_pending_locked(device) : NULL;

    if (request != NULL) {
        loan = lend_locked(request);
    }
    spinlock_release(&device->lock, state);
    return loan;
}

bool block_give_pending(struct block_device *device)
{
    struct loan loan;

    while ((loan = lend_pending(device)).request != NULL) {
        if (!give(&loan)) {
            return true;
        }
    }
    return false;
}

void block_fail_pending(struct block_device *device, hx_err error)
{
    struct list *link;

    do {
        hal_interrupt_state state = spinlock_acquire(&device->lock);

        link = list_pop_front(&device->pending);
        spinlock_release(&device->lock, state);
        if (link != NULL) {
            finish(LIST_ENTRY(link, struct block_request, link), error);
        }
    } while (link != NULL);
}

/* Straight to the driver, unless others wait already: then behind them. */
static void begin(struct block_request *request)
{
    struct block_device *device = request->device;
    struct loan loan = {0};
    hal_interrupt_state state = spinlock_acquire(&device->lock);

    if (device->is_up && device->rest == BLOCK_AWAKE && list_is_empty(&device->pending)) {
        loan = lend_locked(request);
    } else {
        request->state = REQUEST_PENDING;
        list_push_back(&device->pending, &request->link);
    }
    spinlock_release(&device->lock, state);
    if (loan.request != NULL) {
        (void)give(&loan);
    } else {
        block_signal(device, BLOCK_EVENT_PENDING);
    }
}

/* --- for who asks ----------------------------------------------------------------------------- */

static struct block_request *try_get(struct block_device *device)
{
    hal_interrupt_state state = spinlock_acquire(&device->lock);
    struct list *link = list_pop_front(&device->free);

    spinlock_release(&device->lock, state);
    return link != NULL ? LIST_ENTRY(link, struct block_request, link) : NULL;
}

static struct block_request *get(struct block_device *device)
{
    struct block_request *request = try_get(device);
    struct waiter waiter;

    if (request != NULL) {
        return request;
    }
    wait_queue_prepare(&device->room, &waiter);
    while ((request = try_get(device)) == NULL) {
        (void)!wait_queue_wait(&device->room, &waiter, THREAD_NO_DEADLINE);
    }
    wait_queue_finish(&device->room, &waiter);
    return request;
}

static void put(struct block_request *request)
{
    struct block_device *device = request->device;
    hal_interrupt_state state = spinlock_acquire(&device->lock);

    request->state = REQUEST_FREE;
    list_push_front(&device->free, &request->link);
    spinlock_release(&device->lock, state);
    wait_queue_wake_one(&device->room);
}

static bool is_done(struct block_request *request)
{
    hal_interrupt_state state = spinlock_acquire(&request->device->lock);
    bool done = request->state == REQUEST_DONE;

    spinlock_release(&request->device->lock, state);
    return done;
}

/* Whether its driver has had it for too long; when to look again if not. */
static bool is_overdue(struct block_request *request, uint64_t *again_ns)
{
    uint64_t now = hal_clock_now();
    hal_interrupt_state state = spinlock_acquire(&request->device->lock);
    bool is_given = request->state == REQUEST_GIVEN;
    bool is = is_given && now - request->given_ns >= BLOCK_ANSWER_NS;

    *again_ns = (is_given && !is ? request->given_ns : now) + BLOCK_ANSWER_NS;
    spinlock_release(&request->device->lock, state);
    return is;
}

static void wait_for(struct block_request *request)
{
    uint64_t again_ns = hal_clock_now() + BLOCK_ANSWER_NS;
    struct waiter waiter;

    wait_queue_prepare(&request->done, &waiter);
    while (!is_done(request)) {
        if (wait_queue_wait(&request->done, &waiter, again_ns) == HX_ETIMEDOUT &&
            is_overdue(request, &again_ns)) {
            block_signal(request->device, BLOCK_EVENT_OVERDUE);
        }
    }
    wait_queue_finish(&request->done, &waiter);
}

static void count(struct block_device *device, enum hx_block_kind kind, uint64_t sectors)
{
    hal_interrupt_state state = spinlock_acquire(&device->lock);

    device->numbers.reads += kind == HX_BLOCK_READ ? 1 : 0;
    device->numbers.writes += kind == HX_BLOCK_WRITE ? 1 : 0;
    device->numbers.flushes += kind == HX_BLOCK_FLUSH ? 1 : 0;
    device->numbers.sectors += sectors;
    spinlock_release(&device->lock, state);
}

static void describe(struct block_request *request, enum hx_block_kind kind, uint64_t sector,
                     uint64_t sectors)
{
    request->kind = kind;
    request->sector = sector;
    request->sectors = sectors;
    request->tries = 0;
    request->refusals = 0;
    request->buffer.count = 0;
    request->buffer.device_writes = kind == HX_BLOCK_READ;
}

/* The arguments have been checked. */
static hx_err run(struct block_device *device, enum hx_block_kind kind, uint64_t sector,
                  uint64_t sectors, const struct dma_segment *segments, uint32_t segment_count)
{
    struct block_request *request = get(device);
    hx_err error;

    describe(request, kind, sector, sectors);
    if (segment_count > 0) {
        memcpy(request->buffer.segments, segments, segment_count * sizeof(*segments));
        request->buffer.count = segment_count;
    }
    begin(request);
    wait_for(request);
    error = request->error;
    put(request);
    return error;
}

static hx_err check(const struct block_device *device, enum hx_block_kind kind, uint64_t sector,
                    const struct dma_segment *segments, uint32_t count, uint64_t *sectors)
{
    uint64_t size = 0;

    if (count == 0 || count > DMA_SEGMENTS_MAX || kind > HX_BLOCK_WRITE) {
        return HX_EINVAL;
    }
    for (uint32_t i = 0; i < count; i++) {
        if (segments[i].size == 0 || segments[i].size % HX_BLOCK_SECTOR != 0) {
            return HX_EINVAL;
        }
        size += segments[i].size;
    }
    *sectors = size / HX_BLOCK_SECTOR;
    if (*sectors > block_sectors(device) || sector > block_sectors(device) - *sectors) {
        return HX_ENOSPC;
    }
    return kind == HX_BLOCK_WRITE && (block_flags(device) & HX_BLOCK_READ_ONLY) != 0 ? HX_EROFS
                                                                                     : HX_OK;
}

hx_err block_transfer(struct block_device *device, enum hx_block_kind kind, uint64_t sector,
                      const struct dma_segment *segments, uint32_t segment_count)
{
    uint64_t sectors;
    hx_err error = check(device, kind, sector, segments, segment_count, &sectors);

    if (error != HX_OK) {
        return error;
    }
    count(device, kind, sectors);
    return run(device, kind, sector, sectors, segments, segment_count);
}

hx_err block_flush(struct block_device *device)
{
    if ((block_flags(device) & HX_BLOCK_CACHES) == 0) {
        return HX_OK;
    }
    count(device, HX_BLOCK_FLUSH, 0);
    return run(device, HX_BLOCK_FLUSH, 0, 0, NULL, 0);
}

/* --- the last flush ----------------------------------------------------------------------------
 */

static bool is_under_way(const struct block_request *request)
{
    return request->state == REQUEST_PENDING || request->state == REQUEST_GIVEN;
}

bool block_begin_last_flush(struct block_device *device)
{
    struct block_request *flush = last_flush(device);
    bool caches = (block_flags(device) & HX_BLOCK_CACHES) != 0;
    struct loan loan = {0};
    hal_interrupt_state state = spinlock_acquire(&device->lock);
    bool is_wanted = device->is_up && caches;

    if (is_wanted && !is_under_way(flush)) {
        describe(flush, HX_BLOCK_FLUSH, 0, 0);
        loan = lend_locked(flush);
        device->numbers.flushes++;
    }
    spinlock_release(&device->lock, state);
    if (loan.request != NULL) {
        (void)give(&loan);
    }
    return is_wanted;
}

hx_err block_last_flush_error(struct block_device *device)
{
    hal_interrupt_state state = spinlock_acquire(&device->lock);
    const struct block_request *flush = last_flush(device);
    hx_err error = flush->state == REQUEST_DONE ? flush->error : HX_EDIED;

    spinlock_release(&device->lock, state);
    return error;
}

bool block_is_last_flush_overdue(struct block_device *device)
{
    uint64_t again_ns;

    return is_overdue(last_flush(device), &again_ns);
}

bool block_is_quiet(struct block_device *device)
{
    bool is_there = slot_instance(device->slot) != NULL;
    hal_interrupt_state state = spinlock_acquire(&device->lock);
    bool is_idle = device->given == 0 && last_flush(device)->state != REQUEST_PENDING;
    bool is_up = device->is_up;

    spinlock_release(&device->lock, state);
    return is_up ? is_idle : !is_there;
}

/* --- set-up and looking ----------------------------------------------------------------------- */

hx_err block_requests_init(struct block_device *device)
{
    hx_err error = HX_OK;

    for (unsigned i = 0; i < BLOCK_PLACES && error == HX_OK; i++) {
        struct block_request *request = &device->requests[i];

        request->device = device;
        request->buffer.completed = completed;
        request->buffer.agrees = agrees;
        wait_queue_init(&request->done, "block request");
        error = dma_buffer_register(&request->buffer);
        if (request != last_flush(device)) {
            list_push_back(&device->free, &request->link);
        }
    }
    return error;
}

uint64_t block_sectors(const struct block_device *device)
{
    return atomic_load_explicit(&device->sectors, memory_order_relaxed);
}

uint32_t block_flags(const struct block_device *device)
{
    return atomic_load_explicit(&device->flags, memory_order_relaxed);
}

void block_statistics(struct block_device *device, struct block_statistics *statistics)
{
    hal_interrupt_state state = spinlock_acquire(&device->lock);

    *statistics = device->numbers;
    spinlock_release(&device->lock, state);
}
