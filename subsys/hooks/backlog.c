#include <subsys/hooks/backlog.h>

#include <core/gate/gate.h>
#include <core/gate/loan.h>
#include <hal/clock.h>
#include <helix/hook.h>
#include <kern/heap.h>
#include <kern/read_section.h>

#define RETRY_NS    (HAL_NS_PER_MS / 20)
#define PATIENCE_NS (1 * HAL_NS_PER_S) /* with one that takes nothing */

static size_t lane_size(const struct backlog *backlog)
{
    return sizeof(struct backlog_lane) +
           (size_t)BACKLOG_ENTRIES * backlog->entry_words * sizeof(uint64_t);
}

static struct backlog_lane *lane_at(const struct backlog *backlog, uint32_t cpu)
{
    /* Acquire: pairs with make_lane. */
    return atomic_load_explicit(&backlog->lanes[cpu], memory_order_acquire);
}

/* --- start ------------------------------------------------------------------------------------ */

static hx_err make_lane(struct backlog *backlog, uint32_t cpu)
{
    struct backlog_lane *lane = heap_allocate_zeroed(lane_size(backlog), OWNER_CORE);

    if (lane == NULL) {
        return HX_ENOMEM;
    }
    mutex_init(&lane->turn, "hook backlog");
    /* Release: pairs with lane_at. */
    atomic_store_explicit(&backlog->lanes[cpu], lane, memory_order_release);
    return HX_OK;
}

hx_err backlog_start(struct backlog *backlog)
{
    hx_err error = HX_OK;

    backlog->slot = slot_find(backlog->slot_name);
    if (backlog->slot == NULL) {
        return HX_ENOENT;
    }
    for (uint32_t cpu = 0; cpu < hal_cpu_count() && error == HX_OK; cpu++) {
        if (lane_at(backlog, cpu) == NULL) {
            error = make_lane(backlog, cpu); /* those that are there serve the next try */
        }
    }
    return error;
}

/* --- handing over ----------------------------------------------------------------------------- */

/* Entries in a row, from the oldest on. */
static uint64_t count_in_a_row(const struct backlog_lane *lane, uint64_t taken)
{
    /* Acquire: pairs with backlog_commit. */
    uint64_t count = atomic_load_explicit(&lane->written, memory_order_acquire) - taken;
    uint64_t row = BACKLOG_ENTRIES - taken % BACKLOG_ENTRIES;

    return count < row ? count : row;
}

static hx_err call_post(const struct backlog *backlog, uint32_t cpu,
                        const struct backlog_lane *lane, uint64_t first, uint64_t count)
{
    const uint64_t *entries = &lane->words[first % BACKLOG_ENTRIES * backlog->entry_words];
    struct hal_gate_result result;
    struct loan loan;
    uint64_t handle =
        loan_open_read_only(&loan, entries, count * backlog->entry_words * sizeof(uint64_t));

    result = gate_call(backlog->slot, HOOK_POST, cpu, handle, count, first);
    loan_close(&loan);
    return result.error != HX_OK ? result.error : (hx_err)result.value;
}

static hx_err hand_over_locked(struct backlog *backlog, struct backlog_lane *lane, uint32_t cpu)
{
    uint64_t taken = atomic_load_explicit(&lane->taken, memory_order_relaxed);
    uint64_t deadline = hal_clock_now() + PATIENCE_NS;
    uint64_t count;
    hx_err error = HX_OK;

    while (error == HX_OK && (count = count_in_a_row(lane, taken)) != 0) {
        error = call_post(backlog, cpu, lane, taken, count);
        if (error == HX_EAGAIN && hal_clock_now() >= deadline) {
            slot_end(backlog->slot, DEATH_UNWELL);
            error = HX_EDIED;
        } else if (error == HX_EAGAIN) {
            thread_sleep(RETRY_NS); /* all ways in are taken, or its state is being written */
            error = HX_OK;
        } else if (error == HX_OK) {
            taken += count;
            /* Release: pairs with backlog_try_claim. */
            atomic_store_explicit(&lane->taken, taken, memory_order_release);
        }
    }
    return error;
}

static hx_err hand_over(struct backlog *backlog, uint32_t cpu)
{
    struct backlog_lane *lane = lane_at(backlog, cpu);
    hx_err error;

    if (lane == NULL) {
        return HX_OK;
    }
    mutex_lock(&lane->turn);
    error = hand_over_locked(backlog, lane, cpu);
    mutex_unlock(&lane->turn);
    return error;
}

