/*
 * An interface that has every kind of type, for the corpus of tests/tools/test_abi.py: there one of
 * the kernel's functions takes it instead of what it really takes.
 */
#ifndef HELIX_ABI_H
#define HELIX_ABI_H

#include <helix/error.h>
#include <stdint.h>

#define ABI_PARTS 4

enum abi_mode { ABI_READ = 1, ABI_WRITE = 2, ABI_BOTH = 3 };

struct abi_hidden;

struct abi_part {
    uint32_t offset;
    uint32_t length;
};

union abi_value {
    uint64_t number;
    char text[8];
};

struct abi_request {
    uint32_t id;
    int32_t delta;
    uint64_t size;
    enum abi_mode mode;
    uint32_t urgent : 1;
    uint32_t level : 3;
    struct abi_part parts[ABI_PARTS];
    union abi_value value;
    struct abi_hidden *hidden;
    struct abi_request *next;
    hx_err (*done)(struct abi_request *request, uint32_t status);
    const char *name;
    char tag;
    uint32_t after;
    struct {
        uint16_t low;
        uint16_t high;
    } range;
#ifdef ABI_TRACE
    uint64_t trace;
#endif
};

uint64_t hx_clock_now(struct abi_request *request, const struct abi_part *part, uint32_t flags);

#endif
