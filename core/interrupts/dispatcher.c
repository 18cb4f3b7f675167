#include <base/assert.h>
#include <core/debug/console.h>
#include <core/debug/log.h>
#include <core/gate/gate.h>
#include <core/interrupts/dispatcher.h>
#include <core/interrupts/handler_chain.h>
#include <core/ipc/event_bus.h>
#include <core/lifecycle/lifecycle.h>
#include <core/panic/panic.h>
#include <hal/clock.h>
#include <hal/cpu.h>
#include <hal/entry.h>
#include <hal/frame.h>
#include <kern/cpu.h>
#include <kern/recorder.h>
#include <kern/thread.h>
#include <stdatomic.h>

#define NO_LINE 0U

/* Keys: A = atomic */
struct vector {
    struct handler_chain handlers;
    /* Storms; touched only when nobody has handled an interrupt. */
    _Atomic uint64_t window_start; /* A  ns */
    _Atomic uint32_t window_count; /* A  unhandled since then */
    _Atomic uint32_t line_plus_1;  /* A  external line, NO_LINE: none */
    _Atomic bool masked;           /* A  by a storm */
};

/* One vector on one CPU. Written by that CPU with interrupts off, read by anyone. */
struct counters {
    _Atomic uint64_t count;
    _Atomic uint64_t unhandled;
    _Atomic uint64_t longest;
    _Atomic uint64_t total;
};

static struct vector vectors[HAL_VECTOR_COUNT];
static struct counters counters[HAL_CPU_MAX][HAL_VECTOR_COUNT];
static _Atomic uint64_t storms;

/* --- registration ----------------------------------------------------------------------------- */

hx_err interrupt_register(uint8_t vector, const char *name, interrupt_handler handler,
                          void *argument, bool shared)
{
    const struct handler wanted = {
        .interrupt = handler, .argument = argument, .name = name, .shared = shared};

    if (name == NULL || handler == NULL) {
        return HX_EINVAL;
    }
    return handler_chain_add(&vectors[vector].handlers, &wanted);
}

hx_err interrupt_unregister(uint8_t vector, const char *name)
{
    if (!context_can_block()) {
        return HX_ECONTEXT;
    }
    return handler_chain_remove(&vectors[vector].handlers, name);
}

uint8_t interrupt_free_vector(void)
{
    for (unsigned vector = HAL_VECTOR_FIRST; vector <= HAL_VECTOR_LAST; vector++) {
        if (vector != HAL_VECTOR_SYSCALL && handler_load(&vectors[vector].handlers.first) == NULL &&
            atomic_load_explicit(&vectors[vector].line_plus_1, memory_order_relaxed) == NO_LINE) {
            return (uint8_t)vector;
        }
    }
    return 0;
}

void interrupt_bind_line(uint8_t vector, uint32_t line)
{
    struct vector *entry = &vectors[vector];

    atomic_store_explicit(&entry->window_count, 0, memory_order_relaxed);
    atomic_store_explicit(&entry->masked, false, memory_order_relaxed);
    atomic_store_explicit(&entry->line_plus_1, line == INTERRUPT_NO_LINE ? NO_LINE : line + 1,
                          memory_order_relaxed);
}

/* --- what nobody handles ---------------------------------------------------------------------- */

/* Count one more in the vector's window, which begins anew when it is over. */
static uint32_t count_in_window(struct vector *vector)
{
    uint64_t now = hal_clock_now();
    uint64_t start = atomic_load_explicit(&vector->window_start, memory_order_relaxed);

    if (now - start > INTERRUPT_STORM_WINDOW_NS) {
        atomic_store_explicit(&vector->window_start, now, memory_order_relaxed);
        atomic_store_explicit(&vector->window_count, 0, memory_order_relaxed);
    }
    return atomic_fetch_add_explicit(&vector->window_count, 1, memory_order_relaxed) + 1;
}

static void end_storm(struct vector *vector, uint8_t number)
{
    uint32_t line_plus_1 = atomic_load_explicit(&vector->line_plus_1, memory_order_relaxed);

    if (atomic_exchange_explicit(&vector->masked, true, memory_order_relaxed)) {
        return; /* another CPU was quicker, or there is no line and it has been said */
    }
    atomic_fetch_add_explicit(&storms, 1, memory_order_relaxed);
    if (line_plus_1 == NO_LINE) {
        kerror("interrupt vector %u storms, unhandled, and belongs to no line", number);
        return;
    }
    hal_line_mask(line_plus_1 - 1);
    kerror("interrupt vector %u storms, unhandled: line %u is masked", number, line_plus_1 - 1);
}

static void note_unhandled(uint8_t number)
{
    _Atomic uint64_t *unhandled = &counters[hal_cpu_id()][number].unhandled;
    uint64_t so_far = atomic_load_explicit(unhandled, memory_order_relaxed);

    atomic_store_explicit(unhandled, so_far + 1, memory_order_relaxed);
    if (count_in_window(&vectors[number]) >= INTERRUPT_STORM_LIMIT) {
        end_storm(&vectors[number], number);
    }
}

/* --- dispatch --------------------------------------------------------------------------------- */

/* Call all handlers; the most urgent answer counts. */
static inline enum interrupt_action run_handlers(uint8_t vector, struct hal_frame *frame)
{
    enum interrupt_action most_urgent = INTERRUPT_NOT_HANDLED;

    HANDLER_CHAIN_FOR_EACH(handler, &vectors[vector].handlers)
    {
        enum interrupt_action action = handler->interrupt(handler->argument, frame);

        if (action > most_urgent) {
            most_urgent = action;
        }
    }
    return most_urgent;
}

