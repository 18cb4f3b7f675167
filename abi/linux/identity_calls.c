/* Who a process is and as whom it acts. */
#include <abi/linux/call.h>
#include <abi/linux/calls.h>
#include <base/memory.h>
#include <base/string.h>
#include <core/config/kernel_configuration.h>
#include <core/lifecycle/lifecycle.h>
#include <hal/user.h>
#include <kern/heap.h>
#include <subsys/access/access.h>
#include <subsys/process/authority.h>

/* --- who one is ------------------------------------------------------------------------------- */

int64_t linux_getpid(void)
{
    return process_current()->id;
}

/* Without the mutex: a parent that changes this very moment may be told either way. */
int64_t linux_getppid(void)
{
    return atomic_load_explicit(&process_current()->parent_id, memory_order_relaxed);
}

int64_t linux_gettid(void)
{
    return user_thread_current()->id;
}

int64_t linux_set_tid_address(uint64_t address)
{
    user_thread_current()->clear_child_id = address;
    return user_thread_current()->id;
}

hx_err linux_check_thread(uint64_t id)
{
    struct process *process;

    if ((int32_t)id < 0) {
        return HX_EINVAL;
    }
    if (id == 0 || id == user_thread_current()->id) {
        return HX_OK;
    }
    process = process_find_by_thread((uint32_t)id);
    if (process == NULL) {
        return HX_ESRCH;
    }
    process_put(process);
    return HX_OK;
}

#define ROBUST_LIST_HEAD_SIZE 24U

int64_t linux_set_robust_list(uint64_t head, uint64_t size)
{
    if (size != ROBUST_LIST_HEAD_SIZE) {
        return linux_result(HX_EINVAL);
    }
    user_thread_current()->robust_list = head;
    return 0;
}

/* The caller's own, which is what a library asks for to learn whether there are such lists. */
int64_t linux_get_robust_list(uint64_t id, uint64_t head_address, uint64_t size_address)
{
    const struct user_thread *self = user_thread_current();
    const uint64_t head = self->robust_list;
    const uint64_t size = ROBUST_LIST_HEAD_SIZE;
    hx_err error = linux_check_thread(id);

    if (error == HX_OK && id != 0 && id != self->id) {
        error = HX_EPERM;
    }
    if (error == HX_OK) {
        error = hal_user_copy_out(size_address, &size, sizeof(size));
    }
    if (error == HX_OK) {
        error = hal_user_copy_out(head_address, &head, sizeof(head));
    }
    return linux_result(error);
}

int64_t linux_getpgid(uint64_t id)
{
    uint32_t group = 0;
    uint32_t session;
    hx_err error = process_get_group((uint32_t)id, &group, &session);

    return linux_count(error, group);
}

int64_t linux_getpgrp(void)
{
    return linux_getpgid(0);
}

int64_t linux_getsid(uint64_t id)
{
    uint32_t group;
    uint32_t session = 0;
    hx_err error = process_get_group((uint32_t)id, &group, &session);

    return linux_count(error, session);
}

int64_t linux_setpgid(uint64_t id, uint64_t group)
{
    if ((int32_t)(group != 0 ? group : id) < 0) {
        return linux_result(HX_EINVAL);
    }
    return linux_result(process_set_group((uint32_t)id, (uint32_t)group));
}

int64_t linux_setsid(void)
{
    uint32_t id;
    hx_err error = process_new_session(&id);

    return linux_count(error, id);
}

/* --- user and groups -------------------------------------------------------------------------- */

#define KEEP UINT32_MAX

int64_t linux_getuid(void)
{
    return process_current()->credentials.user;
}

int64_t linux_geteuid(void)
{
    return process_current()->credentials.effective_user;
}

int64_t linux_getgid(void)
{
    return process_current()->credentials.group;
}

int64_t linux_getegid(void)
{
    return process_current()->credentials.effective_group;
}

/* Real, effective and saved id, of user or group. */
struct identities {
    uint32_t *real, *effective, *saved;
};

static struct identities users_of(struct process *self)
{
    struct credentials *who = &self->credentials;

    return (struct identities){&who->user, &who->effective_user, &who->saved_user};
}

static struct identities groups_of(struct process *self)
{
    struct credentials *who = &self->credentials;

    return (struct identities){&who->group, &who->effective_group, &who->saved_group};
}

static bool is_one_of(const struct identities *ids, uint32_t id)
{
    return id == KEEP || id == *ids->real || id == *ids->effective || id == *ids->saved;
}

/* Who may become anybody sets anything, others exchange what they have. */
static hx_err change_locked(const struct identities *ids, uint32_t real, uint32_t effective,
                            uint32_t saved)
{
    if ((!is_one_of(ids, real) || !is_one_of(ids, effective) || !is_one_of(ids, saved)) &&
        access_require_privilege(PRIVILEGE_IDENTITY) != HX_OK) {
        return HX_EPERM;
    }
    if (effective != KEEP && effective != *ids->effective) {
        process_current()->is_dumpable = false; /* prctl(2), PR_SET_DUMPABLE */
    }
    *ids->real = real != KEEP ? real : *ids->real;
    *ids->effective = effective != KEEP ? effective : *ids->effective;
    *ids->saved = saved != KEEP ? saved : *ids->saved;
    return HX_OK;
}

