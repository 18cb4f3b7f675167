/* What tests/modules/memory_liar can be told to do: operation number with the minor
 * HX_CHARACTER_LIE and one of these sets what it does in each call from then on. */
#ifndef HELIX_CHARACTER_LIES_H
#define HELIX_CHARACTER_LIES_H

#define HX_CHARACTER_LIE      0xffffU
#define HX_CHARACTER_LIE_BYTE 0x2aU

/* All but the first end the instance. */
enum hx_character_lie {
    HX_CHARACTER_LIE_NONE,  /* it serves as memory_devices does */
    HX_CHARACTER_LIE_OTHER, /* reads give HX_CHARACTER_LIE_BYTE, writes take what is written */
    HX_CHARACTER_LIE_HALF,  /* half of what is asked for */
    HX_CHARACTER_LIE_MORE,  /* more than was asked for */
    HX_CHARACTER_LIE_ERROR, /* an error that is none */
    HX_CHARACTER_LIE_BOTH,  /* an error and bytes */
    HX_CHARACTER_LIE_TRAP,
    HX_CHARACTER_LIE_COUNT,
};

#endif
