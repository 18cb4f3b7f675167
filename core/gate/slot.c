/* The table of slots, filling and emptying them. */
#include <base/format.h>
#include <base/string.h>
#include <core/config/kernel_configuration.h>
#include <core/gate/slot.h>
#include <hal/entry.h>
#include <kern/cpu.h>
#include <kern/read_section.h>
#include <kern/thread.h>
#include <kern/wait_queue.h>

/* Slots are made at boot, in one thread; readers see the count grow. */
static struct slot slots[SLOT_MAX];
static _Atomic size_t slot_count;

/* What an empty slot's gate points to, so that a call needs no test of its own for it. */
static struct hal_gate_instance nothing = {.backend = HAL_GATE_NONE};

/* And that of one that is closed, or leads to a trial. */
static struct hal_gate_instance diversion = {.backend = HAL_GATE_DIVERTED};

/* Threads in slot_drain; hal_gate_drains says how many. */
static struct wait_queue drainers = WAIT_QUEUE_INIT(drainers, "module drain");

struct wait_queue slot_troubles = WAIT_QUEUE_INIT(slot_troubles, "module troubles");

struct slot *slot_at(size_t index)
{
    /* Acquire: pairs with slot_create's release. */
    return index < atomic_load_explicit(&slot_count, memory_order_acquire) ? &slots[index] : NULL;
}

struct slot *slot_find(const char *name)
{
    struct slot *slot;

    for (size_t i = 0; (slot = slot_at(i)) != NULL; i++) {
        if (string_equal(slot->name, name)) {
            return slot;
        }
    }
    return NULL;
}

static enum hal_gate_backend configured_backend(const char *name)
{
    char key[SLOT_NAME_MAX + sizeof("gate.")];

    (void)format_text(key, sizeof(key), "gate.%s", name);
    return string_equal(command_line_text(kernel_command_line(), key, "open"), "user")
               ? HAL_GATE_USER
               : HAL_GATE_OPEN;
}

static void init_slot(struct slot *slot, const char *name, const struct category *category)
{
    (void)string_copy(slot->name, sizeof(slot->name), name);
    slot->category = category;
    slot->backend = configured_backend(name);
    slot->gate.deadline_ticks = SLOT_DEADLINE_DEFAULT;
    atomic_store_explicit(&slot->gate.active, &nothing, memory_order_relaxed);
    slot->trial.gate = (struct hal_gate_slot){.deadline_ticks = SLOT_DEADLINE_DEFAULT};
    atomic_store_explicit(&slot->trial.gate.active, &nothing, memory_order_relaxed);
    trial_init(&slot->trial);
    mutex_init(&slot->change, "slot change");
    wait_queue_init(&slot->entrants, "slot entrants");
}

hx_err slot_create(const char *name, enum hx_category category, struct slot **slot)
{
    size_t count = atomic_load_explicit(&slot_count, memory_order_relaxed);

    if (name[0] == '\0' || string_length(name) >= SLOT_NAME_MAX ||
        category_find(category) == NULL) {
        return HX_EINVAL;
    }
    if (slot_find(name) != NULL) {
        return HX_EEXIST;
    }
    if (count == SLOT_MAX) {
        return HX_ENOSPC;
    }
    *slot = &slots[count];
    init_slot(*slot, name, category_find(category));
    atomic_store_explicit(&slot_count, count + 1, memory_order_release);
    return HX_OK;
}

size_t slot_index(const struct slot *slot)
{
    return (size_t)(slot - slots);
}

const char *slot_status_name(enum slot_status status)
{
#define SLOT_STATUS_TEXT(name, text) [name] = (text),
    static const char *const names[] = {SLOT_STATUS_LIST(SLOT_STATUS_TEXT)};
#undef SLOT_STATUS_TEXT

    return (unsigned)status < SLOT_STATUS_COUNT ? names[status] : "unknown";
}

