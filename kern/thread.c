/* The life of threads: making them, the list of all, freeing them. How they take turns: dispatch.c.
 */
#include <base/assert.h>
#include <base/format.h>
#include <base/memory.h>
#include <base/string.h>
#include <hal/clock.h>
#include <hal/cpu.h>
#include <hal/user.h>
#include <kern/cpu.h>
#include <kern/dispatch.h>
#include <kern/heap.h>
#include <kern/read_section.h>
#include <kern/recorder.h>
#include <kern/spinlock.h>
#include <kern/stack.h>
#include <kern/thread.h>

_Static_assert(offsetof(struct thread, hal) == 0 &&
                   offsetof(struct thread, user_work) == sizeof(struct hal_thread),
               "what hal/thread.h says of struct thread");

static struct thread boot_threads[HAL_CPU_MAX];

/* Keys: L = lock, A = atomic */
static struct {
    struct spinlock lock;
    struct list threads;     /* L  by all_link, the oldest first */
    struct list graveyard;   /* L  exited, not freed yet, by run_link */
    struct thread *reaper;   /* L  NULL until thread_start_scheduling */
    _Atomic uint32_t count;  /* A  length of threads; written under lock */
    _Atomic uint32_t newest; /* A  the last id given out */
} all;

/* --- the list of all threads ------------------------------------------------------------------ */

static void list_thread(struct thread *thread)
{
    hal_interrupt_state state = spinlock_acquire(&all.lock);

    list_push_back(&all.threads, &thread->all_link);
    atomic_fetch_add_explicit(&all.count, 1, memory_order_relaxed);
    spinlock_release(&all.lock, state);
}

static void unlist_thread(struct thread *thread)
{
    hal_interrupt_state state = spinlock_acquire(&all.lock);

    list_remove(&thread->all_link);
    /* Release pairs with thread_count: who sees it fall sees all that the thread did. */
    atomic_fetch_sub_explicit(&all.count, 1, memory_order_release);
    spinlock_release(&all.lock, state);
}

uint32_t thread_count(void)
{
    return atomic_load_explicit(&all.count, memory_order_acquire);
}

void thread_for_each(bool (*callback)(struct thread *thread, void *argument), void *argument)
{
    hal_interrupt_state state = spinlock_acquire(&all.lock);

    LIST_FOR_EACH (node, &all.threads) {
        if (!callback(LIST_ENTRY(node, struct thread, all_link), argument)) {
            break;
        }
    }
    spinlock_release(&all.lock, state);
}

static inline bool is_in_call(const struct thread *thread)
{
    return atomic_load_explicit(&thread->gate_records[0].instance, memory_order_acquire) != NULL;
}

void thread_for_each_in_call(bool (*callback)(struct thread *thread, void *argument),
                             void *argument)
{
    hal_interrupt_state state = spinlock_acquire(&all.lock);

    LIST_FOR_EACH (node, &all.threads) {
        struct thread *thread = LIST_ENTRY(node, struct thread, all_link);

        if (HX_UNLIKELY(is_in_call(thread)) && !callback(thread, argument)) {
            break;
        }
    }
    spinlock_release(&all.lock, state);
}

const char *thread_state_name(const struct thread *thread)
{
    static const char *const names[] = {
        [THREAD_NEW] = "new",         [THREAD_RUNNABLE] = "runnable", [THREAD_RUNNING] = "running",
        [THREAD_PARKING] = "parking", [THREAD_NOTIFIED] = "notified", [THREAD_PARKED] = "parked",
        [THREAD_EXITED] = "exited",   [THREAD_IDLE] = "idle",
    };
    uint32_t state = atomic_load_explicit(&thread->state, memory_order_relaxed);

    return names[state & THREAD_STATE_MASK];
}

/* The bits of the priority word that a mask has become those of value. */
static void change_priority_word(struct thread *thread, uint16_t mask, uint16_t value)
{
    uint16_t old = thread_priority_word(thread);

    while (!atomic_compare_exchange_weak_explicit(&thread->priority_word, &old,
                                                  (uint16_t)((old & ~mask) | value),
                                                  memory_order_relaxed, memory_order_relaxed)) {
    }
}

void thread_set_priority(struct thread *thread, uint8_t priority)
{
    change_priority_word(thread, 0x00ff, priority);
}

void thread_set_nice(struct thread *thread, int nice)
{
    change_priority_word(thread, 0xff00, (uint16_t)((uint8_t)nice << 8));
}

uint64_t thread_run_time(const struct thread *thread)
{
    uint64_t cycles = atomic_load_explicit(&thread->run_total, memory_order_relaxed);
    uint64_t rate = hal_clock_cycles_per_second();

    /* In two steps, because cycles * 10^9 would overflow within seconds. */
    return cycles / rate * HAL_NS_PER_S + cycles % rate * HAL_NS_PER_S / rate;
}

/* --- boot threads ----------------------------------------------------------------------------- */

