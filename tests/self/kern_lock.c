/* Spinlocks and their checker, mutexes, wait queues, read sections. */
#include <base/string.h>
#include <hal/clock.h>
#include <hal/cpu.h>
#include <kern/cpu.h>
#include <kern/mutex.h>
#include <kern/read_section.h>
#include <kern/spinlock.h>
#include <kern/thread.h>
#include <kern/wait_queue.h>
#include <tests/self/crew.h>
#include <tests/self/suites.h>

static struct crew crew;

static uint64_t cpu_bit(uint32_t n)
{
    return 1ULL << crew_cpu(n);
}

/* --- spinlocks -------------------------------------------------------------------------------- */

static struct spinlock spinlock;
static uint64_t guarded; /* plain: only the lock protects it */

static void add_under_spinlock(void *argument)
{
    for (unsigned i = 0; i < 5000; i++) {
        hal_interrupt_state state = spinlock_acquire(&spinlock);

        guarded = guarded + 1;
        spinlock_release(&spinlock, state);
    }
    (void)argument;
}

static void a_spinlock_excludes(void)
{
    spinlock_init(&spinlock, LOCK_RANK_CORE, "test");
    guarded = 0;
    crew_open(&crew);
    for (unsigned i = 0; i < 8; i++) {
        crew_start(&crew, add_under_spinlock, NULL, 0);
    }
    crew_join(&crew);
    EXPECT_EQUAL(guarded, 8 * 5000);
}

static void a_spinlock_keeps_interrupts_off_and_restores_them(void)
{
    spinlock_init(&spinlock, LOCK_RANK_CORE, "test");

    hal_interrupt_state outer = spinlock_acquire(&spinlock);

    EXPECT(!hal_interrupts_enabled());
    EXPECT(spinlock_is_held(&spinlock));
    spinlock_release(&spinlock, outer);
    EXPECT(hal_interrupts_enabled());
    EXPECT(!spinlock_is_held(&spinlock));

    outer = hal_interrupts_save();

    hal_interrupt_state inner = spinlock_acquire(&spinlock);

    spinlock_release(&spinlock, inner);
    EXPECT(!hal_interrupts_enabled());
    hal_interrupts_restore(outer);
}

static void a_try_takes_only_a_free_spinlock(void)
{
    spinlock_init(&spinlock, LOCK_RANK_CORE, "test");

    hal_interrupt_state state = hal_interrupts_save();
    bool first = spinlock_try_acquire_nested(&spinlock);
    bool second = spinlock_try_acquire_nested(&spinlock);

    spinlock_release_nested(&spinlock);

    bool third = spinlock_try_acquire_nested(&spinlock);

    spinlock_release_nested(&spinlock);
    hal_interrupts_restore(state);
    EXPECT(first && !second && third);
}

#ifdef HX_DEBUG

static struct {
    unsigned count;
    const char *what;
    const char *lock;
    const char *held;
} violation;

static void note_violation(const char *what, const char *lock, const char *held)
{
    violation.count++;
    violation.what = what;
    violation.lock = lock;
    violation.held = held;
}

static void expect_violation(const char *what, const char *lock, const char *held)
{
    EXPECT_EQUAL(violation.count, 1);
    if (violation.count == 1) {
        EXPECT(string_equal(violation.what, what));
        EXPECT(string_equal(violation.lock, lock));
        EXPECT(string_equal(violation.held, held));
    }
    spinlock_set_violation_handler(NULL);
    violation.count = 0;
}

/* Take one lock inside another, both ranks given; with the reports caught. */
static void nest(enum lock_rank outer_rank, enum lock_rank inner_rank)
{
    static struct spinlock outer;
    static struct spinlock inner;

    spinlock_init(&outer, outer_rank, "outer");
    spinlock_init(&inner, inner_rank, "inner");
    violation.count = 0;
    spinlock_set_violation_handler(note_violation);

    hal_interrupt_state state = spinlock_acquire(&outer);

    spinlock_acquire_nested(&inner);
    spinlock_release_nested(&inner);
    spinlock_release(&outer, state);
}

/* SPEC: Q5 */
static void an_inverted_order_is_reported_without_a_deadlock(void)
{
    nest(LOCK_RANK_HEAP, LOCK_RANK_TIMER);
    expect_violation("taken out of order", "inner", "outer");
}

/* SPEC: Q5 */
static void two_locks_of_one_rank_are_reported(void)
{
    nest(LOCK_RANK_HEAP, LOCK_RANK_HEAP);
    expect_violation("taken out of order", "inner", "outer");
}

static void the_right_order_is_not_reported(void)
{
    nest(LOCK_RANK_TIMER, LOCK_RANK_HEAP);
    EXPECT_EQUAL(violation.count, 0);
    spinlock_set_violation_handler(NULL);
}

