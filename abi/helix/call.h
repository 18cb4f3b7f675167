/*
 * What the handlers of Helix's own calls share.
 *
 * Rules:
 * - A handler has the name helix_NAME, its parameters are the argument registers, and it answers a
 *   result or a negative errno. The contract of each stands in include/helix/system_calls.h.
 * - Descriptors are open files like any other, so that tables, poll and passing them are the vfs's.
 */
#ifndef ABI_HELIX_CALL_H
#define ABI_HELIX_CALL_H

#include <abi/linux/call.h>
#include <core/capability/capability.h>
#include <helix/attributes.h>
#include <helix/system_calls.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <subsys/process/process.h>

/* --- rights (rights.c) ------------------------------------------------------------------------ */

/*
 * Rights on a resource, and the grant by which the last one who asked had them, so that asking is
 * quick. Whatever is read of the two, the broker is asked whether they belong together.
 * Keys: I = immutable, A = atomic
 */
struct helix_right {
    resource_id every;                /* I  the resource that stands for all of the kind */
    resource_id one;                  /* I  this one's; or the same */
    uint64_t rights;                  /* I  what is asked for */
    _Atomic resource_id found_on;     /* A  which of the two `handle` is on */
    _Atomic capability_handle handle; /* A */
    _Atomic capability_verdict kept;  /* A  of who was last found to have them by a grant */
};

/* The calling process's subject. */
static inline subject_id helix_subject(void)
{
    return process_current()->subject;
}

/* Nothing is found yet. */
void helix_right_init(struct helix_right *right, enum resource_type type, uint64_t number,
                      uint64_t rights);

/* The rest of helix_may: the grant is gone, or another subject's. */
bool helix_may_otherwise(struct helix_right *right);

/* Whether the calling process has these rights now, as it had when it was last asked; subject is
 * its subject.  Context: thread. */
static HX_ALWAYS_INLINE bool helix_may_still(const struct helix_right *right, subject_id subject)
{
    return HX_LIKELY(atomic_load_explicit(&right->kept, memory_order_relaxed) ==
                     capability_verdict_of(subject));
}

/* Whether the grant found last gives the calling process these rights; that is kept. */
static HX_ALWAYS_INLINE bool helix_may_as_found(struct helix_right *right)
{
    subject_id subject = helix_subject();
    capability_verdict verdict = capability_verdict_of(subject);
    bool may = capability_check_handle(
        subject, atomic_load_explicit(&right->handle, memory_order_relaxed),
        atomic_load_explicit(&right->found_on, memory_order_relaxed), right->rights);

    if (may) {
        atomic_store_explicit(&right->kept, verdict, memory_order_relaxed);
    }
    return may;
}

/* Whether the calling process has these rights now.  Context: thread. */
static inline bool helix_may(struct helix_right *right)
{
    return helix_may_still(right, helix_subject()) || helix_may_as_found(right) ||
           helix_may_otherwise(right);
}

/* --- files ------------------------------------------------------------------------------------ */

#define HELIX_FILE_FLAGS ((uint32_t)(HELIX_NONBLOCK | HELIX_CLOEXEC))

_Static_assert(HELIX_NONBLOCK == FILE_NON_BLOCKING && HELIX_CLOEXEC == FILE_CLOSE_ON_EXEC,
               "flags are the vfs's");

/* The resource that a descriptor's rights are about; 0: it is none of Helix's own. */
resource_id helix_resource_of_channel(const struct file *file);
resource_id helix_resource_of_mailbox(const struct file *file);

/*
 * The file of a descriptor if it has these operations and nobody but the calling thread can close
 * it before the call ends; NULL: linux_use_file says more.
 */
static HX_ALWAYS_INLINE const struct file *
helix_peek_file(const struct process *self, uint64_t descriptor, const struct file_ops *ops)
{
    const struct file *file;

    if (HX_UNLIKELY(!file_table_is_alone(self->files, process_is_alone()))) {
        return NULL;
    }
    file = file_table_peek(self->files, (int)descriptor);
    return HX_LIKELY(file != NULL) && HX_LIKELY(file->ops == ops) ? file : NULL;
}

/* A wait that a signal ended before anything happened: done again, or EINTR. */
static inline int64_t helix_result(hx_err error)
{
    return linux_restartable(error, 0);
}

#endif
