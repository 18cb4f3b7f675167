#include <core/debug/console.h>
#include <core/debug/console_outlet.h>
#include <kern/thread.h>
#include <stdatomic.h>

/* Keys: A = atomic, T = who has the turn to print, and in a panic the panicking CPU */
static struct {
    _Atomic(console_driver *) driver; /* A */
    _Atomic bool is_line;             /* T  what the piece is of */
    _Atomic(const char *) next;       /* T  of the piece */
    _Atomic uint32_t left;            /* T  bytes that may still be sent */
    _Atomic uint32_t sent;            /* T */
    _Atomic bool was_wrong;           /* T */
} outlet;

void console_set_driver(console_driver *driver)
{
    atomic_store_explicit(&outlet.driver, driver, memory_order_release);
}

bool console_outlet_pass(char byte)
{
    const char *next = atomic_load_explicit(&outlet.next, memory_order_relaxed);
    uint32_t left = atomic_load_explicit(&outlet.left, memory_order_relaxed);

    if (left == 0 || console_in_panic()) {
        return false;
    }
    if (*next != byte) {
        atomic_store_explicit(&outlet.was_wrong, true, memory_order_relaxed);
        return false;
    }
    atomic_store_explicit(&outlet.next, next + 1, memory_order_relaxed);
    atomic_store_explicit(&outlet.left, left - 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&outlet.sent, 1, memory_order_relaxed);
    return true;
}

bool console_outlet_was_wrong(void)
{
    return atomic_load_explicit(&outlet.was_wrong, memory_order_relaxed);
}

size_t console_outlet_sent(void)
{
    return atomic_load_explicit(&outlet.sent, memory_order_relaxed);
}

void console_outlet_offer(const char *bytes, size_t size, bool is_line)
{
    console_driver *driver = atomic_load_explicit(&outlet.driver, memory_order_acquire);

    if (driver == NULL || !context_can_block() || size == 0) {
        return;
    }
    atomic_store_explicit(&outlet.is_line, is_line, memory_order_relaxed);
    atomic_store_explicit(&outlet.was_wrong, false, memory_order_relaxed);
    atomic_store_explicit(&outlet.next, bytes, memory_order_relaxed);
    atomic_store_explicit(&outlet.left, (uint32_t)size, memory_order_relaxed);
    driver(bytes, size);
    atomic_store_explicit(&outlet.left, 0, memory_order_relaxed);
}

size_t console_outlet_collect(bool is_line)
{
    return atomic_load_explicit(&outlet.is_line, memory_order_relaxed) == is_line
               ? atomic_exchange_explicit(&outlet.sent, 0, memory_order_relaxed)
               : 0;
}