static void a_recursion_is_reported(void)
{
    spinlock_init(&spinlock, LOCK_RANK_CORE, "test");
    spinlock_set_violation_handler(note_violation);

    hal_interrupt_state state = spinlock_acquire(&spinlock);

    spinlock_acquire_nested(&spinlock); /* refused: there is one release */
    spinlock_release(&spinlock, state);
    expect_violation("taken twice by one processor", "test", "test");
}

static void an_acquisition_with_interrupts_on_is_reported(void)
{
    spinlock_init(&spinlock, LOCK_RANK_CORE, "test");
    preempt_disable(); /* the checker knows owners by CPU */
    spinlock_set_violation_handler(note_violation);
    spinlock_acquire_nested(&spinlock);
    spinlock_release_nested(&spinlock);
    preempt_enable();
    expect_violation("taken with interrupts on", "test", "");
}

static void a_release_of_a_lock_not_held_is_reported(void)
{
    spinlock_init(&spinlock, LOCK_RANK_CORE, "test");
    spinlock_set_violation_handler(note_violation);

    hal_interrupt_state state = hal_interrupts_save();

    spinlock_release_nested(&spinlock);
    hal_interrupts_restore(state);
    expect_violation("released by a processor that does not hold it", "test", "");
}

#else

#define ONLY_IN_DEBUG_BUILDS "only debug builds check the order"

static void an_inverted_order_is_reported_without_a_deadlock(void)
{
    selftest_skip(ONLY_IN_DEBUG_BUILDS);
}

static void two_locks_of_one_rank_are_reported(void)
{
    selftest_skip(ONLY_IN_DEBUG_BUILDS);
}

#endif

static bool is_parked(const struct thread *thread)
{
    return string_equal(thread_state_name(thread), "parked");
}

/* --- mutexes ---------------------------------------------------------------------------------- */

static struct mutex mutex;
static _Atomic uint32_t inside;
static _Atomic uint32_t overlaps;

static void visit(void)
{
    if (atomic_fetch_add_explicit(&inside, 1, memory_order_relaxed) != 0) {
        atomic_fetch_add_explicit(&overlaps, 1, memory_order_relaxed);
    }
    guarded = guarded + 1;
    if (guarded % 16 == 0) {
        thread_yield(); /* with the mutex held */
    }
    atomic_fetch_sub_explicit(&inside, 1, memory_order_relaxed);
}

static void add_under_mutex(void *argument)
{
    (void)argument;
    for (unsigned i = 0; i < 1000; i++) {
        mutex_lock(&mutex);
        visit();
        mutex_unlock(&mutex);
    }
}

static void reset_mutex(void)
{
    mutex_init(&mutex, "test");
    guarded = 0;
    atomic_store_explicit(&overlaps, 0, memory_order_relaxed);
}

static void a_mutex_excludes_eight_threads(void)
{
    reset_mutex();
    crew_open(&crew);
    for (unsigned i = 0; i < 8; i++) {
        crew_start(&crew, add_under_mutex, NULL, 0);
    }
    crew_join(&crew);
    EXPECT_EQUAL(guarded, 8 * 1000);
    EXPECT_EQUAL(overlaps, 0);
}

/* Deadlines so short that many pass just when the mutex is handed over. */
static void add_or_give_up(void *argument)
{
    uint64_t random = selftest_seed() + (uintptr_t)argument * 2 + 1;

    for (unsigned i = 0; i < 500; i++) {
        uint64_t deadline = hal_clock_now() + crew_random(&random) % 30000;
        hx_err error = mutex_lock_until(&mutex, deadline);

        if (error != HX_OK) {
            EXPECT_EQUAL(error, HX_ETIMEDOUT);
            EXPECT(!mutex_is_mine(&mutex));
            continue;
        }
        visit();
        mutex_unlock(&mutex);
    }
}

static void a_mutex_survives_waiters_that_give_up(void)
{
    reset_mutex();
    crew_open(&crew);
    for (uintptr_t i = 0; i < 8; i++) {
        crew_start(&crew, add_or_give_up, (void *)i, 0);
    }
    crew_join(&crew);
    EXPECT_EQUAL(overlaps, 0);
    EXPECT(mutex_try_lock(&mutex));
    mutex_unlock(&mutex);
}

static _Atomic uint32_t queued;
static struct {
    uint32_t length;
    uint32_t order[16];
} arrivals; /* under the mutex, or written by one thread at a time */

static void lock_and_note(void *argument)
{
    mutex_lock(&mutex);
    arrivals.order[arrivals.length++] = (uint32_t)(uintptr_t)argument;
    mutex_unlock(&mutex);
}