struct thread *thread_boot(uint32_t cpu)
{
    HX_ASSERT(cpu < HAL_CPU_MAX, "a CPU number is below HAL_CPU_MAX");
    return &boot_threads[cpu];
}

static uint32_t next_id(void)
{
    return atomic_fetch_add_explicit(&all.newest, 1, memory_order_relaxed) + 1;
}

/* What all threads have in common; everything else but the port's part is zero. */
static void init_common(struct thread *thread, const char *name)
{
    list_init(&thread->run_link);
    list_init(&thread->all_link);
    timer_init(&thread->park_timer, dispatch_park_expired);
    string_copy(thread->name, sizeof(thread->name), name);
    thread->id = next_id();
}

/* The port has set `hal` already, and may have run interrupts or exceptions on it. */
static void init_boot_thread(uint32_t cpu)
{
    struct thread *thread = &boot_threads[cpu];
    char name[THREAD_NAME_MAX];

    format_text(name, sizeof(name), "boot/%u", (unsigned)cpu);
    init_common(thread, name);
    hal_gate_init_thread(&thread->hal, thread->gate_records);
    thread->preempt_depth = 1; /* until this CPU schedules */
    thread->reschedule = false;
    thread->space = hal_space_kernel();
    atomic_store_explicit(&thread->affinity, 1ULL << cpu, memory_order_relaxed);
    thread->owner = OWNER_CORE;
    thread->run_since = hal_clock_cycles();
    atomic_store_explicit(&thread->cpu, cpu, memory_order_relaxed);
    atomic_store_explicit(&thread->state, THREAD_IDLE, memory_order_relaxed);
}

void thread_reset_boot(uint32_t cpu)
{
    struct thread *thread = thread_boot(cpu);

    thread->preempt_depth = 1;
    thread->reschedule = false;
    thread->run_since = hal_clock_cycles();
}

void thread_init_boot(void)
{
    spinlock_init(&all.lock, LOCK_RANK_THREAD_LIST, "all threads");
    list_init(&all.threads);
    list_init(&all.graveyard);
    all.reaper = NULL;
    atomic_store_explicit(&all.count, 0, memory_order_relaxed);
    atomic_store_explicit(&all.newest, 0, memory_order_relaxed);

    for (uint32_t cpu = 0; cpu < HAL_CPU_MAX; cpu++) {
        init_boot_thread(cpu);
    }
    stack_init();
    timer_init_cpus();
    dispatch_init(thread_boot);
    read_section_init();
    recorder_init();
    cpu_init();
    cpu_set_online();
}

void thread_adopt_boot(void)
{
    struct thread *self = thread_current();

    if (list_is_empty(&self->all_link)) {
        list_thread(self);
    }
}

/* --- accounting ------------------------------------------------------------------------------- */

static hx_err charge_nobody(owner_tag owner, uint64_t *charge)
{
    (void)owner;
    *charge = 0;
    return HX_OK;
}

static void release_nobody(owner_tag owner, uint64_t charge)
{
    (void)owner;
    (void)charge;
}

static const struct thread_accounting no_accounting = {.charge = charge_nobody,
                                                       .release = release_nobody};
static const struct thread_accounting *accounting = &no_accounting;

void thread_set_accounting(const struct thread_accounting *ops)
{
    HX_ASSERT(accounting == &no_accounting && all.reaper == NULL,
              "accounting is set once, before there are threads");
    accounting = ops;
}

/* --- creation --------------------------------------------------------------------------------- */

static bool are_valid(const struct thread_options *options)
{
    return options->entry != NULL && options->priority <= THREAD_PRIORITY_HIGHEST &&
           options->stack_size <= UINT32_MAX &&
           (options->affinity == 0 || (options->affinity & cpu_online_mask()) != 0);
}

/* The first function on a thread's stack, interrupts off. */
static void thread_main(void *argument)
{
    struct thread *self = argument;

    dispatch_arrive();
    recorder_note_name(RECORDER_NAME, self->name);
    if (self->space != hal_space_kernel()) {
        hal_space_activate(self->space);
    }
    hal_interrupts_enable();
    self->entry(self->argument);
    thread_exit();
}

static void init_thread(struct thread *thread, const struct thread_options *options)
{
    /* Of a record that is not in use, who looks at all threads reads the instance. */
    memset(thread, 0, offsetof(struct thread, gate_records));
    for (size_t i = 0; i < HX_ARRAY_SIZE(thread->gate_records); i++) {
        atomic_init(&thread->gate_records[i].instance, NULL);
    }
    init_common(thread, options->name != NULL ? options->name : "unnamed");
    thread->entry = options->entry;
    thread->argument = options->argument;
    atomic_store_explicit(&thread->priority_word, options->priority, memory_order_relaxed);
    thread->own_priority = options->priority;
    atomic_store_explicit(&thread->affinity,
                          options->affinity != 0 ? options->affinity : UINT64_MAX,
                          memory_order_relaxed);
    thread->owner = options->owner != OWNER_NONE ? options->owner : OWNER_CORE;
    thread->process = options->process;
    thread->user = options->user;
    thread->space = options->space != NULL ? options->space : hal_space_kernel();
    atomic_store_explicit(&thread->cpu, hal_cpu_id(), memory_order_relaxed);
    atomic_store_explicit(&thread->state, THREAD_NEW, memory_order_relaxed);
}