static inline void account(uint8_t vector, uint64_t cycles)
{
    struct counters *own = &counters[hal_cpu_id()][vector];

    /* This CPU alone writes, so no read-modify-write is needed. */
    atomic_store_explicit(&own->count, atomic_load_explicit(&own->count, memory_order_relaxed) + 1,
                          memory_order_relaxed);
    atomic_store_explicit(&own->total,
                          atomic_load_explicit(&own->total, memory_order_relaxed) + cycles,
                          memory_order_relaxed);
    /* For the same reason a plain read will do, which takes no register. */
    if (cycles > *(const uint64_t *)&own->longest) {
        atomic_store_explicit(&own->longest, cycles, memory_order_relaxed);
    }
}

/* It gets the vector as its entry: that is in a register where it is called. */
static HX_NOINLINE void act(const struct vector *entry, enum interrupt_action action,
                            struct hal_frame *frame)
{
    uint8_t vector = (uint8_t)(entry - vectors);

    switch (action) {
    case INTERRUPT_NOT_HANDLED:
        note_unhandled(vector);
        break;
    case INTERRUPT_HANDLED:
        break;
    case INTERRUPT_RESCHEDULE:
        thread_current()->reschedule = true;
        break;
    case INTERRUPT_PANIC:
        panic_or_continue(frame, "a handler of interrupt vector %u wants a panic", vector);
        break;
    }
}

/* The body of both forms of kernel_interrupt. Returns what the handlers answered. */
static HX_ALWAYS_INLINE enum interrupt_action serve(uint8_t vector, struct hal_frame *frame)
{
    struct thread *self = thread_current();
    uint64_t start = hal_clock_cycles();
    enum interrupt_action action;

    self->interrupt_depth++;
    action = run_handlers(vector, frame);
    account(vector, hal_clock_cycles() - start);
    if (HX_UNLIKELY(action != INTERRUPT_HANDLED)) {
        act(&vectors[vector], action, frame);
    }
    self->interrupt_depth--;
    return action;
}

/* A function of its own, so that the usual one keeps nothing for the end. */
static HX_NOINLINE void interrupt_recorded(uint8_t vector, struct hal_frame *frame)
{
    enum interrupt_action action;

    recorder_write(RECORDER_INTERRUPT, hal_frame_pc(frame), vector, 0);
    action = serve(vector, frame);
    recorder_write(RECORDER_RESUME, 0, vector, action);
    hal_interrupt_acknowledge();
    thread_interrupt_return();
}

void kernel_interrupt(uint8_t vector, struct hal_frame *frame)
{
    if (recorder_wants(RECORDER_INTERRUPT)) {
        HX_TAIL_CALL return interrupt_recorded(vector, frame);
    }
    (void)serve(vector, frame);
    hal_interrupt_acknowledge();
    thread_interrupt_return();
}

/* --- statistics ------------------------------------------------------------------------------- */

struct interrupt_statistics interrupt_statistics(uint8_t vector, uint32_t cpu)
{
    const struct counters *of = &counters[cpu % HAL_CPU_MAX][vector];

    if (cpu >= HAL_CPU_MAX) {
        return (struct interrupt_statistics){0};
    }
    return (struct interrupt_statistics){
        .count = atomic_load_explicit(&of->count, memory_order_relaxed),
        .unhandled = atomic_load_explicit(&of->unhandled, memory_order_relaxed),
        .longest = atomic_load_explicit(&of->longest, memory_order_relaxed),
        .total = atomic_load_explicit(&of->total, memory_order_relaxed),
    };
}

bool interrupt_is_masked(uint8_t vector)
{
    return atomic_load_explicit(&vectors[vector].masked, memory_order_relaxed);
}

uint64_t interrupt_storms(void)
{
    return atomic_load_explicit(&storms, memory_order_relaxed);
}

uint64_t interrupt_load(uint32_t cpu)
{
    uint64_t cycles = 0;

    for (unsigned vector = 0; vector < HAL_VECTOR_COUNT; vector++) {
        cycles += interrupt_statistics((uint8_t)vector, cpu).total;
    }
    return cycles;
}

/* --- the port's own vectors ------------------------------------------------------------------- */

static enum interrupt_action on_timer(void *argument, struct hal_frame *frame)
{
    uint32_t cpu = hal_cpu_id();
    uint64_t ticks = thread_tick_count(cpu);

    (void)argument;
    thread_timer_interrupt();
    gate_handle_interrupt(frame, thread_tick_count(cpu) != ticks);
    console_deferred();
    lifecycle_deferred();
    event_tick();
    return INTERRUPT_HANDLED;
}

static enum interrupt_action on_reschedule(void *argument, struct hal_frame *frame)
{
    (void)argument;
    thread_reschedule_interrupt();
    gate_handle_interrupt(frame, false);
    return INTERRUPT_HANDLED;
}

static enum interrupt_action on_call(void *argument, struct hal_frame *frame)
{
    (void)argument;
    (void)frame;
    cpu_call_interrupt();
    return INTERRUPT_HANDLED;
}

static void register_own(uint8_t vector, const char *name, interrupt_handler function)
{
    hx_err error = interrupt_register(vector, name, function, NULL, false);

    HX_ASSERT(error == HX_OK, "the port's own vectors are free at boot");
}

void interrupts_init(void)
{
    register_own(HAL_VECTOR_TIMER, "timer", on_timer);
    register_own(HAL_VECTOR_RESCHEDULE, "reschedule", on_reschedule);
    register_own(HAL_VECTOR_CALL, "call", on_call);
}
