/* Adding, initialising, shutting down, suspending. The order is made in subsystem_order.c. */
#include <base/assert.h>
#include <base/format.h>
#include <base/string.h>
#include <core/debug/log.h>
#include <core/orchestrator/bounded_call.h>
#include <core/orchestrator/failpoint.h>
#include <core/orchestrator/subsystem_set.h>
#include <stdatomic.h>

static bool is_name_byte(char byte)
{
    return (byte >= 'a' && byte <= 'z') || (byte >= '0' && byte <= '9') || byte == '_' ||
           byte == '-' || byte == '.';
}

static bool is_name(const char *name)
{
    size_t length;

    if (name == NULL) {
        return false;
    }
    length = string_length_max(name, SUBSYSTEM_NAME_MAX);
    for (size_t i = 0; i < length; i++) {
        if (!is_name_byte(name[i])) {
            return false;
        }
    }
    return length > 0 && length < SUBSYSTEM_NAME_MAX;
}

/* FNV-1a, 32 bits (Fowler, Noll, Vo). */
static uint32_t hash_name(const char *name)
{
    uint32_t hash = 2166136261U;

    for (; *name != '\0'; name++) {
        hash = (hash ^ (uint8_t)*name) * 16777619U;
    }
    return hash;
}

/* Where a name is among the hashed ones, or the free place where it belongs. */
static uint32_t find_place(const struct subsystem_set *set, const char *name)
{
    uint32_t place = hash_name(name) % SUBSYSTEM_NAME_PLACES;

    while (set->names[place] != 0 &&
           !string_equal(set->members[set->names[place] - 1]->name, name)) {
        place = (place + 1) % SUBSYSTEM_NAME_PLACES;
    }
    return place;
}

subsystem_id subsystem_set_find(const struct subsystem_set *set, const char *name)
{
    return set->names[find_place(set, name)];
}

hx_err subsystem_set_add(struct subsystem_set *set, const struct subsystem *subsystem,
                         subsystem_id *id)
{
    uint32_t place;

    if (subsystem == NULL || !is_name(subsystem->name) || subsystem->version == NULL) {
        return HX_EINVAL;
    }
    place = find_place(set, subsystem->name);
    if (set->names[place] != 0) {
        return HX_EEXIST;
    }
    if (set->count == SUBSYSTEM_MAX) {
        return HX_ENOSPC;
    }
    set->members[set->count++] = subsystem;
    set->names[place] = (uint16_t)set->count;
    *id = set->count;
    return HX_OK;
}

/* The member at a place of the order. */
static const struct subsystem *member_at(const struct subsystem_set *set, uint32_t place)
{
    return set->members[set->order[place]];
}

/* Note how a step ended, in the set's numbers. */
static hx_err note(struct subsystem_set *set, hx_err error)
{
    atomic_fetch_add_explicit(&set->steps, 1, memory_order_relaxed);
    if (error != HX_OK) {
        atomic_fetch_add_explicit(&set->failures, 1, memory_order_relaxed);
        atomic_store_explicit(&set->last_error, error, memory_order_relaxed);
    }
    return error;
}

static void report(struct subsystem_failure *failure, const char *operation, const char *name,
                   hx_err error)
{
    string_copy(failure->subsystem, sizeof failure->subsystem, name);
    format_text(failure->text, sizeof failure->text, "%s of %s failed: %s (%s)", operation, name,
                hx_error_text(error), hx_error_name(error));
    kerror("%s", failure->text);
}

/* --- init and shutdown ------------------------------------------------------------------------ */

static hx_err init_once(struct subsystem_set *set, const struct subsystem *subsystem,
                        const struct boot_configuration *config)
{
    hx_err error = failpoint_step("init", subsystem->name);

    return note(set, error != HX_OK ? error : subsystem_init(subsystem, config));
}

/* A failed init has cleaned up after itself, so it can be tried again. */
static hx_err init_one(struct subsystem_set *set, const struct subsystem *subsystem,
                       const struct boot_configuration *config)
{
    hx_err error = init_once(set, subsystem, config);

    for (uint32_t retry = 1; error != HX_OK && retry <= set->init_retries; retry++) {
        kwarn("init of %s failed: %s; trying again, %u of %u", subsystem->name,
              hx_error_text(error), (unsigned)retry, (unsigned)set->init_retries);
        error = init_once(set, subsystem, config);
    }
    return error;
}

