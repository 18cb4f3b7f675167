/* Callouts: the log, the clock, giving up, pages, and the module's memory as others reach it. */
#include <core/debug/log.h>
#include <core/gate/callout.h>
#include <hal/clock.h>
#include <hal/cpu.h>
#include <hal/user.h>
#include <kern/thread.h>

#define TEXT_MAX 200

/* --- the module's memory ---------------------------------------------------------------------- */

static bool is_reachable(const struct module_instance *instance, uintptr_t address, size_t size)
{
    uintptr_t offset = address - instance->arena.base;
    size_t arena_size = instance->arena.pages << HAL_PAGE_SHIFT;

    return instance->gate.backend != HAL_GATE_USER ||
           (size <= arena_size && offset <= arena_size - size);
}

hx_err callout_copy_in(const struct hal_activation *activation, void *to, uintptr_t from,
                       size_t size)
{
    return is_reachable(callout_instance(activation), from, size)
               ? hal_user_copy_in_unchecked(to, from, size)
               : HX_EFAULT;
}

hx_err callout_copy_out(const struct hal_activation *activation, uintptr_t to, const void *from,
                        size_t size)
{
    return is_reachable(callout_instance(activation), to, size)
               ? hal_user_copy_out_unchecked(to, from, size)
               : HX_EFAULT;
}

/* --- log and clock ---------------------------------------------------------------------------- */

/* Copy a text of the module's; to has room for TEXT_MAX + 1 bytes. */
static hx_err copy_text(const struct hal_activation *activation, char *to, uint64_t from,
                        uint64_t size)
{
    size_t length = size < TEXT_MAX ? size : TEXT_MAX;
    hx_err error = callout_copy_in(activation, to, from, length);

    to[error == HX_OK ? length : 0] = '\0';
    return error;
}

uint64_t callout_log(struct hal_activation *activation, const uint64_t arguments[4])
{
    char text[TEXT_MAX + 1];
    hx_err error = copy_text(activation, text, arguments[0], arguments[1]);

    if (error == HX_OK) {
        kinfo("%s: %s", callout_instance(activation)->name, text);
    }
    return error;
}

uint64_t callout_clock_now(struct hal_activation *activation, const uint64_t arguments[4])
{
    (void)activation;
    (void)arguments;
    return hal_clock_now();
}

uint64_t callout_cpu_entropy(struct hal_activation *activation, const uint64_t arguments[4])
{
    (void)activation;
    (void)arguments;
    return hal_cpu_entropy();
}

uint64_t callout_sleep(struct hal_activation *activation, const uint64_t arguments[4])
{
    (void)activation;
    if (!context_can_block()) {
        return HX_ECONTEXT;
    }
    thread_sleep(arguments[0]);
    return HX_OK;
}

uint64_t callout_fail(struct hal_activation *activation, const uint64_t arguments[4])
{
    char text[TEXT_MAX + 1];

    if (copy_text(activation, text, arguments[0], arguments[1]) == HX_OK) {
        kerror("%s: %s", callout_instance(activation)->name, text);
    }
    instance_doom(callout_instance(activation), DEATH_ASSERTION, 0, 0, 0);
    return 0;
}

/* --- pages ------------------------------------------------------------------------------------ */

uint64_t callout_pages_allocate(struct hal_activation *activation, const uint64_t arguments[4])
{
    uintptr_t address = 0;

    if (!context_can_block() || module_heap_allocate(&callout_instance(activation)->heap,
                                                     arguments[0], &address) != HX_OK) {
        return 0;
    }
    return address;
}

uint64_t callout_pages_free(struct hal_activation *activation, const uint64_t arguments[4])
{
    return context_can_block() ? module_heap_free(&callout_instance(activation)->heap, arguments[0])
                               : HX_ECONTEXT;
}
