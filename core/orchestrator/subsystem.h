/*
 * Subsystem: a part of the kernel that the orchestrator starts, stops, suspends (SPEC S1).
 *
 * Rules:
 * - The record is constant and valid for ever; a NULL operation stands for its default.
 * - Operations are called one at a time, in thread context, with no lock held; they may block.
 * - What init began, shutdown ends; a failed init has cleaned up after itself.
 */
#ifndef CORE_ORCHESTRATOR_SUBSYSTEM_H
#define CORE_ORCHESTRATOR_SUBSYSTEM_H

#include <helix/attributes.h>
#include <helix/error.h>
#include <stdbool.h>
#include <stddef.h>

struct boot_configuration;

/* Names: a-z 0-9 _ - . and at most so many bytes with the NUL. */
#define SUBSYSTEM_NAME_MAX 32

struct subsystem {
    const char *name;
    const char *version;
    const char *const *dependencies;                         /* names, ends with NULL; NULL: none */
    hx_err (*init)(const struct boot_configuration *config); /* NULL: nothing to do */
    hx_err (*shutdown)(void);                                /* NULL: nothing to do */
    hx_err (*suspend)(void);                                 /* NULL: nothing to do */
    hx_err (*resume)(void);                                  /* NULL: nothing to do */
    bool (*is_healthy)(void);                                /* NULL: always */
};

HX_MUST_USE static inline hx_err subsystem_init(const struct subsystem *subsystem,
                                                const struct boot_configuration *config)
{
    return subsystem->init != NULL ? subsystem->init(config) : HX_OK;
}

HX_MUST_USE static inline hx_err subsystem_shutdown(const struct subsystem *subsystem)
{
    return subsystem->shutdown != NULL ? subsystem->shutdown() : HX_OK;
}

HX_MUST_USE static inline hx_err subsystem_suspend(const struct subsystem *subsystem)
{
    return subsystem->suspend != NULL ? subsystem->suspend() : HX_OK;
}

HX_MUST_USE static inline hx_err subsystem_resume(const struct subsystem *subsystem)
{
    return subsystem->resume != NULL ? subsystem->resume() : HX_OK;
}

static inline bool subsystem_is_healthy(const struct subsystem *subsystem)
{
    return subsystem->is_healthy == NULL || subsystem->is_healthy();
}

#endif
