/* CRC-32C by the processor. */
#ifndef PORTS_X86_64_CRC32C_H
#define PORTS_X86_64_CRC32C_H

/* Use the processor's instruction for it, if it has one.  Context: boot, before other CPUs run. */
void x86_crc32c_init(void);

#endif
