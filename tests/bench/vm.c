/* Address spaces: faults without the exception, and fork. */
#include <hal/memory.h>
#include <stddef.h>
#include <subsys/vm/address_space.h>
#include <tests/bench/bench.h>
#include <tests/bench/measure.h>

#define RW ((unsigned)MAPPING_READ | MAPPING_WRITE)

/* A space with a number of private pages from the window's start on; NULL: no memory. */
static struct address_space *make_space(size_t pages, unsigned flags)
{
    const struct mapping_request request = {.address = hal_user_window().base,
                                            .size = pages * HAL_PAGE_SIZE,
                                            .flags = RW | flags,
                                            .is_fixed = true};
    struct address_space *space;
    uintptr_t address;

    if (address_space_create(OWNER_CORE, &space) != HX_OK) {
        return NULL;
    }
    if (address_space_map(space, &request, &address) != HX_OK) {
        address_space_put(space);
        return NULL;
    }
    return space;
}

/* A write to an anonymous page that is not there, its clearing included. */
static uint64_t page_fault_anonymous(uint32_t runs)
{
    uintptr_t base = hal_user_window().base;
    struct address_space *space = make_space(runs, 0);
    uint64_t cycles;
    uint64_t start;

    if (space == NULL) {
        return 0;
    }
    start = begin();
    for (uint32_t i = 0; i < runs; i++) {
        (void)!address_space_fault(space, base + i * HAL_PAGE_SIZE, MAPPING_WRITE);
    }
    cycles = without_loop(cycles_since(start), runs);
    address_space_put(space);
    return cycles;
}

/* A copy of a space with 64 private pages. */
static uint64_t fork_once(struct address_space *space)
{
    struct address_space *copy;
    uint64_t start = begin();
    uint64_t cycles;

    if (address_space_fork(space, OWNER_CORE, &copy) != HX_OK) {
        return 0;
    }
    cycles = cycles_since(start);
    address_space_put(copy);
    return cycles;
}

/* The end of such a copy. */
static uint64_t end_once(struct address_space *space)
{
    struct address_space *copy;
    uint64_t start;

    if (address_space_fork(space, OWNER_CORE, &copy) != HX_OK) {
        return 0;
    }
    start = begin();
    address_space_put(copy);
    return cycles_since(start);
}

static uint64_t repeat(uint32_t runs, uint64_t (*once)(struct address_space *space))
{
    struct address_space *space = make_space(64, MAPPING_POPULATE);
    uint64_t cycles = 0;

    if (space == NULL) {
        return 0;
    }
    for (uint32_t i = 0; i < runs; i++) {
        cycles += once(space);
    }
    address_space_put(space);
    return cycles;
}

static uint64_t space_fork_64_pages(uint32_t runs)
{
    return repeat(runs, fork_once);
}

static uint64_t space_end_64_pages(uint32_t runs)
{
    return repeat(runs, end_once);
}

const struct benchmark vm_benchmarks[] = {
    {"page_fault_anonymous", "instructions", 500, page_fault_anonymous},
    {"space_fork_64_pages", "instructions", 100, space_fork_64_pages},
    {"space_end_64_pages", "instructions", 100, space_end_64_pages},
    {0},
};
