/* Suspending and resuming the kernel on somebody's word. */
#ifndef SUBSYS_POWER_POWER_H
#define SUBSYS_POWER_POWER_H

/* Suspend all subsystems, or resume them when they are, and say on the console what came of it.
 * Context: thread, may block. */
void power_toggle_suspend(void);

#endif
