#include <base/assert.h>
#include <hal/clock.h>
#include <hal/cpu.h>
#include <kern/recorder.h>
#include <kern/spinlock.h>
#include <kern/timer.h>
#include <stddef.h>

#define NEVER UINT64_MAX

/*
 * The least time between two rounds on a CPU: however short the periods are, the interrupted code
 * gets on.
 */
#define ROUND_GAP_NS 5000ULL

/* Keys: T = lock, O = the CPU itself with interrupts off */
struct timer_base {
    struct spinlock lock;
    struct pairing_heap heap; /* T */
    struct timer *running;    /* T  whose function is being called, NULL: none */
    bool in_round;            /* T  timer_run_due is at work, and arms the hardware at its end */
    uint64_t round_time;      /* T  what that round takes for now, ns */
    uint64_t tick;            /* O  when to tick next, NEVER: not */
} HX_ALIGNED(HX_CACHE_LINE);

static struct timer_base bases[HAL_CPU_MAX];

void timer_init_cpus(void)
{
    for (uint32_t cpu = 0; cpu < HAL_CPU_MAX; cpu++) {
        bases[cpu] = (struct timer_base){.tick = NEVER};
        spinlock_init(&bases[cpu].lock, LOCK_RANK_TIMER, "timers");
    }
}

void timer_init(struct timer *timer, void (*function)(struct timer *timer))
{
    *timer = (struct timer){.function = function};
}

/* Arm this CPU's hardware for the earliest of its deadlines, but not before a time. */
static void arm_locked(const struct timer_base *base, uint64_t not_before)
{
    const struct heap_node *least = pairing_heap_least(&base->heap);
    uint64_t deadline = base->tick;

    if (least != NULL && least->key < deadline) {
        deadline = least->key;
    }
    if (deadline == NEVER) {
        hal_timer_disarm();
    } else {
        hal_timer_arm(deadline > not_before ? deadline : not_before);
    }
}

static void insert_locked(struct timer_base *base, struct timer *timer, uint64_t deadline_ns)
{
    /* What is started during a round belongs to the next one, or rounds might not end. */
    if (base->in_round && deadline_ns <= base->round_time) {
        deadline_ns = base->round_time + 1;
    }
    timer->node.key = deadline_ns;
    timer->is_pending = true;
    pairing_heap_insert(&base->heap, &timer->node);
}

static bool remove_locked(struct timer_base *base, struct timer *timer)
{
    bool was_pending = timer->is_pending;

    if (was_pending) {
        pairing_heap_remove(&base->heap, &timer->node);
        timer->is_pending = false;
    }
    return was_pending;
}

static struct timer_base *home_of(const struct timer *timer)
{
    uint32_t cpu_plus_1 = atomic_load_explicit(&timer->cpu_plus_1, memory_order_relaxed);

    return cpu_plus_1 != 0 ? &bases[cpu_plus_1 - 1] : NULL;
}

/*
 * Take a timer out of another CPU's heap. When its function is running there just now it has to
 * stay (a timer's function runs on one CPU at a time): it is started there, and that CPU, which is
 * in a round, arms its own hardware. Returns whether it stays.
 */
static bool settle_with_home(struct timer_base *home, struct timer *timer, uint64_t deadline_ns,
                             uint64_t period_ns)
{
    spinlock_acquire_nested(&home->lock);

    bool stays = home->running == timer;

    if (home_of(timer) == home) {
        remove_locked(home, timer);
    }
    if (stays) {
        timer->period_ns = period_ns;
        insert_locked(home, timer, deadline_ns);
    }
    spinlock_release_nested(&home->lock);
    return stays;
}

/* The same until it is in nobody else's heap: it may be moved between two looks at its home. */
static bool stays_with_home(struct timer *timer, const struct timer_base *base,
                            uint64_t deadline_ns, uint64_t period_ns)
{
    struct timer_base *home = home_of(timer);
    struct timer_base *seen = NULL;

    while (home != NULL && home != base && home != seen) {
        if (settle_with_home(home, timer, deadline_ns, period_ns)) {
            return true;
        }
        seen = home;
        home = home_of(timer);
    }
    return false;
}

void timer_start(struct timer *timer, uint64_t deadline_ns, uint64_t period_ns)
{
    hal_interrupt_state state = hal_interrupts_save();
    uint32_t cpu = hal_cpu_id();
    struct timer_base *base = &bases[cpu];

    if (!stays_with_home(timer, base, deadline_ns, period_ns)) {
        spinlock_acquire_nested(&base->lock);
        remove_locked(base, timer);
        timer->period_ns = period_ns;
        atomic_store_explicit(&timer->cpu_plus_1, cpu + 1, memory_order_relaxed);
        insert_locked(base, timer, deadline_ns);
        if (!base->in_round && pairing_heap_least(&base->heap) == &timer->node) {
            arm_locked(base, 0);
        }
        spinlock_release_nested(&base->lock);
    }
    hal_interrupts_restore(state);
}

