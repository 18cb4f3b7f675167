/* Memory as a program gets it: by touching it. */
#include "bench.h"

#include <stddef.h>
#include <sys/mman.h>

#define PAGE 4096UL

/* Every page once, each a fault; tables of pages are part of it. */
static uint64_t touch_pages(uint32_t runs)
{
    volatile char *memory =
        mmap(NULL, runs * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (memory == MAP_FAILED) {
        return FAILED;
    }
    /* One page at a time, on a kernel that would give more. */
    (void)madvise((void *)memory, runs * PAGE, MADV_NOHUGEPAGE);
    uint64_t start = begin();

    for (uint32_t i = 0; i < runs; i++) {
        memory[i * PAGE] = 1;
    }
    uint64_t all = instructions_since(start);

    munmap((void *)memory, runs * PAGE);
    return all;
}

const struct figure memory_figures[] = {
    {"page_fault", 4096, touch_pages},
    {0},
};
