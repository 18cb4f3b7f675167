/* Threads: parking, preemption, placement, their life; calls between CPUs. */
#include <base/string.h>
#include <hal/clock.h>
#include <hal/cpu.h>
#include <kern/cpu.h>
#include <kern/frames.h>
#include <kern/heap.h>
#include <kern/thread.h>
#include <tests/self/crew.h>
#include <tests/self/suites.h>

/* hal/clock.h: how far apart the clocks of two CPUs may be. */
#define CLOCK_SKEW_NS 10000ULL

static struct crew crew;

static uint64_t cpu_bit(uint32_t n)
{
    return 1ULL << crew_cpu(n);
}

static bool has_cpus(uint32_t count)
{
    if (cpu_online_count() >= count) {
        return true;
    }
    selftest_skip("needs more CPUs");
    return false;
}

static void nothing(void *argument)
{
    (void)argument;
}

/* --- parking ---------------------------------------------------------------------------------- */

static void a_wake_up_before_the_park_is_kept_once(void)
{
    thread_unpark(thread_current());
    thread_unpark(thread_current());
    EXPECT_EQUAL(thread_park(THREAD_NO_DEADLINE), HX_OK);
    EXPECT_EQUAL(thread_park(hal_clock_now() + HAL_NS_PER_MS), HX_ETIMEDOUT);
}

static void a_kept_wake_up_counts_even_past_the_deadline(void)
{
    thread_unpark(thread_current());
    EXPECT_EQUAL(thread_park(0), HX_OK);
    EXPECT_EQUAL(thread_park(0), HX_ETIMEDOUT);
}

/* How late a park of so many nanoseconds ends; UINT64_MAX when it ends early or without time-out.
 */
static uint64_t lateness(uint64_t nanoseconds)
{
    uint64_t deadline = hal_clock_now() + nanoseconds;
    hx_err error = thread_park(deadline);
    uint64_t now = hal_clock_now();

    EXPECT_EQUAL(error, HX_ETIMEDOUT);
    EXPECT(now + CLOCK_SKEW_NS >= deadline);
    return now > deadline ? now - deadline : 0;
}

static void a_park_ends_at_its_deadline_and_not_before(void)
{
    uint64_t random = selftest_seed() | 1;
    uint64_t best = UINT64_MAX;

    for (unsigned i = 0; i < 40 || (i < 40 * CREW_ATTEMPTS && best >= 2 * HAL_NS_PER_MS); i++) {
        uint64_t late = lateness(crew_random(&random) % (3 * HAL_NS_PER_MS));

        best = late < best ? late : best;
    }
    EXPECT(best < 2 * HAL_NS_PER_MS); /* the best one, because the host may be busy */
}

static void sleep_is_not_cut_short_by_a_wake_up(void)
{
    uint64_t start = hal_clock_now();

    thread_unpark(thread_current());
    thread_sleep(5 * HAL_NS_PER_MS);
    EXPECT(hal_clock_now() + CLOCK_SKEW_NS >= start + 5 * HAL_NS_PER_MS);
}

/*
 * Two threads take turns: each adds one and wakes the other. The pauses make the wake-up fall
 * before, into and after the park.
 */
#define RALLY_TURNS 20000U

struct rally {
    _Atomic(struct thread *) players[2];
    _Atomic uint32_t turn;
    _Atomic uint32_t lost;
    _Atomic uint32_t finished;
};
static struct rally rally;

static void pause_for(uint64_t rounds)
{
    for (uint64_t i = 0; i < rounds; i++) {
        hal_cpu_relax();
    }
}

/* Wait for the turn. A time-out although the turn has come is a wake-up that was lost. */
static bool await_turn(uint32_t turn)
{
    while (atomic_load_explicit(&rally.turn, memory_order_acquire) != turn) {
        hx_err error = thread_park(hal_clock_now() + CREW_PATIENCE_NS);

        if (error != HX_OK) {
            atomic_fetch_add_explicit(&rally.lost, 1, memory_order_relaxed);
            return false;
        }
    }
    return true;
}

