/*
 * What the dispatcher asks of a CPU's leaving; the rest is in kern/cpu.h.
 */
#ifndef KERN_CPU_HOTPLUG_H
#define KERN_CPU_HOTPLUG_H

/* Called by each CPU's idle thread, whenever it has had nothing to do: leaves if cpu_offline asks
 * for it, and does not return then.  Context: idle thread, interrupts on. */
void cpu_leave_if_asked(void);

/* Nobody leaves.  Called by cpu_init. */
void cpu_hotplug_init(void);

#endif