/* Start a member and wait until it is parked, so that members queue up in a known order. */
static bool start_and_await_parking(void (*work)(void *argument), uintptr_t number)
{
    const struct crew_member *member = crew_start(&crew, work, (void *)number, 0);
    uint64_t limit = hal_clock_now() + CREW_PATIENCE_NS;

    if (member == NULL) {
        return false;
    }
    while (!is_parked(member->thread) && hal_clock_now() < limit) {
        thread_sleep(HAL_NS_PER_MS / 4);
    }
    EXPECT(is_parked(member->thread));
    return true;
}

static void expect_first_come_first_served(uint32_t count)
{
    EXPECT_EQUAL(arrivals.length, count);
    for (uint32_t i = 0; i < arrivals.length; i++) {
        EXPECT_EQUAL(arrivals.order[i], i);
    }
}

static void a_mutex_is_handed_to_the_longest_waiter(void)
{
    mutex_init(&mutex, "test");
    arrivals.length = 0;
    mutex_lock(&mutex);
    crew_open(&crew);
    for (uintptr_t i = 0; i < 8 && start_and_await_parking(lock_and_note, i); i++) {
    }
    EXPECT(mutex_is_mine(&mutex));
    mutex_unlock(&mutex);
    EXPECT(!mutex_is_mine(&mutex));
    crew_join(&crew);
    expect_first_come_first_served(8);
}

static void fail_to_lock(void *argument)
{
    (void)argument;
    EXPECT(!mutex_try_lock(&mutex));
    EXPECT_EQUAL(mutex_lock_until(&mutex, hal_clock_now() + 2 * HAL_NS_PER_MS), HX_ETIMEDOUT);
}

static void a_mutex_that_stays_locked_times_out(void)
{
    mutex_init(&mutex, "test");
    mutex_lock(&mutex);
    crew_open(&crew);
    crew_start(&crew, fail_to_lock, NULL, 0);
    crew_join(&crew);
    mutex_unlock(&mutex);
    EXPECT(mutex_try_lock(&mutex));
    mutex_unlock(&mutex);
}

/*
 * Two narrow moments of a mutex, made wide by the test, which holds the mutex's spinlock: a locker
 * is on the way into the queue while the mutex is unlocked; and a locker's time is over while the
 * mutex is handed to it.
 */
static struct {
    struct mutex mutex;
    uint64_t deadline; /* the locker's */
    _Atomic uint32_t locked;
    _Atomic uint32_t may_unlock;
    _Atomic uint32_t may_lock;
    hx_err result;
} standoff;

static void unlock_when_told(void *argument)
{
    (void)argument;
    mutex_lock(&standoff.mutex);
    atomic_store_explicit(&standoff.locked, 1, memory_order_release);
    EXPECT(crew_spin_until(&standoff.may_unlock, 1));
    mutex_unlock(&standoff.mutex);
}

static void lock_when_told(void *argument)
{
    (void)argument;
    EXPECT(crew_spin_until(&standoff.may_lock, 1));
    standoff.result = mutex_lock_until(&standoff.mutex, standoff.deadline);
    if (standoff.result == HX_OK) {
        mutex_unlock(&standoff.mutex);
    }
}

/* Whether so many CPUs come to hold or await the spinlock within CREW_PATIENCE_NS. */
static bool await_tickets(struct spinlock *lock, uint32_t count)
{
    uint64_t limit = hal_clock_now() + CREW_PATIENCE_NS;
    uint32_t tickets = 0;

    while (tickets < count && hal_clock_now() < limit) {
        tickets = atomic_load_explicit(&lock->next, memory_order_relaxed) -
                  atomic_load_explicit(&lock->serving, memory_order_relaxed);
        hal_cpu_relax();
    }
    return tickets >= count;
}

static bool await_unlocked(const struct mutex *watched)
{
    uint64_t limit = hal_clock_now() + CREW_PATIENCE_NS;
    bool is_unlocked = false;

    while (!is_unlocked && hal_clock_now() < limit) {
        is_unlocked = atomic_load_explicit(&watched->word, memory_order_relaxed) == 0;
        hal_cpu_relax();
    }
    return is_unlocked;
}

/* The locker has found the mutex locked and waits for the spinlock; then the mutex is unlocked. */
static void unlock_before_a_locker_queues(void)
{
    hal_interrupt_state state = spinlock_acquire(&standoff.mutex.lock);

    atomic_store_explicit(&standoff.may_lock, 1, memory_order_release);
    EXPECT(await_tickets(&standoff.mutex.lock, 2));
    atomic_store_explicit(&standoff.may_unlock, 1, memory_order_release);
    EXPECT(await_unlocked(&standoff.mutex));
    spinlock_release(&standoff.mutex.lock, state);
}

