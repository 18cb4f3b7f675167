/*
 * What the loader's memory map says, held against the machine.
 *
 * Rules:
 * - Memory is given up, never won: a map that leaves some out is believed.
 * - Where a device answers as memory does, a map that calls it usable is believed.
 */
#ifndef PORTS_X86_64_MEMORY_CHECK_H
#define PORTS_X86_64_MEMORY_CHECK_H

#include <stdint.h>

struct boot_configuration;

/*
 * Reserve what no PC has memory at, where the map calls it memory: the screen's and the firmware's
 * part of the first MiB, and interrupt controllers and firmware below 4 GiB.
 * Context: boot, before boot_configuration_finish.
 */
void memory_check_board(struct boot_configuration *config);

/*
 * Cut what the processor cannot address, and usable memory from where nothing is kept that is
 * written there: tried at the end of each quarter of a region, and where that finds nothing, every
 * 2 MiB. What is in memory stays.
 * Context: boot, after boot_configuration_finish, before paging_init.
 */
void memory_check_presence(struct boot_configuration *config);

/* The end of the physical addresses that the processor has and the direct map has room for. */
uint64_t x86_physical_end(void);

#endif
