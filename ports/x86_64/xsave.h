/*
 * The floating point and vector registers of user mode. The kernel itself is compiled without them.
 *
 * Rules:
 * - An area belongs to one thread and is used by the CPU that runs it.
 * - XSAVE where the processor has it, with the x87, SSE, AVX and AVX-512 states; FXSAVE otherwise.
 * Source: Intel SDM 1, chapter 13.
 */
#ifndef PORTS_X86_64_XSAVE_H
#define PORTS_X86_64_XSAVE_H

#include <helix/attributes.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define X86_FPU_AREA_MAX 4096

/* The part that FXSAVE knows, and the states in it. The XSAVE header follows. */
#define X86_FPU_LEGACY_SIZE   512U
#define X86_FPU_STATES_LEGACY 3UL

/* Saved registers; x86_fpu_area_size() bytes of it are used. */
struct x86_fpu {
    uint8_t bytes[X86_FPU_AREA_MAX];
} HX_ALIGNED(64);

/* Choose and enable the states on the calling CPU. After CR4 has its bits.  Context: boot. */
void x86_fpu_init(void);

/* Set by x86_fpu_init on the boot CPU, the same on all. */
struct x86_fpu_format {
    uint64_t states;     /* those that are saved, as in XCR0; 0: FXSAVE is used */
    size_t size;         /* bytes that an area takes, at most X86_FPU_AREA_MAX */
    uint32_t mxcsr_mask; /* bits that may be set in MXCSR */
};
extern struct x86_fpu_format x86_fpu_format;

static inline size_t x86_fpu_area_size(void)
{
    return x86_fpu_format.size;
}

static inline uint64_t x86_fpu_states(void)
{
    return x86_fpu_format.states;
}

/* The states an area holds; the others load their reset values. Only where XSAVE is used, setting
 * them does nothing otherwise.  Context: any. */
uint64_t x86_fpu_present(const struct x86_fpu *area);
void x86_fpu_set_present(struct x86_fpu *area, uint64_t states);

/* Whether x86_fpu_restore of an area from an untrusted source cannot fault.  Context: any. */
bool x86_fpu_is_loadable(const struct x86_fpu *area);

/* The registers a program starts with.  Context: any. */
void x86_fpu_clear(struct x86_fpu *area);

/* Load them at once. Where threads switch meanwhile, that is no harm.  Context: thread. */
void x86_fpu_reset(void);

/* Store the registers; load them. Interrupts off. The upper half of XCR0 is empty.  Context:
 * thread.
 */
static inline void x86_fpu_save(struct x86_fpu *area)
{
    uint32_t mask = (uint32_t)x86_fpu_format.states;

    if (HX_LIKELY(mask != 0)) {
        __asm__ volatile("xsave64 (%0)" : : "r"(area->bytes), "a"(mask), "d"(0) : "memory");
    } else {
        __asm__ volatile("fxsave64 (%0)" : : "r"(area->bytes) : "memory");
    }
}

static inline void x86_fpu_restore(const struct x86_fpu *area)
{
    uint32_t mask = (uint32_t)x86_fpu_format.states;

    if (HX_LIKELY(mask != 0)) {
        __asm__ volatile("xrstor64 (%0)" : : "r"(area->bytes), "a"(mask), "d"(0) : "memory");
    } else {
        __asm__ volatile("fxrstor64 (%0)" : : "r"(area->bytes) : "memory");
    }
}

/* --- in user memory ---------------------------------------------------------------------------
 */

/*
 * What Linux programs expect to find around the registers that a signal interrupted: 48 bytes in
 * the part that XSAVE leaves to software, and a word behind everything (struct _fpx_sw_bytes in
 * Linux's arch/x86/include/uapi/asm/sigcontext.h).
 */
struct x86_fpu_note {
    uint32_t magic;
    uint32_t whole_size; /* with the word behind */
    uint64_t states;
    uint32_t size;
    uint32_t padding[7];
};
#define X86_FPU_NOTE_OFFSET 464U
#define X86_FPU_NOTE_MAGIC  0x46505853U /* FP_XSTATE_MAGIC1 */
#define X86_FPU_END_MAGIC   0x46505845U /* FP_XSTATE_MAGIC2 */

/* Bytes that such registers take, aligned to 64. */
static inline size_t x86_fpu_user_size(void)
{
    return x86_fpu_area_size() + (x86_fpu_states() != 0 ? sizeof(uint32_t) : 0);
}

/* Store the registers there, with note and word, the range being the user's. Only where XSAVE is
 * used.  Context: thread, may block.  Answers whether the memory could be written. */
bool x86_fpu_save_to_user(uintptr_t to);

/* Load them from there if they are whole and well-formed; if not, the registers have any values.
 * Only where XSAVE is used, the range being the user's.  Context: thread, may block. */
bool x86_fpu_load_from_user(uintptr_t from);

#endif