static void play(uint32_t player)
{
    uint64_t random = selftest_seed() + player * 2 + 1;

    atomic_store_explicit(&rally.players[player], thread_current(), memory_order_release);
    while (atomic_load_explicit(&rally.players[1 - player], memory_order_acquire) == NULL) {
        thread_yield();
    }

    struct thread *other = atomic_load_explicit(&rally.players[1 - player], memory_order_relaxed);

    for (uint32_t turn = player; turn < RALLY_TURNS; turn += 2) {
        if (!await_turn(turn)) {
            return;
        }
        pause_for(crew_random(&random) % 64);
        atomic_store_explicit(&rally.turn, turn + 1, memory_order_release);
        thread_unpark(other);
    }
}

/* Nobody leaves before both have woken the other for the last time. */
static void play_and_stay(uint32_t player)
{
    play(player);
    /* Release and acquire: what it did to the other comes before the other's end. */
    atomic_fetch_add_explicit(&rally.finished, 1, memory_order_release);
    while (atomic_load_explicit(&rally.finished, memory_order_acquire) < 2) {
        thread_yield();
    }
}

static void play_first(void *argument)
{
    (void)argument;
    play_and_stay(0);
}

static void play_second(void *argument)
{
    (void)argument;
    play_and_stay(1);
}

static void play_on(uint64_t first, uint64_t second)
{
    for (unsigned i = 0; i < 2; i++) {
        atomic_store_explicit(&rally.players[i], NULL, memory_order_relaxed);
    }
    atomic_store_explicit(&rally.turn, 0, memory_order_relaxed);
    atomic_store_explicit(&rally.lost, 0, memory_order_relaxed);
    atomic_store_explicit(&rally.finished, 0, memory_order_relaxed);
    crew_open(&crew);
    crew_start(&crew, play_first, NULL, first);
    crew_start(&crew, play_second, NULL, second);
    crew_join(&crew);
    EXPECT_EQUAL(atomic_load_explicit(&rally.lost, memory_order_relaxed), 0);
    EXPECT_EQUAL(atomic_load_explicit(&rally.turn, memory_order_relaxed), RALLY_TURNS);
}

static void no_wake_up_is_lost_on_one_cpu(void)
{
    play_on(cpu_bit(0), cpu_bit(0));
}

static void no_wake_up_is_lost_between_two_cpus(void)
{
    if (has_cpus(2)) {
        play_on(cpu_bit(0), cpu_bit(1));
    }
}

static void no_wake_up_is_lost_on_whatever_cpus(void)
{
    play_on(0, 0);
}

/*
 * Deadlines of a few microseconds race against wake-ups from elsewhere: whatever comes first, the
 * park says which, and a wake-up that the park did not report is there for the next one.
 */
#define RACE_ROUNDS 3000U

struct race {
    _Atomic(struct thread *) sleeper;
    _Atomic uint32_t sent; /* wake-ups so far */
    _Atomic uint32_t seen; /* the sleeper knows of so many */
    uint32_t early;        /* time-outs before the deadline */
};
static struct race race;

static void sleep_through_race(void *argument)
{
    uint64_t random = selftest_seed() | 1;

    (void)argument;
    atomic_store_explicit(&race.sleeper, thread_current(), memory_order_release);
    for (uint32_t seen = 0; seen < RACE_ROUNDS;) {
        uint64_t deadline = hal_clock_now() + crew_random(&random) % 50000;
        hx_err error = thread_park(deadline);

        if (error == HX_OK) {
            seen++;
            EXPECT_EQUAL(atomic_load_explicit(&race.sent, memory_order_acquire), seen);
            atomic_store_explicit(&race.seen, seen, memory_order_release);
        } else if (hal_clock_now() + CLOCK_SKEW_NS < deadline) {
            race.early++;
        }
    }
}

