/*
 * The kernel's place in the address space, drawn at each boot (docs/boot.md).
 *
 * The image is linked for one place and the first instructions of C run there. Then what in it
 * holds an address of the image, or that of the direct map, is changed where it lies
 * (tools/relocations made the list of it), and boot.S is entered once more, elsewhere.
 */
#ifndef PORTS_X86_64_SLIDE_H
#define PORTS_X86_64_SLIDE_H

struct boot_configuration;

/*
 * The first time: unless the command line says nokaslr, draw places and go there, by way of
 * x86_start. The second time, there: unmap the first ones.
 * Context: boot, before anything remembers an address.
 */
void slide_kernel(const struct boot_configuration *config);

#endif
