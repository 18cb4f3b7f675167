/* The kernel's functions for modules, and the way in and out of them. */
#include <base/string.h>
#include <core/debug/log.h>
#include <core/gate/callout.h>
#include <core/gate/callout_list.h>
#include <core/gate/gate.h>
#include <hal/clock.h>
#include <hal/entry.h>
#include <hal/frame.h>
#include <hal/user.h>
#include <kern/thread.h>

#define TEXT_MAX 200

static struct module_instance *caller(const struct hal_activation *activation)
{
    return instance_of(atomic_load_explicit(&activation->instance, memory_order_relaxed));
}

/* --- handlers --------------------------------------------------------------------------------- */

hx_err callout_copy_in(const struct hal_activation *activation, void *to, uintptr_t from,
                       size_t size)
{
    const struct module_instance *instance = caller(activation);
    uintptr_t offset = from - instance->arena.base;
    size_t arena_size = instance->arena.pages << HAL_PAGE_SHIFT;

    if (instance->gate.backend == HAL_GATE_USER &&
        (size > arena_size || offset > arena_size - size)) {
        return HX_EFAULT;
    }
    return hal_user_copy_in_unchecked(to, from, size);
}

/* Copy a text of the module's; to has room for TEXT_MAX + 1 bytes. */
static hx_err copy_text(const struct hal_activation *activation, char *to, uint64_t from,
                        uint64_t size)
{
    size_t length = size < TEXT_MAX ? size : TEXT_MAX;
    hx_err error = callout_copy_in(activation, to, from, length);

    to[error == HX_OK ? length : 0] = '\0';
    return error;
}

static uint64_t callout_log(struct hal_activation *activation, const uint64_t arguments[4])
{
    char text[TEXT_MAX + 1];
    hx_err error = copy_text(activation, text, arguments[0], arguments[1]);

    if (error == HX_OK) {
        kinfo("%s: %s", caller(activation)->name, text);
    }
    return error;
}

static uint64_t callout_clock_now(struct hal_activation *activation, const uint64_t arguments[4])
{
    (void)activation;
    (void)arguments;
    return hal_clock_now();
}

static uint64_t callout_fail(struct hal_activation *activation, const uint64_t arguments[4])
{
    char text[TEXT_MAX + 1];

    if (copy_text(activation, text, arguments[0], arguments[1]) == HX_OK) {
        kerror("%s: %s", caller(activation)->name, text);
    }
    instance_doom(caller(activation), DEATH_ASSERTION, 0, 0, 0);
    return 0;
}

/* --- the table -------------------------------------------------------------------------------- */

struct callout_entry {
    const char *name;
    uint64_t (*handler)(struct hal_activation *activation, const uint64_t arguments[4]);
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

/*
 * Run a handler on the module's behalf. Returns whether the instance still lives: else the caller
 * must not go back into it.
 */
static bool run(struct hal_activation *activation, uint32_t number, const uint64_t arguments[4],
                uint64_t *result)
{
    const struct callout_entry *entry = &entries[number];

    activation->callout_depth++;
    activation->has_effects |= entry->has_effects ? 1U : 0U;
    *result = entry->handler(activation, arguments);
    activation->callout_depth--;
    return !atomic_load_explicit(&caller(activation)->is_doomed, memory_order_acquire);
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
    static const struct callout callouts[] = {
#define CALLOUT_ROW(number, name, handler, effects) {#name, number, (uintptr_t)open_##name},
        CALLOUT_LIST(CALLOUT_ROW)
#undef CALLOUT_ROW
    };

    for (size_t i = 0; i < HX_ARRAY_SIZE(callouts); i++) {
        if (string_equal(callouts[i].name, name)) {
            *callout = callouts[i];
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
    if (number == 0 || number > callout_count()) {
        instance_doom(caller(activation), DEATH_CALLOUT, 0, hal_frame_pc(frame), 0);
    } else if (run(activation, number, arguments, &result)) {
        hal_callout_set_result(frame, result);
        return;
    }
    activation->outcome = HX_EDIED;
    hal_gate_abandon_frame(frame, activation);
}
