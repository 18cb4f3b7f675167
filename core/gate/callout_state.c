/* Callouts: records of the state that is being exported or imported. */
#include <core/gate/callout.h>
#include <core/gate/module_state.h>
#include <kern/thread.h>

/* The state that the calling thread may use in this direction, NULL: none. */
static struct module_state *state_of(const struct hal_activation *activation, bool is_output)
{
    const struct module_instance *instance = callout_instance(activation);

    return atomic_load_explicit(&instance->state_thread, memory_order_relaxed) ==
                       thread_current() &&
                   instance->state_is_output == is_output
               ? instance->state
               : NULL;
}

uint64_t callout_state_put(struct hal_activation *activation, const uint64_t arguments[4])
{
    struct module_state *state = state_of(activation, true);
    void *room;
    hx_err error;

    if (state == NULL) {
        return HX_ESTATE;
    }
    error = module_state_put(state, (uint32_t)arguments[0], arguments[2], &room);
    return error == HX_OK ? callout_copy_in(activation, room, arguments[1], arguments[2]) : error;
}

uint64_t callout_state_size(struct hal_activation *activation, const uint64_t arguments[4])
{
    struct module_state *state = state_of(activation, false);
    size_t size;

    return state != NULL && module_state_get(state, (uint32_t)arguments[0], (uint32_t)arguments[1],
                                             &size) != NULL
               ? size
               : UINT64_MAX;
}

uint64_t callout_state_get(struct hal_activation *activation, const uint64_t arguments[4])
{
    struct module_state *state = state_of(activation, false);
    const void *bytes;
    size_t size;

    if (state == NULL) {
        return HX_ESTATE;
    }
    bytes = module_state_get(state, (uint32_t)arguments[0], (uint32_t)arguments[1], &size);
    if (bytes == NULL) {
        return HX_ENOENT;
    }
    return size == arguments[3] ? callout_copy_out(activation, arguments[2], bytes, size)
                                : HX_EVERSION;
}
