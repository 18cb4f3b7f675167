/* Calls on open files. */
#include <abi/linux/call.h>
#include <abi/linux/calls.h>
#include <abi/linux/vector.h>
#include <base/memory.h>
#include <hal/user.h>
#include <kern/heap.h>
#include <subsys/vfs/file_lock.h>
#include <subsys/vfs/pipe.h>

/* --- read and write --------------------------------------------------------------------------- */

/* Who writes to a pipe that nobody reads gets a signal, too. */
static HX_NOINLINE int64_t not_written(hx_err error)
{
    if (error == HX_ECLOSED) {
        const struct hal_signal_info info = signal_info_kernel(SIGNAL_PIPE);

        (void)!signal_send_thread(user_thread_current(), &info);
    }
    return linux_restartable(error, 0);
}

enum direction { TO_PROGRAM, FROM_PROGRAM };

/* Why a buffer that is not all in user space is refused: what is wrong with the file comes first.
 */
static hx_err refusal_of_range(const struct file *file, enum direction direction, bool is_placed)
{
    if (is_placed && !file->ops->can_seek) {
        return HX_ESPIPE;
    }
    return (direction == TO_PROGRAM ? file_can_read(file) : file_can_write(file)) ? HX_EFAULT
                                                                                  : HX_EBADF;
}

static int64_t written(hx_err error, size_t done)
{
    return HX_LIKELY(error == HX_OK) ? (int64_t)done : not_written(error);
}

static HX_ALWAYS_INLINE int64_t read_from(struct file *file, uint64_t buffer, uint64_t size)
{
    struct transfer transfer;
    size_t done;
    hx_err error;

    if (HX_UNLIKELY(file == NULL)) {
        return linux_result(HX_EBADF);
    }
    if (HX_LIKELY(hal_user_is_range(buffer, size))) {
        transfer_init_user(&transfer, buffer, linux_at_most(size));
        error = file_read(file, &transfer, &done);
    } else {
        done = 0;
        error = refusal_of_range(file, TO_PROGRAM, false);
    }
    return linux_restartable(error, done);
}

static HX_ALWAYS_INLINE int64_t write_to(struct file *file, uint64_t buffer, uint64_t size)
{
    struct transfer transfer;
    size_t done;
    hx_err error;

    if (HX_UNLIKELY(file == NULL)) {
        return linux_result(HX_EBADF);
    }
    if (HX_LIKELY(hal_user_is_range(buffer, size))) {
        transfer_init_user(&transfer, buffer, linux_at_most(size));
        error = file_write(file, &transfer, &done);
    } else {
        done = 0;
        error = refusal_of_range(file, FROM_PROGRAM, false);
    }
    return written(error, done);
}

/* With others who may close the file meanwhile. */
static HX_NOINLINE int64_t read_shared(uint64_t descriptor, uint64_t buffer, uint64_t size)
{
    struct file *file = linux_file(descriptor);
    int64_t result = read_from(file, buffer, size);

    file_put(file);
    return result;
}

static HX_NOINLINE int64_t write_shared(uint64_t descriptor, uint64_t buffer, uint64_t size)
{
    struct file *file = linux_file(descriptor);
    int64_t result = write_to(file, buffer, size);

    file_put(file);
    return result;
}

int64_t linux_read(uint64_t descriptor, uint64_t buffer, uint64_t size)
{
    const struct file_table *files = process_current()->files;

    if (HX_UNLIKELY(!file_table_is_alone(files, process_is_alone()))) {
        return read_shared(descriptor, buffer, size);
    }
    return read_from(file_table_peek(files, (int)descriptor), buffer, size);
}

int64_t linux_write(uint64_t descriptor, uint64_t buffer, uint64_t size)
{
    const struct file_table *files = process_current()->files;

    if (HX_UNLIKELY(!file_table_is_alone(files, process_is_alone()))) {
        return write_shared(descriptor, buffer, size);
    }
    return write_to(file_table_peek(files, (int)descriptor), buffer, size);
}

