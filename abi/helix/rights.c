/* Who may use native communication, and passing that on. */
#include <abi/helix/call.h>
#include <abi/helix/calls.h>
#include <core/capability/capability.h>
#include <subsys/access/access.h>

#define RIGHTS_ALL (PERMISSION_READ | PERMISSION_WRITE | PERMISSION_CONTROL | PERMISSION_DELEGATE)

_Static_assert(HELIX_RIGHT_READ == PERMISSION_READ && HELIX_RIGHT_WRITE == PERMISSION_WRITE &&
                   HELIX_RIGHT_CONTROL == PERMISSION_CONTROL &&
                   HELIX_RIGHT_DELEGATE == PERMISSION_DELEGATE,
               "rights are the broker's");

/* --- asking ----------------------------------------------------------------------------------- */

void helix_right_init(struct helix_right *right, enum resource_type type, uint64_t number,
                      uint64_t rights)
{
    right->every = resource_make(type, 0);
    right->one = resource_make(type, number);
    right->rights = rights;
    atomic_init(&right->found_on, 0);
    atomic_init(&right->handle, CAPABILITY_NONE);
    atomic_init(&right->kept, 0);
}

/* By a grant on one of the two. */
static bool find(struct helix_right *right, resource_id resource)
{
    capability_handle handle = capability_find(helix_subject(), resource, right->rights);

    if (handle == CAPABILITY_NONE) {
        return false;
    }
    atomic_store_explicit(&right->found_on, resource, memory_order_relaxed);
    atomic_store_explicit(&right->handle, handle, memory_order_relaxed);
    return true;
}

bool helix_may_otherwise(struct helix_right *right)
{
    return find(right, right->one) || (right->every != right->one && find(right, right->every)) ||
           access_require(right->one, right->rights, HX_EACCES) == HX_OK;
}

/* --- passing on ------------------------------------------------------------------------------- */

/* What a call about a descriptor's rights and a process is about. */
struct subject_of_call {
    resource_id resource;
    subject_id subject;
};

/* Errors: HX_EBADF, HX_EINVAL, HX_ESRCH. */
static hx_err find_both(uint64_t descriptor, uint64_t id, struct subject_of_call *found)
{
    struct file_use use = linux_use_file(descriptor);
    struct process *process;

    if (use.file == NULL) {
        return HX_EBADF;
    }
    found->resource = helix_resource_of_mailbox(use.file);
    if (found->resource == 0) {
        found->resource = helix_resource_of_channel(use.file);
    }
    file_use_end(use);
    if (found->resource == 0) {
        return HX_EINVAL;
    }
    process = process_find((uint32_t)id);
    if (process == NULL) {
        return HX_ESRCH;
    }
    found->subject = process->subject;
    process_put(process);
    return HX_OK;
}

/* Oneself, or a process of the same subject. */
static bool has_already(const struct subject_of_call *found, uint32_t rights)
{
    return found->subject == helix_subject() &&
           capability_find(found->subject, found->resource, rights | PERMISSION_DELEGATE) !=
               CAPABILITY_NONE;
}

int64_t helix_delegate(uint64_t descriptor, uint64_t process, uint64_t rights)
{
    struct subject_of_call found;
    hx_err error = HX_EINVAL;

    if ((uint32_t)rights != 0 && ((uint32_t)rights & ~(uint32_t)RIGHTS_ALL) == 0) {
        error = find_both(descriptor, process, &found);
    }
    if (error == HX_OK && !has_already(&found, (uint32_t)rights)) {
        error = capability_delegate(helix_subject(), found.subject, found.resource,
                                    (uint32_t)rights, NULL);
    }
    return linux_result(error == HX_ESTALE ? HX_ESRCH : error);
}

int64_t helix_revoke(uint64_t descriptor, uint64_t process)
{
    struct subject_of_call found;
    hx_err error = find_both(descriptor, process, &found);

    if (error == HX_OK && !capability_check(helix_subject(), found.resource,
                                            PERMISSION_CONTROL | PERMISSION_DELEGATE)) {
        error = HX_EPERM;
    }
    return linux_result(error == HX_OK ? capability_revoke(found.subject, found.resource) : error);
}
