/*
 * Every system call of Linux x86-64 that exists here, in one table: the registry, the prototypes
 * and the table in docs/system-calls.md are made from it. The list that a call stands in is its
 * class (core/syscall/class_list.h).
 *
 * X(number, name, how many arguments, what is missing; "" for nothing)
 */
#ifndef ABI_LINUX_CALL_LIST_H
#define ABI_LINUX_CALL_LIST_H

#define LINUX_FILE_CALL_LIST(X)                                                                    \
    X(0, read, 3, "")                                                                              \
    X(1, write, 3, "")                                                                             \
    X(2, open, 3, "no O_TMPFILE")                                                                  \
    X(3, close, 1, "")                                                                             \
    X(4, stat, 2, "")                                                                              \
    X(5, fstat, 2, "")                                                                             \
    X(6, lstat, 2, "")                                                                             \
    X(7, poll, 3, "")                                                                              \
    X(8, lseek, 3, "")                                                                             \
    X(16, ioctl, 3, "what terminals and pipes know")                                               \
    X(17, pread64, 4, "")                                                                          \
    X(18, pwrite64, 4, "")                                                                         \
    X(19, readv, 3, "")                                                                            \
    X(20, writev, 3, "")                                                                           \
    X(21, access, 2, "")                                                                           \
    X(22, pipe, 1, "")                                                                             \
    X(23, select, 5, "at most 1024 descriptors; the time left is not told")                        \
    X(32, dup, 1, "")                                                                              \
    X(33, dup2, 2, "")                                                                             \
    X(40, sendfile, 4, "")                                                                         \
    X(72, fcntl, 3, "no leases, notification; F_SETPIPE_SZ")                                       \
    X(73, flock, 2, "")                                                                            \
    X(74, fsync, 1, "")                                                                            \
    X(75, fdatasync, 1, "")                                                                        \
    X(76, truncate, 2, "")                                                                         \
    X(77, ftruncate, 2, "")                                                                        \
    X(78, getdents, 3, "")                                                                         \
    X(79, getcwd, 2, "")                                                                           \
    X(80, chdir, 1, "")                                                                            \
    X(81, fchdir, 1, "")                                                                           \
    X(82, rename, 2, "")                                                                           \
    X(83, mkdir, 2, "")                                                                            \
    X(84, rmdir, 1, "")                                                                            \
    X(85, creat, 2, "")                                                                            \
    X(86, link, 2, "")                                                                             \
    X(87, unlink, 1, "")                                                                           \
    X(88, symlink, 2, "")                                                                          \
    X(89, readlink, 3, "")                                                                         \
    X(90, chmod, 2, "")                                                                            \
    X(91, fchmod, 2, "")                                                                           \
    X(92, chown, 3, "")                                                                            \
    X(93, fchown, 3, "")                                                                           \
    X(94, lchown, 3, "")                                                                           \
    X(95, umask, 1, "")                                                                            \
    X(132, utime, 2, "")                                                                           \
    X(133, mknod, 3, "")                                                                           \
    X(137, statfs, 2, "")                                                                          \
    X(138, fstatfs, 2, "")                                                                         \
    X(161, chroot, 1, "")                                                                          \
    X(162, sync, 0, "")                                                                            \
    X(165, mount, 5, "no MS_MOVE, no propagation")                                                 \
    X(166, umount2, 2, "")                                                                         \
    X(187, readahead, 3, "")                                                                       \
    X(213, epoll_create, 1, "")                                                                    \
    X(217, getdents64, 3, "")                                                                      \
    X(221, fadvise64, 4, "")                                                                       \
    X(232, epoll_wait, 4, "")                                                                      \
    X(233, epoll_ctl, 4, "")                                                                       \
    X(235, utimes, 2, "")                                                                          \
    X(257, openat, 4, "no O_TMPFILE")                                                              \
    X(258, mkdirat, 3, "")                                                                         \
    X(259, mknodat, 4, "")                                                                         \
    X(260, fchownat, 5, "")                                                                        \
    X(261, futimesat, 3, "")                                                                       \
    X(262, newfstatat, 4, "")                                                                      \
    X(263, unlinkat, 3, "")                                                                        \
    X(264, renameat, 4, "")                                                                        \
    X(265, linkat, 5, "")                                                                          \
    X(266, symlinkat, 3, "")                                                                       \
    X(267, readlinkat, 4, "")                                                                      \
    X(268, fchmodat, 3, "")                                                                        \
    X(269, faccessat, 3, "")                                                                       \
    X(270, pselect6, 6, "at most 1024 descriptors")                                                \
    X(271, ppoll, 5, "")                                                                           \
    X(277, sync_file_range, 4, "")                                                                 \
    X(280, utimensat, 4, "")                                                                       \
    X(281, epoll_pwait, 6, "")                                                                     \
    X(284, eventfd, 1, "")                                                                         \
    X(285, fallocate, 4, "mode 0 only")                                                            \
    X(290, eventfd2, 2, "")                                                                        \
    X(291, epoll_create1, 1, "")                                                                   \
    X(292, dup3, 3, "")                                                                            \
    X(293, pipe2, 2, "")                                                                           \
    X(295, preadv, 4, "")                                                                          \
    X(296, pwritev, 4, "")                                                                         \
    X(306, syncfs, 1, "")                                                                          \
    X(316, renameat2, 5, "")                                                                       \
    X(319, memfd_create, 2, "no seals, no huge pages; ETXTBSY for who runs it while it is open")   \
    X(326, copy_file_range, 6, "")                                                                 \
    X(327, preadv2, 6, "no RWF_NOWAIT, RWF_APPEND")                                                \
    X(328, pwritev2, 6, "no RWF_NOWAIT, RWF_APPEND")                                               \
    X(332, statx, 5, "")                                                                           \
    X(303, name_to_handle_at, 5, "no file has one: EOPNOTSUPP")                                    \
    X(304, open_by_handle_at, 3, "no file has one: ESTALE")                                        \
    X(436, close_range, 3, "")                                                                     \
    X(439, faccessat2, 4, "")                                                                      \
    X(441, epoll_pwait2, 6, "")                                                                    \
    X(253, inotify_init, 0, "")                                                                    \
    X(254, inotify_add_watch, 3, "")                                                               \
    X(255, inotify_rm_watch, 2, "")                                                                \
    X(294, inotify_init1, 1, "")                                                                   \
    X(188, setxattr, 5, "none is kept: EOPNOTSUPP")                                                \
    X(189, lsetxattr, 5, "none is kept: EOPNOTSUPP")                                               \
    X(190, fsetxattr, 5, "none is kept: EOPNOTSUPP")                                               \
    X(191, getxattr, 4, "")                                                                        \
    X(192, lgetxattr, 4, "")                                                                       \
    X(193, fgetxattr, 4, "")                                                                       \
    X(194, listxattr, 3, "")                                                                       \
    X(195, llistxattr, 3, "")                                                                      \
    X(196, flistxattr, 3, "")                                                                      \
    X(197, removexattr, 2, "")                                                                     \
    X(198, lremovexattr, 2, "")                                                                    \
    X(199, fremovexattr, 2, "")

