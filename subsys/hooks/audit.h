/*
 * AuditHook: every call, as it was made and how it ended (SPEC Y5).
 *
 * Rules:
 * - Records are kept by the module in the slot hook.audit (modules/audit_rings.h), which gets them
 *   in batches (backlog.h): the newest AUDIT_RING_SIZE of each CPU, or more. Any number of readers
 *   go through them, each by itself; one that is overtaken counts what it has lost, also with a
 *   module that has died. Calls that end while there is no module are counted as lost.
 * - A reader gets the records of all CPUs by their end. What two CPUs write at the same moment may
 *   come in either order.
 * - While somebody subscribes to the topic `syscall.audit`, each call is an event there too:
 *   EVENT_CUSTOM, id is the number, the data a struct audit_event. Copies for which the bus has no
 *   room are counted.
 */
#ifndef SUBSYS_HOOKS_AUDIT_H
#define SUBSYS_HOOKS_AUDIT_H

#include <core/syscall/syscall.h>
#include <hal/cpu.h>
#include <helix/attributes.h>
#include <helix/error.h>
#include <kern/wait_queue.h>
#include <stdbool.h>
#include <stdint.h>

#define AUDIT_HOOK      "audit"
#define AUDIT_SLOT      "hook.audit"
#define AUDIT_RING_SIZE 1024U

struct audit_record {
    uint64_t started_ns; /* of hal_clock_now() */
    uint64_t duration_ns;
    uint64_t arguments[SYSCALL_ARGUMENTS];
    int64_t result;
    uint64_t subject;
    uint32_t process; /* 0: a kernel thread's */
    uint32_t thread;  /* the program's number of it; 0: a kernel thread's */
    uint32_t number;
    uint32_t cpu; /* where it ended */
};

/* The data of an event. */
struct audit_event {
    int64_t result;
    uint64_t duration_ns;
    uint32_t number;
    uint32_t process;
    uint32_t thread;
    uint32_t unused;
};

/* Where somebody is in the rings; nobody else's. */
struct audit_reader {
    uint64_t next[HAL_CPU_MAX]; /* number of the record to be read, UINT64_MAX: the oldest */
    uint64_t dropped;           /* records that were overwritten before they were read */
    uint32_t excluded;          /* records of this process are passed over; 0: none */
};

/* Add the hook, at a place.  Context: thread, may block.  Errors: those of syscall_hook_add and
 * backlog_start. */
HX_MUST_USE hx_err audit_start(int32_t order);

/*
 * Begin at the oldest record there is, or with the next call. Who reads on behalf of a program
 * excludes it: its reading makes records too.  Context: any.
 */
void audit_open(struct audit_reader *reader, bool from_oldest, uint32_t excluded);

/* The next record.  Context: thread, may block while the gate is closed.  Errors: HX_EAGAIN there
 * is none yet, or no module. */
HX_MUST_USE hx_err audit_read(struct audit_reader *reader, struct audit_record *record);

/* Whether audit_read would find one.  Context and errors: as above. */
bool audit_has_record(const struct audit_reader *reader);

/*
 * Wait until there is one, or the absolute time; the reader is only looked at, at first.
 * Context: thread, may block.  Errors: HX_ETIMEDOUT; HX_EINTR the calling thread is interrupted.
 */
HX_MUST_USE hx_err audit_await(const struct audit_reader *reader, uint64_t deadline_ns);

/* audit_read, which waits for a record.  Context and errors: those of audit_await. */
HX_MUST_USE hx_err audit_read_wait(struct audit_reader *reader, struct audit_record *record,
                                   uint64_t deadline_ns);

/*
 * For who waits for other things too: between begin and end the queue is woken by every record.
 * Context: thread, may block.
 */
void audit_watch_begin(void);
void audit_watch_end(void);
struct wait_queue *audit_arrivals(void);

struct audit_statistics {
    uint64_t written;
    uint64_t lost;          /* beside these, as there was no module */
    uint64_t events;        /* published */
    uint64_t event_dropped; /* copies for which the bus had no room */
    uint64_t memory_bytes;  /* of what the module has not been told of yet */
};
/* Context: any. */
struct audit_statistics audit_statistics(void);

/* Records that had to make room for others.  Context: thread, may block. */
uint64_t audit_overwritten(void);

#endif
