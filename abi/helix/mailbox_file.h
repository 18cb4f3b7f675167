/*
 * Mailboxes as open files: the server's end, and clients' ends. Private to abi/helix.
 */
#ifndef ABI_HELIX_MAILBOX_FILE_H
#define ABI_HELIX_MAILBOX_FILE_H

#include <abi/helix/call.h>
#include <core/ipc/message_router.h>
#include <core/ipc/served_mailbox.h>

/* Keys: I = immutable, A = atomic */
struct mailbox_server_end {
    struct router_service *service; /* I */
    resource_id resource;           /* I  the name's */
    /* A  the descriptors of who has taken the last message; compared, not followed */
    _Atomic(const struct file_table *) taker;
};

struct mailbox_client_end {
    router_mailbox to;        /* I */
    struct mailbox *place;    /* I  of that id */
    struct helix_right right; /* to send */
};

extern const struct file_ops mailbox_server_ops;
extern const struct file_ops mailbox_client_ops;

/*
 * The ends as files; the service, or the opening, moves in on success.  Errors: HX_ENOMEM.
 */
HX_MUST_USE hx_err mailbox_server_file(struct router_service *service, resource_id resource,
                                       uint32_t flags, struct file **file);
HX_MUST_USE hx_err mailbox_client_file(router_mailbox to, uint64_t number, uint32_t flags,
                                       struct file **file);

#endif
