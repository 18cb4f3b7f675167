/*
 * Signals read from a file (signalfd(2)): those of a mask that are pending for whoever reads. They
 * should be blocked, or they are delivered.
 */
#ifndef SUBSYS_PROCESS_SIGNAL_FILE_H
#define SUBSYS_PROCESS_SIGNAL_FILE_H

#include <helix/attributes.h>
#include <helix/error.h>
#include <kern/owner.h>
#include <stdbool.h>
#include <stdint.h>

struct file;

/* SIGKILL and SIGSTOP are left out of the mask.  Context: thread.  Errors: HX_ENOMEM. */
HX_MUST_USE hx_err signal_file_create(uint64_t mask, uint32_t flags, owner_tag owner,
                                      struct file **file);
bool signal_file_is(const struct file *file);
void signal_file_set_mask(struct file *file, uint64_t mask);

/* A signal has become pending.  Context: any but nmi; not with a wait queue's lock. */
void signal_files_wake(void);

#endif
