/* The thread of a block device: it starts the driver, brings it interrupts and what waits. */
#include <core/debug/log.h>
#include <core/device/device.h>
#include <kern/heap.h>
#include <subsys/block/block_private.h>

#define RETRY_NS       HAL_NS_PER_MS
#define LATE_AGAIN_NS  (3 * BLOCK_ANSWER_NS)
#define START_AGAIN_NS (100 * HAL_NS_PER_MS) /* a driver that is there and does not start */

/* --- events ----------------------------------------------------------------------------------- */

void block_signal(struct block_device *device, uint32_t events)
{
    /* Release: pairs with the acquire in wait_for_events. */
    atomic_fetch_or_explicit(&device->events, events, memory_order_release);
    wait_queue_wake_all(&device->work);
}

static void hear_interrupt(struct wait_listener *listener)
{
    block_signal(HX_CONTAINER_OF(listener, struct block_device, on_interrupt),
                 BLOCK_EVENT_INTERRUPT);
}

static void hear_slot(struct wait_listener *listener)
{
    block_signal(HX_CONTAINER_OF(listener, struct block_device, on_slot), BLOCK_EVENT_SLOT);
}

static uint32_t wait_for_events(struct block_device *device, uint64_t deadline_ns)
{
    struct waiter waiter;
    uint32_t events;
    hx_err error = HX_OK;

    wait_queue_prepare(&device->work, &waiter);
    /* Acquire: pairs with block_signal. */
    while ((events = atomic_exchange_explicit(&device->events, 0, memory_order_acquire)) == 0 &&
           error == HX_OK) {
        error = wait_queue_wait(&device->work, &waiter, deadline_ns);
    }
    wait_queue_finish(&device->work, &waiter);
    return events;
}

/* --- the driver ------------------------------------------------------------------------------- */

hx_err block_call(struct block_device *device, enum block_operation operation, uint64_t a0,
                  uint64_t a1, uint64_t a2, uint64_t a3)
{
    struct hal_gate_result result = gate_call(device->slot, operation, a0, a1, a2, a3);

    if (HX_UNLIKELY(atomic_load_explicit(&device->was_wrong, memory_order_relaxed))) {
        atomic_store_explicit(&device->was_wrong, false, memory_order_relaxed);
        slot_distrust(device->slot);
        return HX_EDIED;
    }
    return result.error != HX_OK ? result.error : (hx_err)result.value;
}

/* The driver is not up, from now on if it was. The device's lock is held. */
static void note_down_locked(struct block_device *device)
{
    if (device->is_up) {
        device->is_up = false;
        device->down_since = hal_clock_now();
    }
}

bool block_is_trouble(struct block_device *device, uint32_t epoch, hx_err error)
{
    hal_interrupt_state state;
    bool is_news;

    if (error != HX_ENOENT && error != HX_EDIED && error != HX_ESTATE) {
        return false;
    }
    state = spinlock_acquire(&device->lock);
    is_news = device->is_up && device->epoch == epoch;
    if (is_news) {
        note_down_locked(device);
    }
    spinlock_release(&device->lock, state);
    if (is_news) {
        block_signal(device, BLOCK_EVENT_SLOT);
    }
    return true;
}

static bool is_up(struct block_device *device, uint32_t *epoch)
{
    hal_interrupt_state state = spinlock_acquire(&device->lock);
    bool up = device->is_up;

    *epoch = device->epoch;
    spinlock_release(&device->lock, state);
    return up;
}

/* The same as before, if there was one: a driver that says otherwise is believed when the next one
 * says so too. */
static bool is_credible(struct block_device *device, const struct block_claim *claim)
{
    uint64_t sectors = block_sectors(device);

    if ((sectors == claim->sectors && block_flags(device) == claim->flags) || sectors == 0 ||
        (device->claim.sectors == claim->sectors && device->claim.flags == claim->flags)) {
        return true;
    }
    device->claim = *claim;
    return false;
}

static hx_err ask_claim(struct block_device *device, struct block_claim *claim)
{
    struct hal_gate_result sectors = gate_call(device->slot, BLOCK_CAPACITY, 0, 0, 0, 0);
    struct hal_gate_result flags = gate_call(device->slot, BLOCK_FLAGS, 0, 0, 0, 0);

    *claim = (struct block_claim){sectors.value, flags.value};
    return sectors.error != HX_OK ? sectors.error : flags.error;
}

