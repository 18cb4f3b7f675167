/*
 * Instructions that cost far more on silicon than in an emulator, told by their bytes (Intel SDM
 * 2).
 */
#ifndef TOOLS_PLUGINS_X86_KIND_H
#define TOOLS_PLUGINS_X86_KIND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum x86_kind {
    X86_ORDINARY,
    X86_CR3,    /* mov to CR3: another view of memory */
    X86_WRMSR,  /* write a model-specific register */
    X86_INVLPG, /* forget one translation */
    X86_LOCKED, /* lock prefix, or xchg with memory */
    X86_FENCE,  /* lfence, mfence, sfence */
    X86_PIO,    /* in, out, ins, outs */
    X86_KIND_COUNT
};

/* The start of a 64-bit instruction, decoded. */
struct x86_bytes {
    const uint8_t *at; /* the opcode, an 0x0f before it left out */
    size_t left;
    bool is_two_byte;
    bool has_lock;
    bool has_mandatory; /* 66, f2 or f3: makes another instruction of a two-byte opcode */
    uint8_t rex;        /* 0: none */
};

static inline bool x86_is_legacy_prefix(uint8_t byte)
{
    switch (byte) {
    case 0x26: /* segments */
    case 0x2e:
    case 0x36:
    case 0x3e:
    case 0x64:
    case 0x65:
    case 0x66: /* operand size */
    case 0x67: /* address size */
    case 0xf0: /* lock */
    case 0xf2: /* repeat */
    case 0xf3:
        return true;
    default:
        return false;
    }
}

static inline struct x86_bytes x86_split(const uint8_t *bytes, size_t size)
{
    struct x86_bytes split = {.at = bytes, .left = size};

    while (split.left > 0 && x86_is_legacy_prefix(*split.at)) {
        split.has_lock |= *split.at == 0xf0;
        split.has_mandatory |= *split.at == 0x66 || *split.at == 0xf2 || *split.at == 0xf3;
        split.at++;
        split.left--;
    }
    if (split.left > 0 && (*split.at & 0xf0) == 0x40) {
        split.rex = *split.at++;
        split.left--;
    }
    if (split.left > 0 && *split.at == 0x0f) {
        split.is_two_byte = true;
        split.at++;
        split.left--;
    }
    return split;
}

/* The fields of the byte after the opcode. */
static inline unsigned x86_mod(const struct x86_bytes *split)
{
    return split->at[1] >> 6;
}

static inline unsigned x86_reg(const struct x86_bytes *split)
{
    return split->at[1] >> 3 & 7;
}

static inline enum x86_kind x86_kind_one_byte(const struct x86_bytes *split)
{
    uint8_t opcode = split->at[0];

    if ((opcode == 0x86 || opcode == 0x87) && split->left > 1 && x86_mod(split) != 3) {
        return X86_LOCKED; /* xchg locks by itself */
    }
    if ((opcode >= 0xe4 && opcode <= 0xe7) || (opcode >= 0xec && opcode <= 0xef) ||
        (opcode >= 0x6c && opcode <= 0x6f)) {
        return X86_PIO;
    }
    return X86_ORDINARY;
}

static inline enum x86_kind x86_kind_two_byte(const struct x86_bytes *split)
{
    uint8_t opcode = split->at[0];

    if (opcode == 0x30) {
        return X86_WRMSR;
    }
    if (split->left < 2) {
        return X86_ORDINARY;
    }
    if (opcode == 0x22 && x86_reg(split) == 3 && (split->rex & 4) == 0) {
        return X86_CR3;
    }
    if (opcode == 0x01 && x86_mod(split) != 3 && x86_reg(split) == 7) {
        return X86_INVLPG;
    }
    if (opcode == 0xae && x86_mod(split) == 3 && x86_reg(split) >= 5 && !split->has_mandatory) {
        return X86_FENCE;
    }
    return X86_ORDINARY;
}

static inline enum x86_kind x86_kind_of(const uint8_t *bytes, size_t size)
{
    struct x86_bytes split = x86_split(bytes, size);

    if (split.has_lock) {
        return X86_LOCKED;
    }
    if (split.left == 0) {
        return X86_ORDINARY;
    }
    return split.is_two_byte ? x86_kind_two_byte(&split) : x86_kind_one_byte(&split);
}

#endif
