/* What tests/modules/audit_liar can be told to do: operation read with the item HX_HOOK_LIE_ITEM
 * and one of these as index sets what it does from then on. */
#ifndef HELIX_HOOK_LIES_H
#define HELIX_HOOK_LIES_H

#define HX_HOOK_LIE_ITEM 0xffffU

/* All but the first end the instance. */
enum hx_hook_lie {
    HX_HOOK_LIE_NONE,   /* it serves as audit does */
    HX_HOOK_LIE_BEFORE, /* the record that follows is one that was read already */
    HX_HOOK_LIE_AHEAD,  /* it is one that was not written yet */
    HX_HOOK_LIE_TWO,    /* there is room for one, and two follow */
    HX_HOOK_LIE_BUSY,   /* it never has the time to take any */
    HX_HOOK_LIE_COUNT,
};

#endif
