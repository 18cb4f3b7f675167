/*
 * Memory as a subsystem: kern's frames, heap and areas, visible to the orchestrator.
 *
 * Rules:
 * - memory_init_early runs before anything that allocates, in EarlyInit; the subsystem's init
 * reports what is there.
 */
#ifndef SUBSYS_MEMORY_MEMORY_H
#define SUBSYS_MEMORY_MEMORY_H

#include <core/orchestrator/subsystem.h>
#include <helix/error.h>
#include <stdint.h>

struct boot_configuration;

extern const struct subsystem memory_subsystem;

/* Hand the usable memory to the allocators.  Context: boot.  Errors: those of frames_init,
 * HX_ENOMEM. */
HX_MUST_USE hx_err memory_init_early(const struct boot_configuration *config);

/*
 * Say so (EVENT_MEMORY_PRESSURE) when the frames that are free have become fewer than a share of
 * all since the last look, or more again. Levels: 1 less than 1/16, 2 less than 1/64, 3 less than
 * 1/128; a level ends when a quarter more than its share is free. Called once a second. Context:
 * thread.  Returns the level.
 */
uint32_t memory_look_for_pressure(void);

/* One line for people: how much there is, is free, and who has the rest.  Context: thread. */
void memory_report(void);

#endif
