#include <core/hot_reload/cpu_probe.h>
#include <core/interrupts/exceptions.h>
#include <hal/clock.h>
#include <hal/interrupt.h>
#include <kern/thread.h>
#include <stdatomic.h>
#include <stdbool.h>

#define PATIENCE_NS (50 * HAL_NS_PER_MS) /* callers are kept waiting meanwhile */
#define STEP_NS     (HAL_NS_PER_MS / 2)

/* Keys: B = who has set is_busy, A = atomic, N = the interrupt, before it stores depth */
static struct {
    _Atomic bool is_busy;                   /* A  somebody asks */
    bool is_registered;                     /* B */
    _Atomic uint32_t expected;              /* A  interrupts sent that have not come */
    _Atomic uint32_t thread;                /* A  of whom it is wanted, by id; 0: of nobody */
    _Atomic uint32_t depth;                 /* A  0: not yet */
    uintptr_t places[INSTANCE_PROBE_DEPTH]; /* N */
} probe;

static void tell_place(const struct hal_frame *frame)
{
    uintptr_t pc = hal_frame_pc(frame);
    uintptr_t fp = hal_frame_fp(frame);
    uint32_t depth = 0;

    do {
        probe.places[depth++] = pc;
    } while (depth < INSTANCE_PROBE_DEPTH && !hal_frame_is_user(frame) && hal_frame_walk(&fp, &pc));
    /* Release: pairs with wait_for_answer. */
    atomic_store_explicit(&probe.depth, depth, memory_order_release);
}

static enum exception_action on_nmi(struct hal_frame *frame, void *argument)
{
    uint32_t thread = thread_current()->id;

    (void)argument;
    if (atomic_load_explicit(&probe.expected, memory_order_relaxed) == 0) {
        return EXCEPTION_NOT_MINE;
    }
    atomic_fetch_sub_explicit(&probe.expected, 1, memory_order_relaxed);
    /* Who takes the question away answers it; a later interrupt finds none. */
    if (atomic_compare_exchange_strong_explicit(&probe.thread, &thread, 0, memory_order_acquire,
                                                memory_order_relaxed)) {
        tell_place(frame);
    }
    return EXCEPTION_RESUME;
}

static bool is_ready(void)
{
    if (!probe.is_registered) {
        probe.is_registered = exception_register(EXCEPTION_NMI, "cpu probe", EXCEPTION_ORDER_OWNER,
                                                 on_nmi, NULL) == HX_OK;
    }
    return probe.is_registered;
}

static bool ask(uint32_t cpu, uint32_t thread)
{
    atomic_store_explicit(&probe.depth, 0, memory_order_relaxed);
    atomic_store_explicit(&probe.thread, thread, memory_order_release);
    atomic_fetch_add_explicit(&probe.expected, 1, memory_order_relaxed);
    if (hal_interrupt_send_nmi(cpu) == HX_OK) {
        return true;
    }
    atomic_fetch_sub_explicit(&probe.expected, 1, memory_order_relaxed);
    return false;
}

static uint32_t wait_for_answer(void)
{
    uint64_t deadline = hal_clock_now() + PATIENCE_NS;
    uint32_t depth;

    while ((depth = atomic_load_explicit(&probe.depth, memory_order_acquire)) == 0 &&
           hal_clock_now() < deadline) {
        thread_sleep(STEP_NS);
    }
    return depth;
}

/* Nobody answers from here on; who has just begun to is waited for. */
static uint32_t end_question(uint32_t thread, uint32_t depth)
{
    if (depth == 0 && !atomic_compare_exchange_strong_explicit(
                          &probe.thread, &thread, 0, memory_order_relaxed, memory_order_relaxed)) {
        while ((depth = atomic_load_explicit(&probe.depth, memory_order_acquire)) == 0) {
            thread_sleep(STEP_NS);
        }
    }
    return depth;
}

uint32_t cpu_probe(uint32_t cpu, uint32_t thread, uintptr_t places[INSTANCE_PROBE_DEPTH])
{
    uint32_t depth = 0;

    /* Acquire and release: what one has asked for is over when the next begins. */
    if (atomic_exchange_explicit(&probe.is_busy, true, memory_order_acquire)) {
        return 0;
    }
    if (is_ready() && ask(cpu, thread)) {
        depth = end_question(thread, wait_for_answer());
    }
    for (uint32_t i = 0; i < depth; i++) {
        places[i] = probe.places[i];
    }
    atomic_store_explicit(&probe.is_busy, false, memory_order_release);
    return depth;
}
