#include <hal/clock.h>
#include <kern/heap.h>
#include <kern/mutex.h>
#include <kern/thread.h>
#include <kern/timer.h>
#include <kern/wait_queue.h>
#include <subsys/vfs/file.h>
#include <subsys/vfs/timer_file.h>

/*
 * How often the time has come is computed when it is asked for; the kernel's timer only wakes.
 * Keys: I = immutable, M = mutex
 */
struct timer_file {
    struct mutex mutex;
    struct timer_setting setting; /* M  next: the first time that was not read; 0: none */
    struct timer timer;           /* M to start and cancel */
    struct wait_queue readable;
    uint32_t clock; /* I */
};

static void wake(struct timer *timer)
{
    wait_queue_wake_all(&HX_CONTAINER_OF(timer, struct timer_file, timer)->readable);
}

/* --- steps ------------------------------------------------------------------------------------ */

/* How often it has come since it was read. */
static uint64_t count_locked(const struct timer_file *timer, uint64_t now)
{
    const struct timer_setting *setting = &timer->setting;

    if (setting->next_ns == 0 || now < setting->next_ns) {
        return 0;
    }
    return setting->period_ns == 0 ? 1 : 1 + (now - setting->next_ns) / setting->period_ns;
}

/* To wake once: as on Linux, who does not read is not woken for the following periods. */
static void start_locked(struct timer_file *timer)
{
    if (timer->setting.next_ns != 0) {
        timer_start(&timer->timer, timer->setting.next_ns, 0);
    }
}

/* What a step takes. */
struct taking {
    struct timer_file *timer;
    uint64_t count;
};

/* Errors: HX_EAGAIN. */
static hx_err try_take(void *argument)
{
    struct taking *taking = argument;
    struct timer_file *timer = taking->timer;
    struct timer_setting *setting = &timer->setting;
    hx_err error = HX_EAGAIN;

    mutex_lock(&timer->mutex);
    taking->count = count_locked(timer, hal_clock_now());
    if (taking->count > 0) {
        setting->next_ns =
            setting->period_ns == 0 ? 0 : setting->next_ns + taking->count * setting->period_ns;
        start_locked(timer);
        error = HX_OK;
    }
    mutex_unlock(&timer->mutex);
    return error;
}

/* --- the file --------------------------------------------------------------------------------- */

static hx_err read_timer(struct file *file, struct transfer *transfer, uint64_t offset,
                         size_t *done)
{
    struct timer_file *timer = file->context;
    struct taking taking = {.timer = timer};
    hx_err error;

    (void)offset;
    if (transfer->left < sizeof(taking.count)) {
        return HX_EINVAL;
    }
    error = file_does_not_block(file) ? try_take(&taking)
                                      : wait_queue_step(&timer->readable, try_take, &taking);
    return error == HX_OK ? transfer_out(transfer, &taking.count, sizeof(taking.count), done)
                          : error;
}

static unsigned poll_timer(struct file *file, struct poll_table *table)
{
    struct timer_file *timer = file->context;
    uint64_t count;

    poll_add(table, &timer->readable);
    mutex_lock(&timer->mutex);
    count = count_locked(timer, hal_clock_now());
    mutex_unlock(&timer->mutex);
    return count > 0 ? POLL_IN : 0;
}

static void release_timer(struct file *file)
{
    struct timer_file *timer = file->context;

    (void)timer_cancel(&timer->timer);
    heap_free(timer);
}

static const struct file_ops timer_ops = {
    .read = read_timer,
    .poll = poll_timer,
    .release = release_timer,
};

hx_err timer_file_create(uint32_t clock, uint32_t flags, owner_tag owner, struct file **file)
{
    struct timer_file *timer = heap_allocate_zeroed(sizeof(*timer), OWNER_CORE);
    hx_err error;

    if (timer == NULL) {
        return HX_ENOMEM;
    }
    mutex_init(&timer->mutex, "timer file");
    timer_init(&timer->timer, wake);
    wait_queue_init(&timer->readable, "timer file");
    timer->clock = clock;
    error = file_create(&timer_ops, flags | FILE_READ_WRITE, timer, owner, file);
    if (error != HX_OK) {
        heap_free(timer);
    }
    return error;
}

bool timer_file_is(const struct file *file)
{
    return file->ops == &timer_ops;
}

uint32_t timer_file_clock(const struct file *file)
{
    const struct timer_file *timer = file->context;

    return timer->clock;
}

/* --- setting ---------------------------------------------------------------------------------- */

static struct timer_setting tell_locked(const struct timer_file *timer, uint64_t now)
{
    struct timer_setting told = timer->setting;
    uint64_t count = count_locked(timer, now);

    if (count > 0) {
        told.next_ns = told.period_ns == 0 ? 0 : told.next_ns + count * told.period_ns;
    }
    told.next_ns = told.next_ns > now ? told.next_ns - now : 0;
    return told;
}

static void set_locked(struct timer_file *timer, const struct timer_setting *wanted)
{
    (void)timer_cancel(&timer->timer);
    timer->setting = *wanted;
    start_locked(timer);
}

void timer_file_exchange(struct file *file, const struct timer_setting *wanted,
                         struct timer_setting *old)
{
    struct timer_file *timer = file->context;

    mutex_lock(&timer->mutex);
    *old = tell_locked(timer, hal_clock_now());
    if (wanted != NULL) {
        set_locked(timer, wanted);
    }
    mutex_unlock(&timer->mutex);
}