int64_t linux_pread64(uint64_t descriptor, uint64_t buffer, uint64_t size, uint64_t offset)
{
    struct file_use use;
    struct transfer transfer;
    size_t done;
    hx_err error;

    if ((int64_t)offset < 0) {
        return linux_result(HX_EINVAL);
    }
    use = linux_use_file(descriptor);
    if (use.file == NULL) {
        return linux_result(HX_EBADF);
    }
    if (HX_LIKELY(hal_user_is_range(buffer, size))) {
        transfer_init_user(&transfer, buffer, linux_at_most(size));
        error = file_read_at(use.file, &transfer, offset, &done);
    } else {
        done = 0;
        error = refusal_of_range(use.file, TO_PROGRAM, true);
    }
    file_use_end(use);
    return linux_restartable(error, done);
}

int64_t linux_pwrite64(uint64_t descriptor, uint64_t buffer, uint64_t size, uint64_t offset)
{
    struct file_use use;
    struct transfer transfer;
    size_t done;
    hx_err error;

    if ((int64_t)offset < 0) {
        return linux_result(HX_EINVAL);
    }
    use = linux_use_file(descriptor);
    if (use.file == NULL) {
        return linux_result(HX_EBADF);
    }
    if (HX_LIKELY(hal_user_is_range(buffer, size))) {
        transfer_init_user(&transfer, buffer, linux_at_most(size));
        error = file_write_at(use.file, &transfer, offset, &done);
    } else {
        done = 0;
        error = refusal_of_range(use.file, FROM_PROGRAM, true);
    }
    file_use_end(use);
    return written(error, done);
}

/* --- several buffers -------------------------------------------------------------------------- */

/* offset -1: at the file's own. */
static int64_t move_vector(uint64_t descriptor, uint64_t address, uint64_t count, uint64_t offset,
                           bool is_write)
{
    struct file_use use = linux_use_file(descriptor);
    struct linux_vector vector;
    size_t done = 0;
    hx_err error;

    if (use.file == NULL) {
        return linux_result(HX_EBADF);
    }
    error = linux_vector_get(&vector, address, count);
    if (error != HX_OK) {
        file_use_end(use);
        return linux_result(error);
    }
    if (offset == UINT64_MAX) {
        error = is_write ? file_write(use.file, &vector.transfer, &done)
                         : file_read(use.file, &vector.transfer, &done);
    } else {
        error = is_write ? file_write_at(use.file, &vector.transfer, offset, &done)
                         : file_read_at(use.file, &vector.transfer, offset, &done);
    }
    linux_vector_put(&vector);
    file_use_end(use);
    return is_write ? written(error, done) : linux_restartable(error, done);
}

int64_t linux_readv(uint64_t descriptor, uint64_t parts, uint64_t count)
{
    return move_vector(descriptor, parts, count, UINT64_MAX, false);
}

int64_t linux_writev(uint64_t descriptor, uint64_t parts, uint64_t count)
{
    return move_vector(descriptor, parts, count, UINT64_MAX, true);
}

int64_t linux_preadv(uint64_t descriptor, uint64_t parts, uint64_t count, uint64_t offset)
{
    return (int64_t)offset < 0 ? linux_result(HX_EINVAL)
                               : move_vector(descriptor, parts, count, offset, false);
}

int64_t linux_pwritev(uint64_t descriptor, uint64_t parts, uint64_t count, uint64_t offset)
{
    return (int64_t)offset < 0 ? linux_result(HX_EINVAL)
                               : move_vector(descriptor, parts, count, offset, true);
}

/* Flags of preadv2 and pwritev2 that ask for no more than is done anyway. */
#define VECTOR_FLAGS 7U /* RWF_HIPRI, RWF_DSYNC, RWF_SYNC */

/* Position -1: the file's own. */
static int64_t move_vector_flags(uint64_t descriptor, uint64_t parts, uint64_t count,
                                 uint64_t offset, uint64_t flags, bool is_write)
{
    if ((int64_t)offset < -1) {
        return linux_result(HX_EINVAL);
    }
    if ((flags & ~(uint64_t)VECTOR_FLAGS) != 0) {
        return linux_result(HX_EOPNOTSUPP);
    }
    return move_vector(descriptor, parts, count, offset, is_write);
}

