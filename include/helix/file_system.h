/*
 * The operations of a file system: what stands on a disk, taken apart into files and names.
 *
 * Rules:
 * - The kernel makes one call at a time, so a module needs no locks but for what its lifecycle's
 *   functions share with the operations.
 * - The truth is on the disk (helix/disk.h). What an operation has written takes effect as a whole
 *   when it answers HX_OK or HX_EAGAIN, and not at all when it answers anything else, or dies: then
 *   the kernel may make the same call again, of another instance.
 * - Before mount, and after unmount, all others answer HX_ESTATE; the kernel then calls mount. An
 *   instance that takes a state over is mounted as the one before was. HX_ESTATE of one that is
 *   mounted is doubted, as below.
 * - An error is one of those that are said of the operation, HX_EIO when the disk failed or cannot
 *   be right, or what helix/disk.h answered. Another one, and HX_EIO of a disk that had nothing to
 *   say, is doubted: the instance ends, and what the next one answers counts.
 * - Files are named by the number of their inode, which the kernel has got from an answer, and
 * gives back with forget. Nothing that the disk says is to be believed: what cannot be is HX_EIO.
 * - Names, attributes and bytes cross as loans (helix/loan.h): a parameter that is called loan_…
 *   is the handle of one that has the size of the structure, or the size beside it.
 */
#ifndef HELIX_FILE_SYSTEM_H
#define HELIX_FILE_SYSTEM_H

#include <helix/error.h>
#include <helix/operation.h>
#include <stdint.h>

#define HX_FILE_NAME_MAX     255U
#define HX_FILE_TARGET_MAX   4095U  /* bytes of a symbolic link's target */
#define HX_FILE_TRANSFER_MAX 65536U /* bytes of one read or write */

/* Numbers are those of the type bits in POSIX's st_mode >> 12. */
enum hx_file_type {
    HX_FILE_FIFO = 1,
    HX_FILE_CHARACTER = 2,
    HX_FILE_DIRECTORY = 4,
    HX_FILE_BLOCK = 6,
    HX_FILE_REGULAR = 8,
    HX_FILE_SYMLINK = 10,
    HX_FILE_SOCKET = 12,
};

/* Times are nanoseconds since 1970; what a disk cannot keep of one is lost. */
struct hx_file_attributes {
    uint64_t number;  /* of the inode, at least 1 */
    uint64_t size;    /* bytes; of a symbolic link those of its target */
    uint64_t sectors; /* of 512 bytes that it takes on the disk */
    uint64_t accessed;
    uint64_t modified;
    uint64_t changed;
    uint64_t device; /* of device nodes: major << 32 | minor */
    uint32_t type;   /* enum hx_file_type */
    uint32_t mode;   /* permissions: 07777 */
    uint32_t user;
    uint32_t group;
    uint32_t links;
    uint32_t reserved;
};

/* What a new file is to be. Its name and, behind it, a symbolic link's target are in a loan. */
struct hx_file_making {
    uint64_t now;
    uint64_t device;
    uint32_t type;
    uint32_t mode;
    uint32_t user;
    uint32_t group;
    uint32_t name_length;
    uint32_t target_length;
};

/* A rename. What stands at the new name goes; with is_exchange both change places. */
struct hx_file_move {
    uint64_t from; /* directories */
    uint64_t to;
    uint32_t old_length; /* of the names */
    uint32_t new_length;
    uint32_t is_exchange;
    uint32_t reserved;
    uint64_t moved;    /* answer: the inode that has the new name */
    uint64_t replaced; /* answer: the one that had it, which lost that name; 0: none */
};

/* list fills a loan with this, and count entries behind it. */
struct hx_file_listing {
    uint64_t count; /* 0: there are no more */
};

/* An entry; the next one begins size bytes on. */
struct hx_file_entry {
    uint64_t number;
    uint64_t position; /* where to begin for those after it */
    uint16_t size;     /* of the entry with its name, a multiple of 8 */
    uint8_t type;
    uint8_t name_length;
    char name[4]; /* name_length bytes, whatever stands here */
};

struct hx_file_system_numbers {
    uint64_t magic; /* statfs(2) */
    uint64_t block_size;
    uint64_t blocks;
    uint64_t blocks_free;
    uint64_t files;
    uint64_t files_free;
};

enum hx_file_system_flag {
    HX_FILE_SYSTEM_READ_ONLY = 1U << 0, /* nothing is to be written, or can be */
    HX_FILE_SYSTEM_IN_ORDER = 1U << 1,  /* answer: it was left in order by who used it last */
    HX_FILE_SYSTEM_AGAIN = 1U << 2,     /* the kernel uses it already; the flags are those that the
                                           first mount answered */
};

struct hx_file_system_mounted {
    struct hx_file_attributes root;
    uint64_t flags; /* enum hx_file_system_flag */
};

