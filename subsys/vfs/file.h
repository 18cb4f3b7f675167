/*
 * Open files, and the table of descriptors that names them.
 *
 * Rules:
 * - A file is reference counted: descriptors, mappings and calls under way hold references. At the
 *   last put ops->release is called, in thread context.
 * - read and write move the file's offset under its mutex (threads that share it take turns, as
 *   POSIX wants); positioned calls do not touch it. Files that cannot seek have no offset and no
 *   turn.
 */
#ifndef SUBSYS_VFS_FILE_H
#define SUBSYS_VFS_FILE_H

#include <helix/attributes.h>
#include <helix/error.h>
#include <kern/mutex.h>
#include <kern/owner.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <subsys/vfs/mount.h>
#include <subsys/vfs/path.h>
#include <subsys/vfs/poll.h>
#include <subsys/vfs/transfer.h>
#include <subsys/vfs/vnode.h>
#include <subsys/vm/address_space.h>

struct event_member;
struct file;
struct file_table;
struct memory_object;

enum file_flags { /* Linux's numbers on x86-64 (open(2)) */
                  FILE_READ_ONLY = 0,
                  FILE_WRITE_ONLY = 1,
                  FILE_READ_WRITE = 2,
                  FILE_ACCESS_MASK = 3,
                  FILE_CREATE = 0100,
                  FILE_EXCLUSIVE = 0200,
                  FILE_NO_TERMINAL = 0400,
                  FILE_TRUNCATE = 01000,
                  FILE_APPEND = 02000,
                  FILE_NON_BLOCKING = 04000,
                  FILE_DATA_SYNC = 010000,
                  FILE_DIRECT = 040000,
                  FILE_DIRECTORY = 0200000,
                  FILE_NO_FOLLOW = 0400000,
                  FILE_NO_ATIME = 01000000,
                  FILE_CLOSE_ON_EXEC = 02000000,
                  FILE_PATH = 010000000,
                  FILE_TEMPORARY = 020000000,
                  /* what fcntl(F_SETFL) changes */
                  FILE_CHANGEABLE = FILE_APPEND | FILE_NON_BLOCKING | FILE_DIRECT | FILE_NO_ATIME,
};

/* NULL operations answer the error in brackets. */
struct file_ops {
    const char *name;     /* "pipe": for who has no path; NULL: "anon_inode" */
    enum vnode_type type; /* of who has no path, as fstat tells it; 0: none */
    /* At offset (files that cannot seek: ignored). *done bytes were moved; 0 is the end of the
     * file. Blocks unless FILE_NON_BLOCKING (HX_EAGAIN).  [HX_EINVAL] */
    hx_err (*read)(struct file *file, struct transfer *transfer, uint64_t offset, size_t *done);
    hx_err (*write)(struct file *file, struct transfer *transfer, uint64_t offset, size_t *done);
    /* ioctl. argument may be a user address.  [HX_ENOTTY] */
    hx_err (*control)(struct file *file, uint32_t request, uintptr_t argument, int64_t *result);
    /* [always ready for reading and writing] */
    unsigned (*poll)(struct file *file, struct poll_table *table);
    /* What a mapping of the file shows; a reference. NULL object: anonymous zeros.  [HX_ENODEV] */
    hx_err (*map)(struct file *file, struct memory_object **object);
    /* How much there is, for SEEK_END.  [the vnode's size] */
    uint64_t (*size)(const struct file *file);
    /* fsync.  [HX_EINVAL] */
    hx_err (*sync)(struct file *file);
    /* A descriptor of it has been closed in that table; the file is there still.  [nothing] */
    void (*close)(struct file *file, const struct file_table *table);
    /* The last reference is gone. [nothing] */
    void (*release)(struct file *file);
    bool can_seek;
    bool ignores_position; /* any position is as good (/dev/zero): it stays 0, nobody takes turns */
};

