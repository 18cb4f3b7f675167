/* Memory that a reset leaves as it is: [RETAINED_BASE, RETAINED_BASE + RETAINED_SIZE). */
#ifndef PORTS_X86_64_RETAINED_H
#define PORTS_X86_64_RETAINED_H

struct boot_configuration;

/* Find out whether it is there: RAM, and nothing the loader passed lies in it.  Context: boot,
 * before paging_init, which keeps page tables out of it. */
void retained_init(const struct boot_configuration *config);

#endif
