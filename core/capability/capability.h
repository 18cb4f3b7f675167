/*
 * Capabilities: which subject has which rights on which resource (SPEC A1 to A7).
 *
 * Rules:
 * - A grant says: this subject has these rights on this resource, through that grant of somebody
 *   else (or from the kernel). Grants never change; they are made and revoked.
 * - SUBJECT_KERNEL has every right on everything, without a grant, and gives the first ones.
 * - A subject can have several grants on one resource: its rights there are those of all of them.
 *   Each ends by itself. What is delegated is derived from one of them.
 * - A revocation takes effect with one store: the rights of the grant that is revoked. Everything
 *   derived from it is cut off by that store, because a check that comes while revocations are
 *   being reclaimed follows the grant's origins (at most CAPABILITY_DEPTH_MAX). A thread then
 *   removes what was cut off, in slices, and checks are plain look-ups again. Once the call has
 *   returned, no check that begins afterwards passes by what it took away.
 * - Checks take no lock and allocate nothing.
 * - What changes grants is called in thread context and may block; where that is not allowed it
 *   answers HX_ECONTEXT.
 * - Who may call grant and revoke is not decided here: these are calls of the kernel's own.
 */
#ifndef CORE_CAPABILITY_CAPABILITY_H
#define CORE_CAPABILITY_CAPABILITY_H

#include <core/capability/grant.h>
#include <core/capability/permission_list.h>
#include <helix/attributes.h>
#include <helix/error.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PERMISSION_ENUM(name, bit, text, meaning) name = 1 << (bit),
enum permission { PERMISSION_LIST(PERMISSION_ENUM) };
#undef PERMISSION_ENUM

#define RESOURCE_TYPE_ENUM(name, number, text, meaning) name = (number),
enum resource_type { RESOURCE_TYPE_LIST(RESOURCE_TYPE_ENUM) RESOURCE_TYPE_COUNT };
#undef RESOURCE_TYPE_ENUM

/* A subject's index in bits 0..31, its generation in bits 32..63; 0 is nobody. */
typedef uint64_t subject_id;
#define SUBJECT_NONE   0ULL
#define SUBJECT_KERNEL (1ULL << 32)

/* A resource's number in bits 0..55, its type in bits 56..63; 0 is nothing. */
typedef uint64_t resource_id;
#define RESOURCE_NUMBER_BITS 56U
#define RESOURCE_NUMBER_MAX  ((1ULL << RESOURCE_NUMBER_BITS) - 1)

/* A grant's index in bits 0..31, its generation in bits 32..63; 0 is no grant. */
typedef uint64_t capability_handle;
#define CAPABILITY_NONE 0ULL

/* How many grants in a row can be derived from each other; the first of them counts. */
#define CAPABILITY_DEPTH_MAX   64U
#define CAPABILITY_SUBJECT_MAX 4096U
/* How many grants one subject can have on one resource. */
#define CAPABILITY_SAME_MAX 32U
#define SUBJECT_NAME_MAX    24U

/* The resource of a type and number; a number beyond 56 bits gives the resource 0. */
static inline resource_id resource_make(enum resource_type type, uint64_t number)
{
    return number <= RESOURCE_NUMBER_MAX ? (uint64_t)type << RESOURCE_NUMBER_BITS | number : 0;
}

static inline enum resource_type resource_type_of(resource_id resource)
{
    return (enum resource_type)(resource >> RESOURCE_NUMBER_BITS);
}

static inline uint64_t resource_number_of(resource_id resource)
{
    return resource & RESOURCE_NUMBER_MAX;
}

/* --- start and end --------------------------------------------------------------------------- */

/*
 * Set up the tables and start the thread that reclaims and grows. Before, every check but the
 * kernel's own is refused, and every other call answers HX_ESTATE. Grants that were there before a
 * capability_fini are there still.
 * Context: thread, one at a time.  Errors: HX_ESTATE it runs already; HX_ENOMEM, and what it has
 * got so far serves the next try.
 */
HX_MUST_USE hx_err capability_init(void);

/*
 * Stop the thread. What is held stays held, checks go on; what is revoked from now on is cut off,
 * and reclaimed after the next capability_init.  Context: thread, may block.
 */
