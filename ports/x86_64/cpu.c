#include <base/memory.h>
#include <base/string.h>
#include <hal/clock.h>
#include <hal/cpu.h>
#include <hal/interrupt.h>
#include <ports/x86_64/cpu.h>
#include <ports/x86_64/instructions.h>
#include <ports/x86_64/xsave.h>
#include <stdatomic.h>

#define LEAF_EXTENDED_MAX  0x80000000
#define LEAF_BRAND_FIRST   0x80000002
#define LEAF_BRAND_LAST    0x80000004
#define BRAND_SIZE         48
#define CPUID_1_ECX_RDRAND (1U << 30)
#define RDRAND_TRIES       10 /* Intel SDM 1, 7.3.17.1 */

/* A CPUID bit, and what is set in CR4 and EFER where it is there. */
struct feature {
    const char *name; /* as it appears in hal_cpu_features() */
    uint32_t leaf;
    enum x86_cpuid_register reg;
    uint32_t bit;
    uint64_t cr4;
    uint64_t efer;
};

/* Intel SDM 2A, CPUID tables 3-8 ff. The protections first, then what the kernel uses. */
static const struct feature features[] = {
    {.name = "nx", .leaf = 0x80000001, .reg = X86_EDX, .bit = 20, .efer = EFER_NX},
    {.name = "smep", .leaf = 7, .reg = X86_EBX, .bit = 7, .cr4 = CR4_SMEP},
    {.name = "smap", .leaf = 7, .reg = X86_EBX, .bit = 20, .cr4 = CR4_SMAP},
    {.name = "umip", .leaf = 7, .reg = X86_ECX, .bit = 2, .cr4 = CR4_UMIP},
    {.name = "mce", .leaf = 1, .reg = X86_EDX, .bit = 7, .cr4 = CR4_MACHINE_CHECK},
    {.name = "pge", .leaf = 1, .reg = X86_EDX, .bit = 13, .cr4 = CR4_GLOBAL_PAGES},
    {.name = "fxsr", .leaf = 1, .reg = X86_EDX, .bit = 24, .cr4 = CR4_FXSR},
    {.name = "sse", .leaf = 1, .reg = X86_EDX, .bit = 25, .cr4 = CR4_SIMD_ERRORS},
    {.name = "xsave", .leaf = 1, .reg = X86_ECX, .bit = 26, .cr4 = CR4_XSAVE},
    {.name = "syscall", .leaf = 0x80000001, .reg = X86_EDX, .bit = 11, .efer = EFER_SYSCALL},
};

static const struct feature rdtscp = {.leaf = 0x80000001, .reg = X86_EDX, .bit = 27};

/* Written once, on the boot CPU. */
static char cpu_name[BRAND_SIZE + 1];
static char cpu_features[96];

static _Atomic uint64_t entropy_pool;

/* --- features --------------------------------------------------------------------------------- */

static bool feature_is_present(const struct feature *feature)
{
    uint32_t largest = x86_cpuid(feature->leaf & LEAF_EXTENDED_MAX, 0).registers[X86_EAX];

    return feature->leaf <= largest &&
           (x86_cpuid(feature->leaf, 0).registers[feature->reg] >> feature->bit & 1) != 0;
}

/* The CR4 and EFER bits of all features that are there. */
struct supported {
    uint64_t cr4;
    uint64_t efer;
};

static struct supported features_supported(void)
{
    struct supported supported = {0};

    for (size_t i = 0; i < HX_ARRAY_SIZE(features); i++) {
        if (feature_is_present(&features[i])) {
            supported.cr4 |= features[i].cr4;
            supported.efer |= features[i].efer;
        }
    }
    return supported;
}

uint64_t x86_cr4_supported(void)
{
    return features_supported().cr4;
}

static void describe_features(void)
{
    string_copy(cpu_features, sizeof(cpu_features), "wp");
    for (size_t i = 0; i < HX_ARRAY_SIZE(features); i++) {
        if (feature_is_present(&features[i])) {
            size_t end = string_length(cpu_features);

            cpu_features[end] = ' ';
            string_copy(cpu_features + end + 1, sizeof(cpu_features) - end - 1, features[i].name);
        }
    }
}

