/* Locks of ranges of a file: fcntl's part. */
#include <abi/linux/call.h>
#include <hal/user.h>
#include <subsys/vfs/record_lock.h>

/* struct flock. */
struct linux_record_lock {
    int16_t kind;
    int16_t whence;
    int64_t start;
    int64_t length;
    int32_t process;
};
_Static_assert(sizeof(struct linux_record_lock) == 32, "the kernel's ABI");

enum linux_whence { FROM_START = 0, FROM_HERE = 1, FROM_END = 2 };

/* --- ranges ----------------------------------------------------------------------------------- */

static hx_err find_origin(struct file *file, int16_t whence, int64_t *origin)
{
    switch (whence) {
    case FROM_START:
        *origin = 0;
        return HX_OK;
    case FROM_HERE:
        mutex_lock(&file->mutex);
        *origin = (int64_t)file->offset;
        mutex_unlock(&file->mutex);
        return HX_OK;
    case FROM_END:
        *origin =
            file->location.vnode != NULL
                ? (int64_t)atomic_load_explicit(&file->location.vnode->size, memory_order_relaxed)
                : 0;
        return HX_OK;
    default:
        return HX_EINVAL;
    }
}

/* Length bytes from start on, or before it if that is negative, or all to the end if it is 0. */
static hx_err set_range(struct record_lock *lock, int64_t start, int64_t length)
{
    int64_t last = RECORD_LOCK_END;

    if (start < 0) {
        return HX_EINVAL;
    }
    if (length > 0) {
        if (length - 1 > INT64_MAX - start) {
            return HX_EOVERFLOW;
        }
        last = start + length - 1;
    } else if (length < 0) {
        last = start - 1;
        if (start + length < 0) {
            return HX_EINVAL;
        }
        start += length;
    }
    lock->first = (uint64_t)start;
    lock->last = (uint64_t)last;
    return HX_OK;
}

static hx_err find_range(struct file *file, const struct linux_record_lock *asked,
                         struct record_lock *lock)
{
    int64_t origin;
    int64_t start;
    hx_err error = find_origin(file, asked->whence, &origin);

    if (error != HX_OK) {
        return error;
    }
    if (__builtin_add_overflow(origin, asked->start, &start)) {
        return HX_EOVERFLOW;
    }
    return set_range(lock, start, asked->length);
}

/* --- what is asked for ------------------------------------------------------------------------ */

static hx_err set_owner(struct record_lock *lock, const struct file *file,
                        const struct linux_record_lock *asked, bool is_of_file)
{
    const struct process *self = process_current();

    if (is_of_file && asked->process != 0) {
        return HX_EINVAL;
    }
    lock->owner = is_of_file ? (const void *)file : (const void *)self->files;
    lock->process = is_of_file ? -1 : (int32_t)self->id;
    return HX_OK;
}

static hx_err understand(struct file *file, const struct linux_record_lock *asked, bool is_of_file,
                         struct record_lock *lock)
{
    hx_err error = find_range(file, asked, lock);

    if (error == HX_OK && (asked->kind < RECORD_LOCK_READ || asked->kind > RECORD_LOCK_NONE)) {
        error = HX_EINVAL;
    }
    lock->kind = (enum record_lock_kind)asked->kind;
    return error == HX_OK ? set_owner(lock, file, asked, is_of_file) : error;
}

/* --- the commands ----------------------------------------------------------------------------- */

static hx_err set(struct file *file, const struct record_lock *lock, bool waits)
{
    if ((lock->kind == RECORD_LOCK_READ && !file_can_read(file)) ||
        (lock->kind == RECORD_LOCK_WRITE && !file_can_write(file))) {
        return HX_EBADF;
    }
    return record_lock_set(file, lock, waits);
}

static hx_err tell(struct file *file, const struct record_lock *lock, uint64_t address,
                   struct linux_record_lock asked)
{
    struct record_lock found;

    if (lock->kind == RECORD_LOCK_NONE) {
        return HX_EINVAL;
    }
    record_lock_find(file, lock, &found);
    asked.kind = (int16_t)found.kind;
    if (found.kind != RECORD_LOCK_NONE) {
        asked.whence = FROM_START;
        asked.start = (int64_t)found.first;
        asked.length = found.last == RECORD_LOCK_END ? 0 : (int64_t)(found.last - found.first + 1);
        asked.process = found.process;
    }
    return hal_user_copy_out(address, &asked, sizeof(asked));
}

int64_t linux_record_lock(struct file *file, enum linux_record_command command, bool is_of_file,
                          uint64_t address)
{
    struct linux_record_lock asked;
    struct record_lock lock = {.kind = RECORD_LOCK_NONE};
    hx_err error = hal_user_copy_in(&asked, address, sizeof(asked));

    if (error == HX_OK) {
        error = understand(file, &asked, is_of_file, &lock);
    }
    if (error == HX_OK) {
        error = command == RECORD_TELL ? tell(file, &lock, address, asked)
                                       : set(file, &lock, command == RECORD_WAIT);
    }
    return linux_restartable(error, 0);
}
