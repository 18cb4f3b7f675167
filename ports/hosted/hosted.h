/*
 * Starting and stopping a machine inside a process: for the program and for unit tests.
 *
 * Rules:
 * - One machine at a time; hosted_start and hosted_stop are called by the same pthread, which is
 *   CPU 0 in between, with thread_boot(0) as its running thread and interrupts off.
 * - The test initialises what it uses of kern (frames_init, heap_init, area_init, …) by itself.
 */
#ifndef PORTS_HOSTED_HOSTED_H
#define PORTS_HOSTED_HOSTED_H

#include <stdbool.h>
#include <stdint.h>

/* Of the physical memory, this much at the bottom holds nothing: frame 0 stays out of use. */
#define HOSTED_MEMORY_FIRST 0x1000U

#define HOSTED_LINE_COUNT 24

/*
 * Build the machine: cpus 1..HAL_CPU_MAX, memory_mb 1..65536. Other CPUs wait for hal_cpu_start.
 * Returns false, with nothing held, when the host refuses memory or threads.
 */
bool hosted_start(uint32_t cpus, uint32_t memory_mb);

/*
 * Take the machine down: the other CPUs leave at their next delivery point, wherever they are, and
 * their pthreads are joined; all memory is unmapped. Pointers into the machine are dead afterwards.
 */
void hosted_stop(void);

/* Bytes of physical memory, from address 0 on. */
uint64_t hosted_memory_size(void);

/*
 * Signal an external line, as a device would, from any pthread. Masked: a level-triggered line
 * is remembered until it is unmasked, an edge is lost (as in an IO-APIC, Intel 82093AA 3.2.4).
 */
void hosted_raise_line(uint32_t line);

/*
 * The functions on the PCI bus, as their configuration space answers (hal/pci.h); NULL: none. The
 * record stays valid while it is plugged in. The bus is changed while nobody looks at it.
 */
struct hosted_pci_bus {
    uint32_t (*read)(uint16_t function, uint32_t offset);
    void (*write)(uint16_t function, uint32_t offset, uint32_t value);
};
void hosted_plug_pci(const struct hosted_pci_bus *bus);

#endif