/* The locker is parked; the unlocker waits for the spinlock, and behind it the locker, whose time
 * is over. Returns whether that was the order. */
static bool hand_over_at_the_deadline(struct thread *locker)
{
    hal_interrupt_state state;
    bool in_order;

    atomic_store_explicit(&standoff.may_lock, 1, memory_order_release);
    while (!is_parked(locker) && hal_clock_now() < standoff.deadline) {
        hal_cpu_relax();
    }
    state = spinlock_acquire(&standoff.mutex.lock);
    atomic_store_explicit(&standoff.may_unlock, 1, memory_order_release);
    EXPECT(await_tickets(&standoff.mutex.lock, 2));
    in_order = hal_clock_now() < standoff.deadline;
    EXPECT(await_tickets(&standoff.mutex.lock, 3));
    spinlock_release(&standoff.mutex.lock, state);
    return in_order;
}

static bool stand_off(bool locker_parks_first, struct thread *locker)
{
    EXPECT(crew_spin_until(&standoff.locked, 1));
    if (locker_parks_first) {
        return hand_over_at_the_deadline(locker);
    }
    unlock_before_a_locker_queues();
    return true;
}

static void lock_against_unlock(bool locker_parks_first, uint64_t patience)
{
    bool in_order = false;

    mutex_init(&standoff.mutex, "test");
    atomic_store_explicit(&standoff.locked, 0, memory_order_relaxed);
    atomic_store_explicit(&standoff.may_unlock, 0, memory_order_relaxed);
    atomic_store_explicit(&standoff.may_lock, 0, memory_order_relaxed);
    standoff.deadline = hal_clock_now() + patience;
    crew_open(&crew);
    preempt_disable(); /* this CPU is the test's; the others are whichever come next */

    uint32_t second = cpu_next(cpu_online_mask(), hal_cpu_id() + 1);
    uint32_t third = cpu_next(cpu_online_mask(), second + 1);

    crew_start(&crew, unlock_when_told, NULL, 1ULL << second);

    const struct crew_member *locker = crew_start(&crew, lock_when_told, NULL, 1ULL << third);

    if (locker != NULL) {
        in_order = stand_off(locker_parks_first, locker->thread);
    }
    preempt_enable();
    crew_join(&crew);
    if (in_order) {
        EXPECT_EQUAL(standoff.result, HX_OK);
    }
}

static bool has_three_cpus(void)
{
    if (cpu_online_count() >= 3) {
        return true;
    }
    selftest_skip("needs three CPUs");
    return false;
}

static void a_mutex_unlocked_while_a_locker_queues_up_is_taken(void)
{
    if (has_three_cpus()) {
        lock_against_unlock(false, CREW_PATIENCE_NS);
    }
}

static void a_mutex_handed_over_at_the_deadline_is_taken(void)
{
    if (has_three_cpus()) {
        lock_against_unlock(true, 100 * HAL_NS_PER_MS);
    }
}

/* --- wait queues ------------------------------------------------------------------------------ */

static struct wait_queue queue;
static _Atomic uint32_t permits;

static bool take_permit(void)
{
    uint32_t count = atomic_load_explicit(&permits, memory_order_acquire);

    while (count != 0) {
        if (atomic_compare_exchange_weak_explicit(&permits, &count, count - 1, memory_order_acquire,
                                                  memory_order_acquire)) {
            return true;
        }
    }
    return false;
}

static hx_err wait_for_permit(uint64_t deadline_ns)
{
    struct waiter waiter;
    hx_err error = HX_OK;
    bool taken;

    wait_queue_prepare(&queue, &waiter);
    while (!(taken = take_permit()) && error == HX_OK) {
        error = wait_queue_wait(&queue, &waiter, deadline_ns);
    }
    wait_queue_finish(&queue, &waiter);
    return taken ? HX_OK : error;
}

static void give_permit(void)
{
    atomic_fetch_add_explicit(&permits, 1, memory_order_release);
    wait_queue_wake_one(&queue);
}

/* As when looking at the condition blocks, on a mutex for one: that park takes the wake-up's token.
 */
static void a_wake_up_whose_token_is_used_up_still_ends_the_wait(void)
{
    uint64_t deadline = hal_clock_now() + CREW_PATIENCE_NS;
    struct waiter waiter;

    wait_queue_init(&queue, "test");
    wait_queue_prepare(&queue, &waiter);
    EXPECT_EQUAL(wait_queue_wake_one(&queue), 1);
    EXPECT_EQUAL(thread_park(deadline), HX_OK);
    EXPECT_EQUAL(wait_queue_wait(&queue, &waiter, deadline), HX_OK);
    EXPECT(hal_clock_now() < deadline);
    wait_queue_finish(&queue, &waiter);
}

