/*
 * A profile: what an image consists of, in boot order and in plain sight.
 */
#ifndef PROFILES_PROFILE_H
#define PROFILES_PROFILE_H

#include <core/debug/symbols.h>
#include <core/orchestrator/subsystem.h>

/* The subsystems, ends with NULL. */
extern const struct subsystem *const profile_subsystems[];

/*
 * What the profile does once the kernel is Running: tests, measurements, tour or process 1, as the
 * command line says.  Context: thread.
 */
void profile_run(void);

#endif
