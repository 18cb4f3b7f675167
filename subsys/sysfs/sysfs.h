/*
 * sysfs: the little of it that programs look for: the CPUs, and empty directories where devices and
 * their classes would be.
 */
#ifndef SUBSYS_SYSFS_SYSFS_H
#define SUBSYS_SYSFS_SYSFS_H

struct pseudo_entry;
/* The table of what is in the root, for the documentation. */
extern const struct pseudo_entry sysfs_root;

/* Register the type "sysfs".  Context: boot, once. */
void sysfs_init(void);

#endif