bool backlog_late_claim(struct backlog *backlog, struct backlog_lane **lane, uint64_t **room)
{
    hx_err error = HX_OK;
    bool has_room = false;

    while (!has_room && error == HX_OK) {
        uint32_t cpu = hal_cpu_id();

        read_leave();
        error = hand_over(backlog, cpu);
        read_enter();
        *lane = backlog_here(backlog); /* maybe another CPU's by now */
        has_room = backlog_try_claim(*lane, backlog->entry_words, room);
    }
    if (!has_room) {
        atomic_store_explicit(&(*lane)->lost,
                              atomic_load_explicit(&(*lane)->lost, memory_order_relaxed) + 1,
                              memory_order_relaxed);
    }
    return has_room;
}

hx_err backlog_flush(struct backlog *backlog)
{
    hx_err error = HX_OK;

    for (uint32_t cpu = 0; cpu < HAL_CPU_MAX && error == HX_OK; cpu++) {
        error = hand_over(backlog, cpu);
    }
    return error;
}

/* --- reading ---------------------------------------------------------------------------------- */

uint64_t backlog_written(const struct backlog *backlog, uint32_t cpu)
{
    const struct backlog_lane *lane = lane_at(backlog, cpu);

    /* Acquire: pairs with backlog_commit. */
    return lane != NULL ? atomic_load_explicit(&lane->written, memory_order_acquire) : 0;
}

hx_err backlog_read(struct backlog *backlog, uint32_t cpu, uint64_t item, void *bytes, size_t size)
{
    struct backlog_lane *lane = lane_at(backlog, cpu);
    struct hal_gate_result result = {.error = HX_ENOENT};
    struct loan loan;
    uint64_t handle;
    hx_err error;

    if (lane == NULL) {
        return HX_ENOENT;
    }
    mutex_lock(&lane->turn);
    error = hand_over_locked(backlog, lane, cpu);
    if (error == HX_OK) {
        handle = loan_open(&loan, bytes, size);
        result = gate_call(backlog->slot, HOOK_READ, item, cpu, handle, size);
        loan_close(&loan);
        error = result.error != HX_OK ? result.error : result.value == 0 ? HX_ENOENT : HX_OK;
    }
    mutex_unlock(&lane->turn);
    return error;
}

/* --- the rest --------------------------------------------------------------------------------- */

static void lock_all(const struct backlog *backlog)
{
    for (uint32_t cpu = 0; cpu < HAL_CPU_MAX; cpu++) {
        if (lane_at(backlog, cpu) != NULL) {
            mutex_lock(&lane_at(backlog, cpu)->turn);
        }
    }
}

static void unlock_all(const struct backlog *backlog)
{
    for (uint32_t cpu = HAL_CPU_MAX; cpu-- > 0;) {
        if (lane_at(backlog, cpu) != NULL) {
            mutex_unlock(&lane_at(backlog, cpu)->turn);
        }
    }
}

static void forget_locked(const struct backlog *backlog)
{
    for (uint32_t cpu = 0; cpu < HAL_CPU_MAX; cpu++) {
        struct backlog_lane *lane = lane_at(backlog, cpu);

        if (lane != NULL) {
            atomic_store_explicit(&lane->taken,
                                  atomic_load_explicit(&lane->written, memory_order_relaxed),
                                  memory_order_release);
        }
    }
}

hx_err backlog_call_alone(struct backlog *backlog, uint32_t operation, uint64_t item, uint64_t loan,
                          uint64_t size, bool forgets)
{
    struct hal_gate_result result;
    hx_err error;

    lock_all(backlog);
    result = gate_call(backlog->slot, operation, item, loan, size, 0);
    error = result.error != HX_OK ? result.error : (hx_err)result.value;
    if (error == HX_OK && forgets) {
        forget_locked(backlog);
    }
    unlock_all(backlog);
    return error;
}

uint64_t backlog_lost(const struct backlog *backlog)
{
    uint64_t lost = 0;

    for (uint32_t cpu = 0; cpu < HAL_CPU_MAX; cpu++) {
        const struct backlog_lane *lane = lane_at(backlog, cpu);

        lost += lane != NULL ? atomic_load_explicit(&lane->lost, memory_order_relaxed) : 0;
    }
    return lost;
}

uint64_t backlog_memory(const struct backlog *backlog)
{
    uint64_t bytes = 0;

    for (uint32_t cpu = 0; cpu < HAL_CPU_MAX; cpu++) {
        bytes += lane_at(backlog, cpu) != NULL ? lane_size(backlog) : 0;
    }
    return bytes;
}