/* Keys: I = immutable once open, A = atomic, M = the mutex */
struct file {
    const struct file_ops *ops;  /* I */
    _Atomic uint32_t references; /* A */
    _Atomic uint32_t flags;      /* A  enum file_flags, without those that only open looks at */
    bool can_read;               /* I  by the flags it was opened with */
    bool can_write;              /* I */
    struct location location;    /* I  empty for pipes and the like */
    struct mutex mutex;
    uint64_t offset; /* M  also the position in a directory */
    void *context;   /* I  the ops' */
    char *path;      /* I  what it was opened as, absolute; NULL: "pipe:[N]" and the like by ops */
    bool has_own_path; /* I  path is from the heap, not behind the structure */
    owner_tag owner;   /* I  who is charged for it */
    _Atomic bool
        has_lock; /* A  it has had a lock: of file_lock.h, or one that it owns of record_lock.h */
    _Atomic(struct event_member *) members; /* A  what it is in event sets: of event_set.c */
    struct mapping_name mapping;            /* I  the file as the name of its mappings */
};

/*
 * Make an open file that is no vnode's (a pipe's end, an eventfd).  Errors: HX_ENOMEM.
 */
HX_MUST_USE hx_err file_create(const struct file_ops *ops, uint32_t flags, void *context,
                               owner_tag owner, struct file **file);

/* Open what a location names (its references are taken in addition).  Errors: HX_EISDIR for
 * writing, HX_EACCES, HX_EROFS, HX_ETXTBSY, HX_ENXIO no such device, HX_ENOMEM, … */
HX_MUST_USE hx_err file_open_location(struct location *location, uint32_t flags,
                                      const struct credentials *who, owner_tag owner,
                                      struct file **file);

/* What a file that was opened by its location is called; nobody else knows the file yet. Without
 * memory for it, it has no name. */
void file_set_path(struct file *file, const char *path);

/* open(2): find or make, check, truncate.  mode: permissions of a new file, umask not yet applied.
 */
HX_MUST_USE hx_err file_open(const struct path_walk *walk, const char *path, uint32_t flags,
                             uint32_t mode, owner_tag owner, struct file **file);

/*
 * The commonest open(2) in one: to read a file with contents, by an absolute path of so many bytes
 * that leads there plainly.  NULL: file_open says what it is.
 */
HX_MUST_USE struct file *file_open_plain(const struct path_walk *walk, const char *path,
                                         size_t length, uint32_t flags, owner_tag owner);

/* Note for /proc what a file was found as; without memory for it, nothing is noted. Once, by who
 * opened it. */
void file_keep_path(struct file *file, const struct path_walk *walk, const char *path);

static inline struct file *file_get(struct file *file)
{
    atomic_fetch_add_explicit(&file->references, 1, memory_order_relaxed);
    return file;
}
void file_put(struct file *file); /* NULL is allowed */

static inline bool file_can_read(const struct file *file)
{
    return file->can_read;
}

static inline bool file_can_write(const struct file *file)
{
    return file->can_write;
}

static inline bool file_does_not_block(const struct file *file)
{
    return (atomic_load_explicit(&file->flags, memory_order_relaxed) & FILE_NON_BLOCKING) != 0;
}

/* At the file's offset, moving it. Something moved before an error is no error.  Errors: HX_EBADF
 * not open for that, HX_EISDIR, HX_EFAULT, HX_EAGAIN, HX_EINTR, HX_ECLOSED (EPIPE), HX_EFBIG, … */
HX_MUST_USE static inline hx_err file_read(struct file *file, struct transfer *transfer,
                                           size_t *done);
HX_MUST_USE static inline hx_err file_write(struct file *file, struct transfer *transfer,
                                            size_t *done);
/* At an offset.  Errors: HX_ESPIPE it cannot seek, HX_EINVAL below 0, and those above. */
HX_MUST_USE hx_err file_read_at(struct file *file, struct transfer *transfer, uint64_t offset,
                                size_t *done);
HX_MUST_USE hx_err file_write_at(struct file *file, struct transfer *transfer, uint64_t offset,
                                 size_t *done);

/* The rest of them: of a file with a position, whose users take turns. */
HX_MUST_USE hx_err file_read_on(struct file *file, struct transfer *transfer, size_t *done);
HX_MUST_USE hx_err file_write_on(struct file *file, struct transfer *transfer, size_t *done);

static inline bool file_has_position(const struct file *file)
{
    return file->ops->can_seek && !file->ops->ignores_position;
}

/* The operation alone: something moved is a success, whatever stopped it. */
static inline hx_err file_read_raw(struct file *file, struct transfer *transfer, uint64_t offset,
                                   size_t *done)
{
    hx_err error = HX_LIKELY(file->ops->read != NULL)
                       ? file->ops->read(file, transfer, offset, done)
                       : HX_EINVAL;

    return HX_LIKELY(error == HX_OK) || *done > 0 ? HX_OK : error;
}