void capability_fini(void);

/*
 * Wait until what was revoked before the call is reclaimed, and the table has the size that the
 * grants made before the call need.  Context: thread, may block.
 */
void capability_settle(void);

/* --- subjects -------------------------------------------------------------------------------- */

/*
 * Make a subject. The name is for people, and need not be unique: 1 to SUBJECT_NAME_MAX - 1 bytes,
 * printable ASCII, copied.
 * Context: thread, may block.  Errors: HX_EINVAL name, HX_ENOMEM, HX_ENOSPC too many subjects.
 */
HX_MUST_USE hx_err capability_subject_create(const char *name, subject_id *subject);

/*
 * End a subject: what it holds, and what is derived from that, is revoked, at one store. Its id is
 * never given out again.
 * Context: thread, may block.  Errors: HX_EINVAL SUBJECT_KERNEL, HX_ESTALE there is none.
 */
HX_MUST_USE hx_err capability_subject_destroy(subject_id subject);

bool capability_subject_is_live(subject_id subject);

/*
 * Copy a subject's name to buffer[SUBJECT_NAME_MAX]; "?" for one that is gone.
 * Context: thread, may block.
 */
void capability_subject_name(subject_id subject, char *buffer);

/* --- grants ---------------------------------------------------------------------------------- */

/*
 * Give a subject rights on a resource, from the kernel. *handle may be left out (NULL).
 * Context: thread, may block.
 * Errors: HX_EINVAL no rights, resource 0, SUBJECT_KERNEL; HX_ESTALE there is no such subject;
 * HX_ENOSPC too many grants, or CAPABILITY_SAME_MAX of this subject on this resource; HX_ENOMEM.
 * On error nothing has changed.
 */
HX_MUST_USE hx_err capability_grant(subject_id to, resource_id resource, uint64_t rights,
                                    capability_handle *handle);

/*
 * The same out of what `from` holds: one of its grants on the resource must have all these rights
 * and PERMISSION_DELEGATE; the one nearest to the kernel is taken. Rights that `from` has by
 * several grants are delegated by several calls. From SUBJECT_KERNEL it is capability_grant.
 * Errors: those of capability_grant, HX_EPERM `from` has no such grant, HX_ERANGE it would be
 * derived more than CAPABILITY_DEPTH_MAX times.
 */
HX_MUST_USE hx_err capability_delegate(subject_id from, subject_id to, resource_id resource,
                                       uint64_t rights, capability_handle *handle);

/*
 * Take away all that a subject has on a resource, and everything derived from it.
 * Context: thread, may block.  Errors: HX_ENOENT it has nothing.
 */
HX_MUST_USE hx_err capability_revoke(subject_id subject, resource_id resource);

/*
 * Take away one grant, and everything derived from it.
 * Context: thread, may block.  Errors: HX_ESTALE it is gone already, or never was.
 */
HX_MUST_USE hx_err capability_revoke_handle(capability_handle handle);

/* --- checks ---------------------------------------------------------------------------------- */

/*
 * Whether a subject has all the required rights on a resource; with 0, whether it has any.
 * Context: any but nmi.  Blocks: no.
 */
HX_MUST_USE bool capability_check(subject_id subject, resource_id resource, uint64_t required);

/* The rest of capability_check_handle: while revocations are being reclaimed. */
HX_MUST_USE bool capability_check_handle_slowly(subject_id subject, capability_handle handle,
                                                resource_id resource, uint64_t required);

/*
 * Whether this grant is the subject's, is one on the resource, and has all the required rights by
 * itself.  Context: any but nmi.  Blocks: no.
 *
 * The record is never freed, only used again under the next generation; so the generation, read
 * last, says whether what was read before it belongs together. That the chunk is open is read
 * first: whatever was revoked before has then lost its rights.
 */
