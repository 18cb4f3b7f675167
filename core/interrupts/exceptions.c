#include <base/assert.h>
#include <core/debug/log.h>
#include <core/gate/watchdog.h>
#include <core/interrupts/exceptions.h>
#include <core/interrupts/handler_chain.h>
#include <core/panic/panic.h>
#include <hal/cpu.h>
#include <hal/entry.h>
#include <hal/frame.h>
#include <hal/interrupt.h>
#include <kern/recorder.h>
#include <kern/thread.h>
#include <stdatomic.h>

static struct handler_chain chains[EXCEPTION_KINDS]; /* in the order of asking */
static _Atomic uint64_t counts[EXCEPTION_KINDS];

#define EXCEPTION_NAME(name, text) [name] = text,
static const char *const names[EXCEPTION_KINDS] = {
    HAL_EXCEPTION_LIST(EXCEPTION_NAME)[EXCEPTION_NMI] = "non-maskable interrupt",
};
#undef EXCEPTION_NAME

const char *exception_name(unsigned kind)
{
    return kind < EXCEPTION_KINDS ? names[kind] : "?";
}

uint64_t exception_count(unsigned kind)
{
    return kind < EXCEPTION_KINDS ? atomic_load_explicit(&counts[kind], memory_order_relaxed) : 0;
}

/* --- registration ----------------------------------------------------------------------------- */

hx_err exception_register(unsigned kind, const char *name, enum exception_order order,
                          exception_handler handler, void *argument)
{
    const struct handler wanted = {.exception = handler,
                                   .argument = argument,
                                   .name = name,
                                   .order = (uint8_t)order,
                                   .shared = true};

    if (kind >= EXCEPTION_KINDS || name == NULL || handler == NULL) {
        return HX_EINVAL;
    }
    return handler_chain_add(&chains[kind], &wanted);
}

hx_err exception_unregister(unsigned kind, const char *name)
{
    return kind < EXCEPTION_KINDS ? handler_chain_remove(&chains[kind], name) : HX_ENOENT;
}

/* --- dispatch --------------------------------------------------------------------------------- */

static enum exception_action ask(unsigned kind, struct hal_frame *frame)
{
    atomic_fetch_add_explicit(&counts[kind], 1, memory_order_relaxed);
    HANDLER_CHAIN_FOR_EACH(handler, &chains[kind])
    {
        enum exception_action action = handler->exception(frame, handler->argument);

        if (action != EXCEPTION_NOT_MINE) {
            return action;
        }
    }
    return EXCEPTION_NOT_MINE;
}

/* While this CPU panics nothing is repaired any more, but what may fault still may. */
static enum exception_action ask_in_panic(struct hal_frame *frame)
{
    return hal_frame_fixup(frame) ? EXCEPTION_RESUME : EXCEPTION_NOT_MINE;
}

static HX_NOINLINE void record_fault(const struct hal_frame *frame)
{
    recorder_write(RECORDER_FAULT, hal_frame_fault_address(frame), hal_frame_fault_access(frame),
                   (uint32_t)hal_frame_pc(frame));
}

static HX_ALWAYS_INLINE void note_exception(const struct hal_frame *frame, unsigned kind)
{
    if (HX_UNLIKELY(kind != HAL_EXCEPTION_PAGE)) {
        recorder_note(RECORDER_EXCEPTION, hal_frame_pc(frame), kind,
                      (uint32_t)hal_frame_error_code(frame));
    } else if (recorder_wants(RECORDER_FAULT)) {
        record_fault(frame);
    }
}

void kernel_exception(struct hal_frame *frame)
{
    unsigned kind = (unsigned)hal_frame_exception(frame);
    enum exception_action action;

    note_exception(frame, kind);
    action = panic_is_mine() ? ask_in_panic(frame) : ask(kind, frame);
    if (action == EXCEPTION_NOT_MINE) {
        panic_from_exception(frame);
    }
}

/* With nobody to hear of them, those of the watchdog are not worth a record each. */
static bool is_worth_noting(void)
{
    return !watchdog_is_running() || handler_load(&chains[EXCEPTION_NMI].first) != NULL;
}

/*
 * Waking a thread is not allowed here; what the handlers left to be woken is woken by the timer's
 * handler, so it is asked to run at once: this CPU may be idle, with no tick to come.
 */
void kernel_nmi(struct hal_frame *frame)
{
    struct thread *self = thread_current();
    uint64_t logged = log_statistics().written;

    self->nmi_depth++;
    if (is_worth_noting()) {
        recorder_note(RECORDER_NMI, hal_frame_pc(frame), 0, 0);
    }
    if (ask(EXCEPTION_NMI, frame) == EXCEPTION_NOT_MINE && !watchdog_is_running()) {
        kwarn("cpu %u: a non-maskable interrupt that nobody expects", hal_cpu_id());
    }
    watchdog_look(frame);
    self->nmi_depth--;
    if (log_statistics().written != logged) {
        hal_interrupt_send(hal_cpu_id(), HAL_VECTOR_TIMER);
    }
}

static enum exception_action on_fault(struct hal_frame *frame, void *argument)
{
    (void)argument;
    return hal_frame_fixup(frame) ? EXCEPTION_RESUME : EXCEPTION_NOT_MINE;
}

void exceptions_init(void)
{
    static const enum hal_exception kinds[] = {HAL_EXCEPTION_PAGE, HAL_EXCEPTION_PROTECTION,
                                               HAL_EXCEPTION_STACK};

    for (size_t i = 0; i < HX_ARRAY_SIZE(kinds); i++) {
        hx_err error =
            exception_register(kinds[i], "checked copy", EXCEPTION_ORDER_FIXUP, on_fault, NULL);

        HX_ASSERT(error == HX_OK, "the fix-up is registered once");
    }
}