struct hearer {
    struct wait_listener listener;
    unsigned heard;
};

static void count_heard(struct wait_listener *listener)
{
    HX_CONTAINER_OF(listener, struct hearer, listener)->heard++;
}

static void who_listens_hears_every_wake_up_until_he_stops(void)
{
    struct hearer hearers[3] = {{.listener.heard = count_heard},
                                {.listener.heard = count_heard},
                                {.listener.heard = count_heard}};
    static const uint8_t order[] = {1, 2, 0}; /* the middle of the list, its head, the last */

    wait_queue_init(&queue, "test");
    for (unsigned i = 0; i < 3; i++) {
        wait_queue_listen(&queue, &hearers[i].listener);
    }
    for (unsigned i = 0; i < 3; i++) {
        EXPECT_EQUAL(wait_queue_wake_one(&queue), 0);
        EXPECT_EQUAL(wait_queue_wake_all(&queue), 0);
        wait_queue_stop_listening(&queue, &hearers[order[i]].listener);
        EXPECT_EQUAL(hearers[order[i]].heard, 2 * (i + 1));
    }
    EXPECT_EQUAL(wait_queue_wake_all(&queue), 0);
    EXPECT_EQUAL(hearers[0].heard + hearers[1].heard + hearers[2].heard, 12);
    read_synchronize();
}

static void wait_and_note(void *argument)
{
    EXPECT_EQUAL(wait_for_permit(THREAD_NO_DEADLINE), HX_OK);
    arrivals.order[arrivals.length++] = (uint32_t)(uintptr_t)argument;
    atomic_fetch_add_explicit(&queued, 1, memory_order_release);
}

static void reset_queue(void)
{
    wait_queue_init(&queue, "test");
    atomic_store_explicit(&permits, 0, memory_order_relaxed);
    atomic_store_explicit(&queued, 0, memory_order_relaxed);
    arrivals.length = 0;
    crew_open(&crew);
}

static void waiters_are_woken_in_the_order_they_came(void)
{
    reset_queue();
    for (uintptr_t i = 0; i < 8 && start_and_await_parking(wait_and_note, i); i++) {
    }
    for (uint32_t i = 1; i <= atomic_load_explicit(&crew.started, memory_order_relaxed); i++) {
        give_permit();
        EXPECT(crew_sleep_until(&queued, i));
    }
    crew_join(&crew);
    expect_first_come_first_served(8);
    EXPECT_EQUAL(wait_queue_wake_one(&queue), 0);
}

static void wait_for_the_gate(void *argument)
{
    struct waiter waiter;
    hx_err error = HX_OK;

    (void)argument;
    wait_queue_prepare(&queue, &waiter);
    while (atomic_load_explicit(&permits, memory_order_acquire) == 0 && error == HX_OK) {
        error = wait_queue_wait(&queue, &waiter, THREAD_NO_DEADLINE);
    }
    wait_queue_finish(&queue, &waiter);
}

static void all_waiters_are_woken_at_once(void)
{
    reset_queue();
    for (uintptr_t i = 0; i < 8 && start_and_await_parking(wait_for_the_gate, i); i++) {
    }
    EXPECT_EQUAL(wait_queue_wake_all(&queue), 8); /* too early: all look and wait again */
    atomic_store_explicit(&permits, 1, memory_order_release);
    wait_queue_wake_all(&queue);
    crew_join(&crew);
    EXPECT_EQUAL(wait_queue_wake_all(&queue), 0);
}

static void a_wait_times_out_and_leaves_the_queue(void)
{
    reset_queue();
    EXPECT_EQUAL(wait_for_permit(hal_clock_now() + HAL_NS_PER_MS), HX_ETIMEDOUT);
    EXPECT_EQUAL(wait_queue_wake_one(&queue), 0);
}

static void a_wake_up_nobody_needs_goes_to_the_next(void)
{
    struct waiter waiter;

    reset_queue();
    wait_queue_prepare(&queue, &waiter); /* the first in the queue, and woken */
    if (start_and_await_parking(wait_and_note, 0)) {
        atomic_store_explicit(&permits, 1, memory_order_release);
        EXPECT_EQUAL(wait_queue_wake_one(&queue), 1);
        EXPECT_EQUAL(queued, 0);
    }
    wait_queue_finish(&queue, &waiter); /* but does not wait at all */
    crew_join(&crew);
    EXPECT_EQUAL(queued, 1);
}

