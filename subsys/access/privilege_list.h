/*
 * What ordinary users may not do: each row is an act that needs PERMISSION_EXECUTE on the resource
 * `privilege:NAME`. The documentation's table is made from this one.
 *
 * Rules:
 * - The errors are those that Linux answers (the calls' pages in section 2 of its manual).
 * - A row may be added at the end, never moved or removed: the numbers leave the kernel.
 */
#ifndef SUBSYS_ACCESS_PRIVILEGE_LIST_H
#define SUBSYS_ACCESS_PRIVILEGE_LIST_H

/* X(enumerator, number from 1, name, error without it, what it allows) */
#define PRIVILEGE_LIST(X)                                                                          \
    X(PRIVILEGE_POWER, 1, "power", HX_EPERM, "power off, restart or halt the machine")             \
    X(PRIVILEGE_MOUNT, 2, "mount", HX_EPERM, "mount and unmount file systems")                     \
    X(PRIVILEGE_CHROOT, 3, "chroot", HX_EPERM, "change the root directory")                        \
    X(PRIVILEGE_CLOCK, 4, "clock", HX_EPERM, "set the wall clock")                                 \
    X(PRIVILEGE_NAME, 5, "name", HX_EPERM, "set the machine's host and domain name")               \
    X(PRIVILEGE_SIGNAL, 6, "signal", HX_EPERM, "send signals to processes of other users")         \
    X(PRIVILEGE_IDENTITY, 7, "identity", HX_EPERM, "become any user, join any group")              \
    X(PRIVILEGE_DEVICE, 8, "device", HX_EPERM, "make device nodes")                                \
    X(PRIVILEGE_LIMIT, 9, "limit", HX_EPERM, "raise hard limits; see and set those of others")     \
    X(PRIVILEGE_PRIORITY, 10, "priority", HX_EACCES, "run before others; change their priority")   \
    X(PRIVILEGE_TERMINAL, 11, "terminal", HX_EPERM, "take a terminal from its session")            \
    X(PRIVILEGE_INSPECT, 12, "inspect", HX_EACCES, "look into processes of other users")           \
    X(PRIVILEGE_PORT, 13, "port", HX_EACCES, "listen on ports below 1024")                         \
    X(PRIVILEGE_MODULE, 14, "module", HX_EPERM, "load and unload modules")                         \
    X(PRIVILEGE_RAW_IO, 15, "raw_io", HX_EPERM, "reach I/O ports and physical memory")             \
    X(PRIVILEGE_LOG, 16, "log", HX_EPERM, "read and clear the kernel's log")                       \
    X(PRIVILEGE_NETWORK, 17, "network", HX_EPERM, "set up network interfaces")                     \
    X(PRIVILEGE_FILES, 18, "files", HX_EPERM, "reach files by handles; attributes called trusted")

#endif
