/*
 * Access: what a caller needs a capability for (SPEC A5).
 *
 * Rules:
 * - access_require asks the CapabilityBroker about the calling thread's subject
 *   (syscall_caller). Kernel threads have every right.
 * - Acts that Linux keeps for its superuser are privileges: rights on resources of a type of their
 *   own, one for each row of privilege_list.h. Nothing else in the kernel asks for user 0, but for
 *   the modes of files, which are POSIX's.
 * - What was refused is remembered for a while, so that a program that got nothing but an errno can
 *   ask which capability was missing (/helix/refused).
 * - Resources have names for people, TYPE:NAME, given by who has them (struct resource_names).
 *   TYPE:NUMBER is understood for all.
 */
#ifndef SUBSYS_ACCESS_ACCESS_H
#define SUBSYS_ACCESS_ACCESS_H

#include <core/capability/capability.h>
#include <helix/attributes.h>
#include <helix/error.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <subsys/access/privilege_list.h>

#define PRIVILEGE_ENUM(name, number, text, error, meaning) name = (number),
enum privilege { PRIVILEGE_LIST(PRIVILEGE_ENUM) PRIVILEGE_END };
#undef PRIVILEGE_ENUM

/* --- asking ----------------------------------------------------------------------------------- */

/*
 * The calling thread's subject needs these rights on a resource; without them the answer is
 * `refusal`, and remembered.  Context: thread; where it is refused, it may block.
 */
HX_MUST_USE hx_err access_require(resource_id resource, uint64_t rights, hx_err refusal);

/* The same for a privilege, with its row's error.  Context: thread. */
HX_MUST_USE hx_err access_require_privilege(enum privilege privilege);

/* Whether the calling thread's subject has it. Not to have it is no refusal.  Context: thread. */
bool access_has_privilege(enum privilege privilege);

static inline resource_id privilege_resource(enum privilege privilege)
{
    return resource_make(RESOURCE_TYPE_PRIVILEGE, privilege);
}

/* Name and meaning of a row, "" for none.  Context: any. */
const char *privilege_name(enum privilege privilege);
const char *privilege_meaning(enum privilege privilege);

/* --- what was refused ------------------------------------------------------------------------- */

#define ACCESS_REFUSALS 64U /* that many are remembered */

struct access_refusal {
    uint64_t time_ns; /* hal_clock_now() */
    uint32_t thread;  /* the kernel's id of the thread */
    subject_id subject;
    char subject_name[SUBJECT_NAME_MAX]; /* it may be gone; "?": refused where nothing may block */
    resource_id resource;
    uint64_t rights;
    hx_err error;
};

/* The calling thread's last one, or else the last one of its subject; false: none, or forgotten.
 * Context: thread. */
bool access_last_refusal(struct access_refusal *refusal);

/* Number `index` before the newest, 0 the newest; false: there are no more.  Context: thread. */
bool access_refusal_at(uint32_t index, struct access_refusal *refusal);

/* How many there were since boot.  Context: any. */
uint64_t access_refusal_count(void);

/* --- names ------------------------------------------------------------------------------------ */

#define RESOURCE_TEXT_SIZE 64U /* of TYPE:NAME, with the NUL */
#define RESOURCE_NAME_SIZE 40U /* of NAME, with the NUL */

/* How resources of a type are called. Constant; valid for ever. All run in thread context. */
struct resource_names {
    enum resource_type type;
    /* The number of a name.  Errors: HX_ENOENT. */
    hx_err (*find)(const char *name, uint64_t *number);
    /* The name of a number; false: it has none. */
    bool (*name)(uint64_t number, char name[RESOURCE_NAME_SIZE]);
    /* The lowest number at or above `from` that is there; false: none. */
    bool (*next)(uint64_t from, uint64_t *number);
};

/* Context: boot.  Errors: HX_EEXIST the type has other names, HX_EINVAL. */
HX_MUST_USE hx_err resource_names_register(const struct resource_names *names);

/* NULL: the type has none.  Context: thread. */
const struct resource_names *resource_names_of(enum resource_type type);

/* "privilege:mount", "device:5".  Context: thread. */
void resource_text(resource_id resource, char text[RESOURCE_TEXT_SIZE]);

/*
 * The resource of such a text of so many bytes.  Context: thread.
 * Errors: HX_EINVAL it is not of that form, HX_ENOENT no such type or name.
 */
HX_MUST_USE hx_err resource_parse(const char *text, size_t length, resource_id *resource);

/* Names of privileges.  Context: boot.  Errors: as resource_names_register. */
HX_MUST_USE hx_err access_init(void);

#endif
