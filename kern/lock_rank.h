/*
 * The order in which spinlocks may be taken: a lock is taken only while every lock already held by
 * this CPU has a smaller rank. Debug builds check it at every acquisition, without needing the
 * deadlock. One list, so that the whole order can be read in one place.
 */
#ifndef KERN_LOCK_RANK_H
#define KERN_LOCK_RANK_H

/* X(enumerator, what it guards), outermost first */
#define LOCK_RANK_LIST(X)                                                                          \
    X(LOCK_RANK_CORE, "tables of core: registration, subscribers, vectors")                        \
    X(LOCK_RANK_MAILBOX, "one mailbox")                                                            \
    X(LOCK_RANK_PROCESS, "a process and its address space")                                        \
    X(LOCK_RANK_WAIT_QUEUE, "one wait queue")                                                      \
    X(LOCK_RANK_EVENT_SET, "the ready members of one event set")                                   \
    X(LOCK_RANK_MUTEX, "the waiters of one mutex")                                                 \
    X(LOCK_RANK_INHERITANCE, "who lends a priority to whom")                                       \
    X(LOCK_RANK_THREAD_LIST, "the list of all threads")                                            \
    X(LOCK_RANK_READ_SECTION, "grace periods")                                                     \
    X(LOCK_RANK_TIMER, "one CPU's timers")                                                         \
    X(LOCK_RANK_SCHEDULER, "whether a scheduler serves")                                           \
    X(LOCK_RANK_THREAD_TABLE, "the table of threads by handle")                                    \
    X(LOCK_RANK_RUN_QUEUE, "one CPU's run queue")                                                  \
    X(LOCK_RANK_AREA, "virtual areas")                                                             \
    X(LOCK_RANK_HEAP, "slabs of one size class")                                                   \
    X(LOCK_RANK_PAGE_TABLE, "kernel page tables")                                                  \
    X(LOCK_RANK_FRAME, "free frames")                                                              \
    X(LOCK_RANK_CONTROLLER, "an interrupt controller's registers")                                 \
    X(LOCK_RANK_CONSOLE, "console output")

#define LOCK_RANK_ENUM(name, text) name,
enum lock_rank { LOCK_RANK_LIST(LOCK_RANK_ENUM) LOCK_RANK_COUNT };
#undef LOCK_RANK_ENUM

#endif
