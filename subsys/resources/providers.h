/*
 * The providers of the running kernel, by class.
 */
#ifndef SUBSYS_RESOURCES_PROVIDERS_H
#define SUBSYS_RESOURCES_PROVIDERS_H

#include <core/resource/resource.h>

/* NULL: nobody provides the class. */
extern const struct resource_provider *const resource_providers[RESOURCE_CLASS_COUNT];

#endif
