#include <core/debug/log.h>
#include <core/orchestrator/failpoint.h>
#include <stdatomic.h>

static _Atomic uint64_t steps;
static _Atomic uint64_t armed; /* the step that fails, 0: none */

void failpoint_arm(uint64_t n)
{
    atomic_store_explicit(&steps, 0, memory_order_relaxed);
    atomic_store_explicit(&armed, n, memory_order_relaxed);
}

hx_err failpoint_step(const char *operation, const char *subject)
{
    uint64_t number = atomic_fetch_add_explicit(&steps, 1, memory_order_relaxed) + 1;

    if (number != atomic_load_explicit(&armed, memory_order_relaxed)) {
        return HX_OK;
    }
    kwarn("fail point %llu: %s of %s fails", (unsigned long long)number, operation, subject);
    return HX_EIO;
}

uint64_t failpoint_steps(void)
{
    return atomic_load_explicit(&steps, memory_order_relaxed);
}
