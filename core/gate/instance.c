/* Life and death of module instances. */
#include <base/format.h>
#include <core/debug/log.h>
#include <core/debug/symbols.h>
#include <core/gate/instance.h>
#include <hal/frame.h>
#include <kern/recorder.h>

const char *death_cause_name(enum death_cause cause)
{
#define DEATH_CAUSE_TEXT(name, text) [name] = (text),
    static const char *const names[] = {DEATH_CAUSE_LIST(DEATH_CAUSE_TEXT)};
#undef DEATH_CAUSE_TEXT

    return (unsigned)cause < DEATH_CAUSE_COUNT ? names[cause] : "unknown";
}

static const char *exception_name(uint32_t exception)
{
#define EXCEPTION_TEXT(name, text) [name] = (text),
    static const char *const names[] = {HAL_EXCEPTION_LIST(EXCEPTION_TEXT)};
#undef EXCEPTION_TEXT

    return exception < HAL_EXCEPTION_COUNT ? names[exception] : "unknown exception";
}

static void report_death(const struct module_instance *instance)
{
    char name[64];
    char place[sizeof(name) + 4] = "";

    if (instance->death_pc != 0) {
        (void)symbol_text(instance->death_pc, name, sizeof(name));
        (void)format_text(place, sizeof(place), " at %s", name);
    }
    if (instance->death_cause == DEATH_EXCEPTION) {
        kwarn("module %s: exception: %s%s, address %p", instance->name,
              exception_name(instance->death_exception), place, (void *)instance->death_address);
    } else {
        kwarn("module %s: %s%s", instance->name, death_cause_name(instance->death_cause), place);
    }
}

bool instance_doom(struct module_instance *instance, enum death_cause cause, uint32_t exception,
                   uintptr_t pc, uintptr_t address)
{
    if (atomic_exchange_explicit(&instance->has_cause, true, memory_order_relaxed)) {
        return false;
    }
    instance->death_cause = cause;
    instance->death_exception = exception;
    instance->death_pc = pc;
    instance->death_address = address;
    /* Release: who sees that it is doomed sees of what. */
    atomic_store_explicit(&instance->is_doomed, true, memory_order_release);
    recorder_note_name(RECORDER_DEATH, instance->name);
    report_death(instance);
    return true;
}
