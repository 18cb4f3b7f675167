/* Running programs: execve, and the first program of all. */
#ifndef ABI_LINUX_EXEC_H
#define ABI_LINUX_EXEC_H

#include <helix/attributes.h>
#include <helix/error.h>
#include <stdint.h>

struct exec_strings;
struct linux_path;

/*
 * Replace the calling process's program by the one a path names (at_flags: LINUX_AT_EMPTY_PATH,
 * what it starts from; LINUX_AT_SYMLINK_NOFOLLOW); scripts that begin with #! run their
 * interpreter. On success hal_user_frame() is the new program's, and the strings have been used.
 * Context: thread of a process.  Errors: those of path_find; HX_EACCES not executable; HX_EFORMAT
 * no program; HX_ELIBBAD, HX_EIO its interpreter is none; HX_ETXTBSY it or that is being written;
 * HX_E2BIG, HX_ENOMEM. After the old program is gone an error ends the process instead.
 */
HX_MUST_USE hx_err linux_exec(struct linux_path *path, uint64_t at_flags,
                              struct exec_strings *strings);

/*
 * Make process 1 run a program: root directory, descriptors 0 to 2 on the console, an environment
 * of HOME, TERM and PATH. It then runs on its own; process_wait_first tells its end. *why: NULL, or
 * one sentence about the error. Context: thread, once.  Errors: HX_ENOMEM, …
 */
HX_MUST_USE hx_err linux_start_first(const char *path);

#endif
