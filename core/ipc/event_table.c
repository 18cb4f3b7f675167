/* Topics, and who subscribed to them. */
#include <base/memory.h>
#include <base/string.h>
#include <core/ipc/event_table.h>
#include <core/ipc/name.h>
#include <kern/cpu.h>
#include <kern/heap.h>
#include <kern/read_section.h>
#include <kern/spinlock.h>
#include <kern/thread.h>

_Static_assert(EVENT_TOPIC_NAME_MAX == IPC_NAME_MAX, "topics are named like mailboxes");
_Static_assert(sizeof(struct event_entry) == HX_CACHE_LINE, "a subscription is one cache line");

_Atomic(struct event_node *) event_first[EVENT_TOPIC_MAX];
struct event_entry event_entries[EVENT_SUBSCRIPTION_MAX];
struct event_cpu event_cpus[HAL_CPU_MAX];

/* Keys: T = lock */
static struct {
    struct spinlock lock;
    uint32_t topics;             /* T  how many there are; they are never removed */
    struct event_entry *retired; /* T  ended, for the worker to free */
    char names[EVENT_TOPIC_MAX][EVENT_TOPIC_NAME_MAX]; /* T */
} table = {
    .lock = SPINLOCK_INIT(LOCK_RANK_CORE, "event topics"),
    .topics = EVENT_TOPIC_FIXED_COUNT,
    .names =
        {
#define EVENT_TOPIC_TEXT(name, text) [name] = (text),
            EVENT_TOPIC_LIST(EVENT_TOPIC_TEXT)
#undef EVENT_TOPIC_TEXT
        },
};

/* --- lists -------------------------------------------------------------------------------------
 */

static event_topics existing_locked(void)
{
    return table.topics == EVENT_TOPIC_MAX ? EVENT_ALL_TOPICS : EVENT_TOPIC_SET(table.topics) - 1;
}

/* An entry's nodes stand in the order of its topics. */
static struct event_node *node_of(const struct event_entry *entry, event_topic topic)
{
    return &entry->nodes[__builtin_popcountll(entry->topics & (EVENT_TOPIC_SET(topic) - 1))];
}

static struct event_node *load_locked(const _Atomic(struct event_node *) *link)
{
    return atomic_load_explicit(link, memory_order_relaxed);
}

/* Publish the entry's node behind all of its priority and above. */
static void link_locked(struct event_entry *entry, event_topic topic)
{
    _Atomic(struct event_node *) *link = &event_first[topic];
    struct event_node *node = node_of(entry, topic);
    struct event_node *at = load_locked(link);

    while (at != NULL && at->entry->priority >= entry->priority) {
        link = &at->next;
        at = load_locked(link);
    }
    *node = (struct event_node){
        .callback = entry->callback, .argument = entry->argument, .entry = entry};
    atomic_store_explicit(&node->accepts,
                          atomic_load_explicit(&entry->accepts, memory_order_relaxed),
                          memory_order_relaxed);
    atomic_store_explicit(&node->next, at, memory_order_relaxed);
    /* Release: pairs with the acquires of event_publish. */
    atomic_store_explicit(link, node, memory_order_release);
}

static void unlink_locked(struct event_entry *entry, event_topic topic)
{
    struct event_node *node = node_of(entry, topic);
    _Atomic(struct event_node *) *link = &event_first[topic];

    while (load_locked(link) != node) {
        link = &load_locked(link)->next;
    }
    atomic_store_explicit(&node->accepts, 0, memory_order_relaxed);
    atomic_store_explicit(link, load_locked(&node->next), memory_order_release);
}

/* The tick looks at the bus only while somebody wants to hear it. */
static void tick_changed_locked(void)
{
    if (load_locked(&event_first[EVENT_TOPIC_TICK]) != NULL) {
        atomic_fetch_or_explicit(&event_tick_attention, EVENT_TICK_WANTED, memory_order_relaxed);
    } else {
        atomic_fetch_and_explicit(&event_tick_attention, ~EVENT_TICK_WANTED, memory_order_relaxed);
    }
}

