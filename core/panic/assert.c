#include <base/assert.h>
#include <core/panic/panic.h>
#include <stdatomic.h>
#include <stddef.h>

static _Atomic(panic_assert_hook) assert_hook;

void panic_set_assert_hook(panic_assert_hook hook)
{
    /* Pairs with assert_failed. */
    atomic_store_explicit(&assert_hook, hook, memory_order_release);
}

void assert_failed(const char *sentence, const char *expression, const char *file, int line)
{
    panic_assert_hook hook = atomic_load_explicit(&assert_hook, memory_order_acquire);

    if (hook != NULL && !panic_is_mine()) {
        hook(sentence, expression, file, line);
    }
    panic_at(file, (unsigned)line, "assertion failed: %s (%s)", sentence, expression);
}
