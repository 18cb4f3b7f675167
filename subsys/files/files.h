/* Files as a subsystem: the root file system out of the initrd, devices, the usual mounts. */
#ifndef SUBSYS_FILES_FILES_H
#define SUBSYS_FILES_FILES_H

#include <core/orchestrator/subsystem.h>

extern const struct subsystem files_subsystem;

#endif
