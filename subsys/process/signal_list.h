/*
 * Standard signals: number, name, and what happens without a handler (signal(7)).
 * X(number, name, default action)
 */
#ifndef SUBSYS_PROCESS_SIGNAL_LIST_H
#define SUBSYS_PROCESS_SIGNAL_LIST_H

enum signal_default { SIGNAL_ENDS, SIGNAL_DUMPS, SIGNAL_STOPS, SIGNAL_CONTINUES, SIGNAL_NOTHING };

#define SIGNAL_LIST(X)                                                                             \
    X(1, "HUP", SIGNAL_ENDS)                                                                       \
    X(2, "INT", SIGNAL_ENDS)                                                                       \
    X(3, "QUIT", SIGNAL_DUMPS)                                                                     \
    X(4, "ILL", SIGNAL_DUMPS)                                                                      \
    X(5, "TRAP", SIGNAL_DUMPS)                                                                     \
    X(6, "ABRT", SIGNAL_DUMPS)                                                                     \
    X(7, "BUS", SIGNAL_DUMPS)                                                                      \
    X(8, "FPE", SIGNAL_DUMPS)                                                                      \
    X(9, "KILL", SIGNAL_ENDS)                                                                      \
    X(10, "USR1", SIGNAL_ENDS)                                                                     \
    X(11, "SEGV", SIGNAL_DUMPS)                                                                    \
    X(12, "USR2", SIGNAL_ENDS)                                                                     \
    X(13, "PIPE", SIGNAL_ENDS)                                                                     \
    X(14, "ALRM", SIGNAL_ENDS)                                                                     \
    X(15, "TERM", SIGNAL_ENDS)                                                                     \
    X(16, "STKFLT", SIGNAL_ENDS)                                                                   \
    X(17, "CHLD", SIGNAL_NOTHING)                                                                  \
    X(18, "CONT", SIGNAL_CONTINUES)                                                                \
    X(19, "STOP", SIGNAL_STOPS)                                                                    \
    X(20, "TSTP", SIGNAL_STOPS)                                                                    \
    X(21, "TTIN", SIGNAL_STOPS)                                                                    \
    X(22, "TTOU", SIGNAL_STOPS)                                                                    \
    X(23, "URG", SIGNAL_NOTHING)                                                                   \
    X(24, "XCPU", SIGNAL_DUMPS)                                                                    \
    X(25, "XFSZ", SIGNAL_DUMPS)                                                                    \
    X(26, "VTALRM", SIGNAL_ENDS)                                                                   \
    X(27, "PROF", SIGNAL_ENDS)                                                                     \
    X(28, "WINCH", SIGNAL_NOTHING)                                                                 \
    X(29, "IO", SIGNAL_ENDS)                                                                       \
    X(30, "PWR", SIGNAL_ENDS)                                                                      \
    X(31, "SYS", SIGNAL_DUMPS)

#endif
