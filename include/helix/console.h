/*
 * The operations of a driver of the console's serial device.
 *
 * Rules:
 * - The kernel owns the text, the turn of who prints, and the count of bytes that reached the
 * device: it sees each of them pass (helix/device.h, HX_LEGACY_SERIAL). What the driver has not
 * sent the kernel sends itself, so a driver that goes in the middle loses and doubles nothing.
 * - What comes in is the same: a byte that the driver reads from the device is its reader's from
 * then on. What the driver leaves in the device, or does not take soon, the kernel takes itself.
 * - The device is claimed when it is first needed; an instance that has none takes no bytes.
 * - write comes from one thread at a time, in turn from several; take from one, and beside a
 * write; number at any time.
 * - An answer other than how many bytes the operation sent, or took, ends the instance.
 */
#ifndef HELIX_CONSOLE_H
#define HELIX_CONSOLE_H

#include <helix/error.h>
#include <helix/operation.h>
#include <stdint.h>

#define HX_CONSOLE_WRITE_MAX 16U /* bytes */
#define HX_CONSOLE_TAKE_MAX  16U /* bytes */

/*
 * write   send count bytes, those of the two words from their lowest byte on; how many were sent:
 *         fewer if the device does not get ready
 * number  statistic index (enum hx_console_number); 0 where it is not kept
 * take    take at most count bytes that have come in; how many were taken. Nothing of it is done
 *         again when an instance on trial is replaced: what was taken has reached its reader
 */
#define HX_CONSOLE_OPERATION_LIST(X)                                                               \
    X(CONSOLE_WRITE, write, uint64_t, (uint64_t word0, uint64_t word1, uint64_t count),            \
      HX_OPERATION_READS)                                                                          \
    X(CONSOLE_NUMBER, number, uint64_t, (uint64_t index), HX_OPERATION_READS)                      \
    X(CONSOLE_TAKE, take, uint64_t, (uint64_t count), HX_OPERATION_READS)

enum hx_console_operation { HX_CONSOLE_OPERATION_LIST(HX_OPERATION_ENUM) CONSOLE_OPERATION_COUNT };

struct hx_console_operations {
    HX_CONSOLE_OPERATION_LIST(HX_OPERATION_MEMBER)
};

enum hx_console_number {
    HX_CONSOLE_BYTES,  /* sent */
    HX_CONSOLE_WRITES, /* calls that sent something */
    HX_CONSOLE_WAITS,  /* times that the device was not ready */
    HX_CONSOLE_TAKEN,  /* bytes */
    HX_CONSOLE_TAKES,  /* calls that took something */
    HX_CONSOLE_NUMBERS,
};

/* What tests/modules/serial_liar does with a piece that has one of these characters. */
#define HX_CONSOLE_LIE_MORE  '@' /* says that it has sent a byte more than it has */
#define HX_CONSOLE_LIE_TRAP  '^' /* dies after half of the piece */
#define HX_CONSOLE_LIE_OTHER '`' /* sends another byte in its place */
#define HX_CONSOLE_LIE_FLOOD '}' /* sends the piece without a look at the status */

/* And when it has taken one of these. */
#define HX_CONSOLE_LIE_TAKE_MORE    '+' /* says that it has taken a byte more than it has */
#define HX_CONSOLE_LIE_TAKE_TRAP    '!' /* dies */
#define HX_CONSOLE_LIE_TAKE_LOOP    '%' /* does not come back until it is ended */
#define HX_CONSOLE_LIE_TAKE_SLEEP   '=' /* comes back after 3 s */
#define HX_CONSOLE_LIE_TAKE_NOTHING '~' /* takes nothing any more */

#endif
