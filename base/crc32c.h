/* CRC-32C (Castagnoli, reflected polynomial 0x82F63B78; RFC 3720 B.4). */
#ifndef BASE_CRC32C_H
#define BASE_CRC32C_H

#include <stddef.h>
#include <stdint.h>

/*
 * Continue a checksum over size bytes. Start with 0; feed the result back for the next piece.
 * crc32c(0, "123456789", 9) is 0xE3069283.  Context: any.
 */
uint32_t crc32c(uint32_t crc, const void *bytes, size_t size);

/* The same, as this file computes it on any processor. */
uint32_t crc32c_by_tables(uint32_t crc, const void *bytes, size_t size);

/*
 * Have crc32c computed by a function of the same contract: a port whose processor has an
 * instruction for it.  Context: boot, before anything else runs.
 */
void crc32c_use(uint32_t (*function)(uint32_t crc, const void *bytes, size_t size));

#endif