static inline hx_err file_write_raw(struct file *file, struct transfer *transfer, uint64_t offset,
                                    size_t *done)
{
    hx_err error = HX_LIKELY(file->ops->write != NULL)
                       ? file->ops->write(file, transfer, offset, done)
                       : HX_EINVAL;

    return HX_LIKELY(error == HX_OK) || *done > 0 ? HX_OK : error;
}

static inline hx_err file_read(struct file *file, struct transfer *transfer, size_t *done)
{
    *done = 0;
    if (HX_UNLIKELY(!file_can_read(file))) {
        return HX_EBADF;
    }
    return file_has_position(file) ? file_read_on(file, transfer, done)
                                   : file_read_raw(file, transfer, 0, done);
}

static inline hx_err file_write(struct file *file, struct transfer *transfer, size_t *done)
{
    *done = 0;
    if (HX_UNLIKELY(!file_can_write(file))) {
        return HX_EBADF;
    }
    return file_has_position(file) ? file_write_on(file, transfer, done)
                                   : file_write_raw(file, transfer, 0, done);
}

enum seek_origin { SEEK_FROM_START, SEEK_FROM_HERE, SEEK_FROM_END, SEEK_DATA, SEEK_HOLE };
HX_MUST_USE hx_err file_seek(struct file *file, int64_t offset, unsigned origin,
                             uint64_t *position);

HX_MUST_USE hx_err file_control(struct file *file, uint32_t request, uintptr_t argument,
                                int64_t *result);
unsigned file_poll(struct file *file, struct poll_table *table);
/* Directory entries from the file's position on, "." and ".." included; moves it.  Errors:
 * HX_ENOTDIR. */
HX_MUST_USE hx_err file_read_directory(struct file *file, directory_emit emit, void *argument);
HX_MUST_USE hx_err file_resize(struct file *file, uint64_t size);
/* truncate(2).  Errors: HX_EISDIR, HX_EINVAL no file with contents, HX_EACCES, HX_EROFS,
 * HX_ETXTBSY, HX_EFBIG. */
HX_MUST_USE hx_err file_truncate(const struct location *location, uint64_t size,
                                 const struct credentials *who);
/* The file whose mappings have this name; NULL: the name is no file's. */
struct file *file_of_mapping(const struct mapping_name *name);
/* What tells a file that is in no file system (a pipe) from others; the ends of a pipe have the
 * same. */
#define FILE_NAMELESS_DEVICE 1U
static inline uint64_t file_number_of(const void *what)
{
    return (uint64_t)(uintptr_t)what >> 4 & 0xffffff;
}

static inline uint64_t file_number(const struct file *file)
{
    return file_number_of(file->context != NULL ? file->context : file);
}
/* What /proc shows for it. */
void file_text(struct file *file, char *buffer, size_t size);

/* How large the calling program may make files (RLIMIT_FSIZE); and it is to be told that it wanted
 * more. Neither is called with a lock held. Without it there is no limit.  Context: boot, once. */
struct file_size_limit {
    uint64_t (*get)(void);
    void (*exceeded)(void);
};
void file_set_size_limit(const struct file_size_limit *limit);

/* For writes that are a file system's own: the calling program's limit; a write at offset becomes
 * no longer than that, and files at all, allow.  Errors: HX_ELIMIT nothing of it is allowed, and
 * file_too_large_for_caller is to say so; HX_EFBIG. */
uint64_t file_caller_limit(void);
HX_MUST_USE hx_err file_bound_write(struct transfer *transfer, uint64_t offset, uint64_t limit);
/* Tell the program; answers HX_EFBIG.  Context: no lock held. */
HX_MUST_USE hx_err file_too_large_for_caller(void);

struct file_statistics {
    uint64_t opened; /* since boot */
    uint64_t alive;
};
/* Context: any. */
struct file_statistics file_statistics(void);

/* --- descriptors ------------------------------------------------------------------------------ */

struct descriptor {
    struct file *file;
    uint64_t charge; /* a resource_handle */
    bool close_on_exec;
};

/*
 * For file_table.c and file_table_use alone.
 * Keys: A = atomic, L = lock, I = immutable
 */
