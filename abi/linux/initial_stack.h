/*
 * What a Linux program finds on its stack when it starts (System V ABI AMD64 3.4.1, and Linux's own
 * auxiliary vector entries): argc, argv, environment, auxiliary vector, then the strings.
 */
#ifndef ABI_LINUX_INITIAL_STACK_H
#define ABI_LINUX_INITIAL_STACK_H

#include <stddef.h>
#include <stdint.h>

struct elf_program;

#define INITIAL_STACK_SIZE 0x20000UL /* bytes mapped for a process */

/*
 * Build the topmost page (zeroed, HAL_PAGE_SIZE bytes) of a stack that ends at address top.
 * Returns how many bytes are used: the initial stack pointer is top minus that, 16-byte aligned.
 */
size_t initial_stack_build(char *page, uintptr_t top, const char *name,
                           const struct elf_program *program);

#endif
