/*
 * Capabilities as a subsystem: starts the broker, and prints what it knows.
 *
 * Rules:
 * - The broker starts before everything that asks it.
 */
#ifndef SUBSYS_CAPABILITIES_CAPABILITIES_H
#define SUBSYS_CAPABILITIES_CAPABILITIES_H

#include <core/orchestrator/subsystem.h>

extern const struct subsystem capabilities_subsystem;

/* Print every grant: on what, who, which rights, through whom.  Context: thread, may block. */
void capabilities_report(void);

#endif
