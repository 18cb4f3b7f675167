/* The table of slots, filling and emptying them. */
#include <base/format.h>
#include <base/string.h>
#include <core/config/kernel_configuration.h>
#include <core/gate/slot.h>
#include <hal/entry.h>
#include <kern/cpu.h>
#include <kern/thread.h>
#include <kern/wait_queue.h>

/* Slots are made at boot, in one thread; readers see the count grow. */
static struct slot slots[SLOT_MAX];
static _Atomic size_t slot_count;

/* What an empty slot points to, so that a call needs no test of its own for it. */
static struct hal_gate_instance nothing = {.backend = HAL_GATE_NONE};

/* Threads in slot_drain; hal_gate_drains says how many. */
static struct wait_queue drainers = WAIT_QUEUE_INIT(drainers, "module drain");

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

hx_err slot_create(const char *name, struct slot **slot)
{
    size_t count = atomic_load_explicit(&slot_count, memory_order_relaxed);
    struct slot *fresh = &slots[count < SLOT_MAX ? count : 0];

    if (name[0] == '\0' || string_length(name) >= SLOT_NAME_MAX) {
        return HX_EINVAL;
    }
    if (slot_find(name) != NULL) {
        return HX_EEXIST;
    }
    if (count == SLOT_MAX) {
        return HX_ENOSPC;
    }
    (void)string_copy(fresh->name, sizeof(fresh->name), name);
    fresh->gate.deadline_ticks = SLOT_DEADLINE_DEFAULT;
    atomic_store_explicit(&fresh->gate.active, &nothing, memory_order_relaxed);
    fresh->backend = configured_backend(name);
    atomic_store_explicit(&slot_count, count + 1, memory_order_release);
    *slot = fresh;
    return HX_OK;
}

struct module_instance *slot_instance(const struct slot *slot)
{
    struct hal_gate_instance *gate = atomic_load_explicit(&slot->gate.active, memory_order_acquire);

    return gate == &nothing ? NULL : instance_of(gate);
}

hx_err slot_fill(struct slot *slot, struct module_instance *instance)
{
    struct hal_gate_instance *expected = &nothing;

    if (atomic_load_explicit(&instance->is_doomed, memory_order_acquire)) {
        return HX_EDIED;
    }
    /* Release: a caller that sees the pointer sees the whole instance. */
    return atomic_compare_exchange_strong_explicit(&slot->gate.active, &expected, &instance->gate,
                                                   memory_order_release, memory_order_relaxed)
               ? HX_OK
               : HX_EBUSY;
}

struct module_instance *slot_empty(struct slot *slot)
{
    struct hal_gate_instance *gate =
        atomic_exchange_explicit(&slot->gate.active, &nothing, memory_order_seq_cst);

    return gate == &nothing ? NULL : instance_of(gate);
}

bool slot_empty_of(struct slot *slot, struct module_instance *instance)
{
    struct hal_gate_instance *expected = &instance->gate;

    return atomic_compare_exchange_strong_explicit(&slot->gate.active, &expected, &nothing,
                                                   memory_order_seq_cst, memory_order_relaxed);
}

/* --- draining --------------------------------------------------------------------------------- */

struct inside_search {
    const struct hal_gate_instance *gate;
    bool found;
};

static bool look_inside(struct thread *thread, void *argument)
{
    struct inside_search *search = argument;

    for (unsigned i = 0; i < HX_ARRAY_SIZE(thread->gate_records); i++) {
        if (atomic_load_explicit(&thread->gate_records[i].instance, memory_order_acquire) ==
            search->gate) {
            search->found = true;
            return false;
        }
    }
    return true;
}

static bool has_threads_inside(const struct module_instance *instance)
{
    struct inside_search search = {.gate = &instance->gate};

    thread_for_each(look_inside, &search);
    return search.found;
}

/* The message itself is the barrier. */
static void pass_barrier(void *argument)
{
    (void)argument;
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
    cpu_call(cpu_online_mask(), pass_barrier, NULL);
    while (has_threads_inside(instance) && error == HX_OK) {
        error = wait_queue_wait(&drainers, &waiter, deadline_ns);
    }
    atomic_fetch_sub_explicit(&hal_gate_drains, 1, memory_order_relaxed);
    wait_queue_finish(&drainers, &waiter);
    return error;
}

void kernel_gate_left(void)
{
    wait_queue_wake_all(&drainers);
}
