/* The details of a record as text. */
#include <core/debug/recorder_merge.h>
#include <core/debug/symbols.h>
#include <core/gate/slot.h>
#include <core/interrupts/dispatcher.h>
#include <core/interrupts/exceptions.h>
#include <core/syscall/syscall.h>
#include <hal/frame.h>
#include <kern/thread.h>

typedef void (*describe)(const struct recorder_entry *entry, struct text *text);

static unsigned long long wide(uint64_t value)
{
    return value;
}

/* --- calls ------------------------------------------------------------------------------------ */

static void add_call_name(uint32_t number, struct text *text)
{
    const struct syscall_entry *entry = syscall_lookup(number);

    if (entry != NULL) {
        text_add(text, "%s", entry->name);
    } else {
        text_add(text, "%u", (unsigned)number);
    }
}

static void describe_call(const struct recorder_entry *entry, struct text *text)
{
    add_call_name(entry->b, text);
    text_add(text, " first=0x%llx third=0x%x", wide(entry->a), (unsigned)entry->c);
}

static void describe_return(const struct recorder_entry *entry, struct text *text)
{
    add_call_name(entry->b, text);
    text_add(text, " result=%lld", (long long)entry->a);
}

/* --- interrupts and exceptions ---------------------------------------------------------------- */

static void add_place(const char *key, uint64_t address, struct text *text)
{
    char name[80];

    (void)symbol_text((uintptr_t)address, name, sizeof(name));
    text_add(text, " %s=%s", key, name);
}

static const char *vector_name(uint32_t vector)
{
    switch (vector) {
    case HAL_VECTOR_TIMER:
        return "timer";
    case HAL_VECTOR_RESCHEDULE:
        return "reschedule";
    case HAL_VECTOR_CALL:
        return "call";
    default:
        return "device";
    }
}

static void describe_interrupt(const struct recorder_entry *entry, struct text *text)
{
    text_add(text, "%s vector=%u", vector_name(entry->b), (unsigned)entry->b);
    add_place("at", entry->a, text);
}

static void describe_resume(const struct recorder_entry *entry, struct text *text)
{
    static const char *const actions[] = {
        [INTERRUPT_NOT_HANDLED] = "unhandled",
        [INTERRUPT_HANDLED] = "handled",
        [INTERRUPT_RESCHEDULE] = "reschedule",
        [INTERRUPT_PANIC] = "panic",
    };

    text_add(text, "%s vector=%u %s", vector_name(entry->b), (unsigned)entry->b,
             entry->c < HX_ARRAY_SIZE(actions) ? actions[entry->c] : "?");
}

static void describe_fault(const struct recorder_entry *entry, struct text *text)
{
    text_add(text, "address=0x%llx %s%s%s at=..%08x", wide(entry->a),
             (entry->b & HAL_FAULT_USER) != 0 ? "user-" : "",
             (entry->b & HAL_FAULT_EXECUTE) != 0 ? "execute"
             : (entry->b & HAL_FAULT_WRITE) != 0 ? "write"
                                                 : "read",
             (entry->b & HAL_FAULT_PRESENT) != 0 ? " protected" : " absent", (unsigned)entry->c);
}

static void describe_exception(const struct recorder_entry *entry, struct text *text)
{
    const char *name = exception_name(entry->b);

    /* A kind's name has blanks: it stands last. */
    text_add(text, "error=0x%x", (unsigned)entry->c);
    add_place("at", entry->a, text);
    text_add(text, " %s", name);
}

static void describe_nmi(const struct recorder_entry *entry, struct text *text)
{
    char name[80];

    (void)symbol_text((uintptr_t)entry->a, name, sizeof(name));
    text_add(text, "at=%s", name);
}

/* --- threads ---------------------------------------------------------------------------------- */

static const char *reason_of(uint32_t state)
{
    switch (state) {
    case THREAD_RUNNING:
        return "ready";
    case THREAD_IDLE:
        return "idle";
    case THREAD_EXITED:
        return "ended";
    default:
        return "waits";
    }
}

static void describe_switch(const struct recorder_entry *entry, struct text *text)
{
    text_add(text, "to=%u %s", (unsigned)entry->b, reason_of(entry->c));
}

