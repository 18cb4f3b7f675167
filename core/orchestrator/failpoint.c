#include <base/format.h>
#include <base/memory.h>
#include <base/string.h>
#include <core/debug/log.h>
#include <core/orchestrator/failpoint.h>
#include <stdatomic.h>
#include <stdbool.h>

#define NAME_MAX 48U

static _Atomic uint64_t steps;
static _Atomic uint64_t armed; /* the step that fails, 0: none */

/* Steps that fail by their names. A name is written while it is not armed. */
static struct {
    char name[NAME_MAX];
    _Atomic bool is_armed; /* release; pairs with is_turn_of */
} named[FAILPOINT_NAMES_MAX];
static _Atomic uint32_t named_count; /* how many may be armed: 0 while nobody uses them */

void failpoint_arm(uint64_t n)
{
    atomic_store_explicit(&named_count, 0, memory_order_relaxed);
    for (unsigned i = 0; i < FAILPOINT_NAMES_MAX; i++) {
        atomic_store_explicit(&named[i].is_armed, false, memory_order_relaxed);
    }
    atomic_store_explicit(&steps, 0, memory_order_relaxed);
    atomic_store_explicit(&armed, n, memory_order_relaxed);
}

/* A name of so many bytes, in the next place. */
static hx_err arm_one(const char *name, size_t length, uint32_t place)
{
    if (place == FAILPOINT_NAMES_MAX || length >= NAME_MAX) {
        return HX_EINVAL;
    }
    memcpy(named[place].name, name, length);
    named[place].name[length] = '\0';
    if (string_find(named[place].name, ':') == NULL) {
        return HX_EINVAL;
    }
    atomic_store_explicit(&named[place].is_armed, true, memory_order_release);
    return HX_OK;
}

hx_err failpoint_arm_named(const char *names)
{
    uint32_t count = 0;
    hx_err error = HX_OK;

    failpoint_arm(0);
    while (error == HX_OK && names != NULL) {
        const char *end = string_find(names, ',');

        error = arm_one(names, end != NULL ? (size_t)(end - names) : string_length(names), count);
        names = end != NULL ? end + 1 : NULL;
        count++;
    }
    if (error != HX_OK) {
        failpoint_arm(0);
        return error;
    }
    atomic_store_explicit(&named_count, count, memory_order_release);
    return HX_OK;
}

/* Of a name, only the first step that has it. */
static HX_COLD bool is_turn_of(const char *operation, const char *subject)
{
    char name[NAME_MAX];

    format_text(name, sizeof name, "%s:%s", operation, subject);
    for (unsigned i = 0; i < FAILPOINT_NAMES_MAX; i++) {
        bool is_armed = true;

        if (atomic_load_explicit(&named[i].is_armed, memory_order_acquire) &&
            string_equal(name, named[i].name) &&
            atomic_compare_exchange_strong_explicit(&named[i].is_armed, &is_armed, false,
                                                    memory_order_relaxed, memory_order_relaxed)) {
            return true;
        }
    }
    return false;
}

static bool fails_by_name(const char *operation, const char *subject)
{
    return atomic_load_explicit(&named_count, memory_order_acquire) != 0 &&
           is_turn_of(operation, subject);
}

hx_err failpoint_step(const char *operation, const char *subject)
{
    uint64_t number = atomic_fetch_add_explicit(&steps, 1, memory_order_relaxed) + 1;

    if (number != atomic_load_explicit(&armed, memory_order_relaxed) &&
        !fails_by_name(operation, subject)) {
        return HX_OK;
    }
    kwarn("fail point %llu: %s of %s fails", (unsigned long long)number, operation, subject);
    return HX_EIO;
}

hx_err failpoint_step_by_name(const char *operation, const char *subject)
{
    if (!fails_by_name(operation, subject)) {
        return HX_OK;
    }
    kwarn("fail point: %s of %s fails", operation, subject);
    return HX_EIO;
}

uint64_t failpoint_steps(void)
{
    return atomic_load_explicit(&steps, memory_order_relaxed);
}
