/* Asking for rights, and remembering what was refused. */
#include <core/syscall/syscall.h>
#include <hal/clock.h>
#include <kern/spinlock.h>
#include <kern/thread.h>
#include <subsys/access/access.h>

/* --- refusals --------------------------------------------------------------------------------- */

static struct {
    struct spinlock lock;
    struct access_refusal last[ACCESS_REFUSALS]; /* a ring: number n stands at n mod size */
    uint64_t count;                              /* since boot */
} refusals = {.lock = SPINLOCK_INIT(LOCK_RANK_CORE, "refusals")};

static void remember(subject_id subject, resource_id resource, uint64_t rights, hx_err error)
{
    struct access_refusal refusal = {.time_ns = hal_clock_now(),
                                     .thread = thread_current()->id,
                                     .subject = subject,
                                     .resource = resource,
                                     .rights = rights,
                                     .error = error};
    hal_interrupt_state state;

    capability_subject_name(subject, refusal.subject_name);
    state = spinlock_acquire(&refusals.lock);
    refusals.last[refusals.count++ % ACCESS_REFUSALS] = refusal;
    spinlock_release(&refusals.lock, state);
}

bool access_refusal_at(uint32_t index, struct access_refusal *refusal)
{
    hal_interrupt_state state = spinlock_acquire(&refusals.lock);
    bool is_there = index < ACCESS_REFUSALS && index < refusals.count;

    if (is_there) {
        *refusal = refusals.last[(refusals.count - 1 - index) % ACCESS_REFUSALS];
    }
    spinlock_release(&refusals.lock, state);
    return is_there;
}

static bool find_refusal(uint32_t thread, subject_id subject, struct access_refusal *refusal)
{
    for (uint32_t i = 0; access_refusal_at(i, refusal); i++) {
        if (refusal->thread == thread || refusal->subject == subject) {
            return true;
        }
    }
    return false;
}

bool access_last_refusal(struct access_refusal *refusal)
{
    return find_refusal(thread_current()->id, SUBJECT_NONE, refusal) ||
           find_refusal(0, syscall_caller().subject, refusal);
}

uint64_t access_refusal_count(void)
{
    hal_interrupt_state state = spinlock_acquire(&refusals.lock);
    uint64_t count = refusals.count;

    spinlock_release(&refusals.lock, state);
    return count;
}

/* --- asking ----------------------------------------------------------------------------------- */

hx_err access_require(resource_id resource, uint64_t rights, hx_err refusal)
{
    subject_id subject = syscall_caller().subject;

    if (capability_check(subject, resource, rights)) {
        return HX_OK;
    }
    remember(subject, resource, rights, refusal);
    return refusal;
}

/* --- privileges ------------------------------------------------------------------------------- */

struct privilege_row {
    const char *name;
    const char *meaning;
    hx_err refusal;
};

#define PRIVILEGE_ROW(enumerator, number, text, error, what) [number] = {(text), (what), (error)},
static const struct privilege_row rows[PRIVILEGE_END] = {PRIVILEGE_LIST(PRIVILEGE_ROW)};
#undef PRIVILEGE_ROW

hx_err access_require_privilege(enum privilege privilege)
{
    return access_require(privilege_resource(privilege), PERMISSION_EXECUTE,
                          rows[privilege].refusal);
}

bool access_has_privilege(enum privilege privilege)
{
    return capability_check(syscall_caller().subject, privilege_resource(privilege),
                            PERMISSION_EXECUTE);
}

const char *privilege_name(enum privilege privilege)
{
    return privilege > 0 && privilege < PRIVILEGE_END ? rows[privilege].name : "";
}

const char *privilege_meaning(enum privilege privilege)
{
    return privilege > 0 && privilege < PRIVILEGE_END ? rows[privilege].meaning : "";
}