#define LINUX_SOCKET_CALL_LIST(X)                                                                  \
    X(41, socket, 3, "Unix, TCP and UDP of IPv4 over loopback")                                    \
    X(42, connect, 3, "")                                                                          \
    X(43, accept, 3, "")                                                                           \
    X(44, sendto, 6, "no urgent data")                                                             \
    X(45, recvfrom, 6, "no urgent data")                                                           \
    X(46, sendmsg, 3, "no urgent data")                                                            \
    X(47, recvmsg, 3, "no urgent data")                                                            \
    X(48, shutdown, 2, "")                                                                         \
    X(49, bind, 3, "")                                                                             \
    X(50, listen, 2, "")                                                                           \
    X(51, getsockname, 3, "")                                                                      \
    X(52, getpeername, 3, "")                                                                      \
    X(53, socketpair, 4, "")                                                                       \
    X(54, setsockopt, 5, "what is about packets changes nothing")                                  \
    X(55, getsockopt, 5, "")                                                                       \
    X(288, accept4, 4, "")                                                                         \
    X(299, recvmmsg, 5, "")                                                                        \
    X(307, sendmmsg, 4, "")

#define LINUX_MEMORY_CALL_LIST(X)                                                                  \
    X(9, mmap, 6, "never writable and executable at once; no huge pages, locking")                 \
    X(10, mprotect, 3, "never writable and executable at once")                                    \
    X(11, munmap, 2, "")                                                                           \
    X(12, brk, 1, "")                                                                              \
    X(25, mremap, 5, "")                                                                           \
    X(26, msync, 3, "")                                                                            \
    X(27, mincore, 3, "pages of files that were not touched count as absent")                      \
    X(28, madvise, 3, "MADV_DONTNEED; other advice changes nothing")                               \
    X(149, mlock, 2, "")                                                                           \
    X(150, munlock, 2, "")                                                                         \
    X(151, mlockall, 1, "")                                                                        \
    X(152, munlockall, 0, "")                                                                      \
    X(325, mlock2, 3, "")

