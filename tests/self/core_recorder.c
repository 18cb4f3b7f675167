/* The flight recorder in the running kernel: what it tells of things that are made to happen. */
#include <base/string.h>
#include <core/debug/recorder_control.h>
#include <core/debug/recorder_merge.h>
#include <core/gate/gate.h>
#include <core/interrupts/dispatcher.h>
#include <core/interrupts/exceptions.h>
#include <core/ipc/event_bus.h>
#include <core/syscall/syscall.h>
#include <hal/cpu.h>
#include <hal/frame.h>
#include <hal/interrupt.h>
#include <helix/demo.h>
#include <kern/cpu.h>
#include <kern/dispatch.h>
#include <kern/mutex.h>
#include <kern/recorder.h>
#include <tests/self/crew.h>
#include <tests/self/suites.h>

#define NUMBER   510U /* nobody's, and none of Linux's */
#define GRACE_NS (20 * HAL_NS_PER_S)

static uint32_t kinds_before;
static struct crew crew;

/* Record the kinds of a group and nothing else, from nothing. */
static void begin(const char *group)
{
    kinds_before = recorder_get_kinds();
    EXPECT_EQUAL(recorder_switch(recorder_group_find(group, string_length(group))), HX_OK);
    recorder_clear();
}

static void end(void)
{
    EXPECT_EQUAL(recorder_switch(kinds_before), HX_OK);
}

/* --- looking ---------------------------------------------------------------------------------- */

/* What a record is to be; a, b and c only where they are wanted. */
struct wanted {
    enum recorder_kind kind;
    uint32_t thread; /* 0: any */
    bool has_a, has_b, has_c;
    uint64_t a;
    uint32_t b, c;
};

static bool fits(const struct wanted *wanted, const struct recorder_entry *entry)
{
    return entry->kind == wanted->kind &&
           (wanted->thread == 0 || entry->thread == wanted->thread) &&
           (!wanted->has_a || entry->a == wanted->a) && (!wanted->has_b || entry->b == wanted->b) &&
           (!wanted->has_c || entry->c == wanted->c);
}

/* How many of the wanted records there are in their order, others between them. */
static size_t find_in_order(const struct wanted *wanted, size_t count)
{
    static struct recorder_merge merge;
    struct recorder_entry entry;
    size_t found = 0;

    recorder_merge_begin(&merge, UINT64_MAX);
    while (found < count && recorder_merge_next(&merge, &entry)) {
        found += fits(&wanted[found], &entry);
    }
    return found;
}

static bool has_one(const struct wanted *wanted)
{
    return find_in_order(wanted, 1) == 1;
}

/* --- calls ------------------------------------------------------------------------------------ */

static int64_t add_first_and_third(uint64_t a0, uint64_t a1, uint64_t a2)
{
    (void)a1;
    return (int64_t)(a0 + a2);
}

/* SPEC: D4 */
static void a_call_is_recorded_with_its_result(void)
{
    static const struct syscall_entry entry = {
        .name = "recorded", .handler = SYSCALL_HANDLER(add_first_and_third), .arguments = 3};
    const uint64_t arguments[SYSCALL_ARGUMENTS] = {40, 0, 2};
    const uint32_t self = thread_current()->id;
    const struct wanted wanted[] = {
        {RECORDER_CALL, self, true, true, true, 40, NUMBER, 2},
        {RECORDER_RETURN, self, true, true, false, 42, NUMBER, 0},
    };

    EXPECT_EQUAL(syscall_register(NUMBER, &entry), HX_OK);
    begin("calls");
    EXPECT_EQUAL(syscall_invoke(NUMBER, arguments), 42);
    EXPECT_EQUAL(find_in_order(wanted, HX_ARRAY_SIZE(wanted)), HX_ARRAY_SIZE(wanted));
    EXPECT_EQUAL(recorder_switch_off(RECORDER_ALL), HX_OK);
    recorder_clear();
    EXPECT_EQUAL(syscall_invoke(NUMBER, arguments), 42);
    EXPECT(!has_one(&wanted[0]));
    end();
    EXPECT_EQUAL(syscall_unregister(NUMBER), HX_OK);
}

/* --- threads ---------------------------------------------------------------------------------- */

static _Atomic uint32_t sleeper_id;

static void sleep_until_woken(void *argument)
{
    (void)argument;
    atomic_store_explicit(&sleeper_id, thread_current()->id, memory_order_release);
    thread_wait();
}

static bool is_parked(uint32_t id)
{
    const struct wanted wanted = {.kind = RECORDER_SWITCH, .thread = id};

    return has_one(&wanted);
}

