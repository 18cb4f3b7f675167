/*
 * The files of /helix. Each is a resource `control:NAME`: reading it needs PERMISSION_READ there,
 * writing it PERMISSION_WRITE. The documentation's table is made from this one.
 *
 * Rules:
 * - What is open to everybody tells nothing about others, and changes nobody but the caller.
 * - A row may be added at the end, never moved or removed: the numbers leave the kernel.
 */
#ifndef SUBSYS_HELIXFS_FILE_LIST_H
#define SUBSYS_HELIXFS_FILE_LIST_H

/* X(enumerator, number from 1, name, "open" to everybody or "" , what it is) */
#define HELIXFS_FILE_LIST(X)                                                                       \
    X(HELIXFS_VERSION, 1, "version", "open", "the kernel's version")                               \
    X(HELIXFS_STATE, 2, "state", "open", "state, phase, time since the start, memory, counts")     \
    X(HELIXFS_SUBSYSTEMS, 3, "subsystems", "", "subsystems in their order")                        \
    X(HELIXFS_SUBSYSTEMS_DOT, 4, "subsystems.dot", "", "who depends on whom, for Graphviz")        \
    X(HELIXFS_COMPONENTS, 5, "components", "", "health and numbers of everything")                 \
    X(HELIXFS_MODULES, 6, "modules", "", "what is in every slot")                                  \
    X(HELIXFS_CAPS, 7, "caps", "", "who holds what through whom; grant and revoke")                \
    X(HELIXFS_PRIVILEGES, 8, "privileges", "open", "what ordinary users may not do")               \
    X(HELIXFS_REFUSED, 9, "refused", "open", "what the caller was refused last, or its user")      \
    X(HELIXFS_REFUSALS, 10, "refusals", "", "what anybody was refused lately")                     \
    X(HELIXFS_SELF, 11, "self", "open", "what the caller holds")                                   \
    X(HELIXFS_CONFINE, 12, "confine", "open", "written: keep these rights alone, for good")        \
    X(HELIXFS_RESOURCES, 13, "resources", "", "what each owner has, and may have")                 \
    X(HELIXFS_TOPICS, 14, "topics", "", "topics of events")                                        \
    X(HELIXFS_SUBSCRIBERS, 15, "subscribers", "", "who hears events")                              \
    X(HELIXFS_MAILBOXES, 16, "mailboxes", "", "mailboxes of the message router")                   \
    X(HELIXFS_THREADS, 17, "threads", "", "all threads, the kernel's too")                         \
    X(HELIXFS_INTERRUPTS, 18, "interrupts", "", "counts and times by vector and CPU")              \
    X(HELIXFS_LOG, 19, "log", "", "the recent messages of the kernel")                             \
    X(HELIXFS_EVENTS, 20, "events", "", "events as they happen, one on a line")                    \
    X(HELIXFS_POWER, 21, "power", "", "written: off, reboot, suspend, suspend SECONDS, resume")    \
    X(HELIXFS_SLOTS, 22, "slots", "", "a directory for each slot")                                 \
    X(HELIXFS_HOOKS, 23, "hooks", "", "hooks of system calls; on, off, order")                     \
    X(HELIXFS_POLICY, 24, "policy", "", "who may make which system calls; written: a new policy")  \
    X(HELIXFS_SYSCALLS, 25, "syscalls", "",                                                        \
      "counts and times of calls, by the hook metrics; reset")                                     \
    X(HELIXFS_AUDIT, 26, "audit", "", "calls as they end, by the hook audit, one on a line")       \
    X(HELIXFS_TRACE, 27, "trace", "", "the flight recorder, merged by time; on, off, clear, mark") \
    X(HELIXFS_TRACE_KINDS, 28, "trace_kinds", "", "what the flight recorder records")              \
    X(HELIXFS_MESSAGES, 29, "messages", "", "messages of the kernel as they come, one on a line")  \
    X(HELIXFS_CHANNELS, 30, "channels", "", "channels: whose, what waits in them, who waits")      \
    X(HELIXFS_DEVICES, 31, "devices", "", "devices at the bus, and whose they are")                \
    X(HELIXFS_COUNTER, 32, "counter", "", "a number, one more at each read: the demo slot's")      \
    X(HELIXFS_HEAL, 33, "heal", "", "how each slot's module is, and what was done when it died")   \
    X(HELIXFS_HEAL_OPTIONS, 34, "heal_options", "", "what self-healing goes by; on, off")          \
    X(HELIXFS_CHECKPOINTS, 35, "checkpoints", "", "states of modules that are kept, newest first") \
    X(HELIXFS_INJECT, 36, "inject", "",                                                            \
      "the fault that was put into a module; SLOT CLASS SEED, renew")                              \
    X(HELIXFS_FAULT_CLASSES, 37, "fault_classes", "", "faults that inject can put into a module")  \
    X(HELIXFS_HEAL_GROUPS, 38, "heal_groups", "",                                                  \
      "whose module is restarted with whose; NAME STRATEGY:SLOT,...")                              \
    X(HELIXFS_LAST_PANIC, 39, "last_panic", "", "what the kernel before said in a panic; erase")   \
    X(HELIXFS_SCREEN, 40, "screen", "", "the screen and the keyboard; layout NAME")                \
    X(HELIXFS_CPUS, 41, "cpus", "", "a directory for each CPU: online, written 0 or 1")            \
    X(HELIXFS_PROCESSORS, 42, "processors", "open", "which CPUs run, and how busy they are")

#endif