static void note_start(struct block_device *device, const struct block_claim *claim)
{
    hal_interrupt_state state;

    atomic_store_explicit(&device->sectors, claim->sectors, memory_order_relaxed);
    atomic_store_explicit(&device->flags, (uint32_t)claim->flags, memory_order_relaxed);
    if (device->interrupts == NULL) {
        device->interrupts = device_interrupts(device->slot);
        if (device->interrupts != NULL) {
            wait_queue_listen(device->interrupts, &device->on_interrupt);
        }
    }
    state = spinlock_acquire(&device->lock);
    device->is_up = true;
    device->epoch++;
    device->numbers.starts++;
    spinlock_release(&device->lock, state);
}

/* Another start of the same instance, which has got nothing done since the one before, or left
 * something undone again. Where one has died there may be the next one. */
static bool is_in_vain(struct block_device *device)
{
    hal_interrupt_state state = spinlock_acquire(&device->lock);
    uint64_t done = device->done;
    uint64_t deaths;
    bool is_same;

    spinlock_release(&device->lock, state);
    deaths = atomic_load_explicit(&device->slot->deaths, memory_order_relaxed);
    is_same = device->starter == slot_instance(device->slot) && device->deaths_at_start == deaths &&
              (device->done_at_start == done || device->is_late_again);
    device->is_late_again = false;
    device->starter = slot_instance(device->slot);
    device->deaths_at_start = deaths;
    device->done_at_start = done;
    device->vain_starts = is_same ? device->vain_starts + 1 : 0;
    return device->vain_starts >= BLOCK_STARTS_MAX;
}

static hx_err start_and_ask(struct block_device *device)
{
    struct block_claim claim;
    hx_err error = block_call(device, BLOCK_START, 0, 0, 0, 0);

    if (error == HX_OK) {
        error = ask_claim(device, &claim);
    }
    if (error == HX_OK && !is_credible(device, &claim)) {
        slot_distrust(device->slot);
        error = HX_EDIED;
    }
    if (error == HX_OK) {
        note_start(device, &claim);
    }
    return error;
}

/* From any state to one in which the driver in the slot serves, if it can. */
static hx_err start_driver(struct block_device *device)
{
    hx_err error;

    device_release(device->slot);
    block_take_back_all(device);
    if (is_in_vain(device)) {
        slot_end(device->slot, DEATH_UNWELL);
        return HX_EDIED;
    }
    error = start_and_ask(device);
    if (error != HX_OK) {
        device_release(device->slot);
    }
    return error;
}

/* --- sleep ------------------------------------------------------------------------------------ */

static enum block_rest rest_of(struct block_device *device)
{
    hal_interrupt_state state = spinlock_acquire(&device->lock);
    enum block_rest rest = device->rest;

    spinlock_release(&device->lock, state);
    return rest;
}

/* The next start is another one's, or one's that has slept. */
static void fall_asleep(struct block_device *device)
{
    hal_interrupt_state state = spinlock_acquire(&device->lock);

    note_down_locked(device);
    spinlock_release(&device->lock, state);
    device_release(device->slot);
    block_take_back_all(device);
    device->starter = NULL;
    state = spinlock_acquire(&device->lock);
    if (device->rest == BLOCK_LEAVING) { /* who wanted it may have given up */
        device->rest = BLOCK_ASLEEP;
        device->asleep_since = hal_clock_now();
    }
    spinlock_release(&device->lock, state);
    wait_queue_wake_all(&device->quiet);
}

/* Whether it is to do nothing. */
static bool has_to_sleep(struct block_device *device)
{
    if (rest_of(device) == BLOCK_LEAVING) {
        fall_asleep(device);
    }
    return rest_of(device) == BLOCK_ASLEEP;
}

/* --- the thread ------------------------------------------------------------------------------- */

static void bring_interrupt(struct block_device *device, uint32_t epoch)
{
    hx_err error = block_call(device, BLOCK_INTERRUPT, 0, 0, 0, 0);

    if (error == HX_EAGAIN) {
        thread_yield(); /* all ways in are taken, by callers that leave again */
        block_signal(device, BLOCK_EVENT_INTERRUPT);
    } else {
        (void)block_is_trouble(device, epoch, error);
    }
}