struct file_table {
    _Atomic uint32_t references; /* A */
    uint32_t capacity;           /* L */
    struct descriptor *entries;  /* L */
    struct spinlock lock;        /*    held for a few instructions: no call out */
    uint32_t limit;              /* L */
    uint32_t lowest_free;        /* L  no free one below */
    uint32_t used_end;           /* L  places from here on were never used */
    owner_tag owner;             /* I */
};

/* limit: descriptors at most (RLIMIT_NOFILE can be set later). Open files are charged to owner. */
HX_MUST_USE hx_err file_table_create(uint32_t limit, owner_tag owner, struct file_table **table);
/* A copy for a child process: the same files, flags too. */
HX_MUST_USE hx_err file_table_copy(struct file_table *from, owner_tag owner,
                                   struct file_table **to);
struct file_table *file_table_get(struct file_table *table);
void file_table_put(struct file_table *table); /* the last one closes all */
void file_table_set_limit(struct file_table *table, uint32_t limit);

/* The file of a descriptor, with a reference; NULL: there is none.  Context: thread. */
struct file *file_table_find(struct file_table *table, int descriptor);

/* A file as one call uses it, between file_table_use and file_use_end. */
struct file_use {
    struct file *file; /* NULL: there is none */
    bool is_counted;   /* it holds a reference */
};

/*
 * The file of a descriptor for the length of a call. A table that nobody but the calling thread can
 * change, as it has one reference and is_alone says that the thread's process has no other, keeps
 * the file meanwhile: then no reference is taken. The thread closes nothing before file_use_end.
 * Context: thread, the table's user.
 */
HX_MUST_USE static inline struct file_use file_table_use(struct file_table *table, bool is_alone,
                                                         int descriptor);

/* The rest of file_table_use: with a reference. */
HX_MUST_USE struct file_use file_table_use_counted(struct file_table *table, int descriptor);

/* Whether nobody but the calling thread can change the table, or close what is in it. */
static inline bool file_table_is_alone(const struct file_table *table, bool is_alone)
{
    /* acquire: pairs with the release of who shared it and has put it, after its changes */
    return HX_LIKELY(is_alone) &&
           HX_LIKELY(atomic_load_explicit(&table->references, memory_order_acquire) == 1);
}

/* With file_table_is_alone: the file without a reference, and without the lock, as others only read
 * the table now. */
static inline struct file *file_table_peek(const struct file_table *table, int descriptor)
{
    return HX_LIKELY((uint32_t)descriptor < table->capacity)
               ? table->entries[(uint32_t)descriptor].file
               : NULL;
}

static inline struct file_use file_table_use(struct file_table *table, bool is_alone,
                                             int descriptor)
{
    return file_table_is_alone(table, is_alone)
               ? (struct file_use){file_table_peek(table, descriptor), false}
               : file_table_use_counted(table, descriptor);
}

static inline void file_use_end(struct file_use use)
{
    if (HX_UNLIKELY(use.is_counted)) {
        file_put(use.file);
    }
}

/* Put a file under the lowest free descriptor at or above `from`; the caller's reference moves in.
 * Errors: HX_EMFILE, HX_ENOMEM, HX_ELIMIT; the reference is then still the caller's. */
HX_MUST_USE hx_err file_table_add(struct file_table *table, struct file *file, int from,
                                  bool close_on_exec, int *descriptor);
/* Put it under exactly this one; what stood there is closed.  Errors: HX_EBADF outside the limit.
 */
HX_MUST_USE hx_err file_table_set(struct file_table *table, struct file *file, int descriptor,
                                  bool close_on_exec);
HX_MUST_USE hx_err file_table_close(struct file_table *table, int descriptor); /* HX_EBADF */
HX_MUST_USE hx_err file_table_close_on_exec(struct file_table *table, int descriptor, bool *is_set);
HX_MUST_USE hx_err file_table_set_close_on_exec(struct file_table *table, int descriptor, bool set);
/* exec: close those that are marked. */
void file_table_exec(struct file_table *table);
/* How many descriptors there is room for at present; at least 64. */
uint32_t file_table_room(struct file_table *table);
/* The lowest descriptor in use at or above `from`, -1: none. */
int file_table_next(struct file_table *table, int from);

#endif
