/*
 * Panics that end the kernel, in every context of SPEC X6. Each runs in a boot of its own, asked
 * for by tests/scenario/test_panic.py, which looks at what it prints.
 */
#include <base/assert.h>
#include <core/debug/console.h>
#include <core/debug/log.h>
#include <core/interrupts/exceptions.h>
#include <core/ipc/event_bus.h>
#include <core/panic/panic.h>
#include <hal/clock.h>
#include <kern/cpu.h>
#include <kern/frames.h>
#include <kern/heap.h>
#include <kern/slab.h>
#include <kern/spinlock.h>
#include <kern/thread.h>
#include <kern/timer.h>
#include <subsys/modules/modules.h>
#include <tests/self/crew.h>
#include <tests/self/module_slot.h>
#include <tests/self/selftest.h>
#include <tests/self/suites.h>

/* --- the end, in every context (SPEC X6) ------------------------------------------------------ */

static void in_a_thread(void)
{
    for (unsigned i = 0; i < 50; i++) {
        kprintln("# queued %u", i);
    }
    panic("in a thread");
}

static void panic_in_call(void *argument)
{
    (void)argument;
    panic("in an interrupt");
}

static void in_an_interrupt(void)
{
    cpu_call(1ULL << hal_cpu_id(), panic_in_call, NULL);
}

static enum exception_action panic_in_handler(struct hal_frame *frame, void *argument)
{
    (void)frame;
    (void)argument;
    panic("in an NMI");
}

static void in_an_nmi(void)
{
    EXPECT_EQUAL(exception_register(EXCEPTION_NMI, "panics", EXCEPTION_ORDER_DEBUGGER,
                                    panic_in_handler, NULL),
                 HX_OK);
    EXPECT_EQUAL(hal_interrupt_send_nmi(hal_cpu_id()), HX_OK);
    thread_sleep(HAL_NS_PER_S);
}

/* A writer that panics while it prints: whoever prints holds the console's lock then. */
static void panic_once(const char *text, size_t length)
{
    (void)text;
    (void)length;
    if (!panic_is_active()) {
        panic("with the console lock held");
    }
}

static void ignore_byte(char byte)
{
    (void)byte;
}

static void ignore(void)
{
}

static void ignore_level(enum log_level level)
{
    (void)level;
}

static const struct console_writer panicker = {
    .name = "panicker",
    .write_byte = ignore_byte,
    .write_string = panic_once,
    .flush = ignore,
    .set_level = ignore_level,
};

static void with_the_console_lock_held(void)
{
    EXPECT_EQUAL(console_register(&panicker), HX_OK);
    kprintln("# the last straw");
    console_flush();
}

/* Of the highest rank: in a debug build the report would fail an assertion if it took any lock. */
static void with_a_lock_held(void)
{
    static struct spinlock lock = SPINLOCK_INIT(LOCK_RANK_CONSOLE, "the innermost");
    hal_interrupt_state state = spinlock_acquire(&lock);

    panic("with a lock held, interrupts were %s", state != 0 ? "on" : "off");
}

/* The class's lock of the heap that the report would need, if it allocated. */
static void with_the_heap_lock_held(void)
{
    void *object = heap_allocate(64, OWNER_CORE);

    EXPECT(object != NULL);
    (void)!spinlock_acquire(&slab_of(object)->class->lock);
    panic("with the heap lock held");
}

static struct slot *swapped;

/* Often enough to come between the steps of a swap. */
static void panic_in_swap(struct timer *timer)
{
    (void)timer;
    if (atomic_load_explicit(&swapped->status, memory_order_relaxed) == SLOT_SWAPPING) {
        panic("in the middle of a swap");
    }
}

static void in_the_middle_of_a_swap(void)
{
    static const struct swap_options options = {.drain_limit_ns = 200 * HAL_NS_PER_MS};
    static struct timer timer;

    swapped = module_slot_begin("demo", "demo", NULL, HAL_GATE_USER, &options);
    EXPECT(swapped != NULL);
    timer_init(&timer, panic_in_swap);
    timer_start(&timer, hal_clock_now(), 20000);
    for (;;) {
        EXPECT_EQUAL(modules_swap(swapped, "demo", NULL), HX_OK);
    }
}

static uint64_t recurse(uint64_t depth)
{
    volatile uint64_t here[64];

    here[depth % 64] = depth;
    return depth == UINT64_MAX ? 0 : recurse(depth + 1) + here[depth % 64];
}

static void by_stack_overflow(void)
{
    kprintln("# %llu", (unsigned long long)recurse(0));
}

