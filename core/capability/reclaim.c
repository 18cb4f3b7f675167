/*
 * The reclaimer: the thread that removes what was cut off, returns records after a grace period,
 * and makes the table grow. It holds the broker's mutex for a slice at a time.
 */
#include <base/assert.h>
#include <core/capability/broker.h>
#include <core/capability/grant_store.h>
#include <core/capability/grant_table.h>
#include <kern/read_section.h>
#include <kern/thread.h>
#include <kern/wait_queue.h>

/* Buckets and grants of a slice of growth. */
#define GROWTH_SLICE 512U

/* Under the broker's mutex, but for what is atomic. */
static struct {
    struct thread *thread; /* NULL: none */
    bool is_stopping;
    _Atomic bool has_stopped;
    uint64_t requested;         /* number of the newest request */
    _Atomic uint64_t completed; /* all requests up to this one are done */
    struct grant *root;         /* the revoked grant whose derived ones are being removed */
    struct grant *at;           /* where in its tree */
} reclaimer;

static struct wait_queue progress = WAIT_QUEUE_INIT(progress, "capabilities reclaimed");

static void lock(void)
{
    hx_err error = broker_lock();

    HX_ASSERT(error == HX_OK, "the reclaimer is a thread, and starts after the mutex is set up");
}

/* --- removing -------------------------------------------------------------------------------- */

static void finish_grant(struct grant *grant)
{
    list_push_back(&broker.removed, &grant->sibling);
}

static void finish_root(void)
{
    finish_grant(reclaimer.root);
    reclaimer.root = NULL;
    reclaimer.at = NULL;
    broker_reopen_locked();
}

/* A grant from which nothing is derived any more: up to its origin, without it. */
static void remove_leaf(struct grant *grant)
{
    reclaimer.at = atomic_load_explicit(&grant->origin, memory_order_relaxed);
    /* release: as in broker_revoke_locked */
    atomic_store_explicit(&grant->rights, 0, memory_order_release);
    broker_unlist_locked(grant);
    finish_grant(grant);
}

static struct grant *next_revoked(void)
{
    struct list *node = list_pop_front(&broker.revoked);

    return node != NULL ? LIST_ENTRY(node, struct grant, sibling) : NULL;
}

/*
 * One step down or up in the tree of a revoked grant, leaves first: an origin outlasts what is
 * derived from it, so a check that follows origins never leaves the tree.
 */
static bool step_revoked(void)
{
    if (reclaimer.root == NULL) {
        reclaimer.root = reclaimer.at = next_revoked();
    }
    if (reclaimer.root == NULL) {
        return false;
    }
    if (!list_is_empty(&reclaimer.at->derived)) {
        reclaimer.at = LIST_ENTRY(reclaimer.at->derived.next, struct grant, sibling);
    } else if (reclaimer.at == reclaimer.root) {
        finish_root();
    } else {
        remove_leaf(reclaimer.at);
    }
    return true;
}

/*
 * One grant of an ended subject. Only when no tree is half removed: it would meet that one's
 * grants.
 */
static bool step_ended(void)
{
    struct subject *subject;

    if (list_is_empty(&broker.ended)) {
        return false;
    }
    subject = LIST_ENTRY(broker.ended.next, struct subject, link);
    if (!list_is_empty(&subject->held)) {
        broker_revoke_locked(LIST_ENTRY(subject->held.next, struct grant, held));
        return true;
    }
    list_remove(&subject->link);
    subject_put(subject);
    broker_reopen_locked();
    return true;
}

static bool remove_slice(void)
{
    uint32_t steps = 0;

    lock();
    while (steps < BROKER_SLICE && (step_revoked() || step_ended())) {
        steps++;
    }
    if (steps > atomic_load_explicit(&broker.longest, memory_order_relaxed)) {
        atomic_store_explicit(&broker.longest, steps, memory_order_relaxed);
    }
    broker_unlock();
    return steps == BROKER_SLICE;
}

/* --- records after their grace period -------------------------------------------------------- */

/* Move all nodes of one list to another, which is empty. */
static void move_all(struct list *to, struct list *from)
{
    list_insert_between(to, from->prev, from);
    list_remove(from);
}

static void put_slice(struct list *removed)
{
    lock();
    for (uint32_t i = 0; i < BROKER_SLICE && !list_is_empty(removed); i++) {
        grant_store_put(LIST_ENTRY(list_pop_front(removed), struct grant, sibling));
    }
    broker_unlock();
}

