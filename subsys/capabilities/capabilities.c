/* Capabilities as a subsystem. */
#include <core/capability/capability.h>
#include <core/component/component.h>
#include <core/debug/log.h>
#include <subsys/access/access.h>
#include <subsys/capabilities/capabilities.h>

#define RIGHTS_TEXT 64U

/* --- the report ------------------------------------------------------------------------------ */

static void print_record(const struct capability_record *record)
{
    char holder[SUBJECT_NAME_MAX];
    char through[SUBJECT_NAME_MAX];
    char resource[RESOURCE_TEXT_SIZE];
    char rights[RIGHTS_TEXT];

    capability_subject_name(record->subject, holder);
    capability_subject_name(record->through, through);
    resource_text(record->resource, resource);
    capability_rights_text(record->rights, rights, sizeof(rights));
    kprintln("%s: %s: %s, through %s", resource, holder, rights, through);
}

void capabilities_report(void)
{
    struct capability_statistics numbers;
    struct capability_record record;
    uint32_t position = 0;
    hx_err error;

    capability_statistics(&numbers);
    kprintln("%llu grants, %llu subjects, %llu refused, %llu revocations being reclaimed:",
             (unsigned long long)numbers.grants, (unsigned long long)numbers.subjects,
             (unsigned long long)numbers.refusals, (unsigned long long)numbers.reclaiming);
    do {
        error = capability_next(&position, 0, &record);
        if (error == HX_OK) {
            print_record(&record);
        }
    } while (error == HX_OK || error == HX_EAGAIN);
}

/* --- the subsystem --------------------------------------------------------------------------- */

static void stats(struct component_stats *numbers)
{
    struct capability_statistics broker;

    capability_statistics(&broker);
    numbers->operations = broker.operations;
    numbers->errors = broker.refusals;
    numbers->memory_bytes = broker.memory;
    numbers->last_error = broker.refusals > 0 ? HX_EACCES : HX_OK;
}

static const struct component capabilities_component = {
    .name = "capabilities",
    .version = "1.0.0",
    .stats = stats,
};

static hx_err init(const struct boot_configuration *config)
{
    hx_err error = capability_init();

    (void)config;
    if (error != HX_OK) {
        return error;
    }
    error = access_init();
    if (error == HX_OK) {
        error = component_register(&capabilities_component);
    }
    if (error != HX_OK) {
        capability_fini();
    }
    return error;
}

static hx_err shutdown(void)
{
    capability_fini();
    return component_unregister(&capabilities_component);
}

static const char *const dependencies[] = {"memory", NULL};

const struct subsystem capabilities_subsystem = {
    .name = "capabilities",
    .version = "1.0.0",
    .dependencies = dependencies,
    .init = init,
    .shutdown = shutdown,
};
