/*
 * Topics and subscriptions: what event_table.c, which changes them, and event_bus.c, which walks
 * them, share.
 *
 * Rules:
 * - Each topic has a list of nodes, in the order of calling. A subscription owns one node for each
 * of its topics; one of all topics owns nodes for those to come as well, so that interning
 * allocates nothing, and unsubscribing neither.
 * - Lists are changed under the table's lock and walked without it, in a read section. A node that
 * was taken out still leads on.
 * - A place of the table is used again when nobody can be in it any more: no reader, and not the
 * worker. Its memory stays what it is, so anybody may look at `accepts` and `generation` at any
 * time.
 * - Who calls a callback says so first (event_cpu.current, or the worker's mark), then looks
 * whether it is still wanted. Who ends a subscription clears `accepts` first, then looks who is in
 * it.
 */
#ifndef CORE_IPC_EVENT_TABLE_H
#define CORE_IPC_EVENT_TABLE_H

#include <core/ipc/event_bus.h>
#include <hal/cpu.h>

/* In `accepts`, beside the contexts: the subscription is not ended. */
#define EVENT_ALIVE (1U << 31)

struct event_entry;

/* Everything a publisher needs, so that it looks at one place for each subscriber.
 * Keys: A = atomic, T = the table's lock, P = immutable while published */
struct event_node {
    _Atomic(struct event_node *) next; /* A  written under the table's lock */
    event_callback callback;           /* P */
    void *argument;                    /* P */
    _Atomic uint32_t accepts;          /* A  EVENT_IN_… | EVENT_ALIVE; 0: ended */
    struct event_entry *entry;         /* P */
};

struct event_entry {
    event_callback callback;          /* P */
    void *argument;                   /* P */
    _Atomic uint32_t accepts;         /* A  as in the nodes; 0: ended or free */
    _Atomic uint32_t generation;      /* A  written under the table's lock */
    event_topics topics;              /* P */
    struct event_node *nodes;         /* T  NULL: the place is free */
    _Atomic uint64_t dropped;         /* A */
    int32_t priority;                 /* P */
    owner_tag owner;                  /* P */
    struct event_entry *next_retired; /* T */
} HX_ALIGNED(HX_CACHE_LINE);

/*
 * A publication takes the first place of `current` that is NULL, and leaves it NULL; so do those of
 * interrupts that come between.
 * Keys: C = the CPU itself with preemption off, and its interrupts; A = atomic
 */
struct event_cpu {
    _Atomic(struct event_node *) current[EVENT_DEPTH_MAX]; /* A  whose callback is called */
    _Atomic uint64_t published[EVENT_TOPIC_MAX];           /* A  written by the CPU itself */
    _Atomic uint64_t refused;                              /* A  written by the CPU itself */
    _Atomic bool is_waiting;                               /* A  in event_unsubscribe, spinning */
    uint64_t ticks;                                        /* C  number of the last one told */
} HX_ALIGNED(HX_CACHE_LINE);

extern struct event_entry event_entries[EVENT_SUBSCRIPTION_MAX];
extern struct event_cpu event_cpus[HAL_CPU_MAX];

/* Bits of event_tick_attention. */
#define EVENT_TICK_WANTED (1U << 0) /* somebody subscribed to the topic Tick */
#define EVENT_TICK_WAKE   (1U << 1) /* an NMI left a copy for the worker */

/* Free the places of subscriptions that were ended where nobody could wait. Returns how many there
 * were.  Context: the worker's. */
unsigned event_table_reclaim(void);

/* Name and number of subscribers of a topic; false: no such topic.  Context: any but nmi. */
bool event_table_topic(event_topic topic, struct event_topic_info *info);

/* Subscriptions that are not ended.  Context: any but nmi. */
uint32_t event_table_subscriptions(void);

/* --- in event_bus.c ----------------------------------------------------------------------------
 */

/* Have the worker look for what there is to do.  Context: any. */
void event_worker_wake(void);

/* Whether the worker is in the entry's callback; and wait until it is not.  Context: any; thread,
 * may block, and nothing when called by the worker. */
bool event_worker_is_in(const struct event_entry *entry);
void event_worker_wait(const struct event_entry *entry);

bool event_bus_is_panicking(void);

#endif
