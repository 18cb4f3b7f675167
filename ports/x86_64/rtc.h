/*
 * The CMOS clock, behind hal_clock_wall().
 * Source: Motorola MC146818A data sheet; the century's register is the one the FADT names.
 */
#ifndef PORTS_X86_64_RTC_H
#define PORTS_X86_64_RTC_H

#include <stdint.h>

struct acpi_summary;

/* Remember where the century is.  Context: boot. */
void rtc_init(const struct acpi_summary *summary);

#endif
