/* The standard image. */
#include <profiles/profile.h>
#include <subsys/block/block_subsystem.h>
#include <subsys/capabilities/capabilities.h>
#include <subsys/console/console_subsystem.h>
#include <subsys/files/files.h>
#include <subsys/health/health.h>
#include <subsys/hooks/hooks.h>
#include <subsys/ipc/ipc.h>
#include <subsys/memory/memory.h>
#include <subsys/modules/modules.h>
#include <subsys/monitor/monitor.h>
#include <subsys/mounted/mounted.h>
#include <subsys/processes/processes.h>
#include <subsys/processors/processors.h>
#include <subsys/random/random.h>
#include <subsys/resources/resources.h>
#include <subsys/sockets/sockets.h>
#include <subsys/time/time.h>
#include <subsys/tty/terminal_subsystem.h>

const struct subsystem *const profile_subsystems[] = {
    &memory_subsystem,
    &resources_subsystem,
    &capabilities_subsystem,
    &time_subsystem,
    &ipc_subsystem,
    &console_subsystem,
    &processors_subsystem,
    &modules_subsystem,
    &block_subsystem,
    &monitor_subsystem,
    &random_subsystem,
    &terminals_subsystem,
    &files_subsystem,
    &sockets_subsystem,
    &processes_subsystem,
    &mounted_subsystem,
    &hooks_subsystem,
    &health_subsystem,
    NULL,
};
