/* Calls by which a program says how it would like to be treated, and that order memory. */
#include <abi/linux/call.h>
#include <abi/linux/calls.h>
#include <kern/read_section.h>
#include <subsys/access/access.h>

/* --- personality --------------------------------------------------------------------------------
 */

#define PERSONALITY_TELL 0xffffffffU

/* It is told again; nothing here depends on it. */
int64_t linux_personality(uint64_t wanted)
{
    struct process *self = process_current();
    uint32_t old = self->personality;

    if ((uint32_t)wanted != PERSONALITY_TELL) {
        self->personality = (uint32_t)wanted;
    }
    return (int64_t)old;
}

/* --- priorities of input and output --------------------------------------------------------------
 */

enum priority_of { OF_PROCESS = 1, OF_GROUP = 2, OF_USER = 3 };
enum priority_class { CLASS_NONE, CLASS_REAL_TIME, CLASS_BEST_EFFORT, CLASS_IDLE };

#define CLASS_SHIFT 13
#define LEVELS      8U
#define USUAL       ((uint32_t)CLASS_BEST_EFFORT << CLASS_SHIFT | 4U) /* of who is not nice */

static hx_err check_target(uint64_t which, uint64_t who)
{
    switch ((uint32_t)which) {
    case OF_PROCESS:
        return linux_check_thread((uint32_t)who);
    case OF_GROUP:
    case OF_USER:
        return HX_OK;
    default:
        return HX_EINVAL;
    }
}

static hx_err check_level(uint32_t priority)
{
    uint32_t level = priority & ((1U << CLASS_SHIFT) - 1);

    switch (priority >> CLASS_SHIFT) {
    case CLASS_NONE:
        return level == 0 ? HX_OK : HX_EINVAL;
    case CLASS_REAL_TIME:
        if (access_require_privilege(PRIVILEGE_PRIORITY) != HX_OK) {
            return HX_EPERM;
        }
        return level < LEVELS ? HX_OK : HX_EINVAL;
    case CLASS_BEST_EFFORT:
        return level < LEVELS ? HX_OK : HX_EINVAL;
    default:
        return priority >> CLASS_SHIFT == CLASS_IDLE ? HX_OK : HX_EINVAL;
    }
}

/* There is no device that takes turns: it is checked, and the same for all. */
int64_t linux_ioprio_set(uint64_t which, uint64_t who, uint64_t priority)
{
    hx_err error = check_level((uint32_t)priority);

    return linux_result(error == HX_OK ? check_target(which, who) : error);
}

int64_t linux_ioprio_get(uint64_t which, uint64_t who)
{
    hx_err error = check_target(which, who);

    return error == HX_OK ? (int64_t)USUAL : linux_result(error);
}

/* --- barriers ------------------------------------------------------------------------------------
 */

enum barrier {
    BARRIER_TELL = 0,
    BARRIER_ALL = 1,
    BARRIER_ALL_QUICK = 2,
    BARRIER_ALL_REGISTER = 4,
    BARRIER_OWN = 8,
    BARRIER_OWN_REGISTER = 16,
    BARRIER_CODE = 32,
    BARRIER_CODE_REGISTER = 64,
};
#define BARRIERS 127

/* Which bit has to be registered for a barrier; 0: none. */
static uint32_t registration_of(uint32_t command)
{
    return command == BARRIER_OWN || command == BARRIER_CODE ? command << 1 : 0;
}

/*
 * All threads that run at the call have passed a point where they were in the kernel when it
 * returns: a grace period is more than a barrier, and orders what processors have fetched, too.
 */
int64_t linux_membarrier(uint64_t command, uint64_t flags)
{
    struct process *self = process_current();
    uint32_t wanted = (uint32_t)command;

    if ((uint32_t)flags != 0 || wanted > BARRIER_CODE_REGISTER || (wanted & (wanted - 1)) != 0) {
        return linux_result(HX_EINVAL);
    }
    switch (wanted) {
    case BARRIER_TELL:
        return BARRIERS;
    case BARRIER_ALL_REGISTER:
    case BARRIER_OWN_REGISTER:
    case BARRIER_CODE_REGISTER:
        atomic_fetch_or_explicit(&self->barriers, wanted, memory_order_relaxed);
        return 0;
    default:
        if ((registration_of(wanted) &
             ~atomic_load_explicit(&self->barriers, memory_order_relaxed)) != 0) {
            return linux_result(HX_EPERM);
        }
        read_synchronize();
        return 0;
    }
}

/* --- handles of files ----------------------------------------------------------------------------
 */

struct linux_file_handle {
    uint32_t size;
    int32_t type;
};
#define HANDLE_MOST  128U
#define HANDLE_FLAGS (LINUX_AT_SYMLINK_FOLLOW | LINUX_AT_EMPTY_PATH)

/* No file system here gives any. */
int64_t linux_name_to_handle_at(uint64_t base, uint64_t path, uint64_t handle_address,
                                uint64_t mount_id, uint64_t flags)
{
    struct linux_file_handle handle;
    struct location location;
    hx_err error = ((uint32_t)flags & ~(uint32_t)HANDLE_FLAGS) != 0
                       ? HX_EINVAL
                       : linux_find((int64_t)base, path, flags & LINUX_AT_EMPTY_PATH,
                                    (flags & LINUX_AT_SYMLINK_FOLLOW) != 0, &location);

    (void)mount_id;
    if (error != HX_OK) {
        return linux_result(error);
    }
    location_put(&location);
    error = hal_user_copy_in(&handle, handle_address, sizeof(handle));
    if (error == HX_OK) {
        error = handle.size > HANDLE_MOST ? HX_EINVAL : HX_EOPNOTSUPP;
    }
    return linux_result(error);
}

int64_t linux_open_by_handle_at(uint64_t mount, uint64_t handle_address, uint64_t flags)
{
    struct linux_file_handle handle;
    hx_err error = access_require_privilege(PRIVILEGE_FILES);

    (void)mount;
    (void)flags;
    if (error == HX_OK) {
        error = hal_user_copy_in(&handle, handle_address, sizeof(handle));
    }
    if (error == HX_OK) {
        error = handle.size == 0 || handle.size > HANDLE_MOST ? HX_EINVAL : HX_ESTALE;
    }
    return linux_result(error);
}
