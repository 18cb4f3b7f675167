#include <base/format.h>
#include <base/string.h>
#include <core/debug/console.h>
#include <core/debug/log.h>
#include <core/interrupts/exceptions.h>
#include <core/orchestrator/orchestrator.h>
#include <core/panic/last_panic.h>
#include <core/panic/panic.h>
#include <hal/clock.h>
#include <hal/cpu.h>
#include <hal/frame.h>
#include <hal/interrupt.h>
#include <hal/power.h>
#include <kern/recorder.h>
#include <stdatomic.h>

/* The panic, the panic inside it; what follows has no report of its own. */
#define REPORT_MAX 2U

struct report {
    struct panic_context context;
    struct hal_frame frame; /* for a panic that no exception caused */
};

_Atomic uint32_t panic_cpu_plus_1; /* who panics */

/* Keys: P = the panicking CPU */
static struct {
    uint32_t depth;                    /* P  panics under way on it, one inside the other */
    bool is_breaking;                  /* P  a breakpoint is to be passed over */
    uint64_t began_ns;                 /* P  the first of them */
    hal_interrupt_state interrupts;    /* P  as they were, for PANIC_CONTINUE */
    struct report reports[REPORT_MAX]; /* P */
} panicking;

/* --- who decides ------------------------------------------------------------------------------ */

static _Atomic uint32_t configured_action = PANIC_HALT;

static enum panic_action answer_configured(const struct panic_context *context)
{
    (void)context;
    return (enum panic_action)atomic_load_explicit(&configured_action, memory_order_relaxed);
}

static const struct panic_handler default_handler = {
    .name = "default",
    .handle_panic = answer_configured,
};

static _Atomic(const struct panic_handler *) handler = &default_handler;

void panic_set_handler(const struct panic_handler *replacement)
{
    /* Pairs with decide. */
    atomic_store_explicit(&handler, replacement != NULL ? replacement : &default_handler,
                          memory_order_release);
}

void panic_set_action(enum panic_action action)
{
    atomic_store_explicit(&configured_action, (uint32_t)action, memory_order_relaxed);
}

static const struct {
    const char *name;
    const char *option;
} actions[PANIC_ACTION_COUNT] = {
#define PANIC_ACTION_ROW(action, text, word) [action] = {.name = (text), .option = (word)},
    PANIC_ACTION_LIST(PANIC_ACTION_ROW)
#undef PANIC_ACTION_ROW
};

const char *panic_action_name(enum panic_action action)
{
    return (unsigned)action < PANIC_ACTION_COUNT ? actions[action].name : "?";
}

bool panic_action_parse(const char *text, enum panic_action *action)
{
    for (unsigned i = 0; i < PANIC_ACTION_COUNT; i++) {
        if (string_equal(text, actions[i].option)) {
            *action = (enum panic_action)i;
            return true;
        }
    }
    return false;
}

static bool is_continue(enum panic_action action)
{
#ifdef HX_DEBUG
    return action == PANIC_CONTINUE;
#else
    (void)action;
    return false;
#endif
}

static enum panic_action decide(const struct panic_context *context)
{
    const struct panic_handler *in_charge = atomic_load_explicit(&handler, memory_order_acquire);
    enum panic_action action = in_charge->handle_panic(context);

    if ((unsigned)action >= PANIC_ACTION_COUNT || (is_continue(action) && !context->can_continue)) {
        return PANIC_HALT;
    }
    return action;
}

/* --- who panics ------------------------------------------------------------------------------- */

bool panic_is_active(void)
{
    return atomic_load_explicit(&panic_cpu_plus_1, memory_order_relaxed) != 0;
}

/* Another CPU reports; it will stop this one. The line is in the ring for it to print. */
HX_NORETURN static void lose(const char *format, va_list args)
{
    char message[PANIC_MESSAGE_MAX];

    format_text_va(message, sizeof message, format, args);
    kerror("cpu %u panics too: %s", hal_cpu_id(), message);
    hal_cpu_halt();
}

/*
 * Become the one who panics, or go one panic deeper. Interrupts are off from here on. Does not
 * return when there is nothing left to try.
 */
static struct report *begin(const char *format, va_list args)
{
    hal_interrupt_state interrupts = hal_interrupts_save();
    uint32_t nobody = 0;
    struct report *report;

    if (!panic_is_mine()) {
        if (!atomic_compare_exchange_strong_explicit(&panic_cpu_plus_1, &nobody, hal_cpu_id() + 1,
                                                     memory_order_acq_rel, memory_order_relaxed)) {
            lose(format, args);
        }
        panicking.interrupts = interrupts;
        panicking.began_ns = hal_clock_now();
    }
    if (panicking.depth == REPORT_MAX) {
        console_emergency("\npanic: a third one inside the report; halted\n");
        hal_cpu_halt();
    }
    report = &panicking.reports[panicking.depth++];
    report->context = (struct panic_context){0};
    format_text_va(report->context.message, sizeof report->context.message, format, args);
    recorder_note_name(RECORDER_PANIC, report->context.message);
    return report;
}

