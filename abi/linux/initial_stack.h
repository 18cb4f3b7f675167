/*
 * What a Linux program finds on its stack when it starts (System V ABI AMD64 3.4.1, and Linux's own
 * auxiliary vector entries): argc, argv, environment, auxiliary vector, then the strings.
 */
#ifndef ABI_LINUX_INITIAL_STACK_H
#define ABI_LINUX_INITIAL_STACK_H

#include <helix/attributes.h>
#include <helix/error.h>
#include <stddef.h>
#include <stdint.h>

struct credentials;
struct elf_program;
struct exec_strings;

/* Where the parts came to lie. */
struct initial_stack {
    uintptr_t pointer; /* initial stack pointer, 16-byte aligned */
    uintptr_t arguments_start, arguments_end;
    uintptr_t environment_start, environment_end;
    uintptr_t auxiliary_start;
    size_t auxiliary_size;
};

/*
 * Write it to the current address space, below top. name is the path of the program (AT_EXECFN),
 * vdso the address of the vDSO's image (0: none), interpreter where the program's interpreter was
 * placed (AT_BASE; 0: none, or at fixed addresses). Context: thread of the process.  Errors:
 * HX_EFAULT, HX_ENOMEM.
 */
HX_MUST_USE hx_err initial_stack_write(uintptr_t top, const struct exec_strings *strings,
                                       const char *name, const struct elf_program *program,
                                       const struct credentials *who, uintptr_t vdso,
                                       uintptr_t interpreter, struct initial_stack *stack);

#endif
