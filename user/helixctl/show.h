/* Showing files of /helix as they are. */
#ifndef USER_HELIXCTL_SHOW_H
#define USER_HELIXCTL_SHOW_H

#include "table.h"

/* A table, or its form for programs; returns a status. */
int show_table(const char *name, bool is_json, table_filter filter, void *argument);

/* A file as it is; returns a status. */
int show_file(const char *name);

#endif