static void describe_wake(const struct recorder_entry *entry, struct text *text)
{
    text_add(text, "thread=%u last-cpu=%u", (unsigned)entry->b, (unsigned)entry->c);
}

static void describe_timer(const struct recorder_entry *entry, struct text *text)
{
    char name[80];

    (void)symbol_text((uintptr_t)entry->a, name, sizeof(name));
    text_add(text, "%s", name);
}

static void describe_contention(const struct recorder_entry *entry, struct text *text)
{
    text_add(text, "%s", entry->b != 0 ? "mutex" : "spinlock");
    add_place("lock", entry->a, text);
}

/* --- modules and events ----------------------------------------------------------------------- */

/* The slot is looked for, not believed. */
static const char *slot_name(uint64_t address)
{
    const struct slot *slot;

    for (size_t i = 0; (slot = slot_at(i)) != NULL; i++) {
        if ((uintptr_t)slot == address) {
            return slot->name;
        }
    }
    return "?";
}

static void describe_gate(const struct recorder_entry *entry, struct text *text)
{
    text_add(text, "%s operation=%u", slot_name(entry->a), (unsigned)entry->b);
}

static void describe_leave(const struct recorder_entry *entry, struct text *text)
{
    text_add(text, "operation=%u value=0x%llx %s", (unsigned)entry->b, wide(entry->a),
             hx_error_name((hx_err)entry->c));
}

static void describe_event(const struct recorder_entry *entry, struct text *text)
{
    text_add(text, "topic=%u kind=%u", (unsigned)entry->b, (unsigned)entry->c);
}

/* --- processes -------------------------------------------------------------------------------- */

static void describe_signal(const struct recorder_entry *entry, struct text *text)
{
    text_add(text, "process=%u signal=%u", (unsigned)entry->b, (unsigned)entry->c);
}

static void describe_process(const struct recorder_entry *entry, struct text *text)
{
    text_add(text, "process=%u", (unsigned)entry->b);
    if (entry->kind == RECORDER_EXIT) {
        text_add(text, " status=0x%x", (unsigned)entry->c);
    }
}

/* Names are programs' to choose; readers of lines want them printable. */
static void describe_name(const struct recorder_entry *entry, struct text *text)
{
    char name[RECORDER_NAME_MAX + 1];

    recorder_entry_name(entry, name);
    for (size_t i = 0; name[i] != '\0'; i++) {
        bool is_plain = name[i] >= ' ' && name[i] < '\x7f';

        text_add_bytes(text, is_plain ? &name[i] : "?", 1);
    }
}

/* --- the table -------------------------------------------------------------------------------- */

static const describe describers[RECORDER_KIND_COUNT] = {
    [RECORDER_CALL] = describe_call,
    [RECORDER_RETURN] = describe_return,
    [RECORDER_INTERRUPT] = describe_interrupt,
    [RECORDER_RESUME] = describe_resume,
    [RECORDER_SWITCH] = describe_switch,
    [RECORDER_WAKE] = describe_wake,
    [RECORDER_FAULT] = describe_fault,
    [RECORDER_TIMER] = describe_timer,
    [RECORDER_EVENT] = describe_event,
    [RECORDER_GATE] = describe_gate,
    [RECORDER_LEAVE] = describe_leave,
    [RECORDER_CONTENTION] = describe_contention,
    [RECORDER_SIGNAL] = describe_signal,
    [RECORDER_FORK] = describe_process,
    [RECORDER_NAME] = describe_name,
    [RECORDER_EXIT] = describe_process,
    [RECORDER_LOAD] = describe_name,
    [RECORDER_UNLOAD] = describe_name,
    [RECORDER_DEATH] = describe_name,
    [RECORDER_EXCEPTION] = describe_exception,
    [RECORDER_NMI] = describe_nmi,
    [RECORDER_PANIC] = describe_name,
    [RECORDER_MARK] = describe_name,
};

void recorder_describe(const struct recorder_entry *entry, struct text *text)
{
    if (entry->kind > RECORDER_NOTHING && entry->kind < RECORDER_KIND_COUNT &&
        describers[entry->kind] != NULL) {
        describers[entry->kind](entry, text);
    }
}
