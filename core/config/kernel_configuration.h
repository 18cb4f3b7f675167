/*
 * The running kernel's boot configuration and command line, for whoever was not handed them.
 *
 * Rules:
 * - Set once by kernel_main, before anything reads them; read-only afterwards, valid for ever.
 */
#ifndef CORE_CONFIG_KERNEL_CONFIGURATION_H
#define CORE_CONFIG_KERNEL_CONFIGURATION_H

#include <core/config/boot_configuration.h>
#include <core/config/command_line.h>

/* Keep the configuration and parse its command line.  Context: boot, once. */
void kernel_configuration_set(const struct boot_configuration *config);

/* NULL before kernel_configuration_set.  Context: any. */
const struct boot_configuration *kernel_boot_configuration(void);

/* Without options before kernel_configuration_set.  Context: any. */
const struct command_line *kernel_command_line(void);

#endif