static void a_wake_up_wins_against_the_deadline(void)
{
    struct waiter waiter;

    reset_queue();
    wait_queue_prepare(&queue, &waiter);
    EXPECT_EQUAL(wait_queue_wake_one(&queue), 1);
    EXPECT_EQUAL(thread_park(0), HX_OK); /* as if the token had gone to an earlier park */
    EXPECT_EQUAL(wait_queue_wait(&queue, &waiter, 0), HX_OK);
    EXPECT_EQUAL(wait_queue_wait(&queue, &waiter, 0), HX_ETIMEDOUT);
    wait_queue_finish(&queue, &waiter);
}

/*
 * Permits are given one at a time, each with one wake-up, to waiters that give up all the time. A
 * wake-up that went to one who was just giving up must reach another, or a permit lies there
 * unused.
 */
#define PERMITS 2000U

static _Atomic uint32_t used;

static void use_impatiently(void *argument)
{
    uint64_t random = selftest_seed() + (uintptr_t)argument * 2 + 1;

    while (atomic_load_explicit(&used, memory_order_relaxed) < PERMITS) {
        hx_err error = wait_for_permit(hal_clock_now() + crew_random(&random) % 20000);

        if (error == HX_OK) {
            atomic_fetch_add_explicit(&used, 1, memory_order_relaxed);
        }
    }
}

/* These wait without a deadline, so only a wake-up that is passed on helps them. */
static void use_patiently(void *argument)
{
    (void)argument;
    while (atomic_load_explicit(&used, memory_order_relaxed) < PERMITS) {
        if (wait_for_permit(hal_clock_now() + CREW_PATIENCE_NS) != HX_OK) {
            selftest_fail(__FILE__, __LINE__, "a permit was given, but nobody woken");
            return;
        }
        atomic_fetch_add_explicit(&used, 1, memory_order_relaxed);
    }
}

static void give_permits(void *argument)
{
    (void)argument;
    for (uint32_t i = 0; i < PERMITS; i++) {
        while (atomic_load_explicit(&permits, memory_order_relaxed) >= 2) {
            thread_yield();
        }
        give_permit();
    }
    if (!crew_sleep_until(&used, PERMITS)) {
        selftest_fail(__FILE__, __LINE__, "%u permits used", used);
    }
    for (unsigned i = 0; i < 8; i++) {
        give_permit(); /* for those who wait although all is done */
    }
}

static void a_wake_up_that_meets_a_time_out_is_passed_on(void)
{
    reset_queue();
    atomic_store_explicit(&used, 0, memory_order_relaxed);
    for (uintptr_t i = 0; i < 3; i++) {
        crew_start(&crew, use_impatiently, (void *)i, 0);
        crew_start(&crew, use_patiently, NULL, 0);
    }
    crew_start(&crew, give_permits, NULL, 0);
    crew_join(&crew);
    EXPECT(used >= PERMITS);
}

/* --- read sections ---------------------------------------------------------------------------- */

static _Atomic uint32_t reader_inside;
static _Atomic uint32_t reader_may_leave;
static _Atomic uint32_t synchronized;

static void read_until_told(void *argument)
{
    (void)argument;
    read_enter();
    read_enter();
    atomic_store_explicit(&reader_inside, 1, memory_order_release);
    EXPECT(crew_spin_until(&reader_may_leave, 1));
    read_leave();
    EXPECT_EQUAL(atomic_load_explicit(&synchronized, memory_order_acquire), 0);
    read_leave();
}

static void synchronize(void *argument)
{
    (void)argument;
    EXPECT(crew_spin_until(&reader_inside, 1));
    read_synchronize();
    atomic_fetch_add_explicit(&synchronized, 1, memory_order_release);
}

static void reset_readers(void)
{
    atomic_store_explicit(&reader_inside, 0, memory_order_relaxed);
    atomic_store_explicit(&reader_may_leave, 0, memory_order_relaxed);
    atomic_store_explicit(&synchronized, 0, memory_order_relaxed);
    crew_open(&crew);
}

static void let_reader_go(void *argument)
{
    uint64_t end = hal_clock_now() + 10 * HAL_NS_PER_MS;

    (void)argument;
    EXPECT(crew_spin_until(&reader_inside, 1));
    while (hal_clock_now() < end) {
        thread_sleep(HAL_NS_PER_MS);
    }
    EXPECT_EQUAL(atomic_load_explicit(&synchronized, memory_order_acquire), 0);
    atomic_store_explicit(&reader_may_leave, 1, memory_order_release);
}

static void synchronize_waits_for_an_open_section(void)
{
    if (cpu_online_count() < 2) {
        selftest_skip("needs two CPUs");
        return;
    }
    reset_readers();
    crew_start(&crew, read_until_told, NULL, cpu_bit(0));
    crew_start(&crew, synchronize, NULL, ~cpu_bit(0) & cpu_online_mask());
    crew_start(&crew, let_reader_go, NULL, ~cpu_bit(0) & cpu_online_mask());
    crew_join(&crew);
    EXPECT_EQUAL(synchronized, 1);
}

