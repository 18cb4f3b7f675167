/*
 * Authorities: whom a process is towards the CapabilityBroker (SPEC A5, Y6).
 *
 * Rules:
 * - An authority is a subject that processes share: one for each user whose processes run, and one
 *   for each confinement. It ends with its last process, and with it what it held.
 * - That of user 0 is made with process 1, gets every named resource from the kernel, and stays.
 *   What another user's authority holds, somebody has given it; it then stays too.
 * - A process that becomes another user (set-user calls, set-user programs) changes to that user's
 *   authority. A confined process keeps its own, whatever it does, and gives it to its children;
 *   set-user programs change nothing for it.
 */
#ifndef SUBSYS_PROCESS_AUTHORITY_H
#define SUBSYS_PROCESS_AUTHORITY_H

#include <base/list.h>
#include <core/capability/capability.h>
#include <helix/attributes.h>
#include <helix/error.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct process;

/* Keys: I = immutable, A = atomic, L = the mutex of all authorities */
struct authority {
    subject_id subject;          /* I */
    uint32_t user;               /* I  whose; of a confined one, whose processes it was made for */
    bool is_confined;            /* I */
    struct authority *origin;    /* I  of a confined one: whose rights it has; a reference. NULL */
    bool is_kept;                /* L  has one reference of its own */
    _Atomic uint32_t references; /* A */
    struct list link;            /* L  all of users */
};

/* One right of a list that is given or kept. */
struct authority_right {
    resource_id resource;
    uint64_t rights;
};
#define AUTHORITY_RIGHTS_MAX 64U

/* Context: boot, once. */
void authority_init(void);

/*
 * The authority of a user, made if there is none; a reference.
 * Context: thread, may block.  Errors: HX_ENOMEM, HX_EAGAIN too many subjects.
 */
HX_MUST_USE hx_err authority_of_user(uint32_t user, struct authority **authority);

struct authority *authority_get(struct authority *authority);
void authority_put(struct authority *authority); /* NULL is allowed.  Context: thread, may block. */

/* It stays when its last process has gone.  Context: thread, may block. */
void authority_keep(struct authority *authority);

/*
 * Give the authority of user 0 every resource that has a name, with all rights.
 * Context: thread, may block.  Errors: HX_ENOMEM, HX_ENOSPC.
 */
HX_MUST_USE hx_err authority_grant_all(struct authority *authority);

/* --- of processes ----------------------------------------------------------------------------- */

/*
 * The authority that a process has once its effective user is that one; a reference. A process's
 * own if nothing changes.  Context: thread, may block.  Errors: as authority_of_user.
 */
HX_MUST_USE hx_err authority_after(const struct process *process, uint32_t effective_user,
                                   struct authority **next);

/* Put it in force for all threads, under process_mutex; the reference moves in. Returns the old
 * one, to be put without the mutex. */
HX_MUST_USE struct authority *authority_change_locked(struct process *process,
                                                      struct authority *next);

/*
 * Confine the calling process, for good: of what it holds it keeps these rights alone, or none.
 * Context: thread of a process, may block.
 * Errors: HX_EINVAL more than AUTHORITY_RIGHTS_MAX; HX_EPERM it does not hold one of them
 * with the right to delegate; HX_ENOMEM, HX_EAGAIN. Nothing has changed then.
 */
HX_MUST_USE hx_err authority_confine(const struct authority_right *rights, size_t count);

/*
 * The subject that a text of so many bytes names: "root", "user:1000", "process:12", "kernel".
 * is_to_keep: a user's authority is made if need be, and kept.
 * Context: thread, may block.  Errors: HX_EINVAL, HX_ENOENT, HX_ENOMEM, HX_EAGAIN.
 */
HX_MUST_USE hx_err authority_parse(const char *text, size_t length, bool is_to_keep,
                                   subject_id *subject);

#endif
