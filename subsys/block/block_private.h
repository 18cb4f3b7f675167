/* What the parts of a block device share: those who ask (request.c), the thread that serves its
 * driver (service.c), and who has it sleep (suspend.c). */
#ifndef SUBSYS_BLOCK_BLOCK_PRIVATE_H
#define SUBSYS_BLOCK_BLOCK_PRIVATE_H

#include <base/list.h>
#include <core/gate/gate.h>
#include <kern/spinlock.h>
#include <kern/wait_queue.h>
#include <stdatomic.h>
#include <subsys/block/block.h>

/* Places for requests: one more, for the flush of block_suspend. */
#define BLOCK_PLACES (BLOCK_REQUESTS + 1U)

/* A place for one request: free, waiting for the driver, given to it, or done. */
enum block_request_state { REQUEST_FREE, REQUEST_PENDING, REQUEST_GIVEN, REQUEST_DONE };

/* Keys: I = immutable, D = the device's lock, U = the user's from begin to end */
struct block_request {
    struct dma_buffer buffer;       /* U  its segments */
    struct block_device *device;    /* I */
    struct list link;               /* D  free or pending */
    enum block_request_state state; /* D */
    uint32_t tries;                 /* D  how often it was given to a driver */
    uint32_t refusals;              /* D  how often one answered with an error */
    uint64_t given_ns;              /* D  when it was given last */
    hx_err error;                   /* D  once it is done */
    enum hx_block_kind kind;        /* U */
    uint64_t sector;                /* U */
    uint64_t sectors;               /* U */
    struct wait_queue done;
};

/* How near a device is to sleep. */
enum block_rest {
    BLOCK_AWAKE,
    BLOCK_HELD,    /* nothing is given to the driver but the flush */
    BLOCK_LEAVING, /* nothing at all: the thread is to take the device back */
    BLOCK_ASLEEP,  /* it has, and does nothing until it is woken */
};

/* What a driver says of its device. */
struct block_claim {
    uint64_t sectors;
    uint64_t flags;
};

/* What the service thread is woken for. */
enum block_event {
    BLOCK_EVENT_INTERRUPT = 1U << 0, /* the device has something to say */
    BLOCK_EVENT_PENDING = 1U << 1,   /* requests are to be given to the driver */
    BLOCK_EVENT_SLOT = 1U << 2,      /* another driver may have come */
    BLOCK_EVENT_OVERDUE = 1U << 3,   /* a request has waited for its answer for too long */
    BLOCK_EVENT_DOUBT = 1U << 4,     /* the driver is doubted */
    BLOCK_EVENT_REST = 1U << 5,      /* the device is to sleep */
};

/* Keys: I = immutable, D = lock, A = atomic, S = the service thread only */
struct block_device {
    struct slot *slot; /* I */
    struct spinlock lock;
    struct list free;                /* D */
    struct list pending;             /* D  in the order in which they came */
    uint32_t given;                  /* D  requests that the driver has */
    bool is_up;                      /* D  the driver is started */
    uint32_t epoch;                  /* D  counts its starts */
    uint64_t down_since;             /* D  while it is not up */
    enum block_rest rest;            /* D */
    uint64_t asleep_since;           /* D  while it is */
    uint64_t done;                   /* D  requests that went well */
    uint32_t doubted_epoch;          /* D  of the driver that is not to be asked any more */
    uint64_t believed_until;         /* D  errors of a driver are, until then */
    struct block_statistics numbers; /* D */
    _Atomic uint64_t sectors;        /* A */
    _Atomic uint32_t flags;          /* A */
    _Atomic uint32_t events;         /* A  enum block_event */
    _Atomic bool was_wrong;          /* A  the driver has asked its device for something else */
    struct wait_queue work;          /*    for events */
    struct wait_queue room;          /*    for a free request */
    struct wait_queue quiet;         /*    for a driver that has nothing; for sleep */
    struct wait_queue *interrupts;   /* S  the device's, NULL: not known yet */
    const void *starter;             /* S  the instance that was started last, only compared */
    uint64_t deaths_at_start;        /* S  the slot's, then */
    uint64_t done_at_start;          /* S  done, then */
    uint32_t vain_starts;            /* S  of it, with nothing done since the one before */
    uint64_t late_ns;                /* S  when a request was overdue last */
    bool is_late_again;              /* S  and soon after the one before it */
    struct block_claim claim;        /* S  what a driver said that was not believed */
    struct wait_listener on_interrupt;
    struct wait_listener on_slot;
    struct block_request requests[BLOCK_PLACES]; /* the last one for block_suspend */
};

/* --- request.c ----------------------------------------------------------------------------------
 */

/* Make all places free.  Errors: HX_ENOSPC. */
HX_MUST_USE hx_err block_requests_init(struct block_device *device);

/* Give the driver what waits, as long as it takes it.  Returns whether something is left. */
bool block_give_pending(struct block_device *device);

/* No driver has any of them: those that were given wait again, or have failed too often. */
void block_take_back_all(struct block_device *device);

/* All that wait fail. */
void block_fail_pending(struct block_device *device, hx_err error);

/* Begin the flush of a device that is held, unless the last one is still under way.  False: its
 * driver is not up, or it caches nothing. */
bool block_begin_last_flush(struct block_device *device);

/* How that went, once it is done. */
hx_err block_last_flush_error(struct block_device *device);

/* Whether the driver is up and has nothing to do for a device that is held, or there is none. */
bool block_is_quiet(struct block_device *device);

/* Whether the last flush waits for its answer for too long. */
bool block_is_last_flush_overdue(struct block_device *device);

/* --- service.c ----------------------------------------------------------------------------------
 */

/* Call the driver: its answer, or why there is none. */
HX_MUST_USE hx_err block_call(struct block_device *device, enum block_operation operation,
                              uint64_t a0, uint64_t a1, uint64_t a2, uint64_t a3);

/* An answer that says that the driver of that epoch is to be started anew.  Returns whether it is
 * one. */
bool block_is_trouble(struct block_device *device, uint32_t epoch, hx_err error);

void block_signal(struct block_device *device, uint32_t events);

#endif
