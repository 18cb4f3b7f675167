/* The resource broker: one unit charged and given back, nobody else near. */
#include <core/resource/owner.h>
#include <stdbool.h>
#include <tests/bench/bench.h>
#include <tests/bench/measure.h>

/* The loop itself is taken off; calls and arguments are included. */
static uint64_t resource_pair(uint32_t runs)
{
    struct resource_totals left;
    resource_handle handle;
    owner_tag owner;
    uint64_t cycles;
    uint64_t start;

    if (resource_owner_open("bench", &owner) != HX_OK) {
        return 0;
    }
    start = begin();
    for (uint32_t i = 0; i < runs; i++) {
        (void)!resource_allocate(owner, RESOURCE_THREADS, 1, &handle);
        (void)!resource_release(handle, owner);
    }
    cycles = cycles_since(start);
    /* A handle of another generation, and nothing left: the runs did what they should. */
    bool is_sound = resource_release(handle, owner) == HX_ESTALE &&
                    resource_owner_close(owner, &left) == HX_OK &&
                    left.handles[RESOURCE_THREADS] == 0;

    return is_sound ? without_loop(cycles, runs) : 0;
}

const struct benchmark resource_benchmarks[] = {
    {"resource_pair", "instructions", 1000, resource_pair},
    {0},
};
