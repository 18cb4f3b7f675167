/* What each CPU can do, switched on. */
#ifndef PORTS_X86_64_CPU_H
#define PORTS_X86_64_CPU_H

#include <stdint.h>

/* Bits of CR0, CR4 and EFER (Intel SDM 3A 2.5 and 2.2.1). */
#define CR0_MONITOR_FPU   (1UL << 1)
#define CR0_EMULATE_FPU   (1UL << 2)
#define CR0_TASK_SWITCHED (1UL << 3)
#define CR0_NUMERIC_ERROR (1UL << 5)
#define CR0_WRITE_PROTECT (1UL << 16)

#define CR4_MACHINE_CHECK (1UL << 6)
#define CR4_GLOBAL_PAGES  (1UL << 7)
#define CR4_FXSR          (1UL << 9)
#define CR4_SIMD_ERRORS   (1UL << 10)
#define CR4_UMIP          (1UL << 11)
#define CR4_XSAVE         (1UL << 18)
#define CR4_SMEP          (1UL << 20)
#define CR4_SMAP          (1UL << 21)

#define MSR_TSC_AUX      0xC0000103 /* what rdtscp and rdpid answer beside the counter */
#define MSR_EFER         0xC0000080
#define EFER_SYSCALL     (1UL << 0)
#define EFER_LONG_ACTIVE (1UL << 10) /* set by the processor */
#define EFER_NX          (1UL << 11)

/*
 * Switch on, on the calling CPU, the protections and extensions that its CPUID shows, and set up
 * its floating point unit; tell programs the CPU's number where there is rdtscp. On the boot CPU it
 * also notes its name and features for hal_cpu_name() and hal_cpu_features().  Context: boot.
 */
void x86_cpu_init_features(void);

/* Every CR4 bit that CPUID allows this kernel to set on the calling CPU. */
uint64_t x86_cr4_supported(void);

#endif