/* Send one wake-up at a time, and the next when it has been reported: each must be reported. */
static void send_through_race(void *argument)
{
    uint64_t random = selftest_seed() + 2;
    struct thread *sleeper;

    (void)argument;
    while ((sleeper = atomic_load_explicit(&race.sleeper, memory_order_acquire)) == NULL) {
        thread_yield();
    }
    for (uint32_t sent = 1; sent <= RACE_ROUNDS; sent++) {
        pause_for(crew_random(&random) % 512);
        atomic_store_explicit(&race.sent, sent, memory_order_release);
        thread_unpark(sleeper);
        while (atomic_load_explicit(&race.seen, memory_order_acquire) < sent) {
            thread_yield();
        }
    }
}

static void a_deadline_and_a_wake_up_may_race(void)
{
    atomic_store_explicit(&race.sleeper, NULL, memory_order_relaxed);
    atomic_store_explicit(&race.sent, 0, memory_order_relaxed);
    atomic_store_explicit(&race.seen, 0, memory_order_relaxed);
    race.early = 0;
    crew_open(&crew);
    crew_start(&crew, sleep_through_race, NULL, 0);
    crew_start(&crew, send_through_race, NULL, 0);
    crew_join(&crew);
    EXPECT_EQUAL(race.early, 0);
}

/* --- preemption ------------------------------------------------------------------------------- */

static _Atomic uint32_t arrivals;

/* Spins until both have arrived: on one CPU, only if the spinning one is preempted. */
static void arrive_and_spin_for_two(void *argument)
{
    (void)argument;
    atomic_fetch_add_explicit(&arrivals, 1, memory_order_release);
    EXPECT(crew_spin_until(&arrivals, 2));
}

static void a_spinning_thread_is_preempted_by_its_peer(void)
{
    atomic_store_explicit(&arrivals, 0, memory_order_relaxed);
    crew_open(&crew);
    crew_start(&crew, arrive_and_spin_for_two, NULL, cpu_bit(0));
    crew_start(&crew, arrive_and_spin_for_two, NULL, cpu_bit(0));
    crew_join(&crew);
}

static void arrive(void *argument)
{
    (void)argument;
    atomic_fetch_add_explicit(&arrivals, 1, memory_order_release);
}

static void spin_for(uint64_t nanoseconds)
{
    uint64_t end = hal_clock_now() + nanoseconds;

    while (hal_clock_now() < end) {
        hal_cpu_relax();
    }
}

/* Runs on CPU 0: a peer started there does not get in before preemption is on again. */
static void hold_the_cpu(void *argument)
{
    struct crew *peers = argument;
    uint64_t switches = atomic_load_explicit(&thread_current()->switches, memory_order_relaxed);

    preempt_disable();
    crew_start(peers, arrive, NULL, cpu_bit(0));
    spin_for(30 * HAL_NS_PER_MS);
    EXPECT_EQUAL(atomic_load_explicit(&arrivals, memory_order_acquire), 0);
    EXPECT_EQUAL(atomic_load_explicit(&thread_current()->switches, memory_order_relaxed), switches);
    preempt_enable();
    EXPECT(crew_spin_until(&arrivals, 1));
}

static void no_switch_comes_while_preemption_is_off(void)
{
    static struct crew peers;

    atomic_store_explicit(&arrivals, 0, memory_order_relaxed);
    crew_open(&crew);
    peers = crew;
    crew_start(&crew, hold_the_cpu, &peers, cpu_bit(0));
    crew_join(&crew);
    crew_join(&peers);
}

static struct {
    uint32_t length;
    char order[64];
} diary;

/* All on one CPU, so the diary needs no lock; a tick in the middle may repeat a letter once. */
static void write_and_yield(void *argument)
{
    atomic_fetch_add_explicit(&arrivals, 1, memory_order_relaxed);
    while (atomic_load_explicit(&arrivals, memory_order_relaxed) < 2) {
        thread_yield();
    }
    for (unsigned i = 0; i < 20; i++) {
        diary.order[diary.length++] = *(const char *)argument;
        thread_yield();
    }
}

