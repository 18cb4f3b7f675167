/*
 * What a request of the disk costs, when the machine has one: the block object, the driver behind
 * its gate, the ring, the interrupt and two switches of threads. While the disk works the processor
 * is idle, which is not counted; nor is what the disk does.
 */
#include <kern/heap.h>
#include <kern/thread.h>
#include <subsys/block/block.h>
#include <subsys/block/block_subsystem.h>
#include <tests/bench/bench.h>
#include <tests/bench/measure.h>

#define PAGE_BYTES 4096U

static uint64_t read_pages(struct block_device *disk, void *page, uint32_t runs)
{
    const struct dma_segment segment = {hal_direct_physical(page), PAGE_BYTES};
    uint64_t idle = thread_idle_cycles(0);
    uint64_t start = begin();

    for (uint32_t i = 0; i < runs; i++) {
        (void)!block_transfer(disk, HX_BLOCK_READ, 0, &segment, 1);
    }
    return cycles_since(start) - (thread_idle_cycles(0) - idle);
}

static uint64_t block_read_4k(uint32_t runs)
{
    struct block_device *disk = block_disk();
    void *page = heap_allocate(PAGE_BYTES, OWNER_CORE);
    uint64_t cycles = BENCH_NOT_HERE;

    if (disk != NULL && page != NULL) {
        cycles = read_pages(disk, page, runs);
    }
    heap_free(page);
    return cycles;
}

const struct benchmark block_benchmarks[] = {
    {"block_read_4k", "instructions", 100, block_read_4k},
    {0},
};
