/*
 * What a loadable module is, seen from the module and from the kernel.
 *
 * Rules:
 * - A module is a relocatable ELF file with one descriptor, the symbol hx_module.
 * - It is called through the gate: its category's operations by whoever uses its slot, its
 * lifecycle by the kernel. Up to four integer arguments go in, one comes back; pointers in them are
 *   meaningful only where the operation's contract says so.
 * - It calls the kernel through the functions declared here and in its category's header, and
 *   nothing else. What it hands in is copied; a bad address makes the call return HX_EFAULT, not
 * the kernel fault.
 * - An operation returns within its slot's deadline; an exception, a missed deadline, hx_fail, or
 *   a return with interrupts switched off ends the whole instance.
 * - The same file runs in the kernel's mode or unprivileged; it cannot tell and must not care.
 *   Several threads are in it at once unless its category's contract says otherwise.
 */
#ifndef HELIX_MODULE_H
#define HELIX_MODULE_H

#include <helix/attributes.h>
#include <helix/category_list.h>
#include <helix/error.h>
#include <stddef.h>
#include <stdint.h>

#define HX_MODULE_MAGIC    0x454c55444f4d5848ULL /* "HXMODULE" in memory */
#define HX_MODULE_ABI      2U                    /* of this header: another number is refused */
#define HX_MODULE_NAME_MAX 32
#define HX_STATE_KIND_MAX  24
#define HX_MODULE_HEAP_MAX 4096U /* pages */

/* Same major = compatible. */
struct hx_module_version {
    uint16_t major; /* breaking changes */
    uint16_t minor; /* new features */
    uint16_t patch; /* corrections */
    uint16_t reserved;
};

/*
 * The life of an instance, in this order. A member that is NULL means: nothing to do, HX_OK.
 * In all of them an error other than HX_OK calls off what the kernel was doing; the instance before
 * goes on.
 */
struct hx_module_lifecycle {
    /*
     * Prepare: allocate, set up tables. No outside effects: a callout that has one is refused with
     * HX_ESTATE. Also called for a rehearsal, whose instance is thrown away.
     */
    hx_err (*init)(void);
    /*
     * Take over the state that is offered by hx_state_get, written as minor version minor of the
     * same major: its own or any older one. Check all of it before using any of it. No outside
     * effects. Not called when there is no state: the instance starts anew. May be called on an
     * instance that served before: its state is replaced.
     */
    hx_err (*import_state)(uint64_t minor);
    /* Take over the device; from here on operations come. */
    hx_err (*activate)(void);
    /* It shall leave: let go of what keeps it; operations do not come any more. */
    hx_err (*prepare_unload)(void);
    /* It stays after all: as after activate. */
    hx_err (*cancel_unload)(void);
    /*
     * Write the whole state with hx_state_put, as minor version minor of this major knows it: its
     * own or the one before. Changes nothing, and may run while operations do: it takes the
     * module's own locks.
     */
    hx_err (*export_state)(uint64_t minor);
    /* Whether it can leave now: HX_OK or HX_EBUSY. */
    hx_err (*can_unload)(void);
    /* Whether all is well: HX_OK, HX_EAGAIN degraded, anything else: no. */
    hx_err (*check_health)(void);
};

/* Only grows at the end; size says which members are there. */
struct hx_module_descriptor {
    uint64_t magic;
    uint32_t abi;
    uint32_t size;                 /* sizeof(struct hx_module_descriptor) when it was built */
    char name[HX_MODULE_NAME_MAX]; /* NUL terminated */
    struct hx_module_version version;
    uint32_t category;        /* enum hx_category */
    uint32_t operations_size; /* sizeof(*operations) when it was built */
    const void *operations;   /* struct hx_NAME_operations; all members filled in or NULL */
    const struct hx_module_lifecycle *lifecycle; /* NULL: no state, nothing to prepare */
    /*
     * What its state is called: modules that take over each other's state say the same, and then
     * their versions' majors and minors are those of the state. "" without state.
     */
    char state_kind[HX_STATE_KIND_MAX];
    uint32_t
        heap_pages; /* room for what it takes with hx_pages_allocate, at most HX_MODULE_HEAP_MAX */
    uint32_t reserved;
};

extern const struct hx_module_descriptor hx_module;

/* --- the log and the clock -------------------------------------------------------------------- */

/* Write one line to the log, at most 200 bytes of it. Errors: HX_EFAULT. */
hx_err hx_log(const char *text, size_t length);

/* Nanoseconds since the kernel started. */
uint64_t hx_clock_now(void);

/* Let the calling thread wait so many nanoseconds. Errors: HX_ECONTEXT the call may not wait. */
hx_err hx_sleep(uint64_t ns);

/* Give up: the instance dies, the caller learns of it. The sentence goes to the log. */
HX_NORETURN void hx_fail(const char *sentence, size_t length);

/* --- memory ----------------------------------------------------------------------------------- */

/*
 * So many pages of 4096 bytes in a row, zero, readable and writable; they are charged to the
 * instance and come back with it. NULL: no memory, the instance's limit, or no room for so many.
 */
void *hx_pages_allocate(size_t pages);

/* Give all pages of one hx_pages_allocate back. Errors: HX_EINVAL it is not one's beginning. */
hx_err hx_pages_free(void *first);

/* --- state ------------------------------------------------------------------------------------ */

/*
 * A state is a set of records. Each has a tag (the module's own numbers, 1..) and may be there
 * several times; what one tag means never changes. An importer that does not know a tag cannot take
 * the state over, unless the record is optional: then the kernel carries it along into the next
 * export.
 */
#define HX_STATE_OPTIONAL 0x80000000U /* beside the tag */
#define HX_STATE_SIZE_MAX (1UL << 20) /* bytes, the whole state */

/*
 * Write a record; in export_state only.
 * Errors: HX_EINVAL tag 0, HX_ESTATE not now, HX_ERANGE the state becomes too large, HX_ENOMEM,
 * HX_EFAULT.
 */
hx_err hx_state_put(uint32_t tag, const void *bytes, size_t size);

/* Of record number index with that tag the size in bytes; UINT64_MAX: there is none. */
uint64_t hx_state_size(uint32_t tag, uint32_t index);

/*
 * Copy record number index with that tag, which has just this size; in import_state only.
 * Errors: HX_ENOENT there is none, HX_EVERSION it has another size, HX_ESTATE not now, HX_EFAULT.
 */
hx_err hx_state_get(uint32_t tag, uint32_t index, void *to, size_t size);

#endif
