/*
 * The operations of a module that serves character devices without moving bytes: it says how many,
 * and of which value, and the kernel fills or empties the caller's memory.
 *
 * Rules:
 * - A device is named by its minor number; the kernel owns its node, its permissions and who has it
 *   open. A minor that the module does not know is answered with HX_ENXIO.
 * - Operations come from several threads at once, some of which may not wait.
 * - What the devices of the slot "memory" answer the kernel knows as well: another answer ends the
 *   instance, and the right one is given. So it is while there is no instance: programs notice
 *   nothing of either.
 * - Numbers are statistics: what is counted while an instance is on trial goes if it fails, so no
 *   operation is journalled.
 */
#ifndef HELIX_CHARACTER_DEVICE_H
#define HELIX_CHARACTER_DEVICE_H

#include <helix/error.h>
#include <helix/operation.h>
#include <stdint.h>

/* Minors of the slot "memory", which are Linux's of major 1. */
enum hx_memory_device {
    HX_MEMORY_NULL = 3,
    HX_MEMORY_ZERO = 5,
    HX_MEMORY_FULL = 7,
};

/*
 * An answer in one word: bits 0 to 47 how many bytes, 48 to 55 the value that each of them has when
 * they are read, 56 to 63 an hx_err that is not HX_OK instead. 0 bytes read are the end of the
 * file.
 */
#define HX_CHARACTER_ANSWER(count, byte) ((uint64_t)(count) | (uint64_t)(uint8_t)(byte) << 48)
#define HX_CHARACTER_REFUSAL(error)      ((uint64_t)(uint8_t)(error) << 56)
#define HX_CHARACTER_COUNT(answer)       ((uint64_t)(answer)&0xffffffffffffULL)
#define HX_CHARACTER_BYTE(answer)        ((uint8_t)((uint64_t)(answer) >> 48))
#define HX_CHARACTER_ERROR(answer)       ((uint64_t)(answer) >> 56)

/*
 * read    at most size bytes are wanted: an answer
 * write   size bytes are offered: an answer that says how many are taken, its byte 0
 * number  statistic index (enum hx_character_number) of a minor, 0: of all; 0 where it is not kept
 */
#define HX_CHARACTER_DEVICE_OPERATION_LIST(X)                                                      \
    X(CHARACTER_DEVICE_READ, read, uint64_t, (uint64_t minor, uint64_t size), HX_OPERATION_READS)  \
    X(CHARACTER_DEVICE_WRITE, write, uint64_t, (uint64_t minor, uint64_t size),                    \
      HX_OPERATION_READS)                                                                          \
    X(CHARACTER_DEVICE_NUMBER, number, uint64_t, (uint64_t minor, uint64_t index),                 \
      HX_OPERATION_READS)

enum hx_character_device_operation {
    HX_CHARACTER_DEVICE_OPERATION_LIST(HX_OPERATION_ENUM) CHARACTER_DEVICE_OPERATION_COUNT
};

struct hx_character_device_operations {
    HX_CHARACTER_DEVICE_OPERATION_LIST(HX_OPERATION_MEMBER)
};

enum hx_character_number {
    HX_CHARACTER_CALLS, /* reads and writes */
    HX_CHARACTER_READS,
    HX_CHARACTER_WRITES,
    HX_CHARACTER_BYTES, /* both ways */
    HX_CHARACTER_NUMBERS,
};

#endif
