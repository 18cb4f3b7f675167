/*
 * What the handlers of Linux calls share.
 *
 * Rules:
 * - A handler has the name linux_NAME, its parameters are the argument registers, and it answers a
 * result or a negative errno. It stands in call_list.h.
 * - Text and structures are copied in once, before anything is decided.
 */
#ifndef ABI_LINUX_CALL_H
#define ABI_LINUX_CALL_H

#include <hal/user.h>
#include <helix/error.h>
#include <stddef.h>
#include <stdint.h>
#include <subsys/process/process.h>
#include <subsys/vfs/file.h>
#include <subsys/vfs/path.h>

#define LINUX_AT_FDCWD     (-100)
#define LINUX_TRANSFER_MAX 0x7ffff000UL /* what Linux moves at most in one call */

static inline size_t linux_at_most(uint64_t size)
{
    return HX_UNLIKELY(size > LINUX_TRANSFER_MAX) ? LINUX_TRANSFER_MAX : (size_t)size;
}

enum linux_at_flags {
    LINUX_AT_SYMLINK_NOFOLLOW = 0x100,
    LINUX_AT_REMOVEDIR = 0x200,
    LINUX_AT_EACCESS = 0x200,
    LINUX_AT_SYMLINK_FOLLOW = 0x400,
    LINUX_AT_NO_AUTOMOUNT = 0x800,
    LINUX_AT_EMPTY_PATH = 0x1000,
};

/* The negative errno of an error, 0 for success. */
static inline int64_t linux_result(hx_err error)
{
    return HX_LIKELY(error == HX_OK) ? 0 : -(int64_t)hx_error_errno(error);
}

/* A count, or the error's errno. */
static inline int64_t linux_count(hx_err error, size_t count)
{
    return error == HX_OK ? (int64_t)count : linux_result(error);
}

/*
 * A call that a signal ended early: done again after handlers that want it.  HX_EINTR only; all
 * else as linux_count.
 */
static inline int64_t linux_restartable(hx_err error, size_t count)
{
    if (HX_LIKELY(error == HX_OK)) {
        return (int64_t)count;
    }
    return error == HX_EINTR ? SYSCALL_RESTART : linux_result(error);
}

/* Whether a call may be asked about that thread; 0: the caller.  Errors: HX_EINVAL, HX_ESRCH. */
HX_MUST_USE hx_err linux_check_thread(uint64_t id);

/* --- descriptors ------------------------------------------------------------------------------ */

/* The calling process's open file, with a reference; NULL: EBADF. */
struct file *linux_file(uint64_t descriptor);

/*
 * The same for the length of the call, without a reference where none is needed; to be given to
 * file_use_end. Not for calls that close descriptors meanwhile.
 */
static inline struct file_use linux_use_file(uint64_t descriptor)
{
    return file_table_use(process_current()->files, process_is_alone(), (int)descriptor);
}

/* What a mapping of a file is called; no reference is taken. */
struct mapping_name *linux_mapping_name(struct file *file);

/* Put a new file under the lowest free descriptor; the reference moves in, or is given up. */
static inline int64_t linux_add_file(struct file *file, uint32_t flags)
{
    int descriptor;
    hx_err error = file_table_add(process_current()->files, file, 0,
                                  (flags & FILE_CLOSE_ON_EXEC) != 0, &descriptor);

    if (HX_LIKELY(error == HX_OK)) {
        return descriptor;
    }
    file_put(file);
    return linux_result(error);
}

/* fcntl's commands about locks of ranges (lock_calls.c): of the process, or of the open file. */
enum linux_record_command { RECORD_TELL, RECORD_SET, RECORD_WAIT };
int64_t linux_record_lock(struct file *file, enum linux_record_command command, bool is_of_file,
                          uint64_t address);

/* --- paths ------------------------------------------------------------------------------------ */

/* A path from the program, and where it starts. */
struct linux_path {
    struct path_walk walk;
    struct file *base_file; /* a reference; NULL: the current directory */
    int base_descriptor;    /* its descriptor */
    struct location base;
    size_t length; /* of the text */
    char text[PATH_SIZE_MAX];
};