/* Do it for each of the entry's topics that exist. */
static void for_topics_locked(struct event_entry *entry,
                              void (*function)(struct event_entry *entry, event_topic topic))
{
    for (event_topics left = entry->topics & existing_locked(); left != 0; left &= left - 1) {
        function(entry, (event_topic)__builtin_ctzll(left));
    }
    tick_changed_locked();
}

/* --- topics ------------------------------------------------------------------------------------
 */

/* The number of the topic of that name; that of the next new one when there is none. */
static event_topic find_topic_locked(const char *name)
{
    event_topic topic = 0;

    while (topic < table.topics && !string_equal(table.names[topic], name)) {
        topic++;
    }
    return topic;
}

static bool is_alive(const struct event_entry *entry)
{
    return (atomic_load_explicit(&entry->accepts, memory_order_relaxed) & EVENT_ALIVE) != 0;
}

/*
 * Whoever subscribed to all topics has a node ready; any other topic's list tells their order.
 */
static void add_topic_locked(const char *name, event_topic topic)
{
    (void)string_copy(table.names[topic], EVENT_TOPIC_NAME_MAX, name);
    table.topics++;
    for (struct event_node *at = load_locked(&event_first[0]); at != NULL;
         at = load_locked(&at->next)) {
        if (at->entry->topics == EVENT_ALL_TOPICS) {
            link_locked(at->entry, topic);
        }
    }
}

hx_err event_topic_intern(const char *name, event_topic *topic)
{
    hx_err error = HX_OK;

    if (!ipc_name_is_valid(name)) {
        return HX_EINVAL;
    }

    hal_interrupt_state state = spinlock_acquire(&table.lock);
    event_topic found = find_topic_locked(name);

    if (found == EVENT_TOPIC_MAX) {
        error = HX_ENOSPC;
    } else {
        if (found == table.topics) {
            add_topic_locked(name, found);
        }
        *topic = found;
    }
    spinlock_release(&table.lock, state);
    return error;
}

/* --- subscribing -------------------------------------------------------------------------------
 */

static event_subscription id_of(const struct event_entry *entry)
{
    uint32_t generation = atomic_load_explicit(&entry->generation, memory_order_relaxed);

    return (uint64_t)generation << 32 | (uint64_t)(entry - event_entries + 1);
}

static struct event_entry *free_place_locked(void)
{
    for (size_t i = 0; i < EVENT_SUBSCRIPTION_MAX; i++) {
        if (event_entries[i].nodes == NULL) {
            return &event_entries[i];
        }
    }
    return NULL;
}

static bool are_known_locked(event_topics topics)
{
    return topics == EVENT_ALL_TOPICS || (topics & ~existing_locked()) == 0;
}

static hx_err add_locked(const struct event_subscriber *subscriber, struct event_node *nodes,
                         event_subscription *id)
{
    struct event_entry *entry = free_place_locked();

    if (!are_known_locked(subscriber->topics)) {
        return HX_EINVAL;
    }
    if (entry == NULL) {
        return HX_ENOSPC;
    }
    entry->callback = subscriber->callback;
    entry->argument = subscriber->argument;
    entry->topics = subscriber->topics;
    entry->priority = subscriber->priority;
    entry->owner = subscriber->owner != OWNER_NONE ? subscriber->owner : OWNER_CORE;
    entry->nodes = nodes;
    atomic_store_explicit(&entry->dropped, 0, memory_order_relaxed);
    /* Release: pairs with the worker's load; publishers acquire the node. */
    atomic_store_explicit(&entry->accepts, subscriber->contexts | EVENT_ALIVE,
                          memory_order_release);
    for_topics_locked(entry, link_locked);
    *id = id_of(entry);
    return HX_OK;
}