/* How often one came twice; UINT32_MAX when the test has failed. */
static uint32_t count_repeated_turns(void)
{
    uint32_t repeats = 0;

    atomic_store_explicit(&arrivals, 0, memory_order_relaxed);
    diary.length = 0;
    crew_open(&crew);
    crew_start(&crew, write_and_yield, "A", cpu_bit(0));
    crew_start(&crew, write_and_yield, "B", cpu_bit(0));
    if (!crew_join(&crew)) {
        return UINT32_MAX;
    }
    EXPECT_EQUAL(diary.length, 40);
    for (unsigned i = 1; i < diary.length; i++) {
        repeats += diary.order[i] == diary.order[i - 1] ? 1U : 0U;
    }
    return repeats;
}

/* On a busy host there may be a tick in many of the turns. */
static void threads_that_yield_take_turns(void)
{
    uint32_t repeats = UINT32_MAX;

    for (unsigned i = 0; i < CREW_ATTEMPTS && repeats > 4; i++) {
        repeats = count_repeated_turns();
    }
    EXPECT(repeats <= 4);
}

/* --- where threads run ------------------------------------------------------------------------ */

static void stay_at_home(void *argument)
{
    uint32_t home = *(const uint32_t *)argument;

    for (unsigned i = 0; i < 200; i++) {
        if (hal_cpu_id() != home) {
            selftest_fail(__FILE__, __LINE__, "bound to CPU %u, on CPU %u", home, hal_cpu_id());
            return;
        }
        if (i % 16 == 0) {
            thread_sleep(20000);
        } else {
            thread_yield();
        }
    }
}

static void threads_run_only_where_their_affinity_allows(void)
{
    static uint32_t homes[CREW_MAX];

    crew_open(&crew);
    for (uint32_t i = 0; i < 16; i++) {
        homes[i] = crew_cpu(i % cpu_online_count());
        crew_start(&crew, stay_at_home, &homes[i], 1ULL << homes[i]);
    }
    crew_join(&crew);
}

/*
 * All CPUs are kept busy by threads that cannot be preempted, so that a thread started on CPU 0 is
 * queued there; then CPU 1 is let go. What is allowed on CPU 1 must run there while CPU 0 is held;
 * what is not must not.
 */
struct theft {
    _Atomic uint32_t holding;
    _Atomic uint32_t released[HAL_CPU_MAX];
    _Atomic uint32_t ran_free;
    _Atomic uint32_t ran_bound;
    uint32_t free_cpu;
};
static struct theft theft;

static void run_free(void *argument)
{
    (void)argument;
    theft.free_cpu = hal_cpu_id();
    atomic_store_explicit(&theft.ran_free, 1, memory_order_release);
}

static void run_bound(void *argument)
{
    (void)argument;
    EXPECT_EQUAL(hal_cpu_id(), crew_cpu(0));
    atomic_store_explicit(&theft.ran_bound, 1, memory_order_release);
}

static void hold_until_released(void *argument)
{
    uint32_t number = (uint32_t)(uintptr_t)argument;

    preempt_disable();
    atomic_fetch_add_explicit(&theft.holding, 1, memory_order_release);
    EXPECT(crew_spin_until(&theft.released[number], 1));
    preempt_enable();
}

/* On CPU 0, when all others are held. */
static void queue_and_watch(void *argument)
{
    struct crew *others = argument;

    preempt_disable();
    EXPECT(crew_spin_until(&theft.holding, cpu_online_count() - 1));
    crew_start(others, run_free, NULL, cpu_bit(0) | cpu_bit(1));
    crew_start(others, run_bound, NULL, cpu_bit(0));
    atomic_store_explicit(&theft.released[1], 1, memory_order_release);
    EXPECT(crew_spin_until(&theft.ran_free, 1));
    spin_for(5 * HAL_NS_PER_MS);
    EXPECT_EQUAL(atomic_load_explicit(&theft.ran_bound, memory_order_acquire), 0);
    EXPECT_EQUAL(theft.free_cpu, crew_cpu(1));
    preempt_enable();
    for (uint32_t i = 2; i < cpu_online_count(); i++) {
        atomic_store_explicit(&theft.released[i], 1, memory_order_release);
    }
}

