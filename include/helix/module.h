/*
 * What a loadable module is, seen from the module and from the kernel.
 *
 * Rules:
 * - A module is a relocatable ELF file with one descriptor, the symbol hx_module.
 * - Its operations are called through the gate with up to four integer arguments and give back one;
 *   pointers in them are meaningful only where the operation's contract says so.
 * - It calls the kernel through the functions declared here and nothing else. What it hands in is
 *   copied; a bad address makes the call return HX_EFAULT, not the kernel fault.
 * - An operation returns within its slot's deadline; an exception, a missed deadline, hx_fail, or
 *   a return with interrupts switched off ends the whole instance.
 * - The same file runs in the kernel's mode or unprivileged; it cannot tell and must not care.
 */
#ifndef HELIX_MODULE_H
#define HELIX_MODULE_H

#include <helix/attributes.h>
#include <helix/error.h>
#include <stddef.h>
#include <stdint.h>

#define HX_MODULE_MAGIC    0x454c55444f4d5848ULL /* "HXMODULE" in memory */
#define HX_MODULE_ABI      1U                    /* of this header: another number is refused */
#define HX_MODULE_NAME_MAX 32

/* Same major = compatible. */
struct hx_module_version {
    uint16_t major; /* breaking changes */
    uint16_t minor; /* new features */
    uint16_t patch; /* corrections */
    uint16_t reserved;
};

/* Only grows at the end; size says which members are there. */
struct hx_module_descriptor {
    uint64_t magic;
    uint32_t abi;
    uint32_t size;                 /* sizeof(struct hx_module_descriptor) when it was built */
    char name[HX_MODULE_NAME_MAX]; /* NUL terminated */
    struct hx_module_version version;
    const uintptr_t *operations; /* functions of the module, in the order of its category */
    uint32_t operation_count;
    uint32_t reserved;
};

extern const struct hx_module_descriptor hx_module;

/* --- the kernel's functions ------------------------------------------------------------------- */

/* Write one line to the log, at most 200 bytes of it. Errors: HX_EFAULT. */
hx_err hx_log(const char *text, size_t length);

/* Nanoseconds since the kernel started. */
uint64_t hx_clock_now(void);

/* Give up: the instance dies, the caller learns of it. The sentence goes to the log. */
HX_NORETURN void hx_fail(const char *sentence, size_t length);

#endif
