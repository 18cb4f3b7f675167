/*
 * Inbox: what has come for a socket and was not received yet. Of streams a ring of bytes with marks
 * beside it, of others a queue of messages.
 *
 * Rules:
 * - Its mutex is held by who sends and who receives, one at a time; copies from and to user memory
 *   are made under it.
 * - Memory is charged to the owner given at its start.
 * - Items with files change under flight_mutex, too (flight.h).
 */
#ifndef SUBSYS_SOCKET_INBOX_H
#define SUBSYS_SOCKET_INBOX_H

#include <base/list.h>
#include <helix/attributes.h>
#include <helix/error.h>
#include <kern/mutex.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <subsys/socket/socket.h>
#include <subsys/vfs/byte_ring.h>
#include <subsys/vfs/noted_queue.h>
#include <subsys/vm/page_charge.h>

#define INBOX_PAGES 64U /* of a ring */
#define INBOX_BYTES ((uint64_t)INBOX_PAGES * HAL_PAGE_SIZE)

enum inbox_flags {
    INBOX_ENDED = 1,     /* nobody sends any more */
    INBOX_IGNORED = 2,   /* the receiver has shut it down */
    INBOX_ABANDONED = 4, /* the receiver is gone */
    INBOX_MARKED = 8,    /* all that comes is marked with its sender */
};

/* A message, or what belongs to bytes [start, end) of a ring. */
struct inbox_item {
    struct list link;
    uint64_t start, end; /* positions in the ring */
    struct passed_files *files;
    struct socket_credentials credentials;
    struct socket_address address; /* the sender's */
    size_t cost;                   /* what is charged for it */
    size_t size;                   /* of the message */
    char bytes[];
};

/* Keys: I = immutable, M = mutex */
struct inbox {
    struct mutex mutex;
    struct byte_ring ring;       /* M  of streams, once they are connected */
    struct list items;           /* M */
    uint64_t limit;              /* M  bytes */
    uint32_t flags;              /* M */
    uint32_t item_count;         /* M */
    uint32_t item_pages;         /* M  charged for items */
    uint64_t item_bytes;         /* M  their costs */
    bool is_room_polled;         /* M  somebody polls for room in it (datagram.c) */
    struct noted_queue readable; /* who waits for something to come, or to be connected */
    struct noted_queue writable; /* who waits for room */
    struct page_charge charge;   /* M */
};

void inbox_init(struct inbox *inbox, owner_tag owner, uint64_t limit);
/* It is empty but for its ring's pages. */
void inbox_fini(struct inbox *inbox);
/* Give it a ring.  Errors: HX_ENOMEM. */
HX_MUST_USE hx_err inbox_have_ring(struct inbox *inbox);

/* An item with room for so many bytes; NULL: no memory. */
struct inbox_item *inbox_item_create(size_t size);
/* Files are the caller's to take out before. */
void inbox_item_free(struct inbox_item *item);

/* Put an item at the end, which charges it.  Errors: HX_ENOBUFS. */
HX_MUST_USE hx_err inbox_add_locked(struct inbox *inbox, struct inbox_item *item);
void inbox_remove_locked(struct inbox *inbox, struct inbox_item *item);

static inline struct inbox_item *inbox_first(struct inbox *inbox)
{
    return list_is_empty(&inbox->items) ? NULL
                                        : LIST_ENTRY(inbox->items.next, struct inbox_item, link);
}

static inline bool inbox_is_empty(const struct inbox *inbox)
{
    return byte_ring_used(&inbox->ring) == 0 && list_is_empty(&inbox->items);
}

/* Wake all that wait for anything. */
void inbox_wake_all(struct inbox *inbox);
/* Set flags, and wake all. */
void inbox_set_flags(struct inbox *inbox, uint32_t flags);
/* Take everything out and free it. */
void inbox_empty(struct inbox *inbox, uint32_t flags, bool *had_some);

#endif
