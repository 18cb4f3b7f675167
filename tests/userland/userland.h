/*
 * What the programs that run on Linux and in the guest share: they print what they find, line by
 * line, and nothing that may differ between two kernels that are both right.
 */
#ifndef TESTS_USERLAND_USERLAND_H
#define TESTS_USERLAND_USERLAND_H

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define UNUSED __attribute__((unused))

/* clang-format off */
#define USERLAND_ERRORS(X) \
    X(EPERM) X(ENOENT) X(ESRCH) X(EINTR) X(EIO) X(ENXIO) X(E2BIG) X(ENOEXEC) X(EBADF) \
    X(ECHILD) X(EAGAIN) X(ENOMEM) X(EACCES) X(EFAULT) X(ENOTBLK) X(EBUSY) X(EEXIST) \
    X(EXDEV) X(ENODEV) X(ENOTDIR) X(EISDIR) X(EINVAL) X(ENFILE) X(EMFILE) X(ENOTTY) \
    X(ETXTBSY) X(EFBIG) X(ENOSPC) X(ESPIPE) X(EROFS) X(EMLINK) X(EPIPE) X(EDOM) X(ERANGE) \
    X(EDEADLK) X(ENAMETOOLONG) X(ENOSYS) X(ENOTEMPTY) X(ELOOP) X(EOVERFLOW) X(EOPNOTSUPP) \
    X(ETIMEDOUT) X(ENODATA) X(ENOTSOCK) X(EOWNERDEAD) X(ENOTRECOVERABLE) X(EUSERS) \
    X(EDESTADDRREQ) X(EMSGSIZE) X(EPROTOTYPE) X(ENOPROTOOPT) X(EPROTONOSUPPORT) \
    X(ESOCKTNOSUPPORT) X(EAFNOSUPPORT) X(EADDRINUSE) X(EADDRNOTAVAIL) X(ENETUNREACH) \
    X(ECONNABORTED) X(ECONNRESET) X(ENOBUFS) X(EISCONN) X(ENOTCONN) X(ETOOMANYREFS) \
    X(ECONNREFUSED) X(EALREADY) X(EINPROGRESS)
/* clang-format on */

static UNUSED const char *error_name(int error)
{
    switch (error) {
#define USERLAND_CASE(name)                                                                        \
    case name:                                                                                     \
        return #name;
        USERLAND_ERRORS(USERLAND_CASE)
#undef USERLAND_CASE
    case 0:
        return "0";
    default:
        return "an error without a name here";
    }
}

/* A call and its result: the number, or the error's name. */
#define SHOW(call) show(#call, (errno = 0, (long)(call)))
/* The same for calls whose good result may be any number. */
#define SHOW_ERROR(call) show_error(#call, (errno = 0, (long)(call)))
/* For functions that answer an error number. */
#define SHOW_CODE(call)      printf("%s: %s\n", #call, error_name(call))
#define SHOW_TRUE(condition) printf("%s: %s\n", #condition, (condition) ? "yes" : "no")

static UNUSED long show(const char *call, long result)
{
    if (result == -1) {
        printf("%s: %s\n", call, error_name(errno));
    } else {
        printf("%s: %ld\n", call, result);
    }
    return result;
}

static UNUSED long show_error(const char *call, long result)
{
    printf("%s: %s\n", call, result == -1 ? error_name(errno) : "done");
    return result;
}

/* What a child prints must not be printed twice: call before fork. */
static UNUSED void flush(void)
{
    fflush(stdout);
}

#endif
