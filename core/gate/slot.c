/* The table of slots, filling and emptying them. */
#include <base/format.h>
#include <base/string.h>
#include <core/config/kernel_configuration.h>
#include <core/gate/slot.h>
#include <kern/cpu.h>
#include <kern/read_section.h>
#include <kern/thread.h>

/* Slots are made at boot, in one thread; readers see the count grow. */
static struct slot slots[SLOT_MAX];
static _Atomic size_t slot_count;

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

static enum gate_backend configured_backend(const char *name)
{
    char key[SLOT_NAME_MAX + sizeof("gate.")];

    (void)format_text(key, sizeof(key), "gate.%s", name);
    return string_equal(command_line_text(kernel_command_line(), key, "open"), "user") ? GATE_USER
                                                                                        : GATE_OPEN;
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
    fresh->deadline_ticks = SLOT_DEADLINE_DEFAULT;
    fresh->backend = configured_backend(name);
    wait_queue_init(&fresh->drained, fresh->name);
    atomic_store_explicit(&slot_count, count + 1, memory_order_release);
    *slot = fresh;
    return HX_OK;
}

hx_err slot_fill(struct slot *slot, struct module_instance *instance)
{
    struct module_instance *none = NULL;

    if (atomic_load_explicit(&instance->is_doomed, memory_order_acquire)) {
        return HX_EDIED;
    }
    /* Release: pairs with gate_call's acquire, the instance is complete. */
    return atomic_compare_exchange_strong_explicit(&slot->active, &none, instance,
                                                   memory_order_release, memory_order_relaxed)
               ? HX_OK
               : HX_EBUSY;
}

struct module_instance *slot_empty(struct slot *slot)
{
    struct module_instance *instance =
        atomic_exchange_explicit(&slot->active, NULL, memory_order_acq_rel);

    read_synchronize();
    return instance;
}

/* --- draining ------------------------------------------------------------------------------------ */

struct inside_search {
    const struct module_instance *instance;
    bool found;
};

static bool look_inside(struct thread *thread, void *argument)
{
    struct inside_search *search = argument;

    for (unsigned depth = 0; depth < THREAD_GATE_DEPTH; depth++) {
        /* Acquire: pairs with the release in gate.c's leave. */
        if (atomic_load_explicit(&thread->gate_inside[depth], memory_order_acquire) ==
            search->instance) {
            search->found = true;
            return false;
        }
    }
    return true;
}

static bool has_threads_inside(const struct module_instance *instance)
{
    struct inside_search search = {.instance = instance};

    thread_for_each(look_inside, &search);
    return search.found;
}

/* The message itself is the barrier. */
static void pass_barrier(void *argument)
{
    (void)argument;
}

hx_err slot_drain(struct slot *slot, const struct module_instance *instance, uint64_t deadline_ns)
{
    struct waiter waiter;
    hx_err error = HX_OK;

    wait_queue_prepare(&slot->drained, &waiter);
    atomic_store_explicit(&slot->is_draining, true, memory_order_seq_cst);
    /*
     * A call that leaves stores "not inside", then reads is_draining, without a fence: the one who
     * waits pays for it. After this message every CPU has either made its store visible or will
     * read our flag.
     */
    cpu_call(cpu_online_mask(), pass_barrier, NULL);
    while (has_threads_inside(instance) && error == HX_OK) {
        error = wait_queue_wait(&slot->drained, &waiter, deadline_ns);
    }
    atomic_store_explicit(&slot->is_draining, false, memory_order_relaxed);
    wait_queue_finish(&slot->drained, &waiter);
    return error;
}
