/* Calls while an instance is on trial, and their repetition. */
#include <base/memory.h>
#include <core/gate/slot.h>
#include <kern/heap.h>
#include <kern/thread.h>

void trial_init(struct slot_trial *trial)
{
    mutex_init(&trial->mutex, "trial");
}

hx_err trial_begin(struct slot_trial *trial, uint32_t calls_wanted)
{
    struct trial_entry *journal = heap_allocate(TRIAL_JOURNAL_MAX * sizeof(*journal), OWNER_CORE);

    if (journal == NULL) {
        return HX_ENOMEM;
    }
    mutex_lock(&trial->mutex);
    trial->journal = journal;
    trial->used = 0;
    atomic_store_explicit(&trial->calls, 0, memory_order_relaxed);
    atomic_store_explicit(&trial->calls_wanted, calls_wanted, memory_order_relaxed);
    atomic_store_explicit(&trial->is_due, false, memory_order_relaxed);
    mutex_unlock(&trial->mutex);
    return HX_OK;
}

void trial_end(struct slot_trial *trial)
{
    struct trial_entry *journal;

    mutex_lock(&trial->mutex);
    journal = trial->journal;
    trial->journal = NULL;
    mutex_unlock(&trial->mutex);
    heap_free(journal);
}

static struct hal_gate_result call_through(struct hal_gate_slot *gate, uint64_t operation,
                                           const uint64_t arguments[4])
{
    return hal_gate_call(arguments[0], arguments[1], arguments[2], arguments[3], gate, operation);
}

hx_err trial_replay(struct slot_trial *trial, struct module_instance *instance)
{
    hx_err error = HX_OK;

    mutex_lock(&trial->mutex);
    atomic_store_explicit(&instance->stage, INSTANCE_REPLAYING, memory_order_relaxed);
    for (uint32_t i = 0; i < trial->used && error == HX_OK; i++) {
        const struct trial_entry *entry = &trial->journal[i];

        error = call_through(&instance->door, entry->operation, entry->arguments).error;
    }
    atomic_store_explicit(&instance->stage, INSTANCE_SERVING, memory_order_relaxed);
    mutex_unlock(&trial->mutex);
    return error;
}

/* --- calls ------------------------------------------------------------------------------------ */

static void make_due(struct slot_trial *trial)
{
    if (!atomic_exchange_explicit(&trial->is_due, true, memory_order_relaxed)) {
        slot_note_trouble();
    }
}

static void wait_for_another_way(struct slot *slot)
{
    struct waiter waiter;
    hx_err error = HX_OK;

    wait_queue_prepare(&slot->entrants, &waiter);
    while (atomic_load_explicit(&slot->way, memory_order_acquire) == SLOT_WAY_TRIAL &&
           error == HX_OK) {
        error = wait_queue_wait(&slot->entrants, &waiter, THREAD_NO_DEADLINE);
    }
    wait_queue_finish(&slot->entrants, &waiter);
}

/* A mutating call. HX_ENOENT: the trial has ended, or is about to. */
static struct hal_gate_result call_journalled(struct slot *slot, uint64_t operation,
                                              const uint64_t arguments[4])
{
    struct slot_trial *trial = &slot->trial;
    struct hal_gate_result result = {.error = HX_ENOENT};

    mutex_lock(&trial->mutex);
    if (trial->journal != NULL && trial->used == TRIAL_JOURNAL_MAX) {
        make_due(trial);
    } else if (trial->journal != NULL) {
        struct trial_entry *entry = &trial->journal[trial->used++];

        entry->operation = operation;
        memcpy(entry->arguments, arguments, sizeof(entry->arguments));
        result = call_through(&trial->gate, operation, arguments);
        /* What failed at the gate is called again by who wanted it, or not at all. */
        trial->used -= result.error == HX_OK ? 0 : 1;
    }
    mutex_unlock(&trial->mutex);
    return result;
}

static void count_call(struct slot_trial *trial)
{
    uint32_t calls = atomic_fetch_add_explicit(&trial->calls, 1, memory_order_relaxed) + 1;

    if (calls == atomic_load_explicit(&trial->calls_wanted, memory_order_relaxed)) {
        make_due(trial);
    }
}

struct hal_gate_result trial_call(struct slot *slot, uint64_t operation,
                                  const uint64_t arguments[4])
{
    bool can_block = context_can_block();
    struct hal_gate_result result = category_mutates(slot->category, operation) && can_block
                                        ? call_journalled(slot, operation, arguments)
                                        : call_through(&slot->trial.gate, operation, arguments);

    if (result.error == HX_EDIED) {
        make_due(&slot->trial);
    }
    count_call(&slot->trial);
    if (result.error != HX_ENOENT && (result.error != HX_EDIED || result.may_have_run)) {
        return result;
    }
    if (!can_block) {
        return (struct hal_gate_result){.error = HX_EAGAIN};
    }
    wait_for_another_way(slot);
    return hal_gate_call(arguments[0], arguments[1], arguments[2], arguments[3], &slot->gate,
                         operation);
}