/* The brand string, or the vendor's where there is none. */
static void describe_processor(void)
{
    uint32_t words[BRAND_SIZE / 4] = {0};
    const char *text = (const char *)words;
    size_t used = 0;

    if (x86_cpuid(LEAF_EXTENDED_MAX, 0).registers[X86_EAX] >= LEAF_BRAND_LAST) {
        for (uint32_t leaf = LEAF_BRAND_FIRST; leaf <= LEAF_BRAND_LAST; leaf++) {
            struct x86_cpuid part = x86_cpuid(leaf, 0);

            memcpy(&words[used], part.registers, sizeof(part.registers));
            used += HX_ARRAY_SIZE(part.registers);
        }
    } else {
        struct x86_cpuid vendor = x86_cpuid(0, 0);

        words[0] = vendor.registers[X86_EBX];
        words[1] = vendor.registers[X86_EDX];
        words[2] = vendor.registers[X86_ECX];
    }
    while (*text == ' ') {
        text++;
    }
    memcpy(cpu_name, text, sizeof(words) - (size_t)(text - (const char *)words));
}

bool hal_cpu_id_is_readable(void)
{
    return feature_is_present(&rdtscp);
}

void x86_cpu_init_features(void)
{
    struct supported supported = features_supported();
    uint64_t cr0 = x86_cr0_read() & ~(CR0_EMULATE_FPU | CR0_TASK_SWITCHED);

    x86_cr0_write(cr0 | CR0_WRITE_PROTECT | CR0_NUMERIC_ERROR | CR0_MONITOR_FPU);
    x86_cr4_write(x86_cr4_read() | supported.cr4);
    x86_msr_write(MSR_EFER, x86_msr_read(MSR_EFER) | supported.efer);
    if (hal_cpu_id_is_readable()) {
        x86_msr_write(MSR_TSC_AUX, hal_cpu_id());
    }
    x86_fpu_init();
    if (cpu_name[0] == '\0') {
        describe_processor();
        describe_features();
    }
}

const char *hal_cpu_name(void)
{
    return cpu_name;
}

const char *hal_cpu_features(void)
{
    return cpu_features;
}

/* --- waiting ---------------------------------------------------------------------------------- */

void hal_cpu_idle(void)
{
    /* sti holds interrupts back for one more instruction, so none comes between the two */
    __asm__ volatile("sti\n\thlt" ::: "memory");
}

void hal_cpu_halt(void)
{
    for (;;) {
        __asm__ volatile("cli\n\thlt" ::: "memory");
    }
}

/* --- entropy ---------------------------------------------------------------------------------- */

/* 0 where there is no generator, or it is exhausted. */
static uint64_t rdrand(void)
{
    uint64_t value = 0;
    bool valid = false;

    if ((x86_cpuid(1, 0).registers[X86_ECX] & CPUID_1_ECX_RDRAND) == 0) {
        return 0;
    }
    for (unsigned i = 0; i < RDRAND_TRIES && !valid; i++) {
        __asm__ volatile("rdrand %0" : "=r"(value), "=@ccc"(valid));
    }
    return valid ? value : 0;
}

/* The finaliser of MurmurHash3 (Appleby): each bit in changes half of the bits out. */
static uint64_t scramble(uint64_t value)
{
    value = (value ^ value >> 33) * 0xff51afd7ed558ccdUL;
    value = (value ^ value >> 33) * 0xc4ceb9fe1a85ec53UL;
    return value ^ value >> 33;
}

/*
 * Each number depends on all that came before it, the random number generator, the counter and,
 * from the first, the date. Without a generator what remains is when the calls come.
 */
uint64_t hal_cpu_entropy(void)
{
    uint64_t fresh = scramble(hal_clock_cycles()) ^ rdrand();
    uint64_t pool = atomic_load_explicit(&entropy_pool, memory_order_relaxed);
    uint64_t next;

    if (pool == 0) {
        fresh ^= hal_clock_wall() << 32;
    }
    /* relaxed: the value is all there is */
    do {
        next = scramble(pool + fresh);
    } while (!atomic_compare_exchange_weak_explicit(&entropy_pool, &pool, next,
                                                    memory_order_relaxed, memory_order_relaxed));
    return scramble(next ^ fresh);
}