static void an_idle_cpu_steals_what_it_may_run(void)
{
    static struct crew others;

    if (!has_cpus(2)) {
        return;
    }
    atomic_store_explicit(&theft.holding, 0, memory_order_relaxed);
    atomic_store_explicit(&theft.ran_free, 0, memory_order_relaxed);
    atomic_store_explicit(&theft.ran_bound, 0, memory_order_relaxed);
    crew_open(&crew);
    others = crew;
    for (uint32_t i = 1; i < cpu_online_count(); i++) {
        atomic_store_explicit(&theft.released[i], 0, memory_order_relaxed);
        crew_start(&crew, hold_until_released, (void *)(uintptr_t)i, cpu_bit(i));
    }
    crew_start(&crew, queue_and_watch, &others, cpu_bit(0));
    crew_join(&crew);
    crew_join(&others);
}

/* --- the life of threads ---------------------------------------------------------------------- */

static void a_thousand_threads_come_and_go(void)
{
    uint32_t before = thread_count();

    for (unsigned round = 0; round < 40; round++) {
        crew_open(&crew);
        for (unsigned i = 0; i < 25; i++) {
            if (crew_start(&crew, nothing, NULL, 0) == NULL) {
                break;
            }
        }
        if (!crew_join(&crew)) {
            return;
        }
    }
    EXPECT_EQUAL(thread_count(), before);
}

static void impossible_threads_are_refused(void)
{
    struct thread *thread = NULL;
    uint32_t before = thread_count();
    uint64_t offline = ~cpu_online_mask();

    EXPECT_EQUAL(thread_create(&(struct thread_options){.name = "no entry"}, &thread), HX_EINVAL);
    EXPECT_EQUAL(thread_create(&(struct thread_options){.entry = nothing, .priority = 32}, &thread),
                 HX_EINVAL);
    EXPECT_EQUAL(
        thread_create(&(struct thread_options){.entry = nothing, .affinity = offline}, &thread),
        HX_EINVAL);
    EXPECT(thread == NULL);
    EXPECT_EQUAL(thread_count(), before);
}

static void creation_without_memory_leaves_nothing_behind(void)
{
    /* Of a size of which no stacks are kept. */
    const struct thread_options options = {
        .name = "poor", .entry = nothing, .stack_size = 2 * THREAD_STACK_SIZE};
    struct thread *thread = NULL;
    uint32_t before = thread_count();

    heap_fail_nth(1);
    EXPECT_EQUAL(thread_create(&options, &thread), HX_ENOMEM);
    heap_fail_nth(0);
    frames_fail_nth(1);
    EXPECT_EQUAL(thread_create(&options, &thread), HX_ENOMEM);
    frames_fail_nth(0);
    EXPECT(thread == NULL);
    EXPECT_EQUAL(thread_count(), before);
}

static _Atomic uint32_t parker_may_leave;

static void park_until_told(void *argument)
{
    (void)argument;
    while (atomic_load_explicit(&parker_may_leave, memory_order_acquire) == 0) {
        thread_wait();
    }
}

static bool is_parked_crew(struct thread *thread, void *argument)
{
    struct thread *wanted = *(struct thread **)argument;

    if (thread == wanted && string_equal(thread->name, "crew") &&
        string_equal(thread_state_name(thread), "parked")) {
        *(struct thread **)argument = NULL;
        return false;
    }
    return true;
}

static void the_list_of_threads_shows_a_parked_one(void)
{
    struct thread *sought = NULL;

    atomic_store_explicit(&parker_may_leave, 0, memory_order_relaxed);
    crew_open(&crew);

    struct crew_member *member = crew_start(&crew, park_until_told, NULL, 0);

    if (member == NULL) {
        return;
    }
    for (unsigned i = 0; i < 20000; i++) {
        sought = member->thread;
        thread_for_each(is_parked_crew, &sought);
        if (sought == NULL) {
            break;
        }
        thread_sleep(HAL_NS_PER_MS);
    }
    EXPECT(sought == NULL);
    atomic_store_explicit(&parker_may_leave, 1, memory_order_release);
    thread_unpark(member->thread);
    crew_join(&crew);
}

