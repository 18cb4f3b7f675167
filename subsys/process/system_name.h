/*
 * What the system calls itself: uname(2), /proc/version, /proc/sys/kernel.
 *
 * Rules:
 * - Node and domain can be changed at any time; who reads one gets a whole name, old or new.
 */
#ifndef SUBSYS_PROCESS_SYSTEM_NAME_H
#define SUBSYS_PROCESS_SYSTEM_NAME_H

#include <helix/version.h>

#define SYSTEM_NAME_SIZE 65U /* with the NUL, as in Linux's struct new_utsname */

#define SYSTEM_TYPE "Linux"
/* C libraries look at the release to see whether the kernel is new enough for them: the number is
 * that of the Linux whose calls these are, followed by our own name and version. */
#define SYSTEM_RELEASE "6.1.0-helix-" HX_VERSION_STRING
#define SYSTEM_VERSION "Helix " HX_VERSION_STRING

enum system_name { SYSTEM_NODE, SYSTEM_DOMAIN, SYSTEM_NAMES };

/* Context: any but nmi. */
void system_name_get(enum system_name which, char name[SYSTEM_NAME_SIZE]);
/* Longer names are cut. */
void system_name_set(enum system_name which, const char *name);

#endif
