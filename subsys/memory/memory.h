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

struct boot_configuration;

extern const struct subsystem memory_subsystem;

/* Hand the usable memory to the allocators.  Context: boot.  Errors: those of frames_init,
 * HX_ENOMEM. */
HX_MUST_USE hx_err memory_init_early(const struct boot_configuration *config);

/* One line for people: how much there is, is free, and who has the rest.  Context: thread. */
void memory_report(void);

#endif
