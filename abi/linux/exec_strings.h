/*
 * Arguments and environment of a program that is to be run, copied into the kernel.
 */
#ifndef ABI_LINUX_EXEC_STRINGS_H
#define ABI_LINUX_EXEC_STRINGS_H

#include <helix/attributes.h>
#include <helix/error.h>
#include <stddef.h>
#include <stdint.h>

#define EXEC_STRINGS_LEAST (128UL * 1024UL)  /* bytes that all of them may have in any case */
#define EXEC_STRINGS_MAX   (2048UL * 1024UL) /* and at most */
#define EXEC_STRING_MAX    (128U * 1024U)    /* of one: HX_E2BIG */

/* NUL-terminated one after the other: arguments, then environment. */
struct exec_strings {
    char *bytes; /* from the heap */
    size_t used;
    size_t capacity;
    uint32_t argument_count;
    uint32_t environment_count;
    size_t environment_start; /* offset of the first of the environment */
    size_t limit;             /* bytes of all of them, and of a pointer to each: HX_E2BIG */
};

/* Nothing yet, and a limit for the size of stack a program may have (execve(2): a quarter of it).
 * To be given back with fini in any case. */
void exec_strings_init(struct exec_strings *strings, uint64_t stack_limit);
void exec_strings_fini(struct exec_strings *strings);

/* Append one from the kernel.  Errors: HX_E2BIG, HX_ENOMEM. */
HX_MUST_USE hx_err exec_strings_add(struct exec_strings *strings, const char *text);

/* Append those of an array of the program's, which ends with 0; address 0 is an empty one. *count
 * is how many.  Errors: HX_EFAULT, HX_E2BIG, HX_ENOMEM. */
HX_MUST_USE hx_err exec_strings_add_user(struct exec_strings *strings, uint64_t address,
                                         uint32_t *count);

/*
 * Replace the first argument by others: a script's interpreter, its argument (NULL: none), and the
 * script. Errors: HX_E2BIG, HX_ENOMEM.
 */
HX_MUST_USE hx_err exec_strings_put_interpreter(struct exec_strings *strings,
                                                const char *interpreter, const char *argument,
                                                const char *script);

#endif