static void recycle(void)
{
    struct list removed = LIST_INIT(removed);

    lock();
    move_all(&removed, &broker.removed);
    broker_unlock();
    if (list_is_empty(&removed)) {
        return;
    }
    read_synchronize();
    while (!list_is_empty(&removed)) {
        put_slice(&removed);
    }
}

/* --- growth ---------------------------------------------------------------------------------- */

static bool is_too_small(void)
{
    bool answer;

    lock();
    answer = atomic_load_explicit(&broker.grants, memory_order_relaxed) > grant_table_buckets() / 2;
    broker_unlock();
    return answer;
}

static void attach(struct grant_table *next)
{
    lock();
    grant_table_attach(next);
    broker_unlock();
}

static bool move_slice(void)
{
    bool is_more;

    lock();
    is_more = grant_table_move(GROWTH_SLICE);
    broker_unlock();
    return is_more;
}

static struct grant_table *publish(void)
{
    struct grant_table *old;

    lock();
    old = grant_table_publish();
    broker_open_locked();
    broker_unlock();
    return old;
}

/* Without memory the table stays as it is, with longer chains, until the next request. */
static bool grow(void)
{
    struct grant_table *table = grant_table_allocate_next();

    if (table == NULL) {
        return false;
    }
    attach(table);
    while (move_slice()) {
    }
    table = publish();
    read_synchronize();
    grant_table_free(table);
    return true;
}

/* --- the thread ------------------------------------------------------------------------------ */

void reclaim_request_locked(void)
{
    reclaimer.requested++;
    if (reclaimer.thread != NULL) {
        thread_unpark(reclaimer.thread);
    }
}

/* The number of the newest request, when there is one behind `done`. Returns whether to go on. */
static bool await_request(uint64_t done, uint64_t *request)
{
    for (;;) {
        bool is_stopping;

        lock();
        is_stopping = reclaimer.is_stopping;
        *request = reclaimer.requested;
        broker_unlock();
        if (is_stopping || *request != done) {
            return !is_stopping;
        }
        thread_wait();
    }
}

static void serve(void)
{
    while (remove_slice()) {
    }
    recycle();
    while (is_too_small() && grow()) {
    }
}

static void reclaim(void *argument)
{
    uint64_t done = atomic_load_explicit(&reclaimer.completed, memory_order_relaxed);
    uint64_t request;

    (void)argument;
    while (await_request(done, &request)) {
        serve();
        done = request;
        /* release: pairs with the acquire in has_served */
        atomic_store_explicit(&reclaimer.completed, done, memory_order_release);
        (void)wait_queue_wake_all(&progress);
    }
    atomic_store_explicit(&reclaimer.has_stopped, true, memory_order_release);
    (void)wait_queue_wake_all(&progress);
}

hx_err reclaim_start(void)
{
    struct thread *thread;
    hx_err error = thread_create(&(struct thread_options){.name = "capabilities",
                                                          .entry = reclaim,
                                                          .priority = THREAD_PRIORITY_NORMAL},
                                 &thread);

    if (error != HX_OK) {
        return error;
    }
    lock();
    reclaimer.thread = thread;
    reclaimer.is_stopping = false;
    atomic_store_explicit(&reclaimer.has_stopped, false, memory_order_relaxed);
    thread_start(thread);
    broker_unlock();
    return HX_OK;
}

/* Under the mutex the thread cannot see that it is to stop, and be gone, before it is woken. */
static void tell_to_stop(void)
{
    lock();
    reclaimer.is_stopping = true;
    thread_unpark(reclaimer.thread);
    reclaimer.thread = NULL;
    broker_unlock();
}

static bool has_stopped(void)
{
    return atomic_load_explicit(&reclaimer.has_stopped, memory_order_acquire);
}

static bool has_served(uint64_t request)
{
    return has_stopped() ||
           atomic_load_explicit(&reclaimer.completed, memory_order_acquire) >= request;
}

static void await_service(uint64_t request)
{
    struct waiter waiter;
    hx_err error = HX_OK;

    wait_queue_prepare(&progress, &waiter);
    while (!has_served(request) && error == HX_OK) {
        error = wait_queue_wait(&progress, &waiter, THREAD_NO_DEADLINE);
    }
    wait_queue_finish(&progress, &waiter);
}

void reclaim_stop(void)
{
    tell_to_stop();
    await_service(UINT64_MAX);
}

void capability_settle(void)
{
    uint64_t request;

    if (broker_lock() != HX_OK) {
        return;
    }
    reclaim_request_locked();
    request = reclaimer.requested;
    broker_unlock();
    await_service(request);
}
