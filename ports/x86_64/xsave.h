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
#include <stddef.h>
#include <stdint.h>

#define X86_FPU_AREA_MAX 4096

/* Saved registers; x86_fpu_area_size() bytes of it are used. */
struct x86_fpu {
    uint8_t bytes[X86_FPU_AREA_MAX];
} HX_ALIGNED(64);

/* Choose and enable the states on the calling CPU. After CR4 has its bits.  Context: boot. */
void x86_fpu_init(void);

/* Bytes that an area takes, at most X86_FPU_AREA_MAX; the same on all CPUs.  Context: any. */
size_t x86_fpu_area_size(void);

/* The registers a program starts with.  Context: any. */
void x86_fpu_clear(struct x86_fpu *area);

/* Store the registers; load them. Interrupts off.  Context: thread. */
void x86_fpu_save(struct x86_fpu *area);
void x86_fpu_restore(const struct x86_fpu *area);

#endif
