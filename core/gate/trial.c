/* Calls while an instance is on trial, and their repetition. */
#include <base/memory.h>
#include <core/gate/loan.h>
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
    uint32_t used;

    mutex_lock(&trial->mutex);
    journal = trial->journal;
    used = trial->used;
    trial->journal = NULL;
    mutex_unlock(&trial->mutex);
    while (journal != NULL && used-- > 0) {
        heap_free(journal[used].lent);
    }
    heap_free(journal);
}

static struct hal_gate_result call_through(struct hal_gate_slot *gate, uint64_t operation,
                                           const uint64_t arguments[4])
{
    return hal_gate_call(arguments[0], arguments[1], arguments[2], arguments[3], gate, operation);
}

/* Once more, with a loan of the same bytes. */
static hx_err repeat(const struct trial_entry *entry, struct hal_gate_slot *door)
{
    uint64_t arguments[4];
    struct loan loan;
    hx_err error;

    memcpy(arguments, entry->arguments, sizeof(arguments));
    if (entry->lent == NULL) {
        return call_through(door, entry->operation, arguments).error;
    }
    arguments[entry->lent_as] = loan_open(&loan, entry->lent, entry->lent_size);
    error = call_through(door, entry->operation, arguments).error;
    loan_close(&loan);
    return error;
}

hx_err trial_replay(struct slot_trial *trial, struct module_instance *instance)
{
    hx_err error = HX_OK;

    mutex_lock(&trial->mutex);
    atomic_store_explicit(&instance->stage, INSTANCE_REPLAYING, memory_order_relaxed);
    for (uint32_t i = 0; i < trial->used && error == HX_OK; i++) {
        error = repeat(&trial->journal[i], &instance->door);
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

/* False: there is no memory for what the call was lent. */
static bool write_down(struct trial_entry *entry, uint64_t operation, const uint64_t arguments[4])
{
    unsigned which;
    const struct loan *loan = loan_of_call(arguments, &which);

    *entry = (struct trial_entry){.operation = operation, .lent_as = which};
    memcpy(entry->arguments, arguments, sizeof(entry->arguments));
    if (loan != NULL && loan->size != 0) {
        entry->lent = heap_allocate(loan->size, OWNER_CORE);
        if (entry->lent == NULL) {
            return false;
        }
        memcpy(entry->lent, loan->bytes, loan->size);
        entry->lent_size = loan->size;
    }
    return true;
}

static struct hal_gate_result call_written_down_locked(struct slot_trial *trial)
{
    struct trial_entry *entry = &trial->journal[trial->used];
    struct hal_gate_result result = call_through(&trial->gate, entry->operation, entry->arguments);

    if (result.error == HX_OK) {
        trial->used++;
    } else {
        heap_free(entry->lent); /* it is called again by who wanted it, or not at all */
    }
    return result;
}

/* A mutating call. HX_ENOENT: the trial has ended, or is about to. */
static struct hal_gate_result call_journalled(struct slot *slot, uint64_t operation,
                                              const uint64_t arguments[4])
{
    struct slot_trial *trial = &slot->trial;
    struct hal_gate_result result = {.error = HX_ENOENT};

    mutex_lock(&trial->mutex);
    if (trial->journal != NULL) {
        if (trial->used < TRIAL_JOURNAL_MAX &&
            write_down(&trial->journal[trial->used], operation, arguments)) {
            result = call_written_down_locked(trial);
        } else {
            make_due(trial);
        }
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
