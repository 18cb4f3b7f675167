/*
 * Machine code as bytes: what an instruction is, how it is made a wrong one, and how a trap takes
 * its place.
 *
 * Rules:
 * - Pure: bytes in, bytes out; nothing is run, and nobody's memory is touched.
 * - It knows the instructions that compilers emit for modules, general registers only. What it does
 *   not know it says so about, and guesses no length.
 * - Registers have the numbers of hal_frame_register.
 */
#ifndef HAL_CODE_H
#define HAL_CODE_H

#include <helix/attributes.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HAL_CODE_MAX         15U /* bytes of one instruction: Intel SDM volume 2, 2.3.11 */
#define HAL_CODE_NO_REGISTER 0xffU

/* What there is about an instruction. */
enum hal_code_trait {
    HAL_CODE_CONDITION = 1U << 0,   /* it branches if */
    HAL_CODE_CALL = 1U << 1,        /* of a fixed target: target is good */
    HAL_CODE_RETURN = 1U << 2,      /* to the caller of the function */
    HAL_CODE_ARGUMENT = 1U << 3,    /* it sets a register that arguments are passed in, only */
    HAL_CODE_SOURCE = 1U << 4,      /* it reads a register that could be another */
    HAL_CODE_DESTINATION = 1U << 5, /* it writes one */
    HAL_CODE_POINTER = 1U << 6,     /* it reaches memory through a register: pointer is good */
    HAL_CODE_BRANCH = 1U << 7,      /* it may go on elsewhere than behind it */
};

struct hal_code {
    uint8_t length;  /* 1 to HAL_CODE_MAX */
    uint8_t pointer; /* the register that addresses memory, or HAL_CODE_NO_REGISTER */
    uint16_t traits; /* of enum hal_code_trait */
    int32_t target;  /* of a call or branch of a fixed target: from the end of the instruction */
};

/* Read the instruction at the start of size bytes. False: it is not known, or goes beyond them.
 * Context: any. */
bool hal_code_read(const uint8_t *bytes, size_t size, struct hal_code *code);

/* X(enumerator): ways to make an instruction a wrong one */
enum hal_code_change {
    HAL_CODE_REMOVE,             /* it does nothing */
    HAL_CODE_INVERT,             /* of HAL_CODE_CONDITION: it branches if not */
    HAL_CODE_CHANGE_SOURCE,      /* it reads another register */
    HAL_CODE_CHANGE_DESTINATION, /* it writes another one */
    HAL_CODE_CHANGE_POINTER,     /* it reaches memory through another one */
    HAL_CODE_CHANGE_BYTE,        /* one of its bytes is any other */
    HAL_CODE_LOOP,               /* it stays where it is, for ever */
    HAL_CODE_LOOP_DEAF,          /* so, with interrupts off */
};

/*
 * The bytes that stand for an instruction after a change; random picks among those possible. How
 * many were written to changed, 0: it cannot be changed so. HAL_CODE_LOOP and _LOOP_DEAF may be
 * longer than what they replace: the bytes behind it are lost, and never reached.
 * Context: any.
 */
size_t hal_code_change(enum hal_code_change change, const uint8_t *bytes,
                       const struct hal_code *code, uint64_t random, uint8_t changed[HAL_CODE_MAX]);

/* A byte that raises HAL_EXCEPTION_BREAKPOINT where it stands. */
uint8_t hal_code_trap(void);

/* Where the trap stood that raised it.  Context: exception. */
struct hal_frame;
uintptr_t hal_code_trap_address(const struct hal_frame *frame);

/* The register in which functions return what they answer. */
unsigned hal_code_result_register(void);

#endif