HX_MUST_USE static inline bool capability_check_handle(subject_id subject, capability_handle handle,
                                                       resource_id resource, uint64_t required)
{
    /* acquire: pairs with the release in broker_open_locked */
    uint32_t open = atomic_load_explicit(&grant_open_chunks, memory_order_acquire);
    const struct grant *grant;
    uint64_t rights;

    if (HX_UNLIKELY((uint32_t)handle / GRANT_CHUNK >= open)) {
        return capability_check_handle_slowly(subject, handle, resource, required);
    }
    grant = grant_in_chunk((uint32_t)handle);
    /* acquire: each pairs with the release in grant_fill, which is behind the generation's store */
    rights = atomic_load_explicit(&grant->rights, memory_order_acquire);
    return ((required | PERMISSION_HELD) & ~rights) == 0 &&
           atomic_load_explicit(&grant->subject, memory_order_acquire) == subject &&
           atomic_load_explicit(&grant->resource, memory_order_acquire) == resource &&
           atomic_load_explicit(&grant->generation, memory_order_relaxed) == handle >> 32;
}

/*
 * A check that passed, to be kept with what was asked and compared with capability_verdict: as long
 * as it is equal, the subject still has those rights. 0 is that of no check. To be taken before the
 * check, so that what is withdrawn meanwhile makes it unequal.
 */
typedef uint64_t capability_verdict;

/* How often rights were taken from anybody, in steps that leave room for a subject's index. */
extern _Atomic uint64_t capability_withdrawals;

/* What a subject's checks that pass now are kept as.  Context: any. */
HX_MUST_USE static HX_ALWAYS_INLINE capability_verdict capability_verdict_of(subject_id subject)
{
    /* acquire: pairs with the release in broker_withdrawn_locked */
    return atomic_load_explicit(&capability_withdrawals, memory_order_acquire) + (uint32_t)subject;
}

/*
 * The handle of a grant by which a subject has all these rights on a resource at once; for
 * capability_check_handle. CAPABILITY_NONE: there is none.  Context: any but nmi.  Blocks: no.
 */
HX_MUST_USE capability_handle capability_find(subject_id subject, resource_id resource,
                                              uint64_t required);

/* --- looking --------------------------------------------------------------------------------- */

struct capability_record {
    capability_handle handle;
    capability_handle origin; /* the grant it is derived from; CAPABILITY_NONE: the kernel's own */
    subject_id subject;       /* who holds it */
    subject_id through;       /* who holds the origin */
    resource_id resource;
    uint64_t rights; /* with PERMISSION_HELD */
    uint32_t depth;  /* 1: from the kernel */
};

/*
 * Say what a handle stands for. With the origin's handle, and so on, one walks up to the kernel.
 * Context: thread, may block.  Errors: HX_ESTALE.
 */
HX_MUST_USE hx_err capability_describe(capability_handle handle, struct capability_record *record);

/*
 * Find the next grant on a resource (0: on any), from *position on, which is 0 at the beginning and
 * is moved on. A call looks at a bounded number of grants. One that is held during the whole walk
 * is found once.
 * Context: thread, may block.  Errors: HX_EAGAIN none yet, go on; HX_ENOENT that was the last one.
 */
HX_MUST_USE hx_err capability_next(uint32_t *position, resource_id resource,
                                   struct capability_record *record);

/* "read,control,delegate", "bit40" for others, "-" for none, cut to size; PERMISSION_HELD is left
 * out.  Context: any. */
void capability_rights_text(uint64_t rights, char *buffer, size_t size);

/* Rights of such a text of so many bytes.  Context: any.  Errors: HX_EINVAL an unknown word. */
HX_MUST_USE hx_err capability_rights_parse(const char *text, size_t length, uint64_t *rights);

/* "slot", "?" for a type that is not in the list. */
const char *resource_type_name(enum resource_type type);

struct capability_statistics {
    uint64_t grants;     /* held, and cut off but not yet reclaimed */
    uint64_t subjects;   /* and ended ones not yet reclaimed; SUBJECT_KERNEL included */
    uint64_t operations; /* grants, delegations and revocations done */
    uint64_t refusals;   /* of these, and of checks by subject and resource */
    uint64_t reclaiming; /* revocations not yet reclaimed */
    uint64_t longest;    /* grants looked at in one hold of the lock, at most so far */
    uint64_t buckets;    /* size of the table */
    uint64_t memory;     /* bytes of tables and records */
};

/* Context: any but nmi. */
void capability_statistics(struct capability_statistics *statistics);

#endif
