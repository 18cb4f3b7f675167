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

/* Bytes that an area takes, at most X86_FPU_AREA_MAX; the same on all CPUs.  Context: any. */
size_t x86_fpu_area_size(void);

/* The states that are saved, as in XCR0; 0 where FXSAVE is used.  Context: any. */
uint64_t x86_fpu_states(void);

/* The states an area holds; the others load their reset values. Only where XSAVE is used, setting
 * them does nothing otherwise.  Context: any. */
uint64_t x86_fpu_present(const struct x86_fpu *area);
void x86_fpu_set_present(struct x86_fpu *area, uint64_t states);

/* Whether x86_fpu_restore of an area from an untrusted source cannot fault.  Context: any. */
bool x86_fpu_is_loadable(const struct x86_fpu *area);

/* The registers a program starts with.  Context: any. */
void x86_fpu_clear(struct x86_fpu *area);

/* The states that are saved: the lower half of XCR0, the upper one is empty. 0: FXSAVE is used. The
 * same on all CPUs. */
extern uint32_t x86_fpu_mask;

/* Store the registers; load them. Interrupts off.  Context: thread. */
static inline void x86_fpu_save(struct x86_fpu *area)
{
    if (HX_LIKELY(x86_fpu_mask != 0)) {
        __asm__ volatile("xsave64 (%0)" : : "r"(area->bytes), "a"(x86_fpu_mask), "d"(0) : "memory");
    } else {
        __asm__ volatile("fxsave64 (%0)" : : "r"(area->bytes) : "memory");
    }
}

static inline void x86_fpu_restore(const struct x86_fpu *area)
{
    if (HX_LIKELY(x86_fpu_mask != 0)) {
        __asm__ volatile("xrstor64 (%0)"
                         :
                         : "r"(area->bytes), "a"(x86_fpu_mask), "d"(0)
                         : "memory");
    } else {
        __asm__ volatile("fxrstor64 (%0)" : : "r"(area->bytes) : "memory");
    }
}

#endif
