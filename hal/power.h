/*
 * The machine as a whole: what it has, and leaving it.  Context of all: any; interrupts are off
 * after those that leave.
 */
#ifndef HAL_POWER_H
#define HAL_POWER_H

#include <helix/attributes.h>

/* One line naming the devices that the port found and drives, for the boot log. */
const char *hal_machine_devices(void);

/* Switch the machine off (ACPI S5 on a PC). Halts for ever where that does not work. */
HX_NORETURN void hal_power_off(void);

/* Reset the machine (ACPI reset register, then keyboard controller, then triple fault on a PC). */
HX_NORETURN void hal_power_reset(void);

/*
 * Leave the emulator with a status (a debug-exit device on QEMU, exit() on the hosted port); powers
 * off where there is no such way.
 */
HX_NORETURN void hal_power_exit(unsigned status);

/* The breakpoint instruction. */
void hal_debug_break(void);

#endif