struct effort {
    uint64_t spun;     /* by the clock, ns */
    uint64_t run_time; /* as accounted, ns */
};

/* Bursts that begin and end between ticks. */
static void work_in_bursts(void *argument)
{
    struct effort *effort = argument;

    for (unsigned i = 0; i < 30; i++) {
        uint64_t start = hal_clock_now();

        spin_for(300000);
        effort->spun += hal_clock_now() - start;
        thread_sleep(100000);
    }
    effort->run_time = thread_run_time(thread_current());
}

/* Whether most of the time spun is accounted; not, when other threads came between for long. */
static bool accounts_effort(void)
{
    static struct effort effort;
    uint64_t start = hal_clock_now();

    effort = (struct effort){0};
    crew_open(&crew);
    crew_start(&crew, work_in_bursts, &effort, 0);
    if (!crew_join(&crew)) {
        return false;
    }
    EXPECT(effort.run_time < hal_clock_now() - start);
    return effort.run_time > effort.spun / 4 * 3;
}

static void run_time_is_accounted(void)
{
    bool is_accounted = false;

    for (unsigned i = 0; i < 10 && !is_accounted; i++) {
        is_accounted = accounts_effort();
    }
    EXPECT(is_accounted);
}

/* --- calls between CPUs ----------------------------------------------------------------------- */

static _Atomic uint64_t called_cpus;
static _Atomic uint32_t calls_made;

static void note_call(void *argument)
{
    (void)argument;
    EXPECT(!hal_interrupts_enabled());
    atomic_fetch_or_explicit(&called_cpus, 1ULL << hal_cpu_id(), memory_order_relaxed);
    atomic_fetch_add_explicit(&calls_made, 1, memory_order_relaxed);
}

static void a_call_reaches_exactly_the_cpus_of_its_mask(void)
{
    uint64_t online = cpu_online_mask();

    for (unsigned i = 0; i < 20; i++) {
        atomic_store_explicit(&called_cpus, 0, memory_order_relaxed);
        cpu_call(UINT64_MAX, note_call, NULL);
        EXPECT_EQUAL(atomic_load_explicit(&called_cpus, memory_order_relaxed), online);
    }
    atomic_store_explicit(&called_cpus, 0, memory_order_relaxed);
    cpu_call(0, note_call, NULL);
    EXPECT_EQUAL(atomic_load_explicit(&called_cpus, memory_order_relaxed), 0);
    for (uint32_t i = 0; i < cpu_online_count(); i++) {
        atomic_store_explicit(&called_cpus, 0, memory_order_relaxed);
        cpu_call(cpu_bit(i), note_call, NULL);
        EXPECT_EQUAL(atomic_load_explicit(&called_cpus, memory_order_relaxed), cpu_bit(i));
    }
}

static void call_everybody(void *argument)
{
    (void)argument;
    for (unsigned i = 0; i < 200; i++) {
        cpu_call(UINT64_MAX, note_call, NULL);
    }
}

static void cpus_that_call_each_other_do_not_deadlock(void)
{
    uint32_t cpus = cpu_online_count();

    atomic_store_explicit(&calls_made, 0, memory_order_relaxed);
    crew_open(&crew);
    for (uint32_t i = 0; i < 2 * cpus && i < CREW_MAX; i++) {
        crew_start(&crew, call_everybody, NULL, cpu_bit(i % cpus));
    }
    crew_join(&crew);
    EXPECT_EQUAL(atomic_load_explicit(&calls_made, memory_order_relaxed),
                 200 * atomic_load_explicit(&crew.started, memory_order_relaxed) * cpus);
}

/* One page whose frame is exchanged; a thread on each CPU reads it before and after. */
struct exchange {
    volatile uint32_t *word;
    uint32_t expected;
    _Atomic uint32_t read_old;
    _Atomic uint32_t exchanged;
};
static struct exchange exchange;

