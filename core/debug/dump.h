/* State of everything that is registered, for people (SPEC D3). */
#ifndef CORE_DEBUG_DUMP_H
#define CORE_DEBUG_DUMP_H

/* Print the kernel's state and one line per component through the log.  Context: any but nmi. */
void debug_dump_state(void);

#endif
