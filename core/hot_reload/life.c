/* Lifecycle operations and the handing on of state. */
#include <base/string.h>
#include <core/gate/gate.h>
#include <core/gate/slot.h>
#include <core/hot_reload/life.h>
#include <kern/thread.h>

hx_err life_call(struct module_instance *instance, enum instance_lifecycle operation,
                 uint64_t argument)
{
    struct hal_gate_result result =
        hal_gate_call(argument, 0, 0, 0, &instance->door, (uint64_t)operation);

    if (result.error == HX_ENOSYS) {
        return HX_OK;
    }
    if (result.error != HX_OK) {
        return result.error;
    }
    return hx_error_is_known(result.value) ? (hx_err)result.value : HX_EIO;
}

bool life_has_state(const struct module_instance *instance)
{
    return instance->state_kind[0] != '\0';
}

hx_err life_can_follow(const struct module_instance *from, const struct module_instance *to,
                       uint16_t *minor, const char **why)
{
    *minor = from->version.minor < to->version.minor ? from->version.minor : to->version.minor;
    *why = NULL;
    if (!string_equal(from->state_kind, to->state_kind)) {
        *why = "its state is of another kind";
    } else if (life_has_state(from) && from->version.major != to->version.major) {
        *why = "its state is of another major version";
    } else if (life_has_state(from) && from->version.minor > *minor + 1) {
        *why = "it is more than one minor version older, and state is written back one at most";
    }
    return *why == NULL ? HX_OK : HX_EVERSION;
}

/* --- state ------------------------------------------------------------------------------------ */

static void lend_state(struct module_instance *instance, struct module_state *state, bool is_output)
{
    instance->state = state;
    instance->state_is_output = is_output;
    atomic_store_explicit(&instance->state_thread, thread_current(), memory_order_relaxed);
}

static void take_state_back(struct module_instance *instance)
{
    atomic_store_explicit(&instance->state_thread, NULL, memory_order_relaxed);
    instance->state = NULL;
}

/* Whoever exported this ends; what it leaves verifies, and is not what it meant. */
static void make_fault(struct module_instance *instance, struct module_state *state,
                       uint64_t chance)
{
    module_state_flip(state, chance);
    instance_doom(instance, DEATH_ORDERED, 0, 0, 0);
    slot_instance_died(instance);
}

hx_err life_export(struct module_instance *instance, uint16_t minor, struct module_state **state)
{
    struct module_state_label label = {.major = instance->version.major, .minor = minor};
    uint64_t chance;
    hx_err error;

    (void)string_copy(label.kind, sizeof(label.kind), instance->state_kind);
    error = module_state_create(&label, state);
    if (error != HX_OK) {
        return error;
    }
    lend_state(instance, *state, true);
    error = life_call(instance, LIFECYCLE_EXPORT_STATE, minor);
    take_state_back(instance);
    if (error == HX_OK && instance->carried != NULL) {
        error = module_state_append(*state, instance->carried);
    }
    if (error != HX_OK) {
        module_state_destroy(*state);
        *state = NULL;
        return error;
    }
    if (gate_makes_fault(instance, GATE_FAULT_STATE, &chance)) {
        make_fault(instance, *state, chance);
    }
    module_state_seal(*state);
    return HX_OK;
}

static hx_err check_label(const struct module_instance *instance,
                          const struct module_state_label *label)
{
    return string_equal(label->kind, instance->state_kind) &&
                   label->major == instance->version.major &&
                   label->minor <= instance->version.minor
               ? HX_OK
               : HX_EVERSION;
}

hx_err life_import(struct module_instance *instance, struct module_state *state)
{
    struct module_state *carried = NULL;
    hx_err error = module_state_check(state);

    if (error == HX_OK) {
        error = check_label(instance, module_state_label(state));
    }
    if (error != HX_OK) {
        return error;
    }
    module_state_rewind(state);
    lend_state(instance, state, false);
    error = life_call(instance, LIFECYCLE_IMPORT_STATE, module_state_label(state)->minor);
    take_state_back(instance);
    if (error == HX_OK) {
        error = module_state_leftovers(state, &carried);
    }
    if (error == HX_OK) {
        module_state_destroy(instance->carried);
        instance->carried = carried;
    }
    return error;
}