/* SPEC: D4 */
static void a_thread_that_waits_and_is_woken_is_recorded_in_that_order(void)
{
    uint64_t deadline = hal_clock_now() + GRACE_NS;
    struct crew_member *member;
    uint32_t id;

    begin("switches");
    atomic_store_explicit(&sleeper_id, 0, memory_order_relaxed);
    crew_open(&crew);
    member = crew_start(&crew, sleep_until_woken, NULL, 0);
    EXPECT(member != NULL && crew_spin_until(&sleeper_id, 1));
    id = atomic_load_explicit(&sleeper_id, memory_order_acquire);
    while (!is_parked(id) && hal_clock_now() < deadline) {
        thread_sleep(HAL_NS_PER_MS);
    }
    thread_unpark(member->thread);
    EXPECT(crew_join(&crew));

    const struct wanted wanted[] = {
        {.kind = RECORDER_SWITCH, .has_b = true, .b = id},                           /* begins */
        {.kind = RECORDER_SWITCH, .thread = id, .has_c = true, .c = THREAD_PARKING}, /* waits */
        {.kind = RECORDER_WAKE, .thread = thread_current()->id, .has_b = true, .b = id},
        {.kind = RECORDER_SWITCH, .has_b = true, .b = id},
        {.kind = RECORDER_SWITCH, .thread = id, .has_c = true, .c = THREAD_EXITED},
    };

    EXPECT_EQUAL(find_in_order(wanted, HX_ARRAY_SIZE(wanted)), HX_ARRAY_SIZE(wanted));
    end();
}

static void do_nothing(void *argument)
{
    (void)argument;
}

/* SPEC: D4 */
static void a_switch_is_not_recorded_while_switches_are_off(void)
{
    const struct wanted wanted = {.kind = RECORDER_SWITCH};

    begin("marks");
    crew_open(&crew);
    EXPECT(crew_start(&crew, do_nothing, NULL, 0) != NULL);
    EXPECT(crew_join(&crew));
    EXPECT(!has_one(&wanted));
    end();
}

/* SPEC: D4 */
static void a_new_thread_leaves_its_name(void)
{
    static struct recorder_merge merge;
    struct recorder_entry entry;
    bool found = false;

    begin("processes");
    crew_open(&crew);
    EXPECT(crew_start(&crew, do_nothing, NULL, 0) != NULL);
    EXPECT(crew_join(&crew));
    recorder_merge_begin(&merge, UINT64_MAX);
    while (!found && recorder_merge_next(&merge, &entry)) {
        char name[RECORDER_NAME_MAX + 1];

        recorder_entry_name(&entry, name);
        found = entry.kind == RECORDER_NAME && string_matches(name, "*crew*");
    }
    EXPECT(found);
    end();
}

/* --- interrupts ------------------------------------------------------------------------------- */

static _Atomic uint32_t interrupts;

static enum interrupt_action note_interrupt(void *argument, struct hal_frame *frame)
{
    (void)argument;
    (void)frame;
    recorder_write_name(RECORDER_MARK, "in the handler");
    atomic_fetch_add_explicit(&interrupts, 1, memory_order_release);
    return INTERRUPT_HANDLED;
}

/* SPEC: D4 */
static void an_interrupt_is_recorded_around_its_handler(void)
{
    uint8_t vector = interrupt_free_vector();
    const struct wanted wanted[] = {
        {.kind = RECORDER_INTERRUPT, .has_b = true, .b = vector},
        {.kind = RECORDER_MARK},
        {.kind = RECORDER_RESUME,
         .has_b = true,
         .b = vector,
         .has_c = true,
         .c = INTERRUPT_HANDLED},
    };

    EXPECT_EQUAL(interrupt_register(vector, "recorder", note_interrupt, NULL, false), HX_OK);
    begin("interrupts");
    atomic_store_explicit(&interrupts, 0, memory_order_relaxed);
    hal_interrupt_send(hal_cpu_id(), vector);
    EXPECT(crew_spin_until(&interrupts, 1));
    EXPECT_EQUAL(find_in_order(wanted, HX_ARRAY_SIZE(wanted)), HX_ARRAY_SIZE(wanted));
    end();
    EXPECT_EQUAL(interrupt_unregister(vector, "recorder"), HX_OK);
}

static _Atomic uint32_t nmis;

static enum exception_action write_in_nmi(struct hal_frame *frame, void *argument)
{
    (void)frame;
    (void)argument;
    recorder_write_name(RECORDER_MARK, "in an NMI");
    atomic_fetch_add_explicit(&nmis, 1, memory_order_release);
    return EXCEPTION_RESUME;
}