static void revive(struct block_device *device)
{
    hx_err error = start_driver(device);

    if (error == HX_OK) {
        kinfo("block %s: the driver was started anew", device->slot->name);
        block_signal(device, BLOCK_EVENT_PENDING);
    } else if (slot_instance(device->slot) != NULL) {
        kwarn("block %s: the driver does not start: %s", device->slot->name, hx_error_text(error));
    }
}

static bool is_out_of_patience(struct block_device *device)
{
    hal_interrupt_state state = spinlock_acquire(&device->lock);
    bool is = !device->is_up && hal_clock_now() - device->down_since > BLOCK_PATIENCE_NS;

    spinlock_release(&device->lock, state);
    return is;
}

static void note_late(struct block_device *device)
{
    uint64_t now = hal_clock_now();

    device->is_late_again = now - device->late_ns < LATE_AGAIN_NS;
    device->late_ns = now;
}

/* What was asked of the driver of that epoch was answered badly, or is not answered at all. */
static void judge(struct block_device *device, uint32_t events, uint32_t epoch)
{
    hal_interrupt_state state = spinlock_acquire(&device->lock);
    bool is_doubted = device->doubted_epoch == epoch;

    spinlock_release(&device->lock, state);
    if ((events & BLOCK_EVENT_DOUBT) != 0 && is_doubted) {
        slot_distrust(device->slot);
        (void)block_is_trouble(device, epoch, HX_EDIED);
    } else if ((events & BLOCK_EVENT_OVERDUE) != 0) {
        kwarn("block %s: a request is not answered", device->slot->name);
        note_late(device);
        (void)block_is_trouble(device, epoch, HX_ESTATE);
    }
}

/* Returns until when to sleep if nothing happens. */
static uint64_t serve(struct block_device *device, uint32_t events)
{
    uint32_t epoch;

    if (has_to_sleep(device)) {
        return THREAD_NO_DEADLINE;
    }
    if (is_up(device, &epoch)) {
        judge(device, events, epoch);
    }
    if (!is_up(device, &epoch) && slot_instance(device->slot) != NULL) {
        revive(device);
    }
    if (is_up(device, &epoch)) {
        if ((events & BLOCK_EVENT_INTERRUPT) != 0) {
            bring_interrupt(device, epoch);
        }
        return block_give_pending(device) ? hal_clock_now() + RETRY_NS : THREAD_NO_DEADLINE;
    }
    if (is_out_of_patience(device)) {
        block_fail_pending(device, HX_EIO);
    }
    return hal_clock_now() + (slot_instance(device->slot) != NULL ? START_AGAIN_NS : HAL_NS_PER_S);
}

static void keep_serving(void *argument)
{
    struct block_device *device = argument;
    uint64_t deadline = THREAD_NO_DEADLINE;

    for (;;) {
        uint32_t events = wait_for_events(device, deadline);

        deadline = serve(device, events);
    }
}

/* --- set-up ----------------------------------------------------------------------------------- */

static struct block_device *make(struct slot *slot)
{
    struct block_device *device = heap_allocate_zeroed(sizeof(*device), OWNER_CORE);

    if (device != NULL) {
        device->slot = slot;
        spinlock_init(&device->lock, LOCK_RANK_CORE, "block device");
        list_init(&device->free);
        list_init(&device->pending);
        wait_queue_init(&device->work, "block work");
        wait_queue_init(&device->room, "block room");
        wait_queue_init(&device->quiet, "block quiet");
        device->on_interrupt.heard = hear_interrupt;
        device->on_slot.heard = hear_slot;
    }
    return device;
}

static hx_err begin_service(struct block_device *device)
{
    const struct thread_options options = {.name = "block",
                                           .entry = keep_serving,
                                           .argument = device,
                                           .priority = THREAD_PRIORITY_NORMAL};
    struct thread *thread;
    hx_err error = thread_create(&options, &thread);

    if (error == HX_OK) {
        wait_queue_listen(&device->slot->entrants, &device->on_slot);
        thread_start(thread);
    }
    return error;
}

/* Places of requests stay registered, so they are the last thing that can fail. */
hx_err block_device_create(struct slot *slot, struct block_device **device)
{
    hx_err error;

    *device = make(slot);
    if (*device == NULL) {
        return HX_ENOMEM;
    }
    error = start_driver(*device);
    if (error != HX_OK) {
        heap_free(*device);
        return error;
    }
    error = block_requests_init(*device);
    if (error == HX_OK) {
        error = begin_service(*device);
    }
    return error;
}
