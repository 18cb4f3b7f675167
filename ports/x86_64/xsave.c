#include <base/assert.h>
#include <base/memory.h>
#include <ports/x86_64/cpu.h>
#include <ports/x86_64/instructions.h>
#include <ports/x86_64/xsave.h>
#include <stdbool.h>

#define LEAF_XSAVE 0xD

#define STATE_X87    (1UL << 0)
#define STATE_SSE    (1UL << 1)
#define STATE_AVX    (1UL << 2)
#define STATE_AVX512 (7UL << 5)
#define STATES       (STATE_X87 | STATE_SSE | STATE_AVX | STATE_AVX512)

/* Legacy area (SDM 1, table 13-1) and the reset values of its two control words. */
#define LEGACY_FCW        0
#define LEGACY_MXCSR      24
#define LEGACY_MXCSR_MASK 28
#define FCW_DEFAULT       0x037F
#define MXCSR_DEFAULT     0x1F80
#define MXCSR_MASK        0xFFBFU /* where the processor does not tell (SDM 1, 11.6.6) */

/* The header behind it (SDM 1, 13.4.2): the states present, then zeros. */
#define HEADER_SIZE 64U

struct x86_fpu_format x86_fpu_format = {.size = X86_FPU_LEGACY_SIZE, .mxcsr_mask = MXCSR_MASK};

/* The registers a program starts with. */
static struct x86_fpu initial;

/* What XSAVE does not write of a whole area: from the note to the end of the header. */
static struct unsaved {
    struct x86_fpu_note note;
    uint8_t header[HEADER_SIZE];
} unsaved;
_Static_assert(sizeof(struct x86_fpu_note) == X86_FPU_LEGACY_SIZE - X86_FPU_NOTE_OFFSET &&
                   sizeof(unsaved) == 112 && X86_FPU_NOTE_OFFSET == 464 &&
                   X86_FPU_LEGACY_SIZE == 512 && LEGACY_MXCSR == 24 && X86_FPU_STATES_LEGACY == 3 &&
                   X86_FPU_END_MAGIC == 0x46505845,
               "entry.S knows where they are");

static void read_mxcsr_mask(void)
{
    static uint8_t area[X86_FPU_LEGACY_SIZE] HX_ALIGNED(16); /* boot stacks are not as aligned */
    uint32_t mask;

    __asm__ volatile("fxsave64 (%0)" : : "r"(area) : "memory");
    memcpy(&mask, area + LEGACY_MXCSR_MASK, sizeof(mask));
    x86_fpu_format.mxcsr_mask = mask != 0 ? mask : MXCSR_MASK;
}

static void choose_states(void)
{
    struct x86_cpuid leaf = x86_cpuid(LEAF_XSAVE, 0);

    x86_fpu_format.states = leaf.registers[X86_EAX] & STATES;
    x86_xcr0_write(x86_fpu_format.states);
    /* of what is enabled now */
    x86_fpu_format.size = x86_cpuid(LEAF_XSAVE, 0).registers[X86_EBX];
    HX_ASSERT(x86_fpu_format.size <= X86_FPU_AREA_MAX,
              "the enabled register states fit their area");
    unsaved.note = (struct x86_fpu_note){
        .magic = X86_FPU_NOTE_MAGIC,
        .whole_size = (uint32_t)(x86_fpu_format.size + sizeof(uint32_t)),
        .states = x86_fpu_format.states,
        .size = (uint32_t)x86_fpu_format.size,
    };
}

void x86_fpu_init(void)
{
    __asm__ volatile("fninit");
    read_mxcsr_mask();
    if ((x86_cr4_read() & CR4_XSAVE) != 0) {
        choose_states();
    }
    x86_fpu_clear(&initial);
}

uint64_t x86_fpu_present(const struct x86_fpu *area)
{
    uint64_t present;

    memcpy(&present, area->bytes + X86_FPU_LEGACY_SIZE, sizeof(present));
    return present;
}

void x86_fpu_set_present(struct x86_fpu *area, uint64_t states)
{
    if (x86_fpu_format.states != 0) {
        memcpy(area->bytes + X86_FPU_LEGACY_SIZE, &states, sizeof(states));
    }
}

static bool is_header_loadable(const struct x86_fpu *area)
{
    static const uint8_t zeros[HEADER_SIZE - sizeof(uint64_t)];

    return (x86_fpu_present(area) & ~x86_fpu_format.states) == 0 &&
           memcmp(area->bytes + X86_FPU_LEGACY_SIZE + sizeof(uint64_t), zeros, sizeof(zeros)) == 0;
}

bool x86_fpu_is_loadable(const struct x86_fpu *area)
{
    uint32_t mxcsr;

    memcpy(&mxcsr, area->bytes + LEGACY_MXCSR, sizeof(mxcsr));
    return (mxcsr & ~x86_fpu_format.mxcsr_mask) == 0 &&
           (x86_fpu_format.states == 0 || is_header_loadable(area));
}

/* A state whose bit in the XSAVE header is clear is loaded with its reset values. */
void x86_fpu_clear(struct x86_fpu *area)
{
    const uint16_t fcw = FCW_DEFAULT;
    const uint32_t mxcsr = MXCSR_DEFAULT;

    memset(area->bytes, 0, x86_fpu_format.size);
    memcpy(area->bytes + LEGACY_FCW, &fcw, sizeof(fcw));
    memcpy(area->bytes + LEGACY_MXCSR, &mxcsr, sizeof(mxcsr));
}

void x86_fpu_reset(void)
{
    x86_fpu_restore(&initial);
}

/* --- in user memory ----------------------------------------------------------------------------
 */

/* entry.S says what they do. */
bool x86_fpu_save_checked(uintptr_t to, const void *unsaved, uint64_t states, size_t size);
bool x86_fpu_load_checked(uintptr_t from, const void *unsaved, uint64_t states, uint32_t bad_mxcsr);

bool x86_fpu_save_to_user(uintptr_t to)
{
    return x86_fpu_save_checked(to, &unsaved, x86_fpu_format.states, x86_fpu_format.size);
}

bool x86_fpu_load_from_user(uintptr_t from)
{
    return x86_fpu_load_checked(from, &unsaved, x86_fpu_format.states, ~x86_fpu_format.mxcsr_mask);
}