static void by_a_wild_write(void)
{
    volatile uintptr_t nowhere = 0x18;

    *(volatile int *)nowhere = 1;
}

static void panic_on_cpu(void *argument)
{
    (void)argument;
    panic("on cpu %u", hal_cpu_id());
}

static struct crew crew;

static void on_a_secondary_cpu(void)
{
    crew_open(&crew);
    crew_start(&crew, panic_on_cpu, NULL, 1ULL << crew_cpu(1));
    for (;;) {
        kinfo("the other CPUs work on");
    }
}

static _Atomic uint32_t ready;

static void panic_together(void *argument)
{
    (void)argument;
    atomic_fetch_add_explicit(&ready, 1, memory_order_relaxed);
    while (atomic_load_explicit(&ready, memory_order_relaxed) != cpu_online_count()) {
        hal_cpu_relax();
    }
    panic("all at once");
}

static void on_all_cpus_at_once(void)
{
    crew_open(&crew);
    for (uint32_t i = 0; i < cpu_online_count(); i++) {
        crew_start(&crew, panic_together, NULL, 1ULL << crew_cpu(i));
    }
    thread_sleep(10 * HAL_NS_PER_S);
}

static enum panic_action panic_again(const struct panic_context *context)
{
    panic("the second, after %s", context->message);
}

static const struct panic_handler clumsy = {.name = "clumsy", .handle_panic = panic_again};

static void inside_the_panic_handler(void)
{
    panic_set_handler(&clumsy);
    panic("the first");
}

static void out_of_memory(void)
{
    uint64_t physical;

    while (frames_allocate(0, OWNER_CORE, &physical) == HX_OK) {
    }
    panic("out of memory: %s", heap_allocate(64 * 1024, OWNER_CORE) == NULL ? "yes" : "no");
}

static enum panic_action choose_exit(const struct panic_context *context)
{
    kprintln("# the handler sees: %s", context->message);
    return PANIC_EXIT;
}

static const struct panic_handler chooser = {.name = "chooser", .handle_panic = choose_exit};

static void with_another_handler(void)
{
    panic_set_action(PANIC_HALT);
    panic_set_handler(&chooser);
    panic("with another handler");
}

static enum event_answer say_who_hears(void *argument, const struct kernel_event *event)
{
    kprintln("# %s hears of state %u", (const char *)argument, event->state_changed.new_state);
    return EVENT_CONTINUE;
}

static void listen_to_states(char *who, uint32_t contexts)
{
    const struct event_subscriber subscriber = {.topics = EVENT_TOPIC_SET(EVENT_TOPIC_KERNEL_STATE),
                                                .callback = say_who_hears,
                                                .argument = who,
                                                .contexts = contexts};
    event_subscription id;

    EXPECT_EQUAL(event_subscribe(&subscriber, &id), HX_OK);
}

static void with_two_who_listen_to_states(void)
{
    static char prepared[] = "who is prepared for a panic";
    static char other[] = "somebody else";

    listen_to_states(prepared, EVENT_IN_PANIC);
    listen_to_states(other, EVENT_IN_ANY & ~EVENT_IN_PANIC);
    panic("somebody listens");
}

static void by_a_failed_assertion(void)
{
    HX_ASSERT(thread_current() == NULL, "this sentence is in the report");
}

HX_NOINLINE static void write_words(volatile uint64_t *words, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        words[i] = 0x5353;
    }
}

/* One word more than there is: the canary, where the compiler puts one. */
static void by_a_smashed_stack(void)
{
    uint64_t words[3]; /* with the canary a multiple of 16 bytes: nothing lies between */

    write_words(words, HX_ARRAY_SIZE(words) + 1);
}

#define FATAL(function)                                                                            \
    {                                                                                              \
        .name = "core_panic_end." #function, .run = function, .flags = SELFTEST_ENDS_KERNEL        \
    }

const struct selftest core_panic_end_tests[] = {
    FATAL(in_a_thread),
    FATAL(in_an_interrupt),
    FATAL(in_an_nmi),
    FATAL(with_the_console_lock_held),
    FATAL(with_a_lock_held),
    FATAL(with_the_heap_lock_held),
    FATAL(in_the_middle_of_a_swap),
    FATAL(by_stack_overflow),
    FATAL(by_a_wild_write),
    FATAL(by_a_failed_assertion),
    FATAL(by_a_smashed_stack),
    FATAL(on_a_secondary_cpu),
    FATAL(on_all_cpus_at_once),
    FATAL(inside_the_panic_handler),
    FATAL(out_of_memory),
    FATAL(with_another_handler),
    FATAL(with_two_who_listen_to_states),
    {.name = NULL},
};
