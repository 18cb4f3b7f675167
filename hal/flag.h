/*
 * Flags that are nearly always off, on paths where every instruction counts.
 */
#ifndef HAL_FLAG_H
#define HAL_FLAG_H

#include <stdbool.h>
#include <stdint.h>

/*
 * Whether bit (a constant below 32) of a word is set; relaxed, so a change is seen some time later.
 * On a machine that can, it is one comparison with memory and one jump that is not taken: an atomic
 * load of C takes one instruction and one register more.  Context: any.  (inline in the port)
 */
static inline bool hal_flag_is_set(const _Atomic uint32_t *word, unsigned bit);

#include <hal_port.h>

#endif