struct slot *slot_of_gate(const struct hal_gate_slot *gate)
{
    return &slots[((uintptr_t)gate - (uintptr_t)slots) / sizeof(struct slot)];
}

struct module_instance *slot_instance(const struct slot *slot)
{
    return atomic_load_explicit(&slot->holder, memory_order_acquire);
}

/* --- changing what is in it ------------------------------------------------------------------- */

void slot_set_status(struct slot *slot, enum slot_status status)
{
    atomic_store_explicit(&slot->status, status, memory_order_relaxed);
}

/*
 * Let calls go another way. The gate's pointer is what a call reads; the way tells those it
 * diverts. A call that finds the two at odds, the way just changed, takes the gate for closed, and
 * is woken at the end of this.
 */
static void lead(struct slot *slot, enum slot_way way, struct hal_gate_instance *active,
                 struct hal_gate_instance *on_trial)
{
    atomic_store_explicit(&slot->trial.gate.active, on_trial, memory_order_seq_cst);
    atomic_store_explicit(&slot->way, way, memory_order_release);
    /* Release: a caller that sees the pointer sees the whole instance. */
    atomic_store_explicit(&slot->gate.active, active, memory_order_seq_cst);
    wait_queue_wake_all(&slot->entrants);
}

static bool is_doomed(const struct module_instance *instance)
{
    return atomic_load_explicit(&instance->is_doomed, memory_order_acquire);
}

static void hold(struct slot *slot, struct module_instance *instance)
{
    if (instance != NULL) {
        instance->slot = slot;
    }
    atomic_store_explicit(&slot->holder, instance, memory_order_release);
}

/* After the gate was opened to it: a death before that found another instance behind the gate. */
static void look_whether_it_died(struct module_instance *instance)
{
    if (is_doomed(instance)) {
        slot_instance_died(instance);
    }
}

void slot_open(struct slot *slot, struct module_instance *instance)
{
    hold(slot, instance);
    slot_set_status(slot, instance != NULL ? SLOT_ACTIVE : SLOT_EMPTY);
    lead(slot, SLOT_WAY_DIRECT, instance != NULL ? &instance->gate : &nothing, &nothing);
    if (instance != NULL) {
        look_whether_it_died(instance);
    }
}

void slot_open_to_trial(struct slot *slot, struct module_instance *instance)
{
    hold(slot, instance);
    slot_set_status(slot, SLOT_ACTIVE);
    lead(slot, SLOT_WAY_TRIAL, &diversion, &instance->gate);
    look_whether_it_died(instance);
}

void slot_close(struct slot *slot)
{
    slot_set_status(slot, SLOT_SWAPPING);
    lead(slot, SLOT_WAY_CLOSED, &diversion, &nothing);
}

void slot_fail(struct slot *slot)
{
    slot_open(slot, NULL);
    slot_set_status(slot, SLOT_FAILED);
}

hx_err slot_fill(struct slot *slot, struct module_instance *instance)
{
    if (is_doomed(instance)) {
        return HX_EDIED;
    }
    if (slot_instance(slot) != NULL) {
        return HX_EBUSY;
    }
    slot_open(slot, instance);
    return HX_OK;
}

struct module_instance *slot_empty(struct slot *slot)
{
    struct module_instance *instance = slot_instance(slot);

    slot_open(slot, NULL);
    return instance;
}

/* --- troubles --------------------------------------------------------------------------------- */

static _Atomic bool has_unsaid_trouble;

void slot_note_trouble(void)
{
    if (context_can_block()) {
        wait_queue_wake_all(&slot_troubles);
    } else {
        atomic_store_explicit(&has_unsaid_trouble, true, memory_order_relaxed);
    }
}

void slot_tell_troubles(void)
{
    if (atomic_load_explicit(&has_unsaid_trouble, memory_order_relaxed)) {
        atomic_store_explicit(&has_unsaid_trouble, false, memory_order_relaxed);
        wait_queue_wake_all(&slot_troubles);
    }
}

