/*
 * The machine's keyboard: that of a PC's controller (Intel 8042), none on the hosted port.
 *
 * Rules:
 * - What comes are codes of scan code set 1, keys going down and up.
 * - No locks: callers serialise.
 */
#ifndef HAL_KEYBOARD_H
#define HAL_KEYBOARD_H

#include <stdbool.h>
#include <stdint.h>

/*
 * Have the controller pass codes and interrupt for them; what it holds is thrown away. False: there
 * is none, or it does not answer within a tenth of a second.  Context: boot or thread.
 */
bool hal_keyboard_start(void);

/* Take one code if there is one; -1 otherwise.  Context: any. */
int hal_keyboard_read(void);

/* The interrupt line that it raises, or -1. */
int hal_keyboard_line(void);

#endif