hx_err event_subscribe(const struct event_subscriber *subscriber, event_subscription *id)
{
    if (subscriber->callback == NULL || subscriber->topics == 0 ||
        (subscriber->contexts & ~(uint32_t)EVENT_IN_ANY) != 0) {
        return HX_EINVAL;
    }
    if (context_is_interrupt() || event_bus_is_panicking()) {
        return HX_ECONTEXT;
    }

    size_t count = (size_t)__builtin_popcountll(subscriber->topics);
    struct event_node *nodes = heap_allocate(
        count * sizeof(*nodes), subscriber->owner != OWNER_NONE ? subscriber->owner : OWNER_CORE);

    if (nodes == NULL) {
        return HX_ENOMEM;
    }

    hal_interrupt_state state = spinlock_acquire(&table.lock);
    hx_err error = add_locked(subscriber, nodes, id);

    spinlock_release(&table.lock, state);
    if (error != HX_OK) {
        heap_free(nodes);
    }
    return error;
}

/* --- unsubscribing -----------------------------------------------------------------------------
 */

static struct event_entry *find_locked(event_subscription id)
{
    uint32_t place = (uint32_t)id;
    struct event_entry *entry;

    if (place == 0 || place > EVENT_SUBSCRIPTION_MAX) {
        return NULL;
    }
    entry = &event_entries[place - 1];
    return is_alive(entry) && id_of(entry) == id ? entry : NULL;
}

/* By address: the node of another entry may be gone. */
static bool is_node_of(const struct event_node *node, const struct event_entry *entry)
{
    return node >= entry->nodes && node < entry->nodes + __builtin_popcountll(entry->topics);
}

static bool is_in(const struct event_cpu *cpu, const struct event_entry *entry)
{
    for (size_t level = 0; level < EVENT_DEPTH_MAX; level++) {
        /* Acquire pairs with the release in tell: what the callback did is visible. */
        if (is_node_of(atomic_load_explicit(&cpu->current[level], memory_order_acquire), entry)) {
            return true;
        }
    }
    return false;
}

/* How the end of a subscription is waited for. */
enum wait { WAIT_BLOCK, WAIT_SPIN, WAIT_INSIDE, WAIT_IMPOSSIBLE };

/* Interrupts were on: `may_block` and `may_call` were asked before the lock was taken. */
static enum wait wait_for(const struct event_entry *entry, bool may_block, bool may_call)
{
    if (may_block) {
        return WAIT_BLOCK;
    }
    if (is_in(&event_cpus[hal_cpu_id()], entry)) {
        return WAIT_INSIDE;
    }
    return may_call ? WAIT_SPIN : WAIT_IMPOSSIBLE;
}

static void end_locked(struct event_entry *entry)
{
    /* Sequentially consistent: pairs with the worker's load in deliver. */
    atomic_store_explicit(&entry->accepts, 0, memory_order_seq_cst);
    for_topics_locked(entry, unlink_locked);
}

/* Nobody is in the entry any more: give its place back. */
static void release(struct event_entry *entry)
{
    heap_free(entry->nodes);

    hal_interrupt_state state = spinlock_acquire(&table.lock);

    entry->nodes = NULL;
    atomic_fetch_add_explicit(&entry->generation, 1, memory_order_relaxed);
    spinlock_release(&table.lock, state);
}

/* Leave it to the worker to give the place back. */
static void retire(struct event_entry *entry)
{
    hal_interrupt_state state = spinlock_acquire(&table.lock);

    entry->next_retired = table.retired;
    table.retired = entry;
    spinlock_release(&table.lock, state);
    event_worker_wake();
}

unsigned event_table_reclaim(void)
{
    hal_interrupt_state state = spinlock_acquire(&table.lock);
    struct event_entry *entry = table.retired;
    unsigned reclaimed = 0;

    table.retired = NULL;
    spinlock_release(&table.lock, state);
    if (entry != NULL) {
        read_synchronize();
    }
    while (entry != NULL) {
        struct event_entry *next = entry->next_retired;

        release(entry);
        reclaimed++;
        entry = next;
    }
    return reclaimed;
}

static void do_nothing(void *argument)
{
    (void)argument;
}

/* False: that CPU is in the callback and waits here itself, perhaps for this one. */
static bool spin_until_cpu_left(const struct event_cpu *cpu, const struct event_entry *entry)
{
    while (is_in(cpu, entry)) {
        /* Both marks are sequentially consistent: of two that wait for each other, one sees it. */
        if (atomic_load_explicit(&cpu->is_waiting, memory_order_seq_cst)) {
            return false;
        }
        hal_cpu_relax();
    }
    return true;
}

