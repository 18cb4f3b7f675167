/* Sockets as a subsystem: their tables, and the provider of network ports. */
#ifndef SUBSYS_SOCKETS_SOCKETS_H
#define SUBSYS_SOCKETS_SOCKETS_H

#include <core/orchestrator/subsystem.h>

extern const struct subsystem sockets_subsystem;

#endif