/* The upper half of the position is empty where registers hold 64 bits. */
int64_t linux_preadv2(uint64_t descriptor, uint64_t parts, uint64_t count, uint64_t offset,
                      uint64_t upper_half, uint64_t flags)
{
    (void)upper_half;
    return move_vector_flags(descriptor, parts, count, offset, flags, false);
}

int64_t linux_pwritev2(uint64_t descriptor, uint64_t parts, uint64_t count, uint64_t offset,
                       uint64_t upper_half, uint64_t flags)
{
    (void)upper_half;
    return move_vector_flags(descriptor, parts, count, offset, flags, true);
}

/* --- from file to file ------------------------------------------------------------------------ */

#define SEND_CHUNK 4096U

/* Move one chunk from an offset on; *done is what arrived. */
static hx_err send_chunk(struct file *out, struct file *in, uint64_t offset, char *chunk,
                         size_t size, size_t *done)
{
    struct transfer transfer;
    size_t got;
    hx_err error;

    *done = 0;
    transfer_init_kernel(&transfer, chunk, size);
    error = file_read_at(in, &transfer, offset, &got);
    if (error != HX_OK || got == 0) {
        return error;
    }
    transfer_init_kernel(&transfer, chunk, got);
    return file_write(out, &transfer, done);
}

static hx_err send_all(struct file *out, struct file *in, uint64_t *offset, size_t size,
                       size_t *done)
{
    char *chunk = heap_allocate(SEND_CHUNK, OWNER_CORE);
    size_t moved = 1;
    hx_err error = chunk != NULL ? HX_OK : HX_ENOMEM;

    *done = 0;
    while (*done < size && moved > 0 && error == HX_OK) {
        size_t rest = size - *done;

        error = send_chunk(out, in, *offset, chunk, rest < SEND_CHUNK ? rest : SEND_CHUNK, &moved);
        *offset += moved;
        *done += moved;
    }
    heap_free(chunk);
    return *done > 0 ? HX_OK : error;
}

static hx_err send_from(struct file *out, struct file *in, uint64_t offset_address, size_t size,
                        size_t *done)
{
    uint64_t offset = in->offset;
    hx_err error = HX_OK;

    if (offset_address != 0) {
        error = hal_user_copy_in(&offset, offset_address, sizeof(offset));
    }
    if (error == HX_OK) {
        error = send_all(out, in, &offset, size, done);
    }
    if (error != HX_OK) {
        return error;
    }
    if (offset_address != 0) {
        return hal_user_copy_out(offset_address, &offset, sizeof(offset));
    }
    return file_seek(in, (int64_t)offset, SEEK_FROM_START, &offset);
}

int64_t linux_sendfile(uint64_t out_descriptor, uint64_t in_descriptor, uint64_t offset,
                       uint64_t size)
{
    struct file *out = linux_file(out_descriptor);
    struct file *in = linux_file(in_descriptor);
    size_t done = 0;
    hx_err error = HX_EBADF;

    if (out != NULL && in != NULL) {
        error =
            in->ops->can_seek ? send_from(out, in, offset, linux_at_most(size), &done) : HX_EINVAL;
    }
    file_put(in);
    file_put(out);
    return written(error, done);
}

/* --- positions, sizes ------------------------------------------------------------------------- */

int64_t linux_lseek(uint64_t descriptor, uint64_t offset, uint64_t origin)
{
    struct file_use use = linux_use_file(descriptor);
    uint64_t position = 0;
    hx_err error;

    if (use.file == NULL) {
        return linux_result(HX_EBADF);
    }
    error = file_seek(use.file, (int64_t)offset, (unsigned)origin, &position);
    file_use_end(use);
    return linux_count(error, position);
}

int64_t linux_ftruncate(uint64_t descriptor, uint64_t size)
{
    struct file *file = linux_file(descriptor);
    hx_err error;

    if (file == NULL) {
        return linux_result(HX_EBADF);
    }
    error = (int64_t)size >= 0 ? file_resize(file, size) : HX_EINVAL;
    file_put(file);
    return linux_result(error);
}

