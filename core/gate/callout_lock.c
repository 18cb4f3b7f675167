/* Callouts: locks of the instance's own. */
#include <core/gate/callout.h>
#include <core/gate/module_lock.h>
#include <kern/thread.h>

/* A scheduler is called under locks of the kernel's, where nobody can be woken. */
static hx_err check_creator(const struct hal_activation *activation)
{
    if (callout_instance(activation)->category == HX_CATEGORY_SCHEDULER) {
        return HX_EPERM;
    }
    return context_can_block() ? HX_OK : HX_ECONTEXT;
}

uint64_t callout_lock_create(struct hal_activation *activation, const uint64_t arguments[4])
{
    struct module_instance *instance = callout_instance(activation);
    uint64_t handle;
    hx_err error = check_creator(activation);

    if (error == HX_OK) {
        error = module_lock_create(instance, &handle);
    }
    if (error != HX_OK) {
        return error;
    }
    error = callout_copy_out(activation, arguments[0], &handle, sizeof(handle));
    if (error != HX_OK) {
        (void)!module_lock_destroy(instance, handle);
    }
    return error;
}

uint64_t callout_lock_acquire(struct hal_activation *activation, const uint64_t arguments[4])
{
    return module_lock_acquire(callout_instance(activation), arguments[0], arguments[1],
                               context_can_block());
}

uint64_t callout_lock_release(struct hal_activation *activation, const uint64_t arguments[4])
{
    return module_lock_release(callout_instance(activation), arguments[0]);
}

uint64_t callout_lock_destroy(struct hal_activation *activation, const uint64_t arguments[4])
{
    return context_can_block() ? module_lock_destroy(callout_instance(activation), arguments[0])
                               : HX_ECONTEXT;
}