/* As setresgid. */
static hx_err set_groups(uint32_t real, uint32_t effective, uint32_t saved)
{
    struct identities ids = groups_of(process_current());
    hx_err error;

    mutex_lock(&process_mutex);
    error = change_locked(&ids, real, effective, saved);
    mutex_unlock(&process_mutex);
    return error;
}

/* As setresuid; the authority follows the effective user. */
static hx_err set_users(uint32_t real, uint32_t effective, uint32_t saved)
{
    struct process *self = process_current();
    struct identities ids = users_of(self);
    struct authority *authority;
    hx_err error =
        authority_after(self, effective != KEEP ? effective : *ids.effective, &authority);

    if (error != HX_OK) {
        return error;
    }
    mutex_lock(&process_mutex);
    error = change_locked(&ids, real, effective, saved);
    if (error == HX_OK) {
        authority = authority_change_locked(self, authority);
    }
    mutex_unlock(&process_mutex);
    authority_put(authority);
    return error;
}

/* setuid and setgid: who may become anybody sets all three. */
static uint32_t others_of_one(uint32_t id)
{
    return access_has_privilege(PRIVILEGE_IDENTITY) ? id : KEEP;
}

int64_t linux_setuid(uint64_t user)
{
    uint32_t others = others_of_one((uint32_t)user);

    return linux_result((uint32_t)user == KEEP ? HX_EINVAL
                                               : set_users(others, (uint32_t)user, others));
}

int64_t linux_setgid(uint64_t group)
{
    uint32_t others = others_of_one((uint32_t)group);

    return linux_result((uint32_t)group == KEEP ? HX_EINVAL
                                                : set_groups(others, (uint32_t)group, others));
}

/* The saved id that setreuid and setregid set. */
static uint32_t saved_of_two(struct identities ids, uint32_t real, uint32_t effective)
{
    uint32_t next = effective != KEEP ? effective : *ids.effective;

    return real != KEEP || (effective != KEEP && effective != *ids.real) ? next : KEEP;
}

int64_t linux_setreuid(uint64_t real, uint64_t effective)
{
    uint32_t saved = saved_of_two(users_of(process_current()), (uint32_t)real, (uint32_t)effective);

    return linux_result(set_users((uint32_t)real, (uint32_t)effective, saved));
}

int64_t linux_setregid(uint64_t real, uint64_t effective)
{
    uint32_t saved =
        saved_of_two(groups_of(process_current()), (uint32_t)real, (uint32_t)effective);

    return linux_result(set_groups((uint32_t)real, (uint32_t)effective, saved));
}

int64_t linux_setresuid(uint64_t real, uint64_t effective, uint64_t saved)
{
    return linux_result(set_users((uint32_t)real, (uint32_t)effective, (uint32_t)saved));
}

int64_t linux_setresgid(uint64_t real, uint64_t effective, uint64_t saved)
{
    return linux_result(set_groups((uint32_t)real, (uint32_t)effective, (uint32_t)saved));
}

static int64_t tell_identities(struct identities ids, const uint64_t addresses[3])
{
    const uint32_t values[3] = {*ids.real, *ids.effective, *ids.saved};
    hx_err error = HX_OK;

    for (unsigned i = 0; i < 3 && error == HX_OK; i++) {
        error = hal_user_copy_out(addresses[i], &values[i], sizeof(values[i]));
    }
    return linux_result(error);
}

int64_t linux_getresuid(uint64_t real, uint64_t effective, uint64_t saved)
{
    return tell_identities(users_of(process_current()), (const uint64_t[]){real, effective, saved});
}

int64_t linux_getresgid(uint64_t real, uint64_t effective, uint64_t saved)
{
    return tell_identities(groups_of(process_current()),
                           (const uint64_t[]){real, effective, saved});
}

int64_t linux_getgroups(uint64_t count, uint64_t address)
{
    const struct credentials *who = &process_current()->credentials;
    hx_err error;

    if (count == 0) {
        return who->group_count;
    }
    if ((int32_t)count < (int32_t)who->group_count) {
        return linux_result(HX_EINVAL);
    }
    error = hal_user_copy_out(address, who->groups, who->group_count * sizeof(uint32_t));
    return linux_count(error, who->group_count);
}

int64_t linux_setgroups(uint64_t count, uint64_t address)
{
    struct credentials *who = &process_current()->credentials;
    uint32_t groups[CREDENTIALS_GROUPS_MAX];
    hx_err error = access_require_privilege(PRIVILEGE_IDENTITY);

    if (error != HX_OK) {
        return linux_result(error);
    }
    if (count > CREDENTIALS_GROUPS_MAX) {
        return linux_result(HX_EINVAL);
    }
    error = count > 0 ? hal_user_copy_in(groups, address, (size_t)count * sizeof(uint32_t)) : HX_OK;
    if (error == HX_OK) {
        mutex_lock(&process_mutex);
        memcpy(who->groups, groups, (size_t)count * sizeof(uint32_t));
        who->group_count = (uint32_t)count;
        mutex_unlock(&process_mutex);
    }
    return linux_result(error);
}
