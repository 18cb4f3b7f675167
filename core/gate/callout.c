/* The kernel's functions for modules, and the way in and out of them. */
#include <base/string.h>
#include <core/gate/callout.h>
#include <core/gate/gate.h>
#include <hal/entry.h>
#include <hal/frame.h>
#include <kern/thread.h>

/* --- the table -------------------------------------------------------------------------------- */

struct callout_entry {
    const char *name;
    callout_handler *handler;
    bool has_effects;
};

static const struct callout_entry entries[] = {
#define CALLOUT_ENTRY(number, name, handler, effects) [number] = {#name, handler, effects},
    CALLOUT_LIST(CALLOUT_ENTRY)
#undef CALLOUT_ENTRY
};

uint32_t callout_count(void)
{
    return HX_ARRAY_SIZE(entries) - 1;
}

/* Whether a callout with effects is run now; if not, *answer is what it gives instead. */
static bool may_have_effects(const struct module_instance *instance, uint64_t *answer)
{
    switch (atomic_load_explicit(&instance->stage, memory_order_relaxed)) {
    case INSTANCE_SERVING:
        return true;
    case INSTANCE_REPLAYING:
        *answer = HX_OK;
        return false;
    default:
        *answer = HX_ESTATE;
        return false;
    }
}

/*
 * Run a handler on the module's behalf. Returns whether the instance still lives: else the caller
 * must not go back into it.
 */
static bool run(struct hal_activation *activation, uint32_t number, const uint64_t arguments[4],
                uint64_t *result)
{
    const struct callout_entry *entry = &entries[number];

    activation->callout_depth++;
    if (!entry->has_effects) {
        *result = entry->handler(activation, arguments);
    } else if (may_have_effects(callout_instance(activation), result)) {
        activation->has_effects = 1;
        *result = entry->handler(activation, arguments);
    }
    activation->callout_depth--;
    return !atomic_load_explicit(&callout_instance(activation)->is_doomed, memory_order_acquire);
}

/* --- the open backend: one C function per import ---------------------------------------------- */

static uint64_t run_open(uint32_t number, uint64_t a0, uint64_t a1, uint64_t a2, uint64_t a3)
{
    struct hal_activation *activation = gate_activation(thread_current());
    const uint64_t arguments[4] = {a0, a1, a2, a3};
    uint64_t result;

    if (!run(activation, number, arguments, &result)) {
        activation->outcome = HX_EDIED;
        hal_gate_abandon(activation);
    }
    return result;
}

#define CALLOUT_FUNCTION(number, name, handler, effects)                                           \
    static uint64_t open_##name(uint64_t a0, uint64_t a1, uint64_t a2, uint64_t a3)                \
    {                                                                                              \
        return run_open(number, a0, a1, a2, a3);                                                   \
    }
CALLOUT_LIST(CALLOUT_FUNCTION)
#undef CALLOUT_FUNCTION

hx_err callout_find(const char *name, struct callout *callout)
{
    static const struct {
        size_t length;
        struct callout callout;
    } callouts[] = {
#define CALLOUT_ROW(number, name, handler, effects)                                                \
    {sizeof(#name) - 1, {#name, number, (uintptr_t)open_##name}},
        CALLOUT_LIST(CALLOUT_ROW)
#undef CALLOUT_ROW
    };
    size_t length = string_length(name);

    for (size_t i = 0; i < HX_ARRAY_SIZE(callouts); i++) {
        if (callouts[i].length == length && string_equal(callouts[i].callout.name, name)) {
            *callout = callouts[i].callout;
            return HX_OK;
        }
    }
    return HX_EIMPORT;
}

/* --- the user backend: one trap for all ------------------------------------------------------- */

void kernel_callout(struct hal_frame *frame)
{
    struct hal_activation *activation = gate_activation(thread_current());
    uint32_t number = hal_callout_number(frame);
    uint64_t result = HX_ENOSYS;
    uint64_t arguments[4];

    for (unsigned i = 0; i < HX_ARRAY_SIZE(arguments); i++) {
        arguments[i] = hal_callout_argument(frame, i);
    }
    /* A number that no thunk holds: the module made it up. */
    if (number > callout_count() || entries[number].handler == NULL) {
        instance_doom(callout_instance(activation), DEATH_CALLOUT, 0, hal_frame_pc(frame), 0);
    } else if (run(activation, number, arguments, &result)) {
        hal_callout_set_result(frame, result);
        return;
    }
    activation->outcome = HX_EDIED;
    hal_gate_abandon_frame(frame, activation);
}