static hx_err allocate_stack(struct thread *thread, size_t size)
{
    size_t pages = (size + HAL_PAGE_SIZE - 1) / HAL_PAGE_SIZE;
    hx_err error = stack_take(pages, thread->owner, &thread->stack);

    if (error == HX_OK) {
        hal_thread_init(&thread->hal, (void *)thread->stack->base, pages * HAL_PAGE_SIZE,
                        thread_main, thread);
        hal_gate_init_thread(&thread->hal, thread->gate_records);
    }
    return error;
}

hx_err thread_create(const struct thread_options *options, struct thread **thread)
{
    if (!are_valid(options)) {
        return HX_EINVAL;
    }

    owner_tag owner = options->owner != OWNER_NONE ? options->owner : OWNER_CORE;
    struct thread *created = heap_allocate(sizeof(*created), owner);

    if (created == NULL) {
        return HX_ENOMEM;
    }
    init_thread(created, options);

    hx_err error = accounting->charge(owner, &created->charge);

    if (error != HX_OK) {
        goto free_created;
    }
    error =
        allocate_stack(created, options->stack_size != 0 ? options->stack_size : THREAD_STACK_SIZE);
    if (error != HX_OK) {
        goto release_charge;
    }
    error = thread_table_add(created, &created->place, &created->handle);
    if (error != HX_OK) {
        goto free_stack;
    }
    list_thread(created);
    *thread = created;
    return HX_OK;

free_stack:
    hal_thread_fini(&created->hal);
    stack_put(created->stack);
release_charge:
    accounting->release(owner, created->charge);
free_created:
    heap_free(created);
    return error;
}

void thread_start(struct thread *thread)
{
    hal_interrupt_state state = hal_interrupts_save();
    uint32_t old = atomic_fetch_add_explicit(&thread->state, THREAD_RUNNABLE - THREAD_NEW,
                                             memory_order_relaxed);

    HX_ASSERT((old & THREAD_STATE_MASK) == THREAD_NEW, "a thread is started once");
    dispatch_enqueue(thread);
    hal_interrupts_restore(state);
    if (HX_UNLIKELY(thread_current()->reschedule)) {
        thread_preempt();
    }
}

/* --- the end ---------------------------------------------------------------------------------- */

/* The charge is given back here and not by the reaper, who may come late: what ends an owner finds
 * nothing more of its threads. */
void thread_exit(void)
{
    const struct thread *self = thread_current();

    accounting->release(self->owner, self->charge);
    dispatch_exit();
}

void thread_bury(struct thread *thread)
{
    spinlock_acquire_nested(&all.lock);

    struct thread *reaper = all.reaper;

    list_push_back(&all.graveyard, &thread->run_link);
    spinlock_release_nested(&all.lock);
    if (reaper != NULL) {
        thread_unpark(reaper);
    }
}

static struct thread *exhume(void)
{
    hal_interrupt_state state = spinlock_acquire(&all.lock);
    struct list *node = list_pop_front(&all.graveyard);

    spinlock_release(&all.lock, state);
    return node != NULL ? LIST_ENTRY(node, struct thread, run_link) : NULL;
}

static void free_thread(struct thread *thread)
{
    hal_thread_fini(&thread->hal);
    stack_put(thread->stack);
    thread_table_remove(thread->place);
    unlist_thread(thread); /* last: who waits for the count to fall finds the stack freed */
    heap_free(thread);
}

bool thread_reap(void)
{
    struct thread *dead = exhume();
    bool was_any = dead != NULL;

    for (; dead != NULL; dead = exhume()) {
        free_thread(dead);
    }
    return was_any;
}

static void reaper_main(void *argument)
{
    (void)argument;
    for (;;) {
        if (!thread_reap()) {
            thread_wait();
        }
    }
}

hx_err thread_start_scheduling(void)
{
    const struct thread_options options = {
        .name = "reaper",
        .entry = reaper_main,
        .priority = THREAD_PRIORITY_NORMAL,
    };
    struct thread *reaper;
    hx_err error = thread_create(&options, &reaper);

    if (error != HX_OK) {
        return error;
    }

    hal_interrupt_state state = spinlock_acquire(&all.lock);

    all.reaper = reaper;
    spinlock_release(&all.lock, state);
    thread_start(reaper);
    dispatch_begin();
    return HX_OK;
}

/* --- affinity --------------------------------------------------------------------------------- */

hx_err thread_set_own_affinity(uint64_t affinity)
{
    if ((affinity & cpu_online_mask()) == 0) {
        return HX_EINVAL;
    }
    dispatch_move_within(affinity);
    return HX_OK;
}
