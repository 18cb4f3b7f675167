#include <core/debug/console_inlet.h>
#include <stdatomic.h>
#include <stddef.h>

static _Atomic(console_taker *) current;

/* Release: pairs with console_inlet_take, which calls what was made ready before. */
void console_set_taker(console_taker *taker)
{
    atomic_store_explicit(&current, taker, memory_order_release);
}

bool console_inlet_take(uint8_t *byte)
{
    console_taker *taker = atomic_load_explicit(&current, memory_order_acquire);

    return taker != NULL && taker(byte);
}
