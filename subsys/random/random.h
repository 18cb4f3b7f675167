/*
 * Random numbers: a generator keyed from the machine's entropy (Bernstein, "Fast-key-erasure
 * random-number generators", 2017, over ChaCha20, RFC 8439).
 *
 * Rules:
 * - Each request takes a key of its own from the generator, which at once overwrites its own key:
 * what was given out cannot be reconstructed from the kernel's memory afterwards.
 * - Small requests share a key: each CPU has a reserve of bytes made ahead, which are forgotten as
 *   they are given out. It does not outlive the generator's key, nor entropy that is added.
 * - The generator is keyed at start from hal_cpu_entropy() and the clock, and again every minute of
 * use and whenever somebody adds entropy. Each time the module in the slot "entropy" adds what it
 * has (entropy_source.h), as soon as there is a request from a context that may wait.
 */
#ifndef SUBSYS_RANDOM_RANDOM_H
#define SUBSYS_RANDOM_RANDOM_H

#include <core/orchestrator/subsystem.h>
#include <stddef.h>
#include <stdint.h>

#define RANDOM_KEY_WORDS 8U

/* One request's stream of bytes. */
struct random_stream {
    uint32_t key[RANDOM_KEY_WORDS];
    uint32_t counter;
    uint32_t used; /* bytes of block that were given out */
    uint8_t block[64];
};

/* Begin a stream of its own.  Context: any but nmi. */
void random_stream_init(struct random_stream *stream);
void random_stream_fill(struct random_stream *stream, void *bytes, size_t size);
/* Forget the key. */
void random_stream_fini(struct random_stream *stream);

/* Fill a buffer; a few bytes cost little.  Context: any but nmi. */
void random_fill(void *bytes, size_t size);

/* Stir something in that an outsider may not know (what was written to /dev/random).  Context: any
 * but nmi. */
void random_add(const void *bytes, size_t size);

/* Have the next request key the generator anew.  Context: any but nmi. */
void random_rekey(void);

extern const struct subsystem random_subsystem;

/* What a CPU that is off line had for its next callers is to be found nowhere.  Context: thread. */
void random_forget_reserve(uint32_t cpu);

#endif
