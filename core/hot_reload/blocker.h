/*
 * Who is inside an instance: said when a swap is called off because somebody stays there (SPEC
 * R10).
 */
#ifndef CORE_HOT_RELOAD_BLOCKER_H
#define CORE_HOT_RELOAD_BLOCKER_H

#include <base/text.h>
#include <core/gate/instance.h>

/*
 * Add for each thread inside the instance its name, id, state and CPU, and its stack with names: of
 * one that is parked where it waits, of one that runs what it was last seen doing. Context: thread,
 * may block for a few ticks.
 */
void blocker_report(struct module_instance *instance, struct text *text);

#endif
