/* Life and death of module instances. */
#include <core/debug/log.h>
#include <core/gate/instance.h>
#include <hal/frame.h>

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

bool instance_doom(struct module_instance *instance, enum death_cause cause, uint32_t exception,
                   uintptr_t pc, uintptr_t address)
{
    if (atomic_exchange_explicit(&instance->is_doomed, true, memory_order_acq_rel)) {
        return false;
    }
    instance->death_cause = cause;
    instance->death_exception = exception;
    instance->death_pc = pc;
    instance->death_address = address;
    kwarn("module %s: %s%s%s at %p (text+0x%llx), address %p", instance->name,
          death_cause_name(cause), cause == DEATH_EXCEPTION ? ": " : "",
          cause == DEATH_EXCEPTION ? exception_name(exception) : "", (void *)pc,
          (unsigned long long)(pc - instance->text.base), (void *)address);
    return true;
}
