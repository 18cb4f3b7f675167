/*
 * Processes as files (pidfd_open(2)): one that stays this process's when its id is another's. It
 * can be read, as poll has it, once the process has ended.
 */
#ifndef SUBSYS_PROCESS_PROCESS_FILE_H
#define SUBSYS_PROCESS_PROCESS_FILE_H

#include <helix/attributes.h>
#include <helix/error.h>
#include <kern/owner.h>
#include <stdbool.h>
#include <stdint.h>
#include <subsys/process/signal.h>

struct file;

/* Context: thread.  Errors: HX_ESRCH there is no such process, HX_EINVAL a thread's id, HX_ENOMEM.
 */
HX_MUST_USE hx_err process_file_create(uint32_t id, uint32_t flags, owner_tag owner,
                                       struct file **file);
bool process_file_is(const struct file *file);
uint32_t process_file_id(const struct file *file);

/* What the calling process sends.  Errors: as signal_send_by_id. */
HX_MUST_USE hx_err process_file_signal(const struct file *file, const struct hal_signal_info *info);

/*
 * The other process's open file under a descriptor, with a reference.
 * Errors: HX_ESRCH it has ended, HX_EPERM it is another user's or not to be looked into, HX_EBADF.
 */
HX_MUST_USE hx_err process_file_take(const struct file *file, int descriptor, struct file **taken);

/* A process has ended.  Context: thread. */
void process_files_wake(void);

#endif
