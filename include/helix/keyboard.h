/*
 * The operations of a driver of the keyboard: it turns scan codes into the bytes of a terminal.
 *
 * Rules:
 * - The kernel owns the controller, its interrupt and the codes: it takes a code from the keyboard,
 *   gives it to the module, and the code is done with once the module has answered. One that a
 *   module died of goes to the next instance, once.
 * - The bytes of an answer are the reader's of the terminal, in one piece, as if they had been
 *   typed at the serial console.
 * - scan comes from one thread at a time; number at any time.
 * - An answer that cannot be ends the instance.
 */
#ifndef HELIX_KEYBOARD_H
#define HELIX_KEYBOARD_H

#include <helix/error.h>
#include <helix/operation.h>
#include <stdint.h>

/* An answer: up to seven bytes from bit 0 on, how many there are in bits 56 to 59, and whether the
 * machine is to be restarted. */
#define HX_KEYBOARD_BYTES_MAX     7U
#define HX_KEYBOARD_COUNT_SHIFT   56
#define HX_KEYBOARD_COUNT(answer) ((uint64_t)(answer) >> HX_KEYBOARD_COUNT_SHIFT & 15U)
#define HX_KEYBOARD_RESTART       (1ULL << 60)
#define HX_KEYBOARD_KNOWN         ((1ULL << 61) - 1)

/* Layouts. */
enum hx_keyboard_layout { HX_KEYBOARD_US, HX_KEYBOARD_DE, HX_KEYBOARD_LAYOUTS };

/*
 * scan    a code of scan code set 1, with a layout: an answer
 * number  statistic index (enum hx_keyboard_number); 0 where it is not kept
 */
#define HX_KEYBOARD_OPERATION_LIST(X)                                                              \
    X(KEYBOARD_SCAN, scan, uint64_t, (uint64_t code, uint64_t layout), HX_OPERATION_MUTATES)       \
    X(KEYBOARD_NUMBER, number, uint64_t, (uint64_t index), HX_OPERATION_READS)

enum hx_keyboard_operation {
    HX_KEYBOARD_OPERATION_LIST(HX_OPERATION_ENUM) KEYBOARD_OPERATION_COUNT
};

struct hx_keyboard_operations {
    HX_KEYBOARD_OPERATION_LIST(HX_OPERATION_MEMBER)
};

enum hx_keyboard_number {
    HX_KEYBOARD_CODES,
    HX_KEYBOARD_BYTES,
    HX_KEYBOARD_NUMBERS,
};

#endif