static void read_before_and_after(void *argument)
{
    (void)argument;
    EXPECT_EQUAL(*exchange.word, 0);
    atomic_fetch_add_explicit(&exchange.read_old, 1, memory_order_release);
    EXPECT(crew_sleep_until(&exchange.exchanged, 1));
    EXPECT_EQUAL(*exchange.word, exchange.expected);
}

static hx_err put_frame(uintptr_t address, uint64_t physical)
{
    struct hal_space *space = hal_space_kernel();

    hal_space_unmap(space, address, 1);

    hx_err error = hal_space_map(space, address, physical, 1, HAL_READ | HAL_WRITE);

    cpu_tlb_shootdown(address, 1);
    return error;
}

static void exchange_frames(uintptr_t address, uint64_t old_frame, uint64_t new_frame)
{
    crew_open(&crew);
    for (uint32_t i = 0; i < cpu_online_count(); i++) {
        crew_start(&crew, read_before_and_after, NULL, cpu_bit(i));
    }
    EXPECT(crew_sleep_until(&exchange.read_old,
                            atomic_load_explicit(&crew.started, memory_order_relaxed)));
    EXPECT_EQUAL(put_frame(address, new_frame), HX_OK);
    atomic_store_explicit(&exchange.exchanged, 1, memory_order_release);
    crew_join(&crew);
    EXPECT_EQUAL(put_frame(address, old_frame), HX_OK);
}

static void a_shootdown_is_seen_by_every_cpu(void)
{
    struct area *area;
    uint64_t old_frame;
    uint64_t new_frame;

    exchange.expected = 0x600df00d;
    atomic_store_explicit(&exchange.read_old, 0, memory_order_relaxed);
    atomic_store_explicit(&exchange.exchanged, 0, memory_order_relaxed);
    if (area_allocate(1, HAL_READ | HAL_WRITE, OWNER_CORE, &area) != HX_OK) {
        selftest_fail(__FILE__, __LINE__, "no area");
        return;
    }
    exchange.word = (volatile uint32_t *)area->base;
    if (frames_allocate(0, OWNER_CORE, &new_frame) == HX_OK) {
        *(uint32_t *)hal_direct_map(new_frame) = exchange.expected;
        EXPECT(hal_space_lookup(hal_space_kernel(), area->base, &old_frame, NULL));
        exchange_frames(area->base, old_frame, new_frame);
        frames_free(new_frame, 0);
    }
    area_free(area);
}

#define TEST(function)                                                                             \
    {                                                                                              \
        .name = "kern_thread." #function, .run = function                                          \
    }

const struct selftest kern_thread_tests[] = {
    TEST(a_wake_up_before_the_park_is_kept_once),
    TEST(a_kept_wake_up_counts_even_past_the_deadline),
    TEST(a_park_ends_at_its_deadline_and_not_before),
    TEST(sleep_is_not_cut_short_by_a_wake_up),
    TEST(no_wake_up_is_lost_on_one_cpu),
    TEST(no_wake_up_is_lost_between_two_cpus),
    TEST(no_wake_up_is_lost_on_whatever_cpus),
    TEST(a_deadline_and_a_wake_up_may_race),
    TEST(a_spinning_thread_is_preempted_by_its_peer),
    TEST(no_switch_comes_while_preemption_is_off),
    TEST(threads_that_yield_take_turns),
    TEST(threads_run_only_where_their_affinity_allows),
    TEST(an_idle_cpu_steals_what_it_may_run),
    TEST(a_thousand_threads_come_and_go),
    TEST(impossible_threads_are_refused),
    TEST(creation_without_memory_leaves_nothing_behind),
    TEST(the_list_of_threads_shows_a_parked_one),
    TEST(run_time_is_accounted),
    TEST(a_call_reaches_exactly_the_cpus_of_its_mask),
    TEST(cpus_that_call_each_other_do_not_deadlock),
    TEST(a_shootdown_is_seen_by_every_cpu),
    {.name = NULL},
};
