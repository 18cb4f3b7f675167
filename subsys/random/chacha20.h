/* The ChaCha20 block function (RFC 8439, 2.3). */
#ifndef SUBSYS_RANDOM_CHACHA20_H
#define SUBSYS_RANDOM_CHACHA20_H

#include <stdint.h>

/* 64 bytes from a key of 32, a counter and a nonce of 12.  Context: any. */
void chacha20_block(const uint32_t key[8], uint32_t counter, const uint32_t nonce[3],
                    uint8_t block[64]);

#endif