/* SPEC: D4 */
static void an_nmi_is_recorded_and_may_record(void)
{
    const struct wanted wanted[] = {{.kind = RECORDER_NMI}, {.kind = RECORDER_MARK}};

    EXPECT_EQUAL(
        exception_register(EXCEPTION_NMI, "recorder", EXCEPTION_ORDER_DEBUGGER, write_in_nmi, NULL),
        HX_OK);
    begin("exceptions");
    atomic_store_explicit(&nmis, 0, memory_order_relaxed);
    EXPECT_EQUAL(hal_interrupt_send_nmi(hal_cpu_id()), HX_OK);
    EXPECT(crew_spin_until(&nmis, 1));
    EXPECT_EQUAL(find_in_order(wanted, HX_ARRAY_SIZE(wanted)), HX_ARRAY_SIZE(wanted));
    end();
    EXPECT_EQUAL(exception_unregister(EXCEPTION_NMI, "recorder"), HX_OK);
}

#define NMI_STORM 200U

static _Atomic uint32_t storm_is_over;
static _Atomic uint32_t writers; /* that have begun */

static void write_all_the_time(void *argument)
{
    (void)argument;
    atomic_fetch_add_explicit(&writers, 1, memory_order_release);
    for (uint32_t i = 0; atomic_load_explicit(&storm_is_over, memory_order_relaxed) == 0; i++) {
        recorder_write(RECORDER_CONTENTION, i, ~i, i);
        hal_cpu_relax();
    }
}

/* Every record of the writer's that can be read. */
static uint32_t count_torn(uint32_t *whole)
{
    static struct recorder_merge merge;
    struct recorder_entry entry;
    uint32_t torn = 0;

    recorder_merge_begin(&merge, UINT64_MAX);
    while (recorder_merge_next(&merge, &entry)) {
        if (entry.kind == RECORDER_CONTENTION) {
            bool is_whole = (uint32_t)~entry.a == entry.b && (uint32_t)entry.a == entry.c;

            *whole += is_whole;
            torn += !is_whole;
        }
    }
    return torn;
}

/* SPEC: D4 */
static void nmis_among_writers_tear_nothing(void)
{
    uint32_t other = cpu_next(cpu_online_mask() & ~(1ULL << hal_cpu_id()), 0);
    uint32_t whole = 0;

    if (cpu_online_count() < 2) {
        selftest_skip("one processor");
        return;
    }
    EXPECT_EQUAL(
        exception_register(EXCEPTION_NMI, "recorder", EXCEPTION_ORDER_DEBUGGER, write_in_nmi, NULL),
        HX_OK);
    begin("marks");
    atomic_store_explicit(&storm_is_over, 0, memory_order_relaxed);
    atomic_store_explicit(&nmis, 0, memory_order_relaxed);
    atomic_store_explicit(&writers, 0, memory_order_relaxed);
    crew_open(&crew);
    EXPECT(crew_start(&crew, write_all_the_time, NULL, 1ULL << other) != NULL);
    EXPECT(crew_sleep_until(&writers, 1));
    for (uint32_t i = 1; i <= NMI_STORM; i++) {
        EXPECT_EQUAL(hal_interrupt_send_nmi(other), HX_OK);
        if (!crew_spin_until(&nmis, i)) {
            break;
        }
        EXPECT_EQUAL(i % 20 == 0 ? count_torn(&whole) : 0, 0);
    }
    atomic_store_explicit(&storm_is_over, 1, memory_order_relaxed);
    EXPECT(crew_join(&crew));
    EXPECT_EQUAL(count_torn(&whole), 0);
    EXPECT(whole > 0);
    end();
    EXPECT_EQUAL(exception_unregister(EXCEPTION_NMI, "recorder"), HX_OK);
}

/* --- modules, events, locks ------------------------------------------------------------------- */

/* SPEC: D4 */
static void a_call_of_a_module_is_recorded_with_its_answer(void)
{
    struct slot *slot = slot_find("demo");
    const uint32_t self = thread_current()->id;
    const struct wanted wanted[] = {
        {RECORDER_GATE, self, true, true, false, (uintptr_t)slot, DEMO_ADD, 0},
        {RECORDER_LEAVE, self, true, true, true, 7, DEMO_ADD, HX_OK},
    };

    if (slot == NULL || slot_instance(slot) == NULL) {
        selftest_skip("no demo module");
        return;
    }
    begin("gates");
    EXPECT_EQUAL(gate_call(slot, DEMO_ADD, 3, 4, 0, 0).value, 7);
    EXPECT_EQUAL(find_in_order(wanted, HX_ARRAY_SIZE(wanted)), HX_ARRAY_SIZE(wanted));
    end();
}

