/*
 * The machine's first byte device: COM1 on a PC, standard output on the hosted port.
 *
 * Rules:
 * - Polled, no locks, usable from the first instruction of C to the last; callers serialise.
 */
#ifndef HAL_CONSOLE_H
#define HAL_CONSOLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Write bytes; waits for the device to be ready, at most a second. What it does not take then is
 * dropped, and it is not waited for again before it has been ready.  Context: any.
 */
void hal_console_write(const char *bytes, size_t size);

/* Wait until what was written has left the device, at most a second.  Context: any. */
void hal_console_flush(void);

/* Take one byte if there is one; -1 otherwise.  Context: any. */
int hal_console_read(void);

/*
 * The device's registers, for who drives it in place of hal_console_write: those of a 16550, if it
 * is one. Context: any; callers serialise.
 */
#define HAL_CONSOLE_DATA 0U
bool hal_console_has_registers(void);
uint8_t hal_console_register(uint32_t index);
void hal_console_set_register(uint32_t index, uint8_t value);

/*
 * The interrupt line that the device raises on input, or -1; enabling makes it raise it.
 */
int hal_console_line(void);
void hal_console_enable_input(void);

#endif