/* Sections of 200 us follow each other without a pause; each new one is later than the call. */
static _Atomic uint32_t stop_reading;

static void read_again_and_again(void *argument)
{
    (void)argument;
    while (atomic_load_explicit(&stop_reading, memory_order_relaxed) == 0) {
        uint64_t end = hal_clock_now() + 200000;

        read_enter();
        atomic_store_explicit(&reader_inside, 1, memory_order_release);
        while (hal_clock_now() < end) {
            hal_cpu_relax();
        }
        read_leave();
    }
}

static void synchronize_does_not_wait_for_later_sections(void)
{
    reset_readers();
    atomic_store_explicit(&stop_reading, 0, memory_order_relaxed);
    for (uint32_t i = 1; i < cpu_online_count(); i++) {
        crew_start(&crew, read_again_and_again, NULL, cpu_bit(i));
    }
    for (unsigned i = 0; i < 20; i++) {
        read_synchronize();
    }
    atomic_store_explicit(&stop_reading, 1, memory_order_relaxed);
    crew_join(&crew);
}

/* A reader that enters and leaves when told. */
struct reader {
    _Atomic uint32_t may_enter;
    _Atomic uint32_t inside;
    _Atomic uint32_t may_leave;
};
static struct reader readers[2];

static void read_when_told(void *argument)
{
    struct reader *reader = argument;

    EXPECT(crew_spin_until(&reader->may_enter, 1));
    read_enter();
    atomic_store_explicit(&reader->inside, 1, memory_order_release);
    EXPECT(crew_spin_until(&reader->may_leave, 1));
    read_leave();
}

static void synchronize_into(void *argument)
{
    read_synchronize();
    atomic_store_explicit((_Atomic uint32_t *)argument, 1, memory_order_release);
}

static void tell(_Atomic uint32_t *word)
{
    atomic_store_explicit(word, 1, memory_order_release);
}

/* Until the grace period under way waits for this CPU alone. */
static bool await_last_cpu(uint64_t mask)
{
    uint64_t limit = hal_clock_now() + CREW_PATIENCE_NS;

    while (read_pending_cpus() != mask) {
        if (hal_clock_now() > limit) {
            return false;
        }
        thread_sleep(HAL_NS_PER_MS);
    }
    return true;
}

/*
 * The first reader holds up a grace period; the second one enters when its CPU has passed; then
 * comes another writer. It must wait for the second reader, for whom that grace period does not.
 */
static void a_grace_period_under_way_does_not_serve_a_later_writer(void)
{
    static _Atomic uint32_t written[2];

    if (!has_three_cpus()) {
        return;
    }
    readers[0] = (struct reader){.may_enter = 1};
    readers[1] = (struct reader){.may_enter = 0};
    written[0] = 0;
    written[1] = 0;
    crew_open(&crew);
    crew_start(&crew, read_when_told, &readers[0], cpu_bit(1));
    crew_start(&crew, read_when_told, &readers[1], cpu_bit(2));
    EXPECT(crew_sleep_until(&readers[0].inside, 1));
    crew_start(&crew, synchronize_into, &written[0], cpu_bit(0));
    EXPECT(await_last_cpu(cpu_bit(1)));
    tell(&readers[1].may_enter);
    EXPECT(crew_sleep_until(&readers[1].inside, 1));

    const struct crew_member *writer = crew_start(&crew, synchronize_into, &written[1], cpu_bit(0));

    while (writer != NULL && !is_parked(writer->thread)) {
        thread_sleep(HAL_NS_PER_MS);
    }
    tell(&readers[0].may_leave);
    EXPECT(crew_sleep_until(&written[0], 1));
    thread_sleep(5 * HAL_NS_PER_MS);
    EXPECT_EQUAL(written[1], 0);
    tell(&readers[1].may_leave);
    crew_join(&crew);
    EXPECT_EQUAL(written[1], 1);
}

/* With all other CPUs asleep; well below what waiting for something else to wake them would take.
 */
static void idle_cpus_do_not_delay_synchronize(void)
{
    uint64_t best = UINT64_MAX;

    for (unsigned i = 0; i < CREW_ATTEMPTS && best >= 2 * HAL_NS_PER_MS; i++) {
        thread_sleep(3 * HAL_NS_PER_MS); /* lets the others fall asleep, ticks included */

        uint64_t start = hal_clock_now();

        read_synchronize();

        uint64_t taken = hal_clock_now() - start;

        best = taken < best ? taken : best;
    }
    EXPECT(best < 2 * HAL_NS_PER_MS);
}

