#include <base/assert.h>
#include <hal/interrupt.h>
#include <kern/read_section.h>
#include <kern/spinlock.h>
#include <stddef.h>

/* A thread that waits for a grace period. */
struct grace_waiter {
    struct list link;
    struct thread *thread;
    uint64_t wanted; /* number of the grace period that will do */
};

/* Keys: G = lock */
static struct {
    struct spinlock lock;
    uint64_t members;    /* G  CPUs that take part */
    uint64_t started;    /* G  number of the newest grace period */
    uint64_t completed;  /* G  equal to started: none is under way */
    struct list waiters; /* G  empty when none is under way */
    bool always_detours; /* G */
} grace;

/* Written under grace.lock; nobody is pending when no grace period is under way. */
_Atomic uint64_t read_detours;

static void set_pending_locked(uint64_t pending)
{
    uint64_t detours = grace.always_detours ? UINT32_MAX : pending;

    atomic_store_explicit(&read_detours, pending << READ_PENDING_SHIFT | detours,
                          memory_order_relaxed);
}

void read_section_init(void)
{
    spinlock_init(&grace.lock, LOCK_RANK_READ_SECTION, "grace periods");
    grace.members = 0;
    grace.started = 0;
    grace.completed = 0;
    list_init(&grace.waiters);
    grace.always_detours = false;
    set_pending_locked(0);
}

void read_detour_always(bool always)
{
    hal_interrupt_state state = spinlock_acquire(&grace.lock);

    grace.always_detours = always;
    set_pending_locked(read_pending_cpus());
    spinlock_release(&grace.lock, state);
}

/*
 * Under the lock, so that a grace period either includes this CPU or began before: then its writer
 * published before this CPU took the lock, and this CPU never sees the old version.
 */
void read_section_join(void)
{
    hal_interrupt_state state = spinlock_acquire(&grace.lock);

    grace.members |= 1ULL << hal_cpu_id();
    spinlock_release(&grace.lock, state);
}

/*
 * Start the next grace period. The calling CPU is in no read section. When no other takes part, it
 * is over at once. Returns the CPUs to hurry.
 */
static uint64_t start_locked(void)
{
    uint64_t pending = grace.members & ~(1ULL << hal_cpu_id());

    grace.started++;
    if (pending == 0) {
        grace.completed = grace.started;
    }
    set_pending_locked(pending);
    return pending;
}

static void wake_satisfied_locked(void)
{
    struct list *node = grace.waiters.next;

    while (node != &grace.waiters) {
        struct grace_waiter *waiter = LIST_ENTRY(node, struct grace_waiter, link);

        node = node->next;
        if (waiter->wanted <= grace.completed) {
            list_remove(&waiter->link);
            /* Under the lock: the waiter cannot return, and its thread cannot exit, before. */
            thread_unpark(waiter->thread);
        }
    }
}

/* The last CPU has passed. Returns the CPUs to hurry for the next grace period, if one is wanted.
 */
static uint64_t complete_locked(void)
{
    uint64_t hurry = 0;

    grace.completed = grace.started;
    wake_satisfied_locked();
    if (!list_is_empty(&grace.waiters)) {
        hurry = start_locked();
        wake_satisfied_locked();
    }
    return hurry;
}

/* The message makes a CPU switch threads as soon as it is outside read sections. */
static void hurry_cpus(uint64_t mask)
{
    for (; mask != 0; mask &= mask - 1) {
        hal_interrupt_send((uint32_t)__builtin_ctzll(mask), HAL_VECTOR_RESCHEDULE);
    }
}

HX_PRESERVE_REGISTERS void read_report_quiescent(void)
{
    uint64_t own = 1ULL << hal_cpu_id();
    uint64_t hurry = 0;

    if ((read_pending_cpus() & own) == 0) {
        return;
    }
    spinlock_acquire_nested(&grace.lock);

    uint64_t pending = read_pending_cpus();

    if ((pending & own) != 0) {
        set_pending_locked(pending & ~own);
        if (pending == own) {
            hurry = complete_locked();
        }
    }
    spinlock_release_nested(&grace.lock);
    hurry_cpus(hurry);
}

void read_section_leave(void)
{
    spinlock_acquire_nested(&grace.lock);
    grace.members &= ~(1ULL << hal_cpu_id());
    spinlock_release_nested(&grace.lock);
    read_report_quiescent(); /* no grace period that begins from here on waits for it */
}

/* Join the waiters, and start a grace period when none is under way. Returns whether to wait. */
static bool begin_wait(struct grace_waiter *waiter)
{
    hal_interrupt_state state = spinlock_acquire(&grace.lock);
    uint64_t hurry = 0;

    /* The one under way may have begun before the caller published, so it does not count. */
    waiter->wanted = grace.started + 1;
    if (grace.completed == grace.started) {
        hurry = start_locked();
    }

    bool must_wait = grace.completed < waiter->wanted;

    if (must_wait) {
        list_push_back(&grace.waiters, &waiter->link);
    }
    spinlock_release(&grace.lock, state);
    hurry_cpus(hurry);
    return must_wait;
}

static bool is_over(const struct grace_waiter *waiter)
{
    hal_interrupt_state state = spinlock_acquire(&grace.lock);
    bool over = grace.completed >= waiter->wanted;

    spinlock_release(&grace.lock, state);
    return over;
}

void read_synchronize(void)
{
    struct grace_waiter waiter = {.thread = thread_current()};

    HX_ASSERT(context_can_block(), "read_synchronize waits, so never inside a read section");
    if (!begin_wait(&waiter)) {
        return;
    }
    do {
        thread_wait();
    } while (!is_over(&waiter));
}