/* --- death ------------------------------------------------------------------------------------ */

/* Whoever holds the slot's change mutex may be leading calls elsewhere at the same time: only what
 * still leads to the dead one is changed. */
static void lead_away(_Atomic(struct hal_gate_instance *) *active, struct module_instance *instance)
{
    struct hal_gate_instance *expected = &instance->gate;

    (void)atomic_compare_exchange_strong_explicit(active, &expected, &nothing, memory_order_seq_cst,
                                                  memory_order_relaxed);
}

void slot_instance_died(struct module_instance *instance)
{
    struct slot *slot = instance->slot;
    struct module_instance *expected = instance;

    /* A scheduler has no locks, and may have died under those of the kernel. */
    if (instance->category != HX_CATEGORY_SCHEDULER) {
        module_locks_tell_death(&instance->locks);
    }
    if (slot == NULL) {
        return;
    }
    atomic_fetch_add_explicit(&slot->deaths, 1, memory_order_relaxed);
    lead_away(&slot->gate.active, instance);
    lead_away(&slot->trial.gate.active, instance);
    if (atomic_load_explicit(&slot->way, memory_order_acquire) == SLOT_WAY_DIRECT &&
        atomic_compare_exchange_strong_explicit(&slot->holder, &expected, NULL,
                                                memory_order_release, memory_order_relaxed)) {
        slot_set_status(slot, SLOT_FAILED);
    }
    slot_note_trouble();
}

HX_COLD void slot_end(struct slot *slot, enum death_cause cause)
{
    struct module_instance *instance = slot_instance(slot);

    if (instance != NULL) {
        instance_doom(instance, cause, 0, 0, 0);
        slot_instance_died(instance);
    }
}

HX_COLD void slot_distrust(struct slot *slot)
{
    slot_end(slot, DEATH_LIE);
}

/* --- calls that do not go straight --------------------------------------------------------------
 */

/*
 * Also while the gate is being led elsewhere: the way says direct already, the gate still diverts.
 * To go through it again at once would be to go round here until whoever leads it has gone on, who
 * may be a thread of this CPU.
 */
static bool is_closed(const struct slot *slot)
{
    enum slot_way way = atomic_load_explicit(&slot->way, memory_order_acquire);

    return way == SLOT_WAY_CLOSED ||
           (way == SLOT_WAY_DIRECT &&
            atomic_load_explicit(&slot->gate.active, memory_order_acquire) == &diversion);
}

hx_err slot_wait_filled(struct slot *slot, uint64_t deadline_ns)
{
    struct waiter waiter;
    hx_err error = HX_OK;

    wait_queue_prepare(&slot->entrants, &waiter);
    while (slot_instance(slot) == NULL && error == HX_OK) {
        error = wait_queue_wait(&slot->entrants, &waiter, deadline_ns);
    }
    wait_queue_finish(&slot->entrants, &waiter);
    return error;
}

static void wait_while_closed(struct slot *slot)
{
    struct waiter waiter;
    hx_err error = HX_OK;

    wait_queue_prepare(&slot->entrants, &waiter);
    while (is_closed(slot) && error == HX_OK) {
        error = wait_queue_wait(&slot->entrants, &waiter, THREAD_NO_DEADLINE);
    }
    wait_queue_finish(&slot->entrants, &waiter);
}

struct hal_gate_result kernel_gate_diverted(uint64_t a0, uint64_t a1, uint64_t a2, uint64_t a3,
                                            struct hal_gate_slot *gate, uint64_t operation)
{
    struct slot *slot = slot_of_gate(gate);
    const uint64_t arguments[4] = {a0, a1, a2, a3};

