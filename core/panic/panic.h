/*
 * Panic: the end of the kernel, with a report (SPEC X1 to X4).
 *
 * Rules:
 * - Works in every context; takes no lock of others and allocates nothing.
 * - Order: interrupts off; the handler decides the action; consoles made synchronous, other CPUs
 *   stopped; state to Panic; report, the last line of which says that it is whole; the report kept
 *   over a reset (last_panic.h); action.
 * - One CPU reports. Another that panics meanwhile leaves one line and stops. A panic during a
 * panic reports once more, with both messages, and halts; one during that halts at once.
 */
#ifndef CORE_PANIC_PANIC_H
#define CORE_PANIC_PANIC_H

#include <base/text.h>
#include <core/kernel/state.h>
#include <hal/cpu.h>
#include <helix/attributes.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct hal_frame;

#define PANIC_MESSAGE_MAX   192
#define PANIC_BACKTRACE_MAX 32
#define PANIC_RECENT_MAX    8  /* records of each ring in the report, */
#define PANIC_RECENT_LINES  64 /* and of all of them, as far as each has one */

/* X(enumerator, name in the report, word of the `panic=` option) */
#define PANIC_ACTION_LIST_ALWAYS(X)                                                                \
    X(PANIC_HALT, "Halt", "halt")                                                                  \
    X(PANIC_REBOOT, "Reboot", "reboot")                                                            \
    X(PANIC_DEBUG_BREAK, "DebugBreak", "break") /* then halt */                                    \
    X(PANIC_EXIT, "Exit", "exit")               /* leave the emulator with status 3 */

#ifdef HX_DEBUG
/* Go on: only where the caller of panic can (panic_or_continue, exceptions); else it means Halt. */
#define PANIC_ACTION_LIST(X) PANIC_ACTION_LIST_ALWAYS(X) X(PANIC_CONTINUE, "Continue", "continue")
#else
#define PANIC_ACTION_LIST(X) PANIC_ACTION_LIST_ALWAYS(X)
#endif

#define PANIC_ACTION_ENUM(name, text, option) name,
enum panic_action { PANIC_ACTION_LIST(PANIC_ACTION_ENUM) PANIC_ACTION_COUNT };
#undef PANIC_ACTION_ENUM

/* The status of hal_power_exit() for `panic=exit`. */
#define PANIC_EXIT_STATUS 3U

struct panic_location {
    const char *file; /* for an exception, the symbol of the instruction */
    unsigned line;    /* 0 for an exception */
    unsigned column;  /* 0: the compiler gives none */
};

/* All that is known; pointers are valid during the panic. */
struct panic_context {
    char message[PANIC_MESSAGE_MAX];
    struct panic_location location;
    char symbol[80]; /* storage behind location.file */
    const struct hal_frame *cpu_state;
    uintptr_t backtrace[PANIC_BACKTRACE_MAX];
    uint32_t backtrace_depth;
    uint32_t cpu;
    uint32_t thread_id;
    const char *thread_name;
    enum kernel_state kernel_state; /* when it happened */
    bool can_continue;
};

struct panic_handler {
    const char *name;
    enum panic_action (*handle_panic)(const struct panic_context *context);
};

/* Replace the handler; NULL: the default, which answers the configured action.  Context: any. */
void panic_set_handler(const struct panic_handler *handler);

/* What the default handler answers; PANIC_HALT at first.  Context: any. */
void panic_set_action(enum panic_action action);

/* "halt", "reboot", "break", "exit"; false for anything else, *action is then unchanged. */
bool panic_action_parse(const char *text, enum panic_action *action);
const char *panic_action_name(enum panic_action action);

/* panic("sentence", ...): does not return. */
#define panic(...) panic_at(__FILE__, __LINE__, __VA_ARGS__)
HX_NORETURN HX_COLD void panic_at(const char *file, unsigned line, const char *format, ...)
    HX_PRINTF(3, 4);

/*
 * panic where going on makes some sense: returns when the handler answers PANIC_CONTINUE, which
 * exists in debug builds only. frame may be NULL.
 */
#define panic_or_continue(frame, ...) panic_or_continue_at(frame, __FILE__, __LINE__, __VA_ARGS__)
HX_COLD void panic_or_continue_at(const struct hal_frame *frame, const char *file, unsigned line,
                                  const char *format, ...) HX_PRINTF(4, 5);

/* An exception that nobody handled. Returns as panic_or_continue does. */
HX_COLD void panic_from_exception(struct hal_frame *frame);

/* Whether some CPU, or the calling one, is panicking.  Context: any. */
bool panic_is_active(void);
static inline bool panic_is_mine(void);

/*
 * Asked first by assert_failed(): ends the module that is on the processor and does not return, or
 * returns when there is none. One hook, the gate's.
 */
typedef void (*panic_assert_hook)(const char *sentence, const char *expression, const char *file,
                                  int line);
void panic_set_assert_hook(panic_assert_hook hook);

/*
 * Fill a context from a frame, and print the block of SPEC X4 for it through the log; what a panic
 * does, for those who want to show the state without dying.  Context: any.
 */
void panic_describe(struct panic_context *context, const struct hal_frame *frame);
void panic_print(const struct panic_context *context, enum panic_action action);

/*
 * Print what the flight recorder has of the time before, the newest records of each ring, merged by
 * time; nothing when there is none. Behind the block.  Context: panic.
 */
void panic_print_recent(void);

/*
 * The same as text, a line for each record: as many of each ring, up to `most`, as fit the text's
 * buffer with all others'.  Context: panic.
 */
void panic_add_recent(struct text *text, uint64_t most);

/* Where a debugger stops: executes the breakpoint instruction.  Context: panic. */
HX_NOINLINE void panic_debug_break(void);

/* The CPU that panics, and one; 0: none does.  panic.c writes it. */
extern _Atomic uint32_t panic_cpu_plus_1;

/* Asked at every exception.  Relaxed: what a CPU itself has written it sees. */
static inline bool panic_is_mine(void)
{
    return atomic_load_explicit(&panic_cpu_plus_1, memory_order_relaxed) == hal_cpu_id() + 1;
}

#endif