/* SPEC: D4 */
static void a_publication_is_recorded_with_its_topic(void)
{
    const struct kernel_event event = {.kind = EVENT_CUSTOM, .topic = EVENT_TOPIC_PROCESS};
    const struct wanted wanted = {RECORDER_EVENT,      thread_current()->id, false, true, true, 0,
                                  EVENT_TOPIC_PROCESS, EVENT_CUSTOM};

    begin("events");
    (void)event_publish(&event);
    EXPECT(has_one(&wanted));
    EXPECT_EQUAL(recorder_switch_off(RECORDER_ALL), HX_OK);
    recorder_clear();
    (void)event_publish(&event);
    EXPECT(!has_one(&wanted));
    end();
}

static struct mutex contended;

static void lock_and_unlock(void *argument)
{
    (void)argument;
    mutex_lock(&contended);
    mutex_unlock(&contended);
}

/* SPEC: D4 */
static void who_waits_for_a_mutex_is_recorded(void)
{
    const struct wanted wanted = {RECORDER_CONTENTION,   0,    true, true, false,
                                  (uintptr_t)&contended, true, 0};
    uint64_t deadline = hal_clock_now() + GRACE_NS;

    begin("locks");
    mutex_init(&contended, "contended");
    mutex_lock(&contended);
    crew_open(&crew);
    EXPECT(crew_start(&crew, lock_and_unlock, NULL, 0) != NULL);
    while (!has_one(&wanted) && hal_clock_now() < deadline) {
        thread_sleep(HAL_NS_PER_MS);
    }
    EXPECT(has_one(&wanted));
    mutex_unlock(&contended);
    EXPECT(crew_join(&crew));
    end();
}

/* SPEC: D4 */
static void a_timer_is_recorded_with_its_function(void)
{
    const struct wanted wanted = {
        .kind = RECORDER_TIMER, .has_a = true, .a = (uintptr_t)dispatch_park_expired};

    begin("timers");
    thread_sleep(HAL_NS_PER_MS);
    EXPECT(has_one(&wanted));
    end();
}

/* --- groups ----------------------------------------------------------------------------------- */

/* SPEC: D4 */
static void groups_are_found_by_their_names(void)
{
    const char *unknown;

    EXPECT_EQUAL(recorder_group_find("all", 3), RECORDER_ALL);
    EXPECT_EQUAL(recorder_group_find("calls", 5),
                 RECORDER_BIT(RECORDER_CALL) | RECORDER_BIT(RECORDER_RETURN));
    EXPECT_EQUAL(recorder_group_find("callsx", 5), recorder_group_find("calls", 5));
    EXPECT_EQUAL(recorder_group_find("call", 4), 0);
    EXPECT_EQUAL(recorder_groups_parse("off", &unknown), 0);
    EXPECT(unknown == NULL);
    EXPECT_EQUAL(recorder_groups_parse("marks,,gates,nonsense", &unknown),
                 recorder_group_find("marks", 5) | recorder_group_find("gates", 5));
    EXPECT(unknown != NULL && string_equal(unknown, ",gates,nonsense"));
}

/* SPEC: D4 */
static void every_kind_is_in_one_group(void)
{
    uint32_t all = 0;

    for (unsigned i = 0; recorder_group_name(i) != NULL; i++) {
        EXPECT_EQUAL(all & recorder_group_kinds(i), 0);
        EXPECT(recorder_group_kinds(i) != 0);
        all |= recorder_group_kinds(i);
    }
    EXPECT_EQUAL(all, RECORDER_ALL);
}

#define TEST(function)                                                                             \
    {                                                                                              \
        .name = "core_recorder." #function, .run = (function)                                      \
    }

const struct selftest core_recorder_tests[] = {
    TEST(a_call_is_recorded_with_its_result),
    TEST(a_thread_that_waits_and_is_woken_is_recorded_in_that_order),
    TEST(a_switch_is_not_recorded_while_switches_are_off),
    TEST(a_new_thread_leaves_its_name),
    TEST(an_interrupt_is_recorded_around_its_handler),
    TEST(an_nmi_is_recorded_and_may_record),
    TEST(nmis_among_writers_tear_nothing),
    TEST(a_call_of_a_module_is_recorded_with_its_answer),
    TEST(a_publication_is_recorded_with_its_topic),
    TEST(who_waits_for_a_mutex_is_recorded),
    TEST(a_timer_is_recorded_with_its_function),
    TEST(groups_are_found_by_their_names),
    TEST(every_kind_is_in_one_group),
    {0},
};
