/*
 * Descriptors under way from process to process (SCM_RIGHTS), and the collector of those that
 * nobody can receive any more.
 *
 * Rules:
 * - Files are under way from flight_begin to flight_end; they lie in the inbox of a Unix socket
 *   meanwhile, or with who is just about to put them in or has taken them out.
 * - Who takes files out of an inbox holds flight_mutex. So the collector sees no queue lose one.
 * - The collector looks at the sockets that are under way themselves, and at their inboxes: nothing
 *   else can lie in a cycle. It runs when a Unix socket is closed while any socket is under way.
 * - What is under way counts as the sender's open files.
 */
#ifndef SUBSYS_SOCKET_FLIGHT_H
#define SUBSYS_SOCKET_FLIGHT_H

#include <core/resource/resource.h>
#include <helix/attributes.h>
#include <helix/error.h>
#include <kern/owner.h>
#include <stdint.h>

struct file;

#define PASSED_FILES_MAX 253U /* of one message, as on Linux */

struct passed_files {
    struct passed_files *next; /* while they are given back */
    resource_handle charge;    /* RESOURCE_HANDLE_NONE: not under way */
    owner_tag owner;           /* who is charged */
    uint32_t count;
    struct file *files[]; /* references */
};

/* Room for so many, and none in it; NULL: no memory. */
struct passed_files *passed_files_create(uint32_t capacity, owner_tag owner);
/* The same files with references of their own; they are not under way. NULL: no memory. */
struct passed_files *passed_files_copy(const struct passed_files *from);
/*
 * Give the references back, and the structure. As a socket's end gives back what lies in its inbox,
 * this may come back to itself: then it is done by the outer call, however long the chain is. NULL
 * is allowed.  Context: thread, without locks.
 */
void passed_files_free(struct passed_files *files);

/* From now on they are under way. NULL is allowed.  Errors: HX_ETOOMANYREFS the sender's limit. */
HX_MUST_USE hx_err flight_begin(struct passed_files *files);
void flight_lock(void);
void flight_unlock(void);
/* They have come, or nobody will get them. NULL is allowed. */
void flight_end_locked(struct passed_files *files);

/* Give back what nobody can receive any more. */
void flight_collect(void);

#endif
