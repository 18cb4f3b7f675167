/*
 * What the flight recorder records: the one table of kinds.
 *
 * Rules:
 * - The number of a row is its place, from 1. Rows are added at the end, never moved or removed.
 * - BUSY kinds come thousands of times a second, RARE ones do not; each has a ring of its own on
 *   each CPU, so that what is rare is still there after a flood of what is not.
 * - The details of a row are a, b and c (kern/recorder.h), or the 16 bytes of a name.
 */
#ifndef KERN_RECORDER_LIST_H
#define KERN_RECORDER_LIST_H

/* X(enumerator, name, group, ring, what it is and what its details are) */
#define RECORDER_LIST(X)                                                                           \
    X(CALL, "call", "calls", BUSY, "system call: argument 1, number, low half of argument 3")      \
    X(RETURN, "return", "calls", BUSY, "its end: result, number")                                  \
    X(INTERRUPT, "interrupt", "interrupts", BUSY, "begins: interrupted instruction, vector")       \
    X(RESUME, "resume", "interrupts", BUSY, "its handlers are done: -, vector, action")            \
    X(SWITCH, "switch", "switches", BUSY, "thread leaves its CPU: -, next thread, its own state")  \
    X(WAKE, "wake", "switches", BUSY, "a parked thread is woken: -, thread, CPU it last had")      \
    X(FAULT, "fault", "faults", BUSY, "page fault: address, access, low half of instruction")      \
    X(TIMER, "timer", "timers", BUSY, "a timer is due: its function")                              \
    X(EVENT, "event", "events", BUSY, "publication: -, topic, kind")                               \
    X(GATE, "gate", "gates", BUSY, "call of a module begins: slot, operation")                     \
    X(LEAVE, "leave", "gates", BUSY, "it ends: result, operation, error")                          \
    X(CONTENTION, "contention", "locks", BUSY, "somebody else has the lock: lock, is a mutex")     \
    X(SIGNAL, "signal", "signals", BUSY, "sent: -, process, signal")                               \
    X(FORK, "fork", "processes", RARE, "process begins: -, its number")                            \
    X(NAME, "name", "processes", RARE, "thread begins, or process runs another program: name")     \
    X(EXIT, "exit", "processes", RARE, "process ends: -, its number, status as wait has it")       \
    X(LOAD, "load", "modules", RARE, "module is in memory: name")                                  \
    X(UNLOAD, "unload", "modules", RARE, "module is taken out of memory: name")                    \
    X(DEATH, "death", "modules", RARE, "module has died: name")                                    \
    X(EXCEPTION, "exception", "exceptions", RARE, "all but page faults: instruction, kind, error") \
    X(NMI, "nmi", "exceptions", RARE, "non-maskable interrupt: interrupted instruction")           \
    X(PANIC, "panic", "panics", RARE, "a CPU panics: beginning of the message")                    \
    X(MARK, "mark", "marks", RARE, "what somebody wrote to find the place again: text")

#endif