#define LINUX_PROCESS_CALL_LIST(X)                                                                 \
    X(24, sched_yield, 0, "")                                                                      \
    X(39, getpid, 0, "")                                                                           \
    X(56, clone, 5, "no namespaces, CLONE_PTRACE")                                                 \
    X(57, fork, 0, "")                                                                             \
    X(58, vfork, 0, "")                                                                            \
    X(59, execve, 3, "2 MiB of arguments at most")                                                 \
    X(60, exit, 1, "")                                                                             \
    X(61, wait4, 4, "")                                                                            \
    X(97, getrlimit, 2, "")                                                                        \
    X(98, getrusage, 2, "no split of user and system time")                                        \
    X(110, getppid, 0, "")                                                                         \
    X(140, getpriority, 2, "")                                                                     \
    X(141, setpriority, 3, "")                                                                     \
    X(142, sched_setparam, 2, "one policy")                                                        \
    X(143, sched_getparam, 2, "one policy")                                                        \
    X(144, sched_setscheduler, 3, "one policy: EPERM for others")                                  \
    X(145, sched_getscheduler, 1, "one policy")                                                    \
    X(146, sched_get_priority_max, 1, "")                                                          \
    X(147, sched_get_priority_min, 1, "")                                                          \
    X(148, sched_rr_get_interval, 2, "")                                                           \
    X(157, prctl, 5, "names, dumpable, death signal, subreaper, no_new_privs")                     \
    X(158, arch_prctl, 2, "FS only")                                                               \
    X(160, setrlimit, 2, "")                                                                       \
    X(186, gettid, 0, "")                                                                          \
    X(202, futex, 6, "no priority inheritance")                                                    \
    X(203, sched_setaffinity, 3, "the caller's own")                                               \
    X(204, sched_getaffinity, 3, "")                                                               \
    X(218, set_tid_address, 1, "")                                                                 \
    X(231, exit_group, 1, "")                                                                      \
    X(247, waitid, 5, "")                                                                          \
    X(273, set_robust_list, 2, "")                                                                 \
    X(274, get_robust_list, 3, "the caller's own")                                                 \
    X(302, prlimit64, 4, "")                                                                       \
    X(309, getcpu, 2, "")                                                                          \
    X(322, execveat, 5, "2 MiB of arguments at most")                                              \
    X(434, pidfd_open, 2, "")                                                                      \
    X(424, pidfd_send_signal, 4, "")                                                               \
    X(438, pidfd_getfd, 3, "")                                                                     \
    X(435, clone3, 2, "no namespaces, set_tid")                                                    \
    X(135, personality, 1, "told again, changes nothing")                                          \
    X(251, ioprio_set, 3, "checked, changes nothing")                                              \
    X(252, ioprio_get, 2, "")                                                                      \
    X(324, membarrier, 2, "no restartable sequences")

#define LINUX_IDENTITY_CALL_LIST(X)                                                                \
    X(102, getuid, 0, "")                                                                          \
    X(104, getgid, 0, "")                                                                          \
    X(105, setuid, 1, "")                                                                          \
    X(106, setgid, 1, "")                                                                          \
    X(107, geteuid, 0, "")                                                                         \
    X(108, getegid, 0, "")                                                                         \
    X(109, setpgid, 2, "")                                                                         \
    X(111, getpgrp, 0, "")                                                                         \
    X(112, setsid, 0, "")                                                                          \
    X(113, setreuid, 2, "")                                                                        \
    X(114, setregid, 2, "")                                                                        \
    X(115, getgroups, 2, "")                                                                       \
    X(116, setgroups, 2, "")                                                                       \
    X(117, setresuid, 3, "")                                                                       \
    X(118, getresuid, 3, "")                                                                       \
    X(119, setresgid, 3, "")                                                                       \
    X(120, getresgid, 3, "")                                                                       \
    X(121, getpgid, 1, "")                                                                         \
    X(124, getsid, 1, "")                                                                          \
    X(125, capget, 2, "privileges of docs/capabilities.md under Linux's numbers")                  \
    X(126, capset, 2, "what is given up is gone for good; no ambient or inheritable sets")

