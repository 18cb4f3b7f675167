/* The standard image. */
#include <profiles/profile.h>
#include <subsys/capabilities/capabilities.h>
#include <subsys/console/console_subsystem.h>
#include <subsys/ipc/ipc.h>
#include <subsys/memory/memory.h>
#include <subsys/modules/modules.h>
#include <subsys/monitor/monitor.h>
#include <subsys/processors/processors.h>
#include <subsys/resources/resources.h>
#include <subsys/time/time.h>

const struct subsystem *const profile_subsystems[] = {
    &memory_subsystem,       &resources_subsystem,
    &capabilities_subsystem, &time_subsystem,
    &ipc_subsystem,          &console_subsystem,
    &processors_subsystem,   &modules_subsystem,
    &monitor_subsystem,      NULL,
};