/* --- the end ---------------------------------------------------------------------------------- */

void panic_debug_break(void)
{
    panicking.is_breaking = true;
    hal_debug_break();
    panicking.is_breaking = false;
}

HX_NORETURN static void act(enum panic_action action)
{
    console_flush();
    switch (action) {
    case PANIC_REBOOT:
        hal_power_reset();
    case PANIC_EXIT:
        kprintln("panic: exit");
        console_flush();
        hal_power_exit(PANIC_EXIT_STATUS);
    case PANIC_DEBUG_BREAK:
        panic_debug_break();
        break;
    default:
        break;
    }
    hal_cpu_halt();
}

/*
 * The consoles first: a printer on another CPU gets the time to end its line before it is stopped.
 * The state moves before the report, so that a panic inside that finds the kernel in Panic.
 */
HX_NORETURN static void die(const struct panic_context *context, enum panic_action action)
{
    uint64_t first;

    console_open_for_panic(&console_serial);
    console_enter_panic();
    hal_cpu_stop_others();
    orchestrator_enter_panic();
    first = log_statistics().written + 1;
    panic_print(context, action);
    panic_print_recent();
    kprintln("Report Complete: after %llu us",
             (unsigned long long)(hal_clock_now() - panicking.began_ns) / 1000);
    last_panic_keep(context->message, first);
    act(action);
}

/* The message of a panic inside a panic carries the first one's: it may not have been printed. */
static void add_first_message(struct panic_context *context)
{
    char own[PANIC_MESSAGE_MAX];

    string_copy(own, sizeof own, context->message);
    format_text(context->message, sizeof context->message, "%s (inside the panic: %s)", own,
                panicking.reports[0].context.message);
}

/* Nothing but what can_continue allows comes back from here. */
static void finish(struct report *report, const struct hal_frame *frame)
{
    struct panic_context *context = &report->context;
    enum panic_action action;

    panic_describe(context, frame);
    if (report != &panicking.reports[0]) {
        add_first_message(context);
        die(context, PANIC_HALT);
    }
    action = decide(context);
    if (!is_continue(action)) {
        die(context, action);
    }
    kerror("going on after what would be a panic: %s", context->message);
    panicking.depth = 0;

    hal_interrupt_state interrupts = panicking.interrupts;

    atomic_store_explicit(&panic_cpu_plus_1, 0, memory_order_release);
    hal_interrupts_restore(interrupts);
}

/* --- the ways in ------------------------------------------------------------------------------ */

void panic_at(const char *file, unsigned line, const char *format, ...)
{
    struct report *report;
    va_list args;

    va_start(args, format);
    report = begin(format, args);
    va_end(args);
    report->context.location = (struct panic_location){.file = file, .line = line};
    hal_frame_capture(&report->frame);
    finish(report, &report->frame);
    hal_cpu_halt();
}

void panic_or_continue_at(const struct hal_frame *frame, const char *file, unsigned line,
                          const char *format, ...)
{
    struct report *report;
    va_list args;

    va_start(args, format);
    report = begin(format, args);
    va_end(args);
    report->context.location = (struct panic_location){.file = file, .line = line};
    report->context.can_continue = true;
    if (frame == NULL) {
        hal_frame_capture(&report->frame);
        frame = &report->frame;
    }
    finish(report, frame);
}

static void report_exception(const struct hal_frame *frame, const char *format, ...)
    HX_PRINTF(2, 3);

static void report_exception(const struct hal_frame *frame, const char *format, ...)
{
    struct report *report;
    va_list args;

    va_start(args, format);
    report = begin(format, args);
    va_end(args);
    report->context.can_continue = true;
    finish(report, frame);
}

static const char *access_text(unsigned access)
{
    if ((access & HAL_FAULT_EXECUTE) != 0) {
        return "execution";
    }
    return (access & HAL_FAULT_WRITE) != 0 ? "write" : "read";
}

void panic_from_exception(struct hal_frame *frame)
{
    enum hal_exception kind = hal_frame_exception(frame);
    unsigned long long address = hal_frame_fault_address(frame);

    if (kind == HAL_EXCEPTION_BREAKPOINT && panic_is_mine() && panicking.is_breaking) {
        return;
    }
    switch (kind) {
    case HAL_EXCEPTION_PAGE: {
        unsigned access = hal_frame_fault_access(frame);

        report_exception(frame, "page fault: %s of 0x%llx, which is %s", access_text(access),
                         address, (access & HAL_FAULT_PRESENT) != 0 ? "protected" : "not mapped");
        break;
    }
    case HAL_EXCEPTION_STACK_OVERFLOW:
        report_exception(frame, "stack overflow at 0x%llx", address);
        break;
    default:
        report_exception(frame, "%s, error code 0x%llx", exception_name(kind),
                         (unsigned long long)hal_frame_error_code(frame));
        break;
    }
}
