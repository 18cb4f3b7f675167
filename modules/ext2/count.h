/* What the module has done since the first of its instances began: the state that goes from one to
 * the next (module.c). */
#ifndef EXT2_COUNT_H
#define EXT2_COUNT_H

#include <stdint.h>

enum count { COUNT_READS, COUNT_WRITES, COUNT_NAMES, COUNT_END };

void count_operation(enum count which);

#endif
