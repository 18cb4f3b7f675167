/*
 * A user process: one address space, one thread, one static Linux program.
 *
 * Rules:
 * - process_start makes it run; whoever started it calls process_wait once, which frees it.
 * - Its standard output and error go to the log as plain lines.
 */
#ifndef ABI_LINUX_PROCESS_H
#define ABI_LINUX_PROCESS_H

#include <helix/attributes.h>
#include <helix/error.h>
#include <stddef.h>
#include <stdint.h>

struct process;

/*
 * Load a program and start it with the one argument `name`.
 * *why: NULL, or one sentence about the error, a constant.
 * Context: thread.  Errors: those of elf_program_read, HX_ENOMEM, HX_ENOSYS no user mode here.
 */
HX_MUST_USE hx_err process_start(const char *name, const void *file, size_t size,
                                 struct process **process, const char **why);

/*
 * Wait for its end and free it. Returns the status as wait4 on Linux would: exit code << 8, or the
 * number of the signal that an exception stands for.
 * Context: thread, may block.
 */
int process_wait(struct process *process);

/* End the calling process with such a status.  Context: thread of the process. */
HX_NORETURN void process_exit(int wait_status);

/* Write bytes to its standard output.  Context: thread of the process. */
void process_output(struct process *process, const char *bytes, size_t size);

/* Exceptions in user mode end the process from now on.  Context: boot or thread, once. */
HX_MUST_USE hx_err process_init(void);

#endif
