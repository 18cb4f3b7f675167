/*
 * Where in a group's bitmap of blocks a search for a free one may begin. What answers this is what
 * the versions of the module differ in; a wrong answer costs time, never correctness.
 */
#ifndef EXT2_HINT_H
#define EXT2_HINT_H

#include <stdint.h>

/* No bit below the answer is free, as far as is known. */
uint32_t hint_first_free(uint32_t group);
/* A search from that answer on found this bit to be the first free one. */
void hint_found(uint32_t group, uint32_t bit);
/* A bit has become free. */
void hint_freed(uint32_t group, uint32_t bit);
/* Nothing is known any more. */
void hint_forget(void);

#endif
