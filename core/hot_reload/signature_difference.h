/*
 * The lines of signatures, and what differs between those of a module and the kernel's.
 *
 * Rules:
 * - For signature.c alone. A module's text is foreign; what is not as it should be is no line.
 */
#ifndef CORE_HOT_RELOAD_SIGNATURE_DIFFERENCE_H
#define CORE_HOT_RELOAD_SIGNATURE_DIFFERENCE_H

#include <core/hot_reload/signature.h>

enum signature_verdict {
    SIGNATURE_SAME,       /* no difference was found */
    SIGNATURE_GROWN,      /* the kernel has more, where that does not matter */
    SIGNATURE_DIFFERS,    /* a sentence was added to why */
    SIGNATURE_UNREADABLE, /* there is no description; a sentence was added to why */
};

/*
 * What follows name and separator in the first line that begins with both, up to its end; bytes is
 * NULL if there is none, or if it is longer than SIGNATURE_LINE_MAX.
 */
struct signature_part signature_line(struct signature_part lines, const char *name,
                                     const char *separator);

/* The entries that describe an export, or a named type ("struct hx_x"); bytes NULL: none. */
struct signature_part signature_description(const struct signatures *signatures, const char *name);
struct signature_part signature_type(const struct signatures *signatures,
                                     struct signature_part name);

/* The list of named types that an export's entries end with, empty if there is none. */
struct signature_part signature_uses(struct signature_part entries);

/* Take the first of such a list; false: it is empty. */
bool signature_next_use(struct signature_part *uses, struct signature_part *type);

/* The first difference in what the two say about an export; name is in both indices. */
enum signature_verdict signature_find_difference(const struct signatures *module,
                                                 const struct signatures *kernel, const char *name,
                                                 struct text *why);

#endif
