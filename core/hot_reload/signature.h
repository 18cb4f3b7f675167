/*
 * Signatures: what the kernel and a module file each know about the types that they share.
 *
 * Rules:
 * - Both carry a text of the same form, made by tools/signatures from debug information (its form
 *   is described in tools/helixtools/signatures.py): an index of the exports with a checksum over
 *   all types that each leads to, then a line that describes each export and each of these types.
 * - Equal checksums are enough. Descriptions are read only to say what differs, and to see whether
 *   nothing but the end of an enumeration or of a category's operations was added since the module
 *   was built: that is compatible, because the numbers and members it knows are where they were.
 * - A module's text is foreign: anything may stand in it. Nothing is allocated.
 */
#ifndef CORE_HOT_RELOAD_SIGNATURE_H
#define CORE_HOT_RELOAD_SIGNATURE_H

#include <base/text.h>
#include <helix/attributes.h>
#include <helix/error.h>
#include <stdbool.h>
#include <stddef.h>

#define SIGNATURE_SECTION   ".helix.signatures"
#define SIGNATURE_INDEX_MAX 65536 /* bytes */
#define SIGNATURE_LINE_MAX  8192  /* bytes of a description; tools/signatures keeps to it */

/* A part of a text, not terminated. */
struct signature_part {
    const char *bytes;
    size_t size;
};

struct signatures {
    struct signature_part index;        /* lines NAME CHECKSUM */
    struct signature_part descriptions; /* lines NAME | KEY: VALUE; … */
};

/*
 * Find the two parts of a text, which must stay as long as they are used.
 * Context: any.
 * Errors: HX_EFORMAT it does not begin as such a text, HX_EVERSION it is of another form, HX_ERANGE
 * its index is longer than SIGNATURE_INDEX_MAX.
 */
HX_MUST_USE hx_err signatures_read(const char *bytes, size_t size, struct signatures *signatures);

/* What this kernel exports.  Context: any. */
struct signatures signatures_of_kernel(void);

/* Whether two say the same about every export, by their checksums.  Context: any. */
bool signatures_are_equal(const struct signatures *a, const struct signatures *b);

/* The 16 digits that belong to a name in the index; size 0: there are none.  Context: any. */
struct signature_part signatures_checksum(const struct signatures *signatures, const char *name);

/*
 * Whether a module that was built with its signatures can be given what the kernel has under a
 * name. If not, a sentence is added to *why, such as "hx_state_get: struct hx_x.size: uint32 at 8,
 * here uint64 at 8". Context: any. Errors: HX_EIMPORT the kernel has nothing of the name,
 * HX_EVERSION the types differ, HX_EFORMAT the module's signatures do not have the name, or
 * contradict themselves.
 */
HX_MUST_USE hx_err signatures_compare(const struct signatures *module,
                                      const struct signatures *kernel, const char *name,
                                      struct text *why);

#endif
