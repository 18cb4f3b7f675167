/*
 * Pipes, and named ones.
 *
 * Rules:
 * - A ring of 64 KiB, its memory taken page by page as it fills. Writes of up to PIPE_ATOMIC bytes
 * are not mixed with others'.
 * - Reading with no writer left answers the end of the file; writing with no reader HX_ECLOSED (the
 *   caller of the Linux ABI sends SIGPIPE).
 */
#ifndef SUBSYS_VFS_PIPE_H
#define SUBSYS_VFS_PIPE_H

#include <helix/attributes.h>
#include <helix/error.h>
#include <kern/owner.h>
#include <stdint.h>

struct file;
struct location;
struct vnode;

#define PIPE_SIZE   65536U
#define PIPE_ATOMIC 4096U

/* ends[0] reads, ends[1] writes; flags are file flags for both.  Errors: HX_ENOMEM. */
HX_MUST_USE hx_err pipe_create(uint32_t flags, owner_tag owner, struct file *ends[2]);

/* Open a FIFO's vnode: waits for the other side as POSIX says.  Errors: HX_EINTR, HX_ENXIO,
 * HX_ENOMEM. */
HX_MUST_USE hx_err pipe_open_fifo(struct vnode *vnode, struct file *file);

/*
 * Where a pipe without a name can be opened once more (/proc/PID/fd/N leads there): a place that is
 * in no tree, whose references are the caller's. Opening it never waits for the other side. Errors:
 * HX_ENXIO the file is none, HX_ENOMEM.
 */
HX_MUST_USE hx_err pipe_location(struct file *file, struct location *location);

#endif
