/*
 * Core dumps: what becomes of a process that a signal ends whose default is to leave its memory in
 * a file (core(5)). Which file, and by whom it may be left, is decided here; what is in it is the
 * personality's.
 *
 * Rules:
 * - Nothing is left with RLIMIT_CORE below a page, and of a process that is not dumpable.
 * - While the file is written all other threads of the process are halted on their way to user
 * mode. SIGKILL ends the writing.
 */
#ifndef SUBSYS_PROCESS_CORE_DUMP_H
#define SUBSYS_PROCESS_CORE_DUMP_H

#include <hal/user.h>
#include <helix/attributes.h>
#include <helix/error.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct file;
struct hal_signal_info;

/* A thread as it was halted. */
struct core_thread {
    uint32_t id;
    uint64_t blocked;
    uint64_t pending;
    uint64_t time_ns;
    struct hal_user_dump registers;
};

struct core_dump {
    const struct hal_signal_info *info;
    struct file *file;                 /* empty, for writing */
    uint64_t limit;                    /* bytes at most: what lies behind is left out */
    const struct core_thread *threads; /* the first is the one that got the signal, and runs this */
    size_t thread_count;
};

/* Write the file.  Context: thread of the process.  Errors: those of file_write_at, HX_ENOMEM. */
typedef hx_err (*core_writer)(const struct core_dump *dump);

/* Without a writer nothing is left.  Context: boot, once. */
void core_dump_set_writer(core_writer write);

/* Whether the writing is to end, as SIGKILL has come.  Context: thread of the process. */
bool core_dump_is_over(void);

#define CORE_PATTERN_SIZE 128U /* with the NUL, as on Linux */

/* How files are called (/proc/sys/kernel/core_pattern). Errors: HX_EINVAL too long. */
void core_pattern_get(char pattern[CORE_PATTERN_SIZE]);
HX_MUST_USE hx_err core_pattern_set(const char *bytes, size_t length);

#endif