static hx_err extend_to(struct file *file, uint64_t end)
{
    const struct vnode *vnode = file->location.vnode;

    if (!file_can_write(file)) {
        return HX_EBADF;
    }
    if (vnode == NULL || vnode->type != VNODE_FILE) {
        return HX_ENODEV;
    }
    return end > atomic_load_explicit(&vnode->size, memory_order_relaxed) ? file_resize(file, end)
                                                                          : HX_OK;
}

/* Memory is not set aside beforehand: the size is what it makes sure of. */
int64_t linux_fallocate(uint64_t descriptor, uint64_t mode, uint64_t offset, uint64_t size)
{
    struct file *file = linux_file(descriptor);
    hx_err error = HX_OK;

    if (file == NULL) {
        return linux_result(HX_EBADF);
    }
    if ((int64_t)offset < 0 || (int64_t)size <= 0) {
        error = HX_EINVAL;
    } else if (mode != 0) {
        error = HX_EOPNOTSUPP;
    } else {
        error = extend_to(file, offset + size);
    }
    file_put(file);
    return linux_result(error);
}

static int64_t synchronise(uint64_t descriptor)
{
    struct file *file = linux_file(descriptor);
    hx_err error;

    if (file == NULL) {
        return linux_result(HX_EBADF);
    }
    error = file->ops->sync != NULL ? file->ops->sync(file) : HX_EINVAL;
    file_put(file);
    return linux_result(error);
}

int64_t linux_fsync(uint64_t descriptor)
{
    return synchronise(descriptor);
}

int64_t linux_fdatasync(uint64_t descriptor)
{
    return synchronise(descriptor);
}

/* --- locks ------------------------------------------------------------------------------------ */

enum linux_flock { LOCK_SH = 1, LOCK_EX = 2, LOCK_NB = 4, LOCK_UN = 8 };

static hx_err change_lock(struct file *file, uint32_t kind, bool waits)
{
    switch (kind) {
    case LOCK_SH:
        return file_lock(file, FILE_LOCK_SHARED, waits);
    case LOCK_EX:
        return file_lock(file, FILE_LOCK_EXCLUSIVE, waits);
    default:
        file_unlock(file);
        return HX_OK;
    }
}

int64_t linux_flock(uint64_t descriptor, uint64_t operation)
{
    uint32_t kind = (uint32_t)operation & ~(uint32_t)LOCK_NB;
    struct file *file;
    hx_err error = HX_EBADF;

    if (kind != LOCK_SH && kind != LOCK_EX && kind != LOCK_UN) {
        return linux_result(HX_EINVAL);
    }
    file = linux_file(descriptor);
    if (file != NULL && (file_can_read(file) || file_can_write(file))) {
        error = change_lock(file, kind, (operation & LOCK_NB) == 0);
    }
    file_put(file);
    return linux_restartable(error, 0);
}

/* --- descriptors ------------------------------------------------------------------------------ */

int64_t linux_close(uint64_t descriptor)
{
    return linux_result(file_table_close(process_current()->files, (int)descriptor));
}

int64_t linux_close_range(uint64_t first, uint64_t last, uint64_t flags)
{
    struct file_table *files = process_current()->files;
    const uint64_t mark_only = 4; /* CLOSE_RANGE_CLOEXEC */

    if ((uint32_t)first > (uint32_t)last || (flags & ~mark_only) != 0) {
        return linux_result(HX_EINVAL);
    }
    for (int at = file_table_next(files, (int)first); at >= 0 && (uint32_t)at <= (uint32_t)last;
         at = file_table_next(files, at + 1)) {
        (void)!(flags == mark_only ? file_table_set_close_on_exec(files, at, true)
                                   : file_table_close(files, at));
    }
    return 0;
}

