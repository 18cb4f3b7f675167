/*
 * Who may make which system calls: compiled into each version of the module security.
 *
 * Rules:
 * - The module defines STATE_MINOR; from minor 1 on it counts what it refuses, by class. The counts
 *   are an optional record: a version that does not know them leaves them to the next that does.
 * - There are two policies: configure fills in the one that is not used, and exchanges them.
 */
#ifndef MODULES_CALL_POLICY_H
#define MODULES_CALL_POLICY_H

#include <helix/hook.h>
#include <helix/loan.h>
#include <helix/module.h>
#include <stdatomic.h>
#include <stdbool.h>

#ifndef STATE_MINOR
#define STATE_MINOR 0U
#endif

#define STATE_POLICY 1U
#define STATE_COUNTS 2U

static struct hx_hook_policy policies[2];
static _Atomic(const struct hx_hook_policy *) policy_in_use; /* NULL: none yet */
static _Atomic uint64_t refused[HX_HOOK_CLASS_MAX];

/* --- judging ---------------------------------------------------------------------------------- */

static hx_err refuse(const struct hx_hook_rule *rule, uint64_t class)
{
    if (STATE_MINOR >= 1) {
        atomic_fetch_add_explicit(&refused[class], 1, memory_order_relaxed);
    }
    return rule->error == HX_EACCES ? HX_EACCES : HX_EPERM;
}

static hx_err security_pre(uint64_t number, uint64_t class, uint64_t subject, uint64_t holds)
{
    /* Acquire: pairs with use. */
    const struct hx_hook_policy *policy =
        atomic_load_explicit(&policy_in_use, memory_order_acquire);
    const struct hx_hook_rule *rule;

    (void)subject;
    if (policy == NULL) {
        return HX_ESTATE;
    }
    if (class >= HX_HOOK_CLASS_MAX) {
        return HX_EPERM;
    }
    rule = &policy->classes[class];
    if (number < HX_HOOK_CALL_MAX && policy->calls[number].is_given != 0) {
        rule = &policy->calls[number];
    }
    if (rule->who == HX_HOOK_EVERYONE || (rule->who == HX_HOOK_HOLDERS && holds != 0)) {
        return HX_OK;
    }
    return refuse(rule, class);
}

/* --- policies --------------------------------------------------------------------------------- */

static struct hx_hook_policy *spare(void)
{
    bool is_first_used = atomic_load_explicit(&policy_in_use, memory_order_relaxed) == &policies[0];

    return &policies[is_first_used ? 1 : 0];
}

static bool is_sound(const struct hx_hook_policy *policy)
{
    bool is = true;

    for (uint32_t i = 0; i < HX_HOOK_CLASS_MAX; i++) {
        is = is && policy->classes[i].who < HX_HOOK_WHO_COUNT;
    }
    for (uint32_t i = 0; i < HX_HOOK_CALL_MAX; i++) {
        is = is && policy->calls[i].who < HX_HOOK_WHO_COUNT;
    }
    return is;
}

static hx_err use(const struct hx_hook_policy *policy)
{
    if (!is_sound(policy)) {
        return HX_EINVAL;
    }
    /* Release: pairs with security_pre. */
    atomic_store_explicit(&policy_in_use, policy, memory_order_release);
    return HX_OK;
}

static hx_err security_configure(uint64_t item, uint64_t loan, uint64_t size)
{
    struct hx_hook_policy *policy = spare();
    hx_err error = item == HX_HOOK_POLICY && size == sizeof(*policy)
                       ? hx_loan_read(loan, 0, policy, sizeof(*policy))
                       : HX_EINVAL;

    return error == HX_OK ? use(policy) : error;
}

static uint64_t security_read(uint64_t item, uint64_t index, uint64_t loan, uint64_t size)
{
    (void)loan;
    (void)size;
    return item == HX_HOOK_REFUSED && index < HX_HOOK_CLASS_MAX
               ? atomic_load_explicit(&refused[index], memory_order_relaxed)
               : 0;
}

/* --- state ------------------------------------------------------------------------------------ */

static hx_err export_counts(void)
{
    uint64_t counts[HX_HOOK_CLASS_MAX];

    for (uint32_t i = 0; i < HX_HOOK_CLASS_MAX; i++) {
        counts[i] = atomic_load_explicit(&refused[i], memory_order_relaxed);
    }
    return hx_state_put(STATE_COUNTS | HX_STATE_OPTIONAL, counts, sizeof(counts));
}

static hx_err security_export(uint64_t minor)
{
    const struct hx_hook_policy *policy =
        atomic_load_explicit(&policy_in_use, memory_order_acquire);
    hx_err error = policy != NULL ? hx_state_put(STATE_POLICY, policy, sizeof(*policy)) : HX_OK;

    (void)minor;
    return error == HX_OK && STATE_MINOR >= 1 ? export_counts() : error;
}

static hx_err import_counts(void)
{
    uint64_t counts[HX_HOOK_CLASS_MAX];
    bool has_counts = hx_state_size(STATE_COUNTS, 0) != UINT64_MAX;
    hx_err error = has_counts ? hx_state_get(STATE_COUNTS, 0, counts, sizeof(counts)) : HX_OK;

    for (uint32_t i = 0; error == HX_OK && i < HX_HOOK_CLASS_MAX; i++) {
        atomic_store_explicit(&refused[i], has_counts ? counts[i] : 0, memory_order_relaxed);
    }
    return error;
}

static hx_err security_import(uint64_t minor)
{
    struct hx_hook_policy *policy = spare();
    hx_err error = HX_OK;

    (void)minor;
    if (hx_state_size(STATE_POLICY, 0) == UINT64_MAX) {
        atomic_store_explicit(&policy_in_use, NULL, memory_order_relaxed);
    } else {
        error = hx_state_get(STATE_POLICY, 0, policy, sizeof(*policy));
        error = error == HX_OK ? use(policy) : error;
    }
    return error == HX_OK && STATE_MINOR >= 1 ? import_counts() : error;
}

static const struct hx_module_lifecycle security_lifecycle = {
    .import_state = security_import,
    .export_state = security_export,
};

static const struct hx_hook_operations security_operations = {
    .pre = security_pre,
    .read = security_read,
    .configure = security_configure,
};

#endif
