/*
 * The machine's second byte device: COM2 on a PC, none on the hosted port.
 *
 * Rules:
 * - No locks: callers serialise writing, and reading.
 */
#ifndef HAL_SERIAL_H
#define HAL_SERIAL_H

#include <stdbool.h>
#include <stddef.h>

/* Whether there is one; the functions below do nothing without.  Context: any. */
bool hal_serial_is_present(void);

/* As hal_console_write. */
void hal_serial_write(const char *bytes, size_t size);

/* Take one byte if there is one; HAL_SERIAL_NOTHING, HAL_SERIAL_BREAK otherwise.  Context: any. */
#define HAL_SERIAL_NOTHING (-1)
#define HAL_SERIAL_BREAK   (-2) /* the line was held at 0 for longer than a byte */
int hal_serial_read(void);

/* The interrupt line that the device raises on input, or -1; enabling makes it raise it: once,
 * until all that is there has been read. */
int hal_serial_line(void);
void hal_serial_enable_input(void);

#endif