static hx_err shutdown_member(const void *argument)
{
    return subsystem_shutdown(argument);
}

/* The subsystem is shut down even where the fail point strikes: what fails is the report of it. */
static hx_err shutdown_one(struct subsystem_set *set, const struct subsystem *subsystem,
                           uint64_t limit_ns)
{
    hx_err error = subsystem->shutdown == NULL
                       ? HX_OK
                       : bounded_call(subsystem->name, shutdown_member, subsystem, limit_ns);
    hx_err injected = failpoint_step("shutdown", subsystem->name);

    return note(set, error != HX_OK ? error : injected);
}

hx_err subsystem_set_shutdown(struct subsystem_set *set, uint64_t limit_ns,
                              struct subsystem_failure *failure)
{
    struct subsystem_failure later;
    hx_err first = HX_OK;

    while (set->up > 0) {
        const struct subsystem *subsystem = member_at(set, --set->up);
        hx_err error = shutdown_one(set, subsystem, limit_ns);

        if (error != HX_OK) {
            report(first == HX_OK ? failure : &later, "shutdown", subsystem->name, error);
            first = first == HX_OK ? error : first;
        }
    }
    return first;
}

hx_err subsystem_set_init(struct subsystem_set *set, const struct boot_configuration *config,
                          struct subsystem_failure *failure)
{
    struct subsystem_failure unwinding;
    hx_err error = subsystem_set_sort(set, failure);

    while (error == HX_OK && set->up < set->ordered) {
        error = init_one(set, member_at(set, set->up), config);
        if (error == HX_OK) {
            set->up++;
        } else {
            report(failure, "init", member_at(set, set->up)->name, error);
        }
    }
    if (error != HX_OK && subsystem_set_shutdown(set, SUBSYSTEM_SHUTDOWN_LIMIT_NS, &unwinding)) {
        kwarn("after the failed init, %s", unwinding.text);
    }
    return error;
}

/* --- suspend and resume ----------------------------------------------------------------------- */

static hx_err suspend_one(struct subsystem_set *set, uint32_t place)
{
    const struct subsystem *subsystem = member_at(set, place);
    hx_err error = failpoint_step("suspend", subsystem->name);

    return note(set, error != HX_OK ? error : subsystem_suspend(subsystem));
}

static hx_err resume_one(struct subsystem_set *set, uint32_t place)
{
    const struct subsystem *subsystem = member_at(set, place);
    hx_err error = failpoint_step("resume", subsystem->name);

    return note(set, error != HX_OK ? error : subsystem_resume(subsystem));
}

/* Resume the members [from, up), in order; a failure on the way back is logged, no more. */
static void undo_suspend(struct subsystem_set *set, uint32_t from)
{
    struct subsystem_failure unwinding;

    for (uint32_t place = from; place < set->up; place++) {
        hx_err error = resume_one(set, place);

        if (error != HX_OK) {
            report(&unwinding, "resume", member_at(set, place)->name, error);
        }
    }
}

/* Suspend the members [0, end) again, in reverse. */
static void undo_resume(struct subsystem_set *set, uint32_t end)
{
    struct subsystem_failure unwinding;

    while (end-- > 0) {
        hx_err error = suspend_one(set, end);

        if (error != HX_OK) {
            report(&unwinding, "suspend", member_at(set, end)->name, error);
        }
    }
}

hx_err subsystem_set_suspend(struct subsystem_set *set, struct subsystem_failure *failure)
{
    for (uint32_t place = set->up; place-- > 0;) {
        hx_err error = suspend_one(set, place);

        if (error != HX_OK) {
            report(failure, "suspend", member_at(set, place)->name, error);
            undo_suspend(set, place + 1);
            return error;
        }
    }
    return HX_OK;
}

hx_err subsystem_set_resume(struct subsystem_set *set, struct subsystem_failure *failure)
{
    for (uint32_t place = 0; place < set->up; place++) {
        hx_err error = resume_one(set, place);

        if (error != HX_OK) {
            report(failure, "resume", member_at(set, place)->name, error);
            undo_resume(set, place);
            return error;
        }
    }
    return HX_OK;
}
