/*
 * Event bus: what happens in the kernel, told to whoever subscribed to its topic (SPEC P5 P6 K7).
 *
 * Rules:
 * - Publishing takes no lock, allocates nothing and never waits; it is allowed in every context.
 * - Subscribers hear an event in the order of their priorities, higher first, equal ones in the
 * order in which they subscribed. Those of EVENT_ALL_TOPICS stand among the others. A change of the
 *   subscribers during a publication may or may not be seen by it.
 * - A callback is called in the publisher's context, inside a read section: it does not block. One
 *   that does not accept that context gets a copy from the bus's worker thread, where it may block;
 *   what it answers there changes nothing. Copies are kept in a bounded ring; one that finds no
 * room is dropped and counted at the subscriber. In panic there are no copies.
 * - A callback may subscribe, unsubscribe (itself too) and publish; publications nest at most
 *   EVENT_DEPTH_MAX deep on one CPU, deeper ones are refused and counted.
 * - A publisher holds no spinlock.
 */
#ifndef CORE_IPC_EVENT_BUS_H
#define CORE_IPC_EVENT_BUS_H

#include <core/kernel/state.h>
#include <helix/attributes.h>
#include <helix/error.h>
#include <helix/module.h>
#include <kern/owner.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define EVENT_TOPIC_MAX        64U /* bits of a set of topics */
#define EVENT_TOPIC_NAME_MAX   32U /* bytes with the NUL; letters, digits and . _ - */
#define EVENT_SUBSCRIPTION_MAX 256U
#define EVENT_DEPTH_MAX        8U
#define EVENT_RING_SIZE        256U /* copies on their way to the worker; a power of two */
#define EVENT_CUSTOM_DATA_MAX  32U  /* bytes */

/* --- topics ------------------------------------------------------------------------------------
 */

/*
 * X(enumerator, name). The topics that are always there, by number; the named ones from
 * EVENT_TOPIC_KERNEL_STATE on are custom topics that core itself publishes on.
 */
#define EVENT_TOPIC_LIST(X)                                                                        \
    X(EVENT_TOPIC_TICK, "tick")                                                                    \
    X(EVENT_TOPIC_SHUTDOWN, "shutdown")                                                            \
    X(EVENT_TOPIC_MEMORY_PRESSURE, "memory.pressure")                                              \
    X(EVENT_TOPIC_CPU_HOTPLUG, "cpu.hotplug")                                                      \
    X(EVENT_TOPIC_PROCESS, "process")                                                              \
    X(EVENT_TOPIC_INTERRUPT, "interrupt")                                                          \
    X(EVENT_TOPIC_KERNEL_STATE, "kernel.state")                                                    \
    X(EVENT_TOPIC_SUBSYSTEM_HEALTH, "subsystem.health")                                            \
    X(EVENT_TOPIC_MODULE_LIFECYCLE, "module.lifecycle")                                            \
    X(EVENT_TOPIC_SYSCALL_AUDIT, "syscall.audit")

#define EVENT_TOPIC_ENUM(name, text) name,
enum { EVENT_TOPIC_LIST(EVENT_TOPIC_ENUM) EVENT_TOPIC_FIXED_COUNT };
#undef EVENT_TOPIC_ENUM

/* The number of a topic: one of the above, or what event_topic_intern gave. */
typedef uint32_t event_topic;

/* A set of topics. */
typedef uint64_t event_topics;

#define EVENT_TOPIC_SET(topic) (1ULL << (topic))
/* Every topic, those too that are not there yet. */
#define EVENT_ALL_TOPICS UINT64_MAX

/*
 * The number of the topic of that name; the topic is made when there is none. Topics stay for ever.
 * Context: thread or boot.
 * Errors: HX_EINVAL a bad name, HX_ENOSPC.
 */
HX_MUST_USE hx_err event_topic_intern(const char *name, event_topic *topic);

/* --- events ------------------------------------------------------------------------------------
 */

enum kernel_event_kind {
    EVENT_MODULE_LOADED,
    EVENT_MODULE_UNLOADED,
    EVENT_STATE_CHANGED,
    EVENT_MEMORY_PRESSURE,
    EVENT_CPU_HOTPLUG,
    EVENT_TIMER_TICK,
    EVENT_CUSTOM,
    EVENT_KIND_COUNT
};

/* One event (SPEC K7). Small and without pointers: copies are complete. */
struct kernel_event {
    enum kernel_event_kind kind;
    event_topic topic; /* on which it is published */
    union {
        struct {
            char name[HX_MODULE_NAME_MAX];
        } module; /* EVENT_MODULE_LOADED, EVENT_MODULE_UNLOADED */
        struct {
            enum kernel_state old_state;
            enum kernel_state new_state;
        } state_changed;
        struct {
            uint32_t level; /* 0: none; higher is worse */
        } memory_pressure;
        struct {
            uint32_t cpu;
            bool online;
        } cpu_hotplug;
        struct {
            uint64_t timestamp; /* of the kernel's clock, ns */
        } timer_tick;
        struct {
            uint32_t id;     /* meaning: the topic's */
            uint32_t length; /* bytes of data that count */
            uint8_t data[EVENT_CUSTOM_DATA_MAX];
        } custom;
    };
};

/* What became of an event. Small enough to come back in one register. */
struct event_result {
    uint16_t delivered; /* callbacks called, and copies queued for the worker */
    uint16_t handled;   /* callbacks that answered EVENT_HANDLED or EVENT_STOP */
    uint16_t dropped;   /* copies that found no room */
    bool stopped;       /* one answered EVENT_STOP: those after it have heard nothing */
};