/* One attempt; *running tells whether the function runs on another CPU, or the timer has been moved
 * to one, so that another is needed. */
static bool cancel_once(struct timer_base *home, struct timer *timer, bool *running)
{
    hal_interrupt_state state = spinlock_acquire(&home->lock);
    bool has_moved = home_of(timer) != home;
    bool was_pending = !has_moved && remove_locked(home, timer);

    /* On this CPU it can only be running below the caller: the call comes from it. */
    *running = has_moved || (home->running == timer && home != &bases[hal_cpu_id()]);
    spinlock_release(&home->lock, state);
    return was_pending;
}

bool timer_cancel(struct timer *timer)
{
    bool was_pending = false;
    bool running = home_of(timer) != NULL;

    while (running) {
        was_pending |= cancel_once(home_of(timer), timer, &running);
        if (running) {
            hal_cpu_relax();
        }
    }
    return was_pending;
}

/* The first timer that is due, out of the heap, or in it again when it is periodic. */
static struct timer *take_due_locked(struct timer_base *base)
{
    struct heap_node *least = pairing_heap_least(&base->heap);

    if (least == NULL || least->key > base->round_time) {
        return NULL;
    }

    struct timer *timer = HX_CONTAINER_OF(least, struct timer, node);
    uint64_t next = least->key + timer->period_ns;

    remove_locked(base, timer);
    if (timer->period_ns != 0) {
        insert_locked(base, timer,
                      next > base->round_time ? next : base->round_time + timer->period_ns);
    }
    return timer;
}

static void run_timers(struct timer_base *base)
{
    struct timer *timer;

    spinlock_acquire_nested(&base->lock);
    base->in_round = true;
    base->round_time = hal_clock_now();
    while ((timer = take_due_locked(base)) != NULL) {
        void (*function)(struct timer *) = timer->function;

        base->running = timer;
        spinlock_release_nested(&base->lock);
        recorder_note(RECORDER_TIMER, (uintptr_t)function, 0, 0);
        function(timer);
        /* The timer may be gone now. */
        spinlock_acquire_nested(&base->lock);
        base->running = NULL;
    }
    base->in_round = false;
    arm_locked(base, hal_clock_now() + ROUND_GAP_NS);
    spinlock_release_nested(&base->lock);
}

void timer_tick_start(void)
{
    struct timer_base *base = &bases[hal_cpu_id()];

    if (base->tick != NEVER) {
        return;
    }
    base->tick = hal_clock_now() + TIMER_TICK_NS;
    spinlock_acquire_nested(&base->lock);
    if (!base->in_round) {
        arm_locked(base, 0);
    }
    spinlock_release_nested(&base->lock);
}

/* Whether the tick is due at a time; then set the next one. */
static bool take_tick(struct timer_base *base, uint64_t now, bool keep_ticking)
{
    if (now < base->tick) {
        return false;
    }
    if (!keep_ticking) {
        base->tick = NEVER;
        return true;
    }

    uint64_t next = base->tick + TIMER_TICK_NS;

    base->tick = next > now ? next : now + TIMER_TICK_NS;
    return true;
}

bool timer_run_due(bool keep_ticking)
{
    struct timer_base *base = &bases[hal_cpu_id()];
    bool ticked = take_tick(base, hal_clock_now(), keep_ticking);

    run_timers(base);
    return ticked;
}

/* --- a CPU that leaves ------------------------------------------------------------------------ */

void timer_stop_cpu(void)
{
    bases[hal_cpu_id()].tick = NEVER;
    hal_timer_disarm();
}

/* The first timer of a heap into another; both locked. */
static bool move_one_locked(struct timer_base *from, struct timer_base *to, uint32_t to_cpu)
{
    struct heap_node *least = pairing_heap_least(&from->heap);

    if (least == NULL) {
        return false;
    }

    struct timer *timer = HX_CONTAINER_OF(least, struct timer, node);
    uint64_t deadline_ns = least->key;

    remove_locked(from, timer);
    atomic_store_explicit(&timer->cpu_plus_1, to_cpu + 1, memory_order_relaxed);
    insert_locked(to, timer, deadline_ns);
    return true;
}

/* Two locks of one rank: the second is only tried, so nobody ever waits with one of them held.
 * Returns whether to go on. */
static bool move_one(struct timer_base *from)
{
    hal_interrupt_state state = hal_interrupts_save();
    uint32_t cpu = hal_cpu_id();
    struct timer_base *to = &bases[cpu];
    bool is_any = true;

    spinlock_acquire_nested(&to->lock);
    if (spinlock_try_acquire_nested(&from->lock)) {
        is_any = move_one_locked(from, to, cpu);
        spinlock_release_nested(&from->lock);
    }
    arm_locked(to, 0);
    spinlock_release_nested(&to->lock);
    hal_interrupts_restore(state);
    return is_any;
}

void timer_take_from(uint32_t cpu)
{
    while (move_one(&bases[cpu])) {
    }
}
