/*
 * The one error type of Helix.
 *
 * Rules:
 * - Zero is success; every other value is one row of HX_ERROR_LIST.
 * - Numbers are stable for ever: a row may be added at the end, never moved or removed.
 * - A count or a pointer never shares a channel with an error.
 * - The POSIX numbers are those of Linux x86-64 (asm-generic/errno*.h), written out here
 *   because the kernel is built without a C library.
 */
#ifndef HELIX_ERROR_H
#define HELIX_ERROR_H

#include <helix/attributes.h>
#include <stdbool.h>
#include <stdint.h>

/* X(name, number, POSIX errno, what it means) */
#define HX_ERROR_LIST(X)                                                                           \
    X(HX_OK, 0, 0, "success")                                                                      \
    X(HX_EINVAL, 1, 22, "an argument is outside its range")                                        \
    X(HX_ENOMEM, 2, 12, "out of memory")                                                           \
    X(HX_ENOENT, 3, 2, "no such thing")                                                            \
    X(HX_EEXIST, 4, 17, "a thing of that name or number exists")                                   \
    X(HX_EBUSY, 5, 16, "in use")                                                                   \
    X(HX_EAGAIN, 6, 11, "cannot be done now without waiting")                                      \
    X(HX_ETIMEDOUT, 7, 110, "the deadline passed")                                                 \
    X(HX_EPERM, 8, 1, "the caller lacks the permission")                                           \
    X(HX_ESTATE, 9, 22, "not allowed in the present state")                                        \
    X(HX_ECONTEXT, 10, 22, "not allowed in this context")                                          \
    X(HX_ERANGE, 11, 34, "a number is too large or too small")                                     \
    X(HX_EFAULT, 12, 14, "a bad address")                                                          \
    X(HX_ENOSYS, 13, 38, "not supported here")                                                     \
    X(HX_EFORMAT, 14, 8, "malformed data")                                                         \
    X(HX_EVERSION, 15, 8, "an incompatible version")                                               \
    X(HX_ESTALE, 16, 116, "the handle's object is gone")                                           \
    X(HX_ECLOSED, 17, 32, "the other side has closed")                                             \
    X(HX_EDIED, 18, 5, "the callee died during the call")                                          \
    X(HX_ECYCLE, 19, 40, "the dependencies form a cycle")                                          \
    X(HX_EMISSING, 20, 2, "a dependency is missing")                                               \
    X(HX_EIO, 21, 5, "the device failed")                                                          \
    X(HX_ENOSPC, 22, 28, "no room left")                                                           \
    X(HX_EIMPORT, 23, 8, "an imported symbol is unknown")                                          \
    X(HX_ELIMIT, 24, 122, "a resource limit is reached")                                           \
    X(HX_EINTR, 25, 4, "interrupted by a signal")                                                  \
    X(HX_EBADF, 26, 9, "no such open file, or not open for this")                                  \
    X(HX_ENOTDIR, 27, 20, "not a directory")                                                       \
    X(HX_EISDIR, 28, 21, "a directory")                                                            \
    X(HX_ENAMETOOLONG, 29, 36, "a name is too long")                                               \
    X(HX_ELOOP, 30, 40, "too many symbolic links")                                                 \
    X(HX_ENOTEMPTY, 31, 39, "the directory is not empty")                                          \
    X(HX_EXDEV, 32, 18, "on another file system")                                                  \
    X(HX_ESRCH, 33, 3, "no such process or thread")                                                \
    X(HX_ECHILD, 34, 10, "no such child")                                                          \
    X(HX_ENOTTY, 35, 25, "the device does not know this request")                                  \
    X(HX_ESPIPE, 36, 29, "it has no position")                                                     \
    X(HX_EROFS, 37, 30, "the file system is read only")                                            \
    X(HX_EACCES, 38, 13, "the file's permissions forbid it")                                       \
    X(HX_EMFILE, 39, 24, "too many open files")                                                    \
    X(HX_EFBIG, 40, 27, "the file would become too large")                                         \
    X(HX_ENXIO, 41, 6, "no such device or address")                                                \
    X(HX_ENODEV, 42, 19, "no such device, or not one that can do this")                            \
    X(HX_EOVERFLOW, 43, 75, "a value does not fit its type")                                       \
    X(HX_E2BIG, 44, 7, "too many arguments")                                                       \
    X(HX_ETXTBSY, 45, 26, "the program is being run or written")                                   \
    X(HX_EMLINK, 46, 31, "too many links")                                                         \
    X(HX_EDEADLOCK, 47, 35, "waiting would never end")                                             \
    X(HX_EOPNOTSUPP, 48, 95, "this object cannot do that")                                         \
    X(HX_ELIBBAD, 49, 80, "the program's interpreter is damaged")                                  \
    X(HX_ENOTSOCK, 50, 88, "not a socket")                                                         \
    X(HX_EDESTADDRREQ, 51, 89, "no address to send to")                                            \
    X(HX_EMSGSIZE, 52, 90, "the message is too long")                                              \
    X(HX_EPROTOTYPE, 53, 91, "a socket of another type")                                           \
    X(HX_ENOPROTOOPT, 54, 92, "the protocol has no such option")                                   \
    X(HX_EPROTONOSUPPORT, 55, 93, "no such protocol")                                              \
    X(HX_ESOCKTNOSUPPORT, 56, 94, "no such type of socket")                                        \
    X(HX_EAFNOSUPPORT, 57, 97, "no such family of addresses")                                      \
    X(HX_EADDRINUSE, 58, 98, "the address is in use")                                              \
    X(HX_EADDRNOTAVAIL, 59, 99, "not an address of this machine")                                  \
    X(HX_ENETUNREACH, 60, 101, "no way leads there")                                               \
    X(HX_ECONNRESET, 61, 104, "the other side has broken the connection")                          \
    X(HX_ENOBUFS, 62, 105, "no memory for buffers")                                                \
    X(HX_EISCONN, 63, 106, "connected already")                                                    \
    X(HX_ENOTCONN, 64, 107, "not connected")                                                       \
    X(HX_ETOOMANYREFS, 65, 109, "too many files are under way")                                    \
    X(HX_ECONNREFUSED, 66, 111, "nobody listens there")                                            \
    X(HX_EALREADY, 67, 114, "it is under way already")                                             \
    X(HX_EINPROGRESS, 68, 115, "it goes on without the caller")                                    \
    X(HX_EPIPE, 69, 32, "nothing can be sent any more, and no signal says so")                     \
    X(HX_EDOM, 70, 33, "a value outside of what it may be")                                        \
    X(HX_ENOTBLK, 71, 15, "not a block device")                                                    \
    X(HX_EOWNERDEAD, 72, 130, "who held the lock has died")

#define HX_ERROR_ENUM(name, number, posix, text) name = (number),
typedef enum hx_err { HX_ERROR_LIST(HX_ERROR_ENUM) } hx_err;
#undef HX_ERROR_ENUM

/*
 * The identifier of an error, "HX_EINVAL" for one; "HX_?" for a number that is no row.
 * Context: any.
 */
const char *hx_error_name(hx_err error);

/* One plain sentence for people.  Context: any. */
const char *hx_error_text(hx_err error);

/* Whether a number from elsewhere is that of a row.  Context: any. */
bool hx_error_is_known(uint64_t number);

/* The positive POSIX errno of an error; EIO (5) for a number that is no row.  Context: any. */
int hx_error_errno(hx_err error);

#endif
