/* The operations of modules/demo: what a module can do well, and every way it can go wrong. */
#ifndef HELIX_DEMO_H
#define HELIX_DEMO_H

enum demo_operation {
    DEMO_NOTHING,        /* returns 0: what a call through the gate costs */
    DEMO_ADD,            /* a0 + a1 */
    DEMO_COUNT,          /* a number that grows by one each time: the instance has state */
    DEMO_SAY,            /* a callout: one line in the log; returns its hx_err */
    DEMO_WILD_WRITE,     /* to address a0 */
    DEMO_WILD_READ,      /* from address a0 */
    DEMO_WILD_JUMP,      /* to address a0 */
    DEMO_DIVIDE,         /* a0 / a1, also by 0 */
    DEMO_INTERRUPTS_OFF, /* cli, then return */
    DEMO_ENDLESS_LOOP,
    DEMO_DEEP,     /* recurse a0 deep, 512 bytes each */
    DEMO_ILLEGAL,  /* an instruction that does not exist */
    DEMO_GIVE_UP,  /* hx_fail */
    DEMO_LOG_FROM, /* a callout with the bad address a0; returns its hx_err */
    DEMO_CLOCK,    /* the difference between two readings of the clock */
};

#endif