static int64_t duplicate_from(uint64_t descriptor, uint64_t from, bool close_on_exec)
{
    struct file *file = linux_file(descriptor);
    int added;
    hx_err error;

    if (file == NULL) {
        return linux_result(HX_EBADF);
    }
    error = from >= process_current()->limits[LIMIT_FILES].soft || from > INT32_MAX
                ? HX_EINVAL
                : file_table_add(process_current()->files, file, (int)from, close_on_exec, &added);
    if (error != HX_OK) {
        file_put(file);
        return linux_result(error);
    }
    return added;
}

int64_t linux_dup(uint64_t descriptor)
{
    return duplicate_from(descriptor, 0, false);
}

static int64_t duplicate_to(uint64_t descriptor, uint64_t to, bool close_on_exec)
{
    struct file *file = linux_file(descriptor);
    hx_err error;

    if (file == NULL) {
        return linux_result(HX_EBADF);
    }
    error = file_table_set(process_current()->files, file, (int)to, close_on_exec);
    if (error != HX_OK) {
        file_put(file);
        return linux_result(error);
    }
    return (int32_t)to;
}

int64_t linux_dup2(uint64_t descriptor, uint64_t to)
{
    if ((int)descriptor == (int)to) {
        bool is_set;
        hx_err error = file_table_close_on_exec(process_current()->files, (int)descriptor, &is_set);

        return linux_count(error, (uint32_t)to);
    }
    return duplicate_to(descriptor, to, false);
}

int64_t linux_dup3(uint64_t descriptor, uint64_t to, uint64_t flags)
{
    if ((int)descriptor == (int)to || (flags & ~(uint64_t)FILE_CLOSE_ON_EXEC) != 0) {
        return linux_result(HX_EINVAL);
    }
    return duplicate_to(descriptor, to, flags != 0);
}

/* --- fcntl ------------------------------------------------------------------------------------ */

enum linux_fcntl {
    F_DUPFD = 0,
    F_GETFD = 1,
    F_SETFD = 2,
    F_GETFL = 3,
    F_SETFL = 4,
    F_GETLK = 5,
    F_SETLK = 6,
    F_SETLKW = 7,
    F_OFD_GETLK = 36,
    F_OFD_SETLK = 37,
    F_OFD_SETLKW = 38,
    F_GETPIPE_SZ = 1032,
    F_DUPFD_CLOEXEC = 1030,
};

static int64_t change_flags(struct file *file, uint64_t flags)
{
    uint32_t old = atomic_load_explicit(&file->flags, memory_order_relaxed);
    uint32_t wanted;

    do {
        wanted = (old & ~(uint32_t)FILE_CHANGEABLE) | ((uint32_t)flags & FILE_CHANGEABLE);
    } while (!atomic_compare_exchange_weak_explicit(&file->flags, &old, wanted,
                                                    memory_order_relaxed, memory_order_relaxed));
    return 0;
}

static int64_t control_descriptor(uint64_t descriptor, uint64_t command, uint64_t argument)
{
    struct file_table *files = process_current()->files;
    bool is_set = false;
    hx_err error;

    if (command == F_SETFD) {
        return linux_result(
            file_table_set_close_on_exec(files, (int)descriptor, (argument & 1) != 0));
    }
    error = file_table_close_on_exec(files, (int)descriptor, &is_set);
    return linux_count(error, is_set ? 1 : 0);
}

/* A file that only names a place cannot be locked. */
static int64_t lock_range(struct file *file, uint64_t command, bool is_of_file, uint64_t address)
{
    return (atomic_load_explicit(&file->flags, memory_order_relaxed) & FILE_PATH) != 0
               ? linux_result(HX_EBADF)
               : linux_record_lock(file, (enum linux_record_command)command, is_of_file, address);
}

static int64_t control_file(struct file *file, uint64_t command, uint64_t argument)
{
    switch (command) {
    case F_GETFL:
        return (int64_t)(atomic_load_explicit(&file->flags, memory_order_relaxed) | 0100000);
    case F_SETFL:
        return change_flags(file, argument);
    case F_GETLK:
    case F_SETLK:
    case F_SETLKW:
        return lock_range(file, command - F_GETLK, false, argument);
    case F_OFD_GETLK:
    case F_OFD_SETLK:
    case F_OFD_SETLKW:
        return lock_range(file, command - F_OFD_GETLK, true, argument);
    case F_GETPIPE_SZ:
        return PIPE_SIZE;
    default:
        return linux_result(HX_EINVAL);
    }
}

