/* COM1 and COM2, the port's hal_console and hal_serial. */
#ifndef PORTS_X86_64_SERIAL_H
#define PORTS_X86_64_SERIAL_H

/*
 * Find and set up both: 115200 baud, 8N1. Port I/O only, so it works before paging is final.
 * Context: boot.
 */
void serial_init(void);

#endif
