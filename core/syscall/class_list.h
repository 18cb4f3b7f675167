/*
 * The classes of system calls: what a security policy speaks about, and what the number of a
 * resource of type `calls` is.
 *
 * X(enumerator, number, name, what its calls are about). A row may be added at the end, never moved
 * or removed: the numbers leave the kernel.
 */
#ifndef CORE_SYSCALL_CLASS_LIST_H
#define CORE_SYSCALL_CLASS_LIST_H

#define SYSCALL_CLASS_LIST(X)                                                                      \
    X(SYSCALL_CLASS_UNKNOWN, 0, "unknown", "numbers that nobody has, or that have no class")       \
    X(SYSCALL_CLASS_FILES, 1, "files", "files, directories, descriptors, waiting for them")        \
    X(SYSCALL_CLASS_MEMORY, 2, "memory", "the caller's address space")                             \
    X(SYSCALL_CLASS_PROCESSES, 3, "processes", "processes, threads, their scheduling and limits")  \
    X(SYSCALL_CLASS_SIGNALS, 4, "signals", "signals, sent and handled")                            \
    X(SYSCALL_CLASS_TIME, 5, "time", "clocks, sleeping, timers")                                   \
    X(SYSCALL_CLASS_NETWORK, 6, "network", "sockets")                                              \
    X(SYSCALL_CLASS_IDENTITY, 7, "identity", "users and groups, sessions")                         \
    X(SYSCALL_CLASS_SYSTEM, 8, "system", "the machine as a whole")                                 \
    X(SYSCALL_CLASS_NATIVE, 9, "native", "Helix's own calls, from 480 up")

#endif
