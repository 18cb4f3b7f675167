/*
 * Processor instructions that C cannot express.
 * Context: any, all of them.
 */
#ifndef PORTS_X86_64_INSTRUCTIONS_H
#define PORTS_X86_64_INSTRUCTIONS_H

#include <base/assert.h>
#include <stdint.h>

/* --- port I/O --------------------------------------------------------------------------------- */

static inline uint8_t x86_in8(uint16_t port)
{
    uint8_t value;

    __asm__ volatile("inb %1, %0" : "=a"(value) : "Nd"(port));
    return value;
}

static inline uint16_t x86_in16(uint16_t port)
{
    uint16_t value;

    __asm__ volatile("inw %1, %0" : "=a"(value) : "Nd"(port));
    return value;
}

static inline uint32_t x86_in32(uint16_t port)
{
    uint32_t value;

    __asm__ volatile("inl %1, %0" : "=a"(value) : "Nd"(port));
    return value;
}

static inline void x86_out8(uint16_t port, uint8_t value)
{
    __asm__ volatile("outb %0, %1" : : "a"(value), "Nd"(port) : "memory");
}

static inline void x86_out16(uint16_t port, uint16_t value)
{
    __asm__ volatile("outw %0, %1" : : "a"(value), "Nd"(port) : "memory");
}

static inline void x86_out32(uint16_t port, uint32_t value)
{
    __asm__ volatile("outl %0, %1" : : "a"(value), "Nd"(port) : "memory");
}

/* --- identification --------------------------------------------------------------------------- */

/* The order of enum x86_cpuid_register. */
struct x86_cpuid {
    uint32_t registers[4];
};

enum x86_cpuid_register { X86_EAX, X86_EBX, X86_ECX, X86_EDX };

/* One leaf as it is answered; above the maximum Intel gives another leaf's data. */
static inline struct x86_cpuid x86_cpuid(uint32_t leaf, uint32_t subleaf)
{
    struct x86_cpuid result;

    __asm__ volatile("cpuid"
                     : "=a"(result.registers[X86_EAX]), "=b"(result.registers[X86_EBX]),
                       "=c"(result.registers[X86_ECX]), "=d"(result.registers[X86_EDX])
                     : "a"(leaf), "c"(subleaf));
    return result;
}

/* --- model-specific, control and extended control registers ----------------------------------- */

static inline uint64_t x86_msr_read(uint32_t msr)
{
    uint32_t low;
    uint32_t high;

    __asm__ volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(msr));
    return ((uint64_t)high << 32) | low;
}

static inline void x86_msr_write(uint32_t msr, uint64_t value)
{
    __asm__ volatile("wrmsr"
                     :
                     : "c"(msr), "a"((uint32_t)value), "d"((uint32_t)(value >> 32))
                     : "memory");
}

static inline uint64_t x86_cr0_read(void)
{
    uint64_t value;

    __asm__ volatile("mov %%cr0, %0" : "=r"(value));
    return value;
}

static inline void x86_cr0_write(uint64_t value)
{
    __asm__ volatile("mov %0, %%cr0" : : "r"(value) : "memory");
}

static inline void x86_write_back_caches(void)
{
    __asm__ volatile("wbinvd" : : : "memory");
}

static inline uint64_t x86_cr4_read(void)
{
    uint64_t value;

    __asm__ volatile("mov %%cr4, %0" : "=r"(value));
    return value;
}

static inline void x86_cr4_write(uint64_t value)
{
    __asm__ volatile("mov %0, %%cr4" : : "r"(value) : "memory");
}

static inline uint64_t x86_xcr0_read(void)
{
    uint32_t low;
    uint32_t high;

    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return ((uint64_t)high << 32) | low;
}

static inline void x86_xcr0_write(uint64_t value)
{
    __asm__ volatile("xsetbv" : : "c"(0), "a"((uint32_t)value), "d"((uint32_t)(value >> 32)));
}

/* --- arithmetic ------------------------------------------------------------------------------- */

/* value * multiplier / divisor with a 128-bit product; the quotient must fit 64 bits. */
static inline uint64_t x86_multiply_divide(uint64_t value, uint64_t multiplier, uint64_t divisor)
{
    unsigned __int128 product = (unsigned __int128)value * multiplier;
    uint64_t high = (uint64_t)(product >> 64);
    uint64_t low = (uint64_t)product;

    HX_ASSERT(high < divisor, "a scaled value fits 64 bits");
    __asm__("divq %2" : "+a"(low), "+d"(high) : "r"(divisor) : "cc");
    return low;
}

#endif