int64_t linux_fcntl(uint64_t descriptor, uint64_t command, uint64_t argument)
{
    struct file *file;
    int64_t result;

    switch (command) {
    case F_DUPFD:
        return duplicate_from(descriptor, argument, false);
    case F_DUPFD_CLOEXEC:
        return duplicate_from(descriptor, argument, true);
    case F_GETFD:
    case F_SETFD:
        return control_descriptor(descriptor, command, argument);
    default:
        file = linux_file(descriptor);
        result = file != NULL ? control_file(file, command, argument) : linux_result(HX_EBADF);
        file_put(file);
        return result;
    }
}

/* --- ioctl ------------------------------------------------------------------------------------ */

enum linux_ioctl {
    FIONCLEX = 0x5450,
    FIOCLEX = 0x5451,
    FIONBIO = 0x5421,
};

static int64_t set_non_blocking(struct file *file, uint64_t argument)
{
    int32_t on;
    hx_err error = hal_user_copy_in(&on, argument, sizeof(on));
    uint32_t flags = atomic_load_explicit(&file->flags, memory_order_relaxed);

    if (error != HX_OK) {
        return linux_result(error);
    }
    return change_flags(file,
                        on != 0 ? flags | FILE_NON_BLOCKING : flags & ~(uint32_t)FILE_NON_BLOCKING);
}

int64_t linux_ioctl(uint64_t descriptor, uint64_t request, uint64_t argument)
{
    struct file *file = linux_file(descriptor);
    int64_t result = 0;
    hx_err error = HX_OK;

    if (file == NULL) {
        return linux_result(HX_EBADF);
    }
    if (request == FIOCLEX || request == FIONCLEX) {
        error = file_table_set_close_on_exec(process_current()->files, (int)descriptor,
                                             request == FIOCLEX);
    } else if (request == FIONBIO) {
        result = set_non_blocking(file, argument);
    } else {
        error = file_control(file, (uint32_t)request, argument, &result);
    }
    file_put(file);
    return error == HX_OK ? result : linux_restartable(error, 0);
}

/* --- pipes ------------------------------------------------------------------------------------ */

/* Both ends under descriptors, or none. */
static hx_err add_ends(struct file *ends[2], bool close_on_exec, int descriptors[2])
{
    struct file_table *files = process_current()->files;
    hx_err error = file_table_add(files, ends[0], 0, close_on_exec, &descriptors[0]);

    if (error != HX_OK) {
        file_put(ends[0]);
        file_put(ends[1]);
        return error;
    }
    error = file_table_add(files, ends[1], 0, close_on_exec, &descriptors[1]);
    if (error != HX_OK) {
        file_put(ends[1]);
        (void)!file_table_close(files, descriptors[0]);
    }
    return error;
}

int64_t linux_pipe2(uint64_t address, uint64_t flags)
{
    struct process *self = process_current();
    struct file *ends[2];
    int descriptors[2];
    hx_err error;

    if ((flags & ~(uint64_t)(FILE_CLOSE_ON_EXEC | FILE_NON_BLOCKING)) != 0) {
        return linux_result(HX_EINVAL);
    }
    error = pipe_create((uint32_t)flags & FILE_NON_BLOCKING, self->owner, ends);
    if (error == HX_OK) {
        error = add_ends(ends, (flags & FILE_CLOSE_ON_EXEC) != 0, descriptors);
    }
    if (error != HX_OK) {
        return linux_result(error);
    }
    error = hal_user_copy_out(address, descriptors, sizeof(descriptors));
    if (error != HX_OK) {
        (void)!file_table_close(self->files, descriptors[0]);
        (void)!file_table_close(self->files, descriptors[1]);
    }
    return linux_result(error);
}

int64_t linux_pipe(uint64_t address)
{
    return linux_pipe2(address, 0);
}

/* --- reading directories ---------------------------------------------------------------------- */

