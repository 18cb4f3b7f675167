/*
 * The module in the slot "entropy" as the generator sees it: more to mix in, or nothing.
 *
 * Rules:
 * - Nothing that it does can make the generator's key worse: it is added to what core takes from
 *   the machine itself.
 * - It is asked by who may wait, and not while the slot is being exchanged: who finds it so leaves
 *   the question to a later request.
 */
#ifndef SUBSYS_RANDOM_ENTROPY_SOURCE_H
#define SUBSYS_RANDOM_ENTROPY_SOURCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ENTROPY_SOURCE_WORDS 4U /* of a draw: as many bits as the generator's key has */

/* Find the slot; without one there is no source.  Context: boot. */
void entropy_source_init(void);

/* Whether it can be asked here and now.  Context: any. */
bool entropy_source_is_ready(void);

/* Draw all the words, or false.  Context: thread, may block; entropy_source_is_ready. */
bool entropy_source_draw(uint64_t words[ENTROPY_SOURCE_WORDS]);

/* Whether it said of itself that it does not work.  Context: any. */
bool entropy_source_is_broken(void);

#endif