/*
 * Tell the subscribers of event->topic. The event is the caller's, and is copied where needed.
 * A topic, kind or length out of range, and a publication nested too deep, reach nobody: the result
 * is zero, and refused in event_bus_statistics counts it. Context: any.  Blocks: no.  Locks: none.
 */
struct event_result event_publish(const struct kernel_event *event);

struct event_node;
extern _Atomic(struct event_node *) event_first[EVENT_TOPIC_MAX]; /* see event_table.h */

/* Not 0: somebody listens. For who would have to put an event together first.  Context: any. */
static inline uintptr_t event_is_wanted(event_topic topic)
{
    return (uintptr_t)atomic_load_explicit(&event_first[topic], memory_order_relaxed);
}

/* --- subscriptions -----------------------------------------------------------------------------
 */

enum event_answer {
    EVENT_CONTINUE = 0, /* noted, or of no interest */
    EVENT_HANDLED = 1,  /* something was done about it */
    EVENT_STOP = 2      /* the same, and nobody after this one shall hear of it */
};

typedef enum event_answer (*event_callback)(void *argument, const struct kernel_event *event);

/* Contexts of publishers in which a callback may be called; a set. */
enum {
    EVENT_IN_THREAD = 1U << 0,
    EVENT_IN_INTERRUPT = 1U << 1,
    EVENT_IN_NMI = 1U << 2,
    EVENT_IN_PANIC = 1U << 3,
    EVENT_IN_ANY = EVENT_IN_THREAD | EVENT_IN_INTERRUPT | EVENT_IN_NMI | EVENT_IN_PANIC,
    EVENT_IN_WORKER = 0U /* in none: the worker delivers everything */
};

struct event_subscriber {
    event_topics topics;
    event_callback callback;
    void *argument;
    int32_t priority;  /* higher hears first */
    uint32_t contexts; /* EVENT_IN_… */
    owner_tag owner;   /* 0: OWNER_CORE */
};

/* A subscription: index and generation; 0 is none. */
typedef uint64_t event_subscription;

/*
 * Subscribe. The record is copied.
 * Context: thread or boot, inside callbacks too; not in interrupts or panic.  Blocks: no.
 * Errors: HX_EINVAL no callback, no topic, a topic that does not exist, contexts that do not;
 * HX_ECONTEXT, HX_ENOSPC, HX_ENOMEM.
 */
HX_MUST_USE hx_err event_subscribe(const struct event_subscriber *subscriber,
                                   event_subscription *id);

/*
 * End a subscription. When this returns HX_OK, the callback is not running and never runs again;
 * from inside the callback itself: not after it has returned. Context: any but nmi and panic. Where
 * the caller may not block (in a callback, say), it spins until other CPUs have left the callback;
 * in interrupts, and with interrupts off, only the callback that is being called can be
 * unsubscribed. Blocks: waits for readers, and for the worker where that is in the callback.
 * Errors: HX_ESTALE no such subscription any more, HX_ECONTEXT; nothing has changed then. HX_EBUSY:
 * it is ended, but a call under way could not be waited for, because the caller may not block and
 * that call is the worker's, or is itself waiting here.
 */
HX_MUST_USE hx_err event_unsubscribe(event_subscription id);

/* --- the bus -----------------------------------------------------------------------------------
 */

/* Start the worker thread; harmless when repeated. What was queued before is delivered now.
 * Context: thread.  Errors: HX_ENOMEM. */
HX_MUST_USE hx_err event_bus_start(void);

/*
 * Hold the worker back, and let it go on. While it is held no callback of its runs; copies wait in
 * the ring, as far as that has room. event_bus_hold returns when the callback under way has.
 * Context: thread, may block.  Errors: HX_ECONTEXT called by the worker itself.
 */
HX_MUST_USE hx_err event_bus_hold(void);
void event_bus_release(void);

/*
 * From here on every publication is made in panic context. Called by the orchestrator as it enters
 * Panic; there is no way back.  Context: panic.
 */
void event_bus_enter_panic(void);

/* Whether publications pass the recorder's point, which is on the longer way.  Context: any. */
void event_bus_set_recorded(bool is_recorded);

/* Why the tick has to look at the bus: bits, see event_bus.c. */
extern _Atomic uint32_t event_tick_attention;

void event_tick_attend(void);

/* Publish TimerTick if somebody subscribed to it.  Called at each timer interrupt.  Context: irq.
 */
static inline void event_tick(void)
{
    if (HX_UNLIKELY(atomic_load_explicit(&event_tick_attention, memory_order_relaxed) != 0)) {
        event_tick_attend();
    }
}

/* --- looking at it -----------------------------------------------------------------------------
 */

struct event_topic_info {
    char name[EVENT_TOPIC_NAME_MAX];
    uint32_t subscribers;
    uint64_t published;
};

/* What there is of a topic; false: no such topic.  Context: any but nmi. */
bool event_topic_info(event_topic topic, struct event_topic_info *info);

struct event_subscription_info {
    event_subscription id;
    event_topics topics;
    event_callback callback;
    int32_t priority;
    uint32_t contexts;
    owner_tag owner;
    uint64_t dropped; /* copies that found no room in the ring */
};

/* What place index (below EVENT_SUBSCRIPTION_MAX) holds; false: nothing.  Context: any but nmi. */
bool event_subscription_info(uint32_t index, struct event_subscription_info *info);

struct event_bus_statistics {
    uint64_t published; /* on all topics */
    uint64_t refused;   /* bad or nested too deep */
    uint64_t copied;    /* delivered by the worker */
    uint64_t dropped;   /* copies that found no room */
    uint32_t subscriptions;
    uint32_t topics;
    uint64_t memory_bytes; /* of its tables and rings */
};
struct event_bus_statistics event_bus_statistics(void);

#endif
