/* Source: System V ABI, AMD64 supplement 1.0, 4.4.1. Modules are built with -fno-pic, so no GOT. */
#include <base/elf64.h>
#include <base/memory.h>
#include <hal/relocate.h>
#include <stdbool.h>

/* X(type, name) */
#define RELOCATION_LIST(X)                                                                         \
    X(0, R_X86_64_NONE)                                                                            \
    X(1, R_X86_64_64)                                                                              \
    X(2, R_X86_64_PC32)                                                                            \
    X(3, R_X86_64_GOT32)                                                                           \
    X(4, R_X86_64_PLT32)                                                                           \
    X(5, R_X86_64_COPY)                                                                            \
    X(6, R_X86_64_GLOB_DAT)                                                                        \
    X(7, R_X86_64_JUMP_SLOT)                                                                       \
    X(8, R_X86_64_RELATIVE)                                                                        \
    X(9, R_X86_64_GOTPCREL)                                                                        \
    X(10, R_X86_64_32)                                                                             \
    X(11, R_X86_64_32S)                                                                            \
    X(12, R_X86_64_16)                                                                             \
    X(13, R_X86_64_PC16)                                                                           \
    X(14, R_X86_64_8)                                                                              \
    X(15, R_X86_64_PC8)                                                                            \
    X(16, R_X86_64_DTPMOD64)                                                                       \
    X(17, R_X86_64_DTPOFF64)                                                                       \
    X(18, R_X86_64_TPOFF64)                                                                        \
    X(19, R_X86_64_TLSGD)                                                                          \
    X(20, R_X86_64_TLSLD)                                                                          \
    X(21, R_X86_64_DTPOFF32)                                                                       \
    X(22, R_X86_64_GOTTPOFF)                                                                       \
    X(23, R_X86_64_TPOFF32)                                                                        \
    X(24, R_X86_64_PC64)                                                                           \
    X(25, R_X86_64_GOTOFF64)                                                                       \
    X(26, R_X86_64_GOTPC32)                                                                        \
    X(32, R_X86_64_SIZE32)                                                                         \
    X(33, R_X86_64_SIZE64)                                                                         \
    X(37, R_X86_64_IRELATIVE)                                                                      \
    X(41, R_X86_64_GOTPCRELX)                                                                      \
    X(42, R_X86_64_REX_GOTPCRELX)

#define RELOCATION_ENUM(type, name) name = (type),
enum relocation { RELOCATION_LIST(RELOCATION_ENUM) };
#undef RELOCATION_ENUM

/* What a relocation computes is known modulo 2^64; the value is stored in so many bytes. */
struct relocated {
    uint64_t value;
    size_t size;
    bool fits;
};

static bool fits_signed(uint64_t value)
{
    return value <= INT32_MAX || value >= (uint64_t)INT32_MIN;
}

static hx_err compute(uint32_t type, uint64_t target, uint64_t place_address, struct relocated *out)
{
    uint64_t distance = target - place_address;

    switch (type) {
    case R_X86_64_NONE:
        *out = (struct relocated){.value = 0, .size = 0, .fits = true};
        return HX_OK;
    case R_X86_64_64:
        *out = (struct relocated){.value = target, .size = 8, .fits = true};
        return HX_OK;
    case R_X86_64_PC64:
        *out = (struct relocated){.value = distance, .size = 8, .fits = true};
        return HX_OK;
    case R_X86_64_PC32:
    case R_X86_64_PLT32: /* every function is reached directly */
        *out = (struct relocated){.value = distance, .size = 4, .fits = fits_signed(distance)};
        return HX_OK;
    case R_X86_64_32:
        *out = (struct relocated){.value = target, .size = 4, .fits = target <= UINT32_MAX};
        return HX_OK;
    case R_X86_64_32S:
        *out = (struct relocated){.value = target, .size = 4, .fits = fits_signed(target)};
        return HX_OK;
    default:
        return HX_ENOSYS;
    }
}

/* Of any alignment; little endian: the low bytes come first. Sizes are said for copies in line. */
static void store(void *place, const struct relocated *result)
{
    if (result->size == sizeof(uint32_t)) {
        memcpy(place, &result->value, sizeof(uint32_t));
    } else {
        memcpy(place, &result->value, result->size);
    }
}

hx_err hal_relocate(uint32_t type, void *place, uint64_t place_address, uint64_t symbol_value,
                    int64_t addend, size_t room)
{
    struct relocated result;
    hx_err error = compute(type, symbol_value + (uint64_t)addend, place_address, &result);

    if (error != HX_OK) {
        return error;
    }
    if (result.size > room) {
        return HX_EINVAL;
    }
    if (!result.fits) {
        return HX_ERANGE;
    }
    store(place, &result);
    return HX_OK;
}

const char *hal_relocation_name(uint32_t type)
{
    switch (type) {
#define RELOCATION_CASE(number, name)                                                              \
    case number:                                                                                   \
        return #name;
        RELOCATION_LIST(RELOCATION_CASE)
#undef RELOCATION_CASE
    default:
        return "unknown relocation";
    }
}

uint16_t hal_relocation_machine(void)
{
    return ELF64_MACHINE_X86_64;
}