    /* Its record was there for a moment, and may have named an instance that is being drained. */
    if (atomic_load_explicit(&hal_gate_drains, memory_order_relaxed) != 0) {
        kernel_gate_left();
    }
    if (atomic_load_explicit(&slot->way, memory_order_acquire) == SLOT_WAY_TRIAL) {
        return trial_call(slot, operation, arguments);
    }
    if (is_closed(slot)) {
        if (!context_can_block()) {
            return (struct hal_gate_result){.error = HX_EAGAIN};
        }
        wait_while_closed(slot);
    }
    return hal_gate_call(a0, a1, a2, a3, &slot->gate, operation);
}

/* --- draining --------------------------------------------------------------------------------- */

struct inside_search {
    const struct hal_gate_instance *gate;
    bool (*found)(struct thread *thread, void *argument);
    void *argument;
};

static bool look_inside(struct thread *thread, void *argument)
{
    const struct inside_search *search = argument;

    for (unsigned i = 0; i < HX_ARRAY_SIZE(thread->gate_records); i++) {
        if (atomic_load_explicit(&thread->gate_records[i].instance, memory_order_acquire) ==
            search->gate) {
            return search->found(thread, search->argument);
        }
    }
    return true;
}

void slot_find_inside(const struct module_instance *instance,
                      bool (*found)(struct thread *thread, void *argument), void *argument)
{
    struct inside_search search = {&instance->gate, found, argument};

    thread_for_each_in_call(look_inside, &search);
}

static bool note(struct thread *thread, void *argument)
{
    (void)thread;
    *(bool *)argument = true;
    return false; /* one is enough */
}

static bool has_threads_inside(const struct module_instance *instance)
{
    bool has = false;

    slot_find_inside(instance, note, &has);
    return has;
}

/* The message itself is the barrier. */
static void pass_barrier(void *argument)
{
    (void)argument;
}

/*
 * A CPU may take no message for long. If that is because it is inside, which shows by then, it is
 * not waited for beyond the deadline; else there is nothing to be called off for.
 */
static bool have_passed_barrier(const struct module_instance *instance, uint64_t deadline_ns)
{
    if (cpu_call_until(cpu_online_mask(), pass_barrier, NULL, deadline_ns)) {
        return true;
    }
    if (has_threads_inside(instance)) {
        return false;
    }
    cpu_call(cpu_online_mask(), pass_barrier, NULL);
    return true;
}

static hx_err wait_until_left(const struct module_instance *instance, struct waiter *waiter,
                              uint64_t deadline_ns)
{
    hx_err error = HX_OK;

    while (has_threads_inside(instance) && error == HX_OK) {
        error = wait_queue_wait(&drainers, waiter, deadline_ns);
    }
    return error;
}

hx_err slot_drain(const struct module_instance *instance, uint64_t deadline_ns)
{
    struct waiter waiter;
    hx_err error = HX_OK;

    wait_queue_prepare(&drainers, &waiter);
    atomic_fetch_add_explicit(&hal_gate_drains, 1, memory_order_seq_cst);
    /*
     * A call publishes its record, then reads the slot; when it leaves it clears the record, then
     * reads hal_gate_drains; both without a fence. Who waits pays for that: once every CPU has
     * passed this barrier, its earlier stores are visible here and its later reads see ours.
     */
    if (!have_passed_barrier(instance, deadline_ns)) {
        error = HX_ETIMEDOUT;
    } else if (has_threads_inside(instance)) {
        /* Calls made with interrupts off have ended by now, and this waits for those in read
         * sections: who is still inside can wake this thread when it leaves. */
        read_synchronize();
        error = wait_until_left(instance, &waiter, deadline_ns);
    }
    atomic_fetch_sub_explicit(&hal_gate_drains, 1, memory_order_relaxed);
    wait_queue_finish(&drainers, &waiter);
    return error;
}

/* A call of the scheduler is made under any lock, that of the drainers too, and with interrupts
 * off: slot_drain does not wait for it here. */
void kernel_gate_left(void)
{
    if (context_can_block()) {
        wait_queue_wake_all(&drainers);
    }
}
