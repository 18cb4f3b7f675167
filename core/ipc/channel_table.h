/*
 * The table of all channels: from handle to channel, and from one channel to the next.
 * Private to core/ipc/channel.c.
 *
 * Rules:
 * - An entry's generation grows when its channel goes, so a handle never finds a successor.
 * - It grows by chunks, which are never freed.
 */
#ifndef CORE_IPC_CHANNEL_TABLE_H
#define CORE_IPC_CHANNEL_TABLE_H

#include <core/ipc/channel.h>

#define CHANNEL_TABLE_CHUNK  64U
#define CHANNEL_TABLE_CHUNKS 64U

/* Give a new channel its handle.  Context: thread.  Errors: HX_ENOMEM, HX_ENOSPC. */
HX_MUST_USE hx_err channel_table_add(struct channel *channel);

/* Context: any but nmi. */
void channel_table_remove(struct channel *channel);

/* Count a sender in.  Context: any but nmi.  Errors: HX_ESTALE, HX_ECLOSED no sender is left. */
HX_MUST_USE hx_err channel_table_open(channel_handle handle, struct channel **channel);

/*
 * The first channel at *index or after, with a reference, NULL: no more; *index moves behind it.
 * Context: any but nmi.
 */
struct channel *channel_table_next(uint32_t *index);

#endif
