#include <base/format.h>
#include <base/string.h>
#include <core/debug/log.h>
#include <core/orchestrator/failpoint.h>
#include <stdatomic.h>
#include <stdbool.h>

#define NAME_MAX 48U

static _Atomic uint64_t steps;
static _Atomic uint64_t armed; /* the step that fails, 0: none */

/* The name of one that does; written while is_named is false. */
static char armed_name[NAME_MAX];
static _Atomic bool is_named;

void failpoint_arm(uint64_t n)
{
    atomic_store_explicit(&is_named, false, memory_order_relaxed);
    atomic_store_explicit(&steps, 0, memory_order_relaxed);
    atomic_store_explicit(&armed, n, memory_order_relaxed);
}

hx_err failpoint_arm_named(const char *name)
{
    failpoint_arm(0);
    if (string_find(name, ':') == NULL || !string_copy(armed_name, sizeof armed_name, name)) {
        return HX_EINVAL;
    }
    /* Release: pairs with is_turn_of. */
    atomic_store_explicit(&is_named, true, memory_order_release);
    return HX_OK;
}

/* Of a name, only the first step that has it. */
static HX_COLD bool is_turn_of(const char *operation, const char *subject)
{
    char name[NAME_MAX];

    format_text(name, sizeof name, "%s:%s", operation, subject);
    return string_equal(name, armed_name) &&
           atomic_exchange_explicit(&is_named, false, memory_order_relaxed);
}

hx_err failpoint_step(const char *operation, const char *subject)
{
    uint64_t number = atomic_fetch_add_explicit(&steps, 1, memory_order_relaxed) + 1;

    if (number != atomic_load_explicit(&armed, memory_order_relaxed) &&
        /* acquire: pairs with failpoint_arm_named */
        (!atomic_load_explicit(&is_named, memory_order_acquire) ||
         !is_turn_of(operation, subject))) {
        return HX_OK;
    }
    kwarn("fail point %llu: %s of %s fails", (unsigned long long)number, operation, subject);
    return HX_EIO;
}

uint64_t failpoint_steps(void)
{
    return atomic_load_explicit(&steps, memory_order_relaxed);
}
