#include <subsys/hooks/metrics.h>

#include <core/gate/gate.h>
#include <core/gate/loan.h>
#include <core/syscall/syscall.h>
#include <helix/hook.h>
#include <stdatomic.h>
#include <subsys/hooks/backlog.h>
#include <subsys/hooks/cycles.h>

#define ENTRY_WORDS (sizeof(struct hx_hook_time) / sizeof(uint64_t))

_Static_assert(SYSCALL_MAX == HX_HOOK_CALL_MAX, "modules know as many numbers");
_Static_assert(HAL_CPU_MAX <= HX_HOOK_CPU_MAX, "and CPUs");

static struct backlog backlog = {.slot_name = METRICS_SLOT, .entry_words = ENTRY_WORDS};

static _Atomic uint64_t lost_before; /* of the backlog, when it was last reset */

/* --- the hook --------------------------------------------------------------------------------- */

static HX_ALWAYS_INLINE void note(uint64_t *room, const struct syscall_call *call)
{
    room[0] =
        call->number | ((uint64_t)call->result > (uint64_t)-4096 ? HX_HOOK_FAILED : (uint64_t)0);
    room[1] = call->duration;
}

static HX_NOINLINE void measure_late(const struct syscall_call *call)
{
    struct backlog_lane *lane;
    uint64_t *room;

    if (backlog_late_claim(&backlog, &lane, &room)) {
        note(room, call);
        backlog_commit(lane);
    }
}

static void measure(const struct syscall_call *call, void *argument)
{
    struct backlog_lane *lane = backlog_here(&backlog);
    uint64_t *room;

    (void)argument;
    if (!backlog_try_claim(lane, ENTRY_WORDS, &room)) {
        measure_late(call);
        return;
    }
    note(room, call);
    backlog_commit(lane);
}

hx_err metrics_start(int32_t order)
{
    hx_err error = backlog_start(&backlog);

    return error == HX_OK ? syscall_hook_add(&(struct syscall_hook){
                                .name = METRICS_HOOK, .order = order, .post = measure})
                          : error;
}

/* --- reading ---------------------------------------------------------------------------------- */

static struct call_metrics in_time(const struct hx_hook_metrics *metrics)
{
    return (struct call_metrics){
        .count = metrics->count,
        .errors = metrics->errors,
        .total_ns = cycles_to_ns(metrics->total),
        .min_ns = cycles_to_ns(metrics->least),
        .max_ns = cycles_to_ns(metrics->most),
        .p500_ns = cycles_to_ns(metrics->p500),
        .p900_ns = cycles_to_ns(metrics->p900),
        .p990_ns = cycles_to_ns(metrics->p990),
        .p999_ns = cycles_to_ns(metrics->p999),
    };
}

/* The hook's slot; NULL: it was never started, so nobody knows anything. */
static struct slot *slot_in_use(void)
{
    return backlog_memory(&backlog) != 0 ? backlog.slot : NULL;
}

static bool ask(struct slot *slot, uint32_t number, struct hx_hook_metrics *metrics)
{
    struct hal_gate_result result;
    struct loan loan;
    uint64_t handle = loan_open_to_fill(&loan, metrics, sizeof(*metrics));

    result = gate_call(slot, HOOK_READ, HX_HOOK_METRICS, number, handle, sizeof(*metrics));
    loan_close(&loan);
    return result.error == HX_OK && result.value != 0;
}

hx_err metrics_read(uint32_t number, struct call_metrics *told)
{
    struct hx_hook_metrics metrics = {0};
    struct slot *slot = slot_in_use();

    if (number >= SYSCALL_MAX) {
        return HX_ERANGE;
    }
    if (slot == NULL || backlog_flush(&backlog) != HX_OK || !ask(slot, number, &metrics)) {
        return HX_ENOENT;
    }
    *told = in_time(&metrics);
    return HX_OK;
}

void metrics_reset(void)
{
    if (slot_in_use() != NULL) {
        (void)!backlog_call_alone(&backlog, HOOK_CONFIGURE, HX_HOOK_RESET, 0, 0, true);
        atomic_store_explicit(&lost_before, backlog_lost(&backlog), memory_order_relaxed);
    }
}

uint64_t metrics_untold(void)
{
    return backlog_lost(&backlog) - atomic_load_explicit(&lost_before, memory_order_relaxed);
}

uint64_t metrics_lost(void)
{
    struct hal_gate_result result = {.error = HX_ENOENT};

    if (slot_in_use() != NULL) {
        result = gate_call(backlog.slot, HOOK_READ, HX_HOOK_LOST, 0, 0, 0);
    }
    return metrics_untold() + (result.error == HX_OK ? result.value : 0);
}

uint64_t metrics_memory(void)
{
    return backlog_memory(&backlog);
}
