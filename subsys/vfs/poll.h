/*
 * Waiting for several files at once.
 *
 * Rules:
 * - A file's poll operation adds its wait queues to the table first, then says what is ready now;
 * so what happens in between is a wake-up.
 * - The bits are POSIX's, and Linux's numbers.
 */
#ifndef SUBSYS_VFS_POLL_H
#define SUBSYS_VFS_POLL_H

#include <helix/attributes.h>
#include <helix/error.h>
#include <kern/wait_queue.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct file;

enum poll_events {
    POLL_IN = 0x1,
    POLL_PRIORITY = 0x2,
    POLL_OUT = 0x4,
    POLL_ERROR = 0x8,   /* always looked for */
    POLL_HANGUP = 0x10, /* always looked for */
    POLL_INVALID = 0x20,
    POLL_READ_HANGUP = 0x2000,
};

/* What is done with the queues that a file's poll operation adds. */
struct poll_table {
    /* NULL: nothing, but the file's queues are being listened to. */
    void (*add)(struct poll_table *table, struct wait_queue *queue);
};

/* How many queues most files add at most; room for more is taken from the heap. */
#define POLL_QUEUES_USUAL 2U

/* Wait on the queue too. NULL table: the caller does not want to wait.  Context: thread. */
static inline void poll_add(struct poll_table *table, struct wait_queue *queue)
{
    if (table != NULL && table->add != NULL) {
        table->add(table, queue);
    }
}

struct poll_entry {
    struct file *file; /* NULL: the entry is left out */
    unsigned events;   /* wanted */
    unsigned ready;    /* what there is of them, and POLL_ERROR, POLL_HANGUP */
};

/*
 * Wait until an entry is ready; *count says how many are.
 * Context: thread, may block.  Errors: HX_EINTR (with none ready), HX_ENOMEM. The end of time is no
 * error: *count is 0.
 */
HX_MUST_USE hx_err poll_wait(struct poll_entry *entries, size_t entry_count, uint64_t deadline_ns,
                             size_t *count);

#endif