/*
 * Copy a path in and look up its base; to be given back by linux_path_put on success.
 * Errors: HX_EFAULT, HX_ENAMETOOLONG, HX_EBADF, HX_ENOTDIR.
 */
HX_MUST_USE hx_err linux_path_get(struct linux_path *path, int64_t base, uint64_t address);
/* The rest of it: the text is there, and begins at a descriptor's directory. */
HX_MUST_USE hx_err linux_path_get_base(struct linux_path *path, int descriptor);
/* The same, written out in the caller: for the few hottest paths. */
HX_MUST_USE static HX_ALWAYS_INLINE hx_err linux_path_get_inline(struct linux_path *path,
                                                                 int64_t base, uint64_t address)
{
    struct process *self = process_current();
    hx_err error = hal_user_copy_text(path->text, address, sizeof(path->text), &path->length);

    if (HX_UNLIKELY(error != HX_OK)) {
        return error == HX_ERANGE ? HX_ENAMETOOLONG : error;
    }
    path->walk = (struct path_walk){self->paths, &self->credentials, NULL};
    path->base_file = NULL;
    if (HX_LIKELY(path->text[0] == '/') || (int32_t)base == LINUX_AT_FDCWD) {
        return HX_OK;
    }
    /* AT_FDCWD is an int: the upper half of the register means nothing */
    return linux_path_get_base(path, (int32_t)base);
}

static inline void linux_path_put(struct linux_path *path)
{
    if (HX_UNLIKELY(path->base_file != NULL)) {
        file_put(path->base_file);
    }
}

/* Find what it names; with LINUX_AT_EMPTY_PATH and an empty text the base itself.  Errors: as
 * path_find, HX_ENOTDIR the base has no place (a pipe). */
HX_MUST_USE hx_err linux_path_find(struct linux_path *path, uint64_t at_flags, bool follows,
                                   struct location *found);

/* get and find in one. */
HX_MUST_USE hx_err linux_find(int64_t base, uint64_t address, uint64_t at_flags, bool follows,
                              struct location *found);

/* --- times ------------------------------------------------------------------------------------ */

struct linux_timespec {
    int64_t seconds;
    int64_t nanoseconds;
};

struct linux_timeval {
    int64_t seconds;
    int64_t microseconds;
};

static inline struct linux_timespec linux_timespec_of(uint64_t ns)
{
    return (struct linux_timespec){(int64_t)(ns / 1000000000U), (int64_t)(ns % 1000000000U)};
}

/* Errors: HX_EINVAL negative, or a second or more of nanoseconds. Cut to what 64 bits of ns hold.
 */
HX_MUST_USE hx_err linux_timespec_to_ns(struct linux_timespec time, uint64_t *ns);

/* A time-out from the program (0: for ever) as an absolute deadline.  Errors: HX_EFAULT, HX_EINVAL.
 */
HX_MUST_USE hx_err linux_deadline(uint64_t address, uint64_t *deadline_ns);

/* A time of day as a deadline of the monotonic clock.  (time_calls.c) */
uint64_t linux_from_wall(uint64_t ns);

/* --- the mask of signals of ppoll and its like -------------------------------------------------
 */

/* Set the mask at address for this call (0: leave it).  Errors: HX_EFAULT, HX_EINVAL its size. */
HX_MUST_USE hx_err linux_mask_for_call(uint64_t address, uint64_t size);

/* --- device numbers --------------------------------------------------------------------------- */

static inline uint64_t linux_device(uint64_t device)
{
    uint64_t major = device >> 32;
    uint64_t minor = device & 0xffffffff;

    if (HX_LIKELY(device <= 0xff)) {
        return device;
    }
    return (minor & 0xff) | (major & 0xfff) << 8 | (minor & ~0xffULL) << 12 |
           (major & ~0xfffULL) << 32;
}

static inline uint64_t linux_device_from(uint64_t number)
{
    uint64_t major = (number >> 8 & 0xfff) | (number >> 32 & ~0xfffULL);
    uint64_t minor = (number & 0xff) | (number >> 12 & 0xffffff00);

    return major << 32 | minor;
}

struct process_usage;

/* Write a struct rusage to the program; nothing to address 0.  Errors: HX_EFAULT. */
HX_MUST_USE hx_err linux_tell_usage(uint64_t address, const struct process_usage *usage);

#endif
