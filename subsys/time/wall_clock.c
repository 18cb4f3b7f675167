#include <hal/clock.h>
#include <stdatomic.h>
#include <subsys/time/clock_page.h>
#include <subsys/time/wall_clock.h>

#define NS_PER_SECOND 1000000000ULL

/* relaxed throughout: one word, and nothing else depends on it */
static _Atomic uint64_t offset;

uint64_t wall_clock_offset(void)
{
    return atomic_load_explicit(&offset, memory_order_relaxed);
}

uint64_t wall_clock_now(void)
{
    return wall_clock_offset() + hal_clock_now();
}

void wall_clock_set(uint64_t nanoseconds)
{
    clock_page_begin();
    atomic_store_explicit(&offset, nanoseconds - hal_clock_now(), memory_order_relaxed);
    clock_page_end();
}

void wall_clock_init(void)
{
    wall_clock_set(hal_clock_wall() * NS_PER_SECOND);
}
