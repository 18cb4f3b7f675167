/*
 * Event counters (eventfd(2)): a number in a file. Writing adds to it, reading takes it.
 */
#ifndef SUBSYS_VFS_EVENT_COUNTER_H
#define SUBSYS_VFS_EVENT_COUNTER_H

#include <helix/attributes.h>
#include <helix/error.h>
#include <kern/owner.h>
#include <stdbool.h>
#include <stdint.h>

struct file;

/*
 * A semaphore gives 1 to each reader, others all there is. flags are file flags.
 * Context: thread.  Errors: HX_ENOMEM.
 */
HX_MUST_USE hx_err event_counter_create(uint32_t first, bool is_semaphore, uint32_t flags,
                                        owner_tag owner, struct file **file);

#endif