/* A published object that writers replace and invalidate: readers never see an invalid one. */
struct version {
    _Atomic uint32_t valid;
};
static struct version versions[8];
static _Atomic(struct version *) current_version;
static _Atomic uint32_t invalid_reads;

static void read_versions(void *argument)
{
    (void)argument;
    while (atomic_load_explicit(&stop_reading, memory_order_relaxed) == 0) {
        read_enter();

        struct version *version = atomic_load_explicit(&current_version, memory_order_acquire);

        for (unsigned i = 0; i < 20; i++) {
            if (atomic_load_explicit(&version->valid, memory_order_relaxed) == 0) {
                atomic_fetch_add_explicit(&invalid_reads, 1, memory_order_relaxed);
            }
            hal_cpu_relax();
        }
        read_leave();
    }
}

/* Each writer publishes two versions in turn; who replaces one invalidates it. */
static void write_versions(void *argument)
{
    uint32_t first = (uint32_t)(uintptr_t)argument * 2;

    for (uint32_t i = 0; i < 100; i++) {
        struct version *next = &versions[first + i % 2];

        while (atomic_load_explicit(&next->valid, memory_order_relaxed) != 0) {
            thread_yield(); /* another writer has replaced it, but still waits for its readers */
        }
        atomic_store_explicit(&next->valid, 1, memory_order_relaxed);

        struct version *old =
            atomic_exchange_explicit(&current_version, next, memory_order_acq_rel);

        read_synchronize();
        atomic_store_explicit(&old->valid, 0, memory_order_relaxed);
    }
    atomic_fetch_add_explicit(&synchronized, 1, memory_order_release);
}

static void many_writers_may_wait_at_once(void)
{
    reset_readers();
    atomic_store_explicit(&stop_reading, 0, memory_order_relaxed);
    atomic_store_explicit(&invalid_reads, 0, memory_order_relaxed);
    atomic_store_explicit(&versions[7].valid, 1, memory_order_relaxed);
    atomic_store_explicit(&current_version, &versions[7], memory_order_release);
    crew_start(&crew, read_versions, NULL, 0);
    crew_start(&crew, read_versions, NULL, 0);
    for (uintptr_t i = 0; i < 3; i++) {
        crew_start(&crew, write_versions, (void *)i, 0);
    }
    EXPECT(crew_sleep_until(&synchronized, 3));
    atomic_store_explicit(&stop_reading, 1, memory_order_relaxed);
    crew_join(&crew);
    EXPECT_EQUAL(invalid_reads, 0);
}

#define TEST(function)                                                                             \
    {                                                                                              \
        .name = "kern_lock." #function, .run = function                                            \
    }

const struct selftest kern_lock_tests[] = {
    TEST(a_spinlock_excludes),
    TEST(a_spinlock_keeps_interrupts_off_and_restores_them),
    TEST(a_try_takes_only_a_free_spinlock),
    TEST(an_inverted_order_is_reported_without_a_deadlock),
    TEST(two_locks_of_one_rank_are_reported),
#ifdef HX_DEBUG
    TEST(the_right_order_is_not_reported),
    TEST(a_recursion_is_reported),
    TEST(an_acquisition_with_interrupts_on_is_reported),
    TEST(a_release_of_a_lock_not_held_is_reported),
#endif
    TEST(a_mutex_excludes_eight_threads),
    TEST(a_mutex_survives_waiters_that_give_up),
    TEST(a_mutex_is_handed_to_the_longest_waiter),
    TEST(a_mutex_that_stays_locked_times_out),
    TEST(a_mutex_unlocked_while_a_locker_queues_up_is_taken),
    TEST(a_mutex_handed_over_at_the_deadline_is_taken),
    TEST(a_wake_up_whose_token_is_used_up_still_ends_the_wait),
    TEST(who_listens_hears_every_wake_up_until_he_stops),
    TEST(waiters_are_woken_in_the_order_they_came),
    TEST(all_waiters_are_woken_at_once),
    TEST(a_wait_times_out_and_leaves_the_queue),
    TEST(a_wake_up_nobody_needs_goes_to_the_next),
    TEST(a_wake_up_wins_against_the_deadline),
    TEST(a_wake_up_that_meets_a_time_out_is_passed_on),
    TEST(synchronize_waits_for_an_open_section),
    TEST(synchronize_does_not_wait_for_later_sections),
    TEST(a_grace_period_under_way_does_not_serve_a_later_writer),
    TEST(idle_cpus_do_not_delay_synchronize),
    TEST(many_writers_may_wait_at_once),
    {.name = NULL},
};