/*
 * The call makes every CPU pass a barrier: one that announces the entry as current later sees that
 * it is ended, one that did so before is seen here.
 */
static hx_err spin_until_left(const struct event_entry *entry)
{
    bool all_left = true;

    preempt_disable();

    struct event_cpu *here = &event_cpus[hal_cpu_id()];

    cpu_call(cpu_online_mask(), do_nothing, NULL);
    atomic_store_explicit(&here->is_waiting, true, memory_order_seq_cst);
    for (uint32_t cpu = 0; cpu < hal_cpu_count() && all_left; cpu++) {
        all_left = spin_until_cpu_left(&event_cpus[cpu], entry);
    }
    atomic_store_explicit(&here->is_waiting, false, memory_order_seq_cst);
    preempt_enable();
    return all_left && !event_worker_is_in(entry) ? HX_OK : HX_EBUSY;
}

static hx_err wait_ended(struct event_entry *entry, enum wait wait)
{
    hx_err error = HX_OK;

    if (wait == WAIT_BLOCK) {
        read_synchronize();
        event_worker_wait(entry);
        release(entry);
        return HX_OK;
    }
    if (wait == WAIT_SPIN) {
        error = spin_until_left(entry);
    }
    retire(entry);
    return error;
}

hx_err event_unsubscribe(event_subscription id)
{
    bool may_block = context_can_block();
    bool may_call = hal_interrupts_enabled() && !context_is_interrupt();
    enum wait wait = WAIT_IMPOSSIBLE;
    hx_err error = HX_ESTALE;

    if (thread_current()->nmi_depth != 0 || event_bus_is_panicking()) {
        return HX_ECONTEXT;
    }

    hal_interrupt_state state = spinlock_acquire(&table.lock);
    struct event_entry *entry = find_locked(id);

    if (entry != NULL) {
        wait = wait_for(entry, may_block, may_call);
        error = wait == WAIT_IMPOSSIBLE ? HX_ECONTEXT : HX_OK;
    }
    if (error == HX_OK) {
        end_locked(entry);
    }
    spinlock_release(&table.lock, state);
    return error == HX_OK ? wait_ended(entry, wait) : error;
}

/* --- looking at it -----------------------------------------------------------------------------
 */

bool event_table_topic(event_topic topic, struct event_topic_info *info)
{
    hal_interrupt_state state = spinlock_acquire(&table.lock);
    bool found = topic < table.topics;

    *info = (struct event_topic_info){0};
    if (found) {
        memcpy(info->name, table.names[topic], EVENT_TOPIC_NAME_MAX);
        for (const struct event_node *at = load_locked(&event_first[topic]); at != NULL;
             at = load_locked(&at->next)) {
            info->subscribers++;
        }
    }
    spinlock_release(&table.lock, state);
    return found;
}

uint32_t event_table_subscriptions(void)
{
    uint32_t alive = 0;

    for (size_t i = 0; i < EVENT_SUBSCRIPTION_MAX; i++) {
        alive += is_alive(&event_entries[i]) ? 1U : 0U;
    }
    return alive;
}

static void describe_locked(const struct event_entry *entry, struct event_subscription_info *info)
{
    *info = (struct event_subscription_info){
        .id = id_of(entry),
        .topics = entry->topics,
        .callback = entry->callback,
        .priority = entry->priority,
        .contexts = atomic_load_explicit(&entry->accepts, memory_order_relaxed) & ~EVENT_ALIVE,
        .owner = entry->owner,
        .dropped = atomic_load_explicit(&entry->dropped, memory_order_relaxed),
    };
}

bool event_subscription_info(uint32_t index, struct event_subscription_info *info)
{
    bool found;

    if (index >= EVENT_SUBSCRIPTION_MAX) {
        return false;
    }

    hal_interrupt_state state = spinlock_acquire(&table.lock);

    found = is_alive(&event_entries[index]);
    if (found) {
        describe_locked(&event_entries[index], info);
    }
    spinlock_release(&table.lock, state);
    return found;
}