#define LINUX_SIGNAL_CALL_LIST(X)                                                                  \
    X(13, rt_sigaction, 4, "")                                                                     \
    X(14, rt_sigprocmask, 4, "")                                                                   \
    X(15, rt_sigreturn, 0, "")                                                                     \
    X(34, pause, 0, "")                                                                            \
    X(62, kill, 2, "")                                                                             \
    X(127, rt_sigpending, 2, "")                                                                   \
    X(128, rt_sigtimedwait, 4, "")                                                                 \
    X(129, rt_sigqueueinfo, 3, "")                                                                 \
    X(130, rt_sigsuspend, 2, "")                                                                   \
    X(131, sigaltstack, 2, "")                                                                     \
    X(200, tkill, 2, "")                                                                           \
    X(234, tgkill, 3, "")                                                                          \
    X(282, signalfd, 3, "")                                                                        \
    X(289, signalfd4, 4, "")                                                                       \
    X(297, rt_tgsigqueueinfo, 4, "")

#define LINUX_TIME_CALL_LIST(X)                                                                    \
    X(35, nanosleep, 2, "")                                                                        \
    X(36, getitimer, 2, "no split of user and system time")                                        \
    X(37, alarm, 1, "")                                                                            \
    X(38, setitimer, 3, "no split of user and system time")                                        \
    X(96, gettimeofday, 2, "")                                                                     \
    X(100, times, 1, "")                                                                           \
    X(164, settimeofday, 2, "")                                                                    \
    X(201, time, 1, "")                                                                            \
    X(219, restart_syscall, 0, "")                                                                 \
    X(222, timer_create, 3, "no clocks of CPU time, no alarm clocks")                              \
    X(223, timer_settime, 4, "")                                                                   \
    X(224, timer_gettime, 2, "")                                                                   \
    X(225, timer_getoverrun, 1, "")                                                                \
    X(226, timer_delete, 1, "")                                                                    \
    X(227, clock_settime, 2, "")                                                                   \
    X(228, clock_gettime, 2, "")                                                                   \
    X(229, clock_getres, 2, "")                                                                    \
    X(230, clock_nanosleep, 4, "")                                                                 \
    X(283, timerfd_create, 2, "no alarm clocks")                                                   \
    X(286, timerfd_settime, 4, "TFD_TIMER_CANCEL_ON_SET changes nothing")                          \
    X(287, timerfd_gettime, 2, "")

#define LINUX_SYSTEM_CALL_LIST(X)                                                                  \
    X(63, uname, 1, "")                                                                            \
    X(99, sysinfo, 1, "")                                                                          \
    X(103, syslog, 3, "reading all, and its size")                                                 \
    X(169, reboot, 3, "")                                                                          \
    X(170, sethostname, 2, "")                                                                     \
    X(171, setdomainname, 2, "")                                                                   \
    X(172, iopl, 1, "ENOSYS for who may")                                                          \
    X(173, ioperm, 3, "ENOSYS for who may")                                                        \
    X(175, init_module, 3, "ENOSYS for who may")                                                   \
    X(176, delete_module, 2, "ENOSYS for who may")                                                 \
    X(313, finit_module, 3, "ENOSYS for who may")                                                  \
    X(318, getrandom, 3, "")

/* Each class's calls by a macro of its own. */
#define LINUX_CALL_LIST_BY_CLASS(FILES, MEMORY, PROCESSES, SIGNALS, TIME, NETWORK, IDENTITY,       \
                                 SYSTEM)                                                           \
    LINUX_FILE_CALL_LIST(FILES)                                                                    \
    LINUX_MEMORY_CALL_LIST(MEMORY)                                                                 \
    LINUX_PROCESS_CALL_LIST(PROCESSES)                                                             \
    LINUX_SIGNAL_CALL_LIST(SIGNALS)                                                                \
    LINUX_TIME_CALL_LIST(TIME)                                                                     \
    LINUX_SOCKET_CALL_LIST(NETWORK)                                                                \
    LINUX_IDENTITY_CALL_LIST(IDENTITY)                                                             \
    LINUX_SYSTEM_CALL_LIST(SYSTEM)

#define LINUX_CALL_LIST(X) LINUX_CALL_LIST_BY_CLASS(X, X, X, X, X, X, X, X)

#endif