/* struct linux_dirent64 without its name. */
struct entry_head {
    uint64_t number;
    uint64_t position;
    uint16_t size;
    uint8_t type;
} HX_PACKED;

#define ENTRY_NAME_OFFSET 19U
_Static_assert(sizeof(struct entry_head) == ENTRY_NAME_OFFSET, "the kernel's ABI");

struct listing {
    char *buffer;
    size_t size;
    size_t used;
    bool is_too_small; /* not even one entry fits */
};

static bool list_entry(const struct directory_entry *entry, void *argument)
{
    struct listing *listing = argument;
    size_t size = (ENTRY_NAME_OFFSET + entry->length + 1 + 7) & ~(size_t)7;
    const struct entry_head head = {entry->number, entry->position, (uint16_t)size,
                                    (uint8_t)entry->type};

    if (size > listing->size - listing->used) {
        listing->is_too_small = listing->used == 0;
        return false;
    }
    memset(listing->buffer + listing->used, 0, size);
    memcpy(listing->buffer + listing->used, &head, sizeof(head));
    memcpy(listing->buffer + listing->used + ENTRY_NAME_OFFSET, entry->name, entry->length);
    listing->used += size;
    return true;
}

/* struct linux_dirent without its name and the type, which is the last byte. */
struct old_entry_head {
    uint64_t number;
    uint64_t position;
    uint16_t size;
} HX_PACKED;

#define OLD_ENTRY_NAME_OFFSET 18U
_Static_assert(sizeof(struct old_entry_head) == OLD_ENTRY_NAME_OFFSET, "the kernel's ABI");

static bool list_old_entry(const struct directory_entry *entry, void *argument)
{
    struct listing *listing = argument;
    size_t size = (OLD_ENTRY_NAME_OFFSET + entry->length + 2 + 7) & ~(size_t)7;
    const struct old_entry_head head = {entry->number, entry->position, (uint16_t)size};
    char *to = listing->buffer + listing->used;

    if (size > listing->size - listing->used) {
        listing->is_too_small = listing->used == 0;
        return false;
    }
    memset(to, 0, size);
    memcpy(to, &head, sizeof(head));
    memcpy(to + OLD_ENTRY_NAME_OFFSET, entry->name, entry->length);
    to[size - 1] = (char)entry->type;
    listing->used += size;
    return true;
}

#define LISTING_MAX 32768U

static int64_t list(struct file *file, directory_emit emit, uint64_t address, uint64_t size)
{
    struct listing listing = {.size = size < LISTING_MAX ? (size_t)size : LISTING_MAX};
    uint64_t before = file->offset;
    hx_err error;

    listing.buffer = heap_allocate(listing.size, OWNER_CORE);
    if (listing.buffer == NULL) {
        return linux_result(size == 0 ? HX_EINVAL : HX_ENOMEM);
    }
    error = file_read_directory(file, emit, &listing);
    if (error == HX_OK && listing.is_too_small) {
        error = HX_EINVAL;
    }
    if (error == HX_OK) {
        error = hal_user_copy_out(address, listing.buffer, listing.used);
    }
    if (error == HX_EFAULT) {
        (void)!file_seek(file, (int64_t)before, SEEK_FROM_START, &before);
    }
    heap_free(listing.buffer);
    return linux_count(error, listing.used);
}

static int64_t list_descriptor(uint64_t descriptor, directory_emit emit, uint64_t address,
                               uint64_t size)
{
    struct file *file = linux_file(descriptor);
    int64_t result;

    if (file == NULL) {
        return linux_result(HX_EBADF);
    }
    result =
        file_can_read(file) ? list(file, emit, address, (uint32_t)size) : linux_result(HX_EBADF);
    file_put(file);
    return result;
}

int64_t linux_getdents64(uint64_t descriptor, uint64_t address, uint64_t size)
{
    return list_descriptor(descriptor, list_entry, address, size);
}

int64_t linux_getdents(uint64_t descriptor, uint64_t address, uint64_t size)
{
    return list_descriptor(descriptor, list_old_entry, address, size);
}
