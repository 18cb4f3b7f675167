/*
 * Event sets (epoll(7)): files that are watched together, in a file.
 *
 * Rules:
 * - A member is a file under a descriptor. The set holds no reference of it: the file's end takes
 * it out, and so closing the last descriptor does.
 * - A member is told of while it is ready; one with EVENT_EDGE once for each time that one of its
 *   wait queues was woken; one with EVENT_ONCE once, until it is changed.
 * - A wait costs what may be ready, not what is watched.
 * - A set can be waited for as any file can, and be a member of another: no set of itself, and
 *   EVENT_SET_NESTS in a row at most.
 */
#ifndef SUBSYS_VFS_EVENT_SET_H
#define SUBSYS_VFS_EVENT_SET_H

#include <helix/attributes.h>
#include <helix/error.h>
#include <kern/owner.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct file;

/* How many steps there may be from a set down to one in it; Linux's EP_MAX_NESTS. */
#define EVENT_SET_NESTS 4U

/* Beside enum poll_events; the numbers are Linux's. */
enum event_flags {
    EVENT_EXCLUSIVE = 1U << 28, /* changes nothing: all that wait are woken */
    EVENT_WAKE_UP = 1U << 29,   /* nothing sleeps here */
    EVENT_ONCE = 1U << 30,
    EVENT_EDGE = 1U << 31,
};

struct event {
    uint32_t events; /* wanted; or what there is */
    uint64_t data;   /* the program's own */
};

/* Context: thread.  Errors: HX_ENOMEM. */
HX_MUST_USE hx_err event_set_create(owner_tag owner, struct file **file);
bool event_set_is(const struct file *file);

/*
 * Change the set, which the file is. The caller holds a reference of the member.
 * Context: thread.  Errors: HX_EPERM the member can always be read and written, HX_EINVAL it is the
 * set itself; add: HX_EEXIST, HX_ENOMEM, HX_ELOOP sets would be in themselves, or too many in each
 * other; change, remove: HX_ENOENT; change: HX_EINVAL an exclusive one.
 */
HX_MUST_USE hx_err event_set_add(struct file *set, struct file *member, int descriptor,
                                 const struct event *event);
HX_MUST_USE hx_err event_set_change(struct file *set, struct file *member, int descriptor,
                                    const struct event *event);
HX_MUST_USE hx_err event_set_remove(struct file *set, struct file *member, int descriptor);

/*
 * Wait until members are ready; *count says how many events there are, at most capacity, 0 when the
 * time is over. Those told of come last the next time.
 * Context: thread, may block.  Errors: HX_EINTR.
 */
HX_MUST_USE hx_err event_set_wait(struct file *set, struct event *events, size_t capacity,
                                  uint64_t deadline_ns, size_t *count);

/* The end of a file that has been in a set.  Context: thread. */
void event_sets_forget(struct file *file);

#endif
