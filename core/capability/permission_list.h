/*
 * The rights a grant can carry, and the types of what they are rights on (SPEC A1).
 *
 * Rules:
 * - Rights are a set of 64 bits. Bits 0..31 mean the same on every resource and stand here; bits
 *   32..63 mean what the resource's type says.
 * - A row may be added at the end, never moved or removed: the numbers leave the kernel.
 */
#ifndef CORE_CAPABILITY_PERMISSION_LIST_H
#define CORE_CAPABILITY_PERMISSION_LIST_H

/* X(enumerator, bit, short name, what it allows) */
#define PERMISSION_LIST(X)                                                                         \
    X(PERMISSION_HELD, 0, "held", "nothing more than being there: every grant has it")             \
    X(PERMISSION_READ, 1, "read", "look at its contents or state")                                 \
    X(PERMISSION_WRITE, 2, "write", "change its contents")                                         \
    X(PERMISSION_EXECUTE, 3, "execute", "run or call it")                                          \
    X(PERMISSION_CONTROL, 4, "control", "start, stop or replace it")                               \
    X(PERMISSION_DELEGATE, 5, "delegate", "pass rights on it to others")

/* X(enumerator, number, name, what the 56-bit number of such a resource is) */
#define RESOURCE_TYPE_LIST(X)                                                                      \
    X(RESOURCE_TYPE_NONE, 0, "none", "no resource")                                                \
    X(RESOURCE_TYPE_MACHINE, 1, "machine", "0: power, reset, panic")                               \
    X(RESOURCE_TYPE_SLOT, 2, "slot", "the slot's number")                                          \
    X(RESOURCE_TYPE_PRIVILEGE, 3, "privilege", "an act kept from ordinary users")                  \
    X(RESOURCE_TYPE_CONTROL, 4, "control", "a file of /helix")                                     \
    X(RESOURCE_TYPE_DEVICE, 5, "device", "the device's number")                                    \
    X(RESOURCE_TYPE_CALLS, 6, "calls", "a class of system calls")                                  \
    X(RESOURCE_TYPE_MAILBOX, 7, "mailbox", "the mailbox's name, 0: every one")                     \
    X(RESOURCE_TYPE_CHANNEL, 8, "channel", "the channel's name, 0: every one")

#endif
