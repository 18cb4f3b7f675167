#include <kern/heap.h>
#include <kern/thread.h>
#include <kern/wait_queue.h>
#include <subsys/process/signal_file.h>
#include <subsys/process/signal_private.h>
#include <subsys/vfs/file.h>

#define SI_TIMER (-2)

/* Keys: A = atomic */
struct signal_file {
    _Atomic uint64_t mask; /* A  relaxed: one word */
};

/* What a program reads of a signal: Linux's struct signalfd_siginfo. */
struct signal_record {
    uint32_t number;
    int32_t error;
    int32_t code;
    uint32_t process;
    uint32_t user;
    uint32_t unused;
    uint32_t timer;
    uint32_t unused_2;
    uint32_t overrun;
    uint32_t unused_3;
    int32_t status;
    int32_t value;
    uint64_t pointer;
    uint64_t times[2];
    uint64_t address;
    uint64_t rest[6];
};
_Static_assert(sizeof(struct signal_record) == 128, "signalfd(2)");

/* One queue for all files: who is woken looks whether it concerns him. */
static struct wait_queue arrived = WAIT_QUEUE_INIT(arrived, "signal files");
static _Atomic uint32_t file_count; /* relaxed: a file that is new has no waiter yet */

void signal_files_wake(void)
{
    if (HX_UNLIKELY(atomic_load_explicit(&file_count, memory_order_relaxed) != 0)) {
        wait_queue_wake_all(&arrived);
    }
}

static uint64_t mask_of(const struct file *file)
{
    const struct signal_file *signals = file->context;

    return atomic_load_explicit(&signals->mask, memory_order_relaxed);
}

/* --- reading ---------------------------------------------------------------------------------- */

static bool is_fault(unsigned number)
{
    return number == SIGNAL_SEGMENT || number == SIGNAL_BUS || number == SIGNAL_ILLEGAL ||
           number == SIGNAL_FLOAT || number == SIGNAL_TRAP;
}

static struct signal_record record_of(const struct hal_signal_info *info)
{
    struct signal_record record = {
        .number = (uint32_t)info->number, .error = info->error, .code = info->code};

    if (info->code > 0 && is_fault(record.number)) {
        record.address = info->fields[0];
        return record;
    }
    if (info->code == SI_TIMER) {
        record.timer = (uint32_t)info->fields[0];
        record.overrun = (uint32_t)(info->fields[0] >> 32);
        record.value = (int32_t)info->fields[1];
        record.pointer = info->fields[1];
        return record;
    }
    record.process = (uint32_t)info->fields[0];
    record.user = (uint32_t)(info->fields[0] >> 32);
    if (info->code > 0 && record.number == SIGNAL_CHILD) {
        record.status = (int32_t)info->fields[1];
    } else if (info->code < 0) {
        record.value = (int32_t)info->fields[1];
        record.pointer = info->fields[1];
    }
    return record;
}

/* What a step reads, and where to. */
struct reading {
    const struct file *file;
    struct transfer *transfer;
    size_t *done;
};

/* Errors: HX_EAGAIN none is pending. */
static hx_err try_read(void *argument)
{
    const struct reading *reading = argument;
    struct hal_signal_info info;
    hx_err error = HX_OK;

    while (error == HX_OK && reading->transfer->left >= sizeof(struct signal_record) &&
           signal_take(mask_of(reading->file), &info) != 0) {
        const struct signal_record record = record_of(&info);
        size_t moved = 0;

        error = transfer_out(reading->transfer, &record, sizeof(record), &moved);
        *reading->done += moved;
    }
    return error == HX_OK && *reading->done == 0 ? HX_EAGAIN : error;
}

static hx_err read_signals(struct file *file, struct transfer *transfer, uint64_t offset,
                           size_t *done)
{
    struct reading reading = {file, transfer, done};

    (void)offset;
    if (transfer->left < sizeof(struct signal_record)) {
        return HX_EINVAL;
    }
    return file_does_not_block(file) ? try_read(&reading)
                                     : wait_queue_step(&arrived, try_read, &reading);
}

static unsigned poll_signals(struct file *file, struct poll_table *table)
{
    poll_add(table, &arrived);
    return (signal_pending_mask() & mask_of(file)) != 0 ? POLL_IN : 0;
}

/* --- the file --------------------------------------------------------------------------------- */

static void release_signals(struct file *file)
{
    atomic_fetch_sub_explicit(&file_count, 1, memory_order_relaxed);
    heap_free(file->context);
}

static const struct file_ops signal_ops = {
    .read = read_signals,
    .poll = poll_signals,
    .release = release_signals,
};

hx_err signal_file_create(uint64_t mask, uint32_t flags, owner_tag owner, struct file **file)
{
    struct signal_file *signals = heap_allocate_zeroed(sizeof(*signals), OWNER_CORE);
    hx_err error;

    if (signals == NULL) {
        return HX_ENOMEM;
    }
    error = file_create(&signal_ops, flags | FILE_READ_WRITE, signals, owner, file);
    if (error != HX_OK) {
        heap_free(signals);
        return error;
    }
    atomic_fetch_add_explicit(&file_count, 1, memory_order_relaxed);
    signal_file_set_mask(*file, mask);
    return HX_OK;
}

bool signal_file_is(const struct file *file)
{
    return file->ops == &signal_ops;
}

void signal_file_set_mask(struct file *file, uint64_t mask)
{
    struct signal_file *signals = file->context;

    atomic_store_explicit(&signals->mask, mask & ~SIGNAL_UNBLOCKABLE, memory_order_relaxed);
    signal_files_wake();
}