/*
 * mount       begin with what is on the disk. loan_mounted is for struct hx_file_system_mounted.
 *             Errors: HX_EINVAL none that it knows, HX_EIO
 * unmount     the last call but mount. Errors: HX_EIO
 * sync        what is on the disk now is to be found in order by who looks at it
 * numbers     loan_numbers is for struct hx_file_system_numbers
 * attributes  loan_attributes is for struct hx_file_attributes
 * set         take over mode, user, group and times of the loan's
 * lookup      also of "..". Errors: HX_ENOENT, HX_ENOTDIR
 * make        Errors: HX_ENOSPC, HX_ENAMETOOLONG the target, HX_EMLINK. The name is free.
 * link        another name of an inode.  Errors: HX_ENOSPC, HX_EMLINK
 * unlink      take a name away; the inode, whose number is said, stays until it is forgotten.
 *             Errors: HX_ENOENT, HX_ENOTEMPTY
 * rename      loan_move is of struct hx_file_move. Errors: HX_ENOENT, HX_ENOTEMPTY, HX_ENOSPC
 * list        entries from a position on, but for "." and ".."; the first one is 0
 * read        size bytes; what was never written, or lies behind the end, reads as zeros
 * write       size bytes, all or none; the file grows to hold them.  Errors: HX_ENOSPC, HX_EFBIG
 * resize      what is added reads as zeros. HX_EAGAIN: it has come nearer, call it again
 * read_link   of a symbolic link's target the first size bytes
 * forget      nobody uses the inode any more. One without names is freed; HX_EAGAIN: it has begun
 */
#define HX_FILE_SYSTEM_OPERATION_LIST(X)                                                           \
    X(FILE_SYSTEM_MOUNT, mount, hx_err, (uint64_t flags, uint64_t loan_mounted),                   \
      HX_OPERATION_READS)                                                                          \
    X(FILE_SYSTEM_UNMOUNT, unmount, hx_err, (void), HX_OPERATION_READS)                            \
    X(FILE_SYSTEM_SYNC, sync, hx_err, (void), HX_OPERATION_READS)                                  \
    X(FILE_SYSTEM_NUMBERS, numbers, hx_err, (uint64_t loan_numbers), HX_OPERATION_READS)           \
    X(FILE_SYSTEM_ATTRIBUTES, attributes, hx_err, (uint64_t inode, uint64_t loan_attributes),      \
      HX_OPERATION_READS)                                                                          \
    X(FILE_SYSTEM_SET, set, hx_err, (uint64_t inode, uint64_t loan_attributes),                    \
      HX_OPERATION_READS)                                                                          \
    X(FILE_SYSTEM_LOOKUP, lookup, hx_err,                                                          \
      (uint64_t directory, uint64_t loan_name, uint64_t length, uint64_t loan_attributes),         \
      HX_OPERATION_READS)                                                                          \
    X(FILE_SYSTEM_MAKE, make, hx_err,                                                              \
      (uint64_t directory, uint64_t loan_making, uint64_t loan_texts, uint64_t loan_attributes),   \
      HX_OPERATION_READS)                                                                          \
    X(FILE_SYSTEM_LINK, link, hx_err,                                                              \
      (uint64_t directory, uint64_t loan_name, uint64_t length, uint64_t inode),                   \
      HX_OPERATION_READS)                                                                          \
    X(FILE_SYSTEM_UNLINK, unlink, hx_err,                                                          \
      (uint64_t directory, uint64_t loan_name, uint64_t length, uint64_t inode),                   \
      HX_OPERATION_READS)                                                                          \
    X(FILE_SYSTEM_RENAME, rename, hx_err,                                                          \
      (uint64_t loan_move, uint64_t loan_old_name, uint64_t loan_new_name), HX_OPERATION_READS)    \
    X(FILE_SYSTEM_LIST, list, hx_err,                                                              \
      (uint64_t directory, uint64_t position, uint64_t loan_listing, uint64_t size),               \
      HX_OPERATION_READS)                                                                          \
    X(FILE_SYSTEM_READ, read, hx_err,                                                              \
      (uint64_t inode, uint64_t offset, uint64_t loan_bytes, uint64_t size), HX_OPERATION_READS)   \
    X(FILE_SYSTEM_WRITE, write, hx_err,                                                            \
      (uint64_t inode, uint64_t offset, uint64_t loan_bytes, uint64_t size), HX_OPERATION_READS)   \
    X(FILE_SYSTEM_RESIZE, resize, hx_err, (uint64_t inode, uint64_t size), HX_OPERATION_READS)     \
    X(FILE_SYSTEM_READ_LINK, read_link, hx_err,                                                    \
      (uint64_t inode, uint64_t loan_target, uint64_t size), HX_OPERATION_READS)                   \
    X(FILE_SYSTEM_FORGET, forget, hx_err, (uint64_t inode, uint64_t now), HX_OPERATION_READS)

enum file_system_operation {
    HX_FILE_SYSTEM_OPERATION_LIST(HX_OPERATION_ENUM) FILE_SYSTEM_OPERATION_COUNT
};

struct hx_file_system_operations {
    HX_FILE_SYSTEM_OPERATION_LIST(HX_OPERATION_MEMBER)
};

#endif
