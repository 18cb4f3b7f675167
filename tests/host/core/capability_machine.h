/*
 * A hosted machine with capabilities, for the tests of core/capability.
 */
#ifndef TESTS_HOST_CORE_CAPABILITY_MACHINE_H
#define TESTS_HOST_CORE_CAPABILITY_MACHINE_H

#define MACHINE_MEMORY_MB 256U
#include <tests/host/core/machine.h>

#include <core/capability/capability.h>
#include <tests/host/random.h>

#define READ     ((uint64_t)PERMISSION_READ)
#define WRITE    ((uint64_t)PERMISSION_WRITE)
#define CONTROL  ((uint64_t)PERMISSION_CONTROL)
#define DELEGATE ((uint64_t)PERMISSION_DELEGATE)

static bool is_soak;

HX_UNUSED static uint32_t rounds(uint32_t few, uint32_t many)
{
    return is_soak ? many : few;
}

static void (*body)(void);

/* What a child may take for its full counts. */
#define SOAK_SECONDS 3000U

HX_UNUSED static void with_capabilities(void)
{
    if (is_soak) {
        alarm(SOAK_SECONDS);
    }
    CHECK(capability_init() == HX_OK);
    body();
    capability_fini();
}

HX_UNUSED static void run_on_one(void)
{
    machine_run(1, with_capabilities);
}

HX_UNUSED static void run_on_four(void)
{
    machine_run(4, with_capabilities);
}

HX_UNUSED static void passes_on_one(void (*function)(void))
{
    body = function;
    passes_in_child(run_on_one);
}

HX_UNUSED static void passes_on_four(void (*function)(void))
{
    body = function;
    passes_in_child(run_on_four);
}

HX_UNUSED static subject_id subject(const char *name)
{
    subject_id id;

    CHECK(capability_subject_create(name, &id) == HX_OK);
    return id;
}

HX_UNUSED static resource_id slot(uint64_t number)
{
    return resource_make(RESOURCE_TYPE_SLOT, number);
}

HX_UNUSED static struct capability_statistics numbers(void)
{
    struct capability_statistics statistics;

    capability_statistics(&statistics);
    return statistics;
}

#endif
