/*
 * Requests on behalf of programs: what message_router.h says, and who asks is named to the server,
 * what is lent survives who asks, and the wait can be interrupted.
 */
#ifndef CORE_IPC_ROUTER_CALL_H
#define CORE_IPC_ROUTER_CALL_H

#include <core/ipc/loan.h>
#include <core/ipc/message_router.h>
#include <stdbool.h>

struct router_call {
    router_mailbox to;
    enum router_priority priority;
    uint32_t sender;       /* told to a program that serves: who asks; 0: the kernel */
    bool is_interruptible; /* the wait ends with HX_EINTR when the thread is interrupted */
    const struct router_message *request; /* its buffer is the loan's bytes, if there is a loan */
    struct router_message *response;
    struct router_loan *loan; /* the caller's reference stays the caller's; NULL */
    uint64_t deadline_ns;     /* absolute, THREAD_NO_DEADLINE */
};

/*
 * Send a request and wait for its outcome.
 * Context: thread that may block, which the caller has made sure of.
 * Errors: as router_send; HX_EINTR, not run or may have run.
 */
struct router_outcome router_send_call(const struct router_call *call);

/* As router_send_to, and who sends is named to a program that serves. */
HX_MUST_USE hx_err router_send_from(router_mailbox to, enum router_priority priority,
                                    const struct router_message *envelope, uint32_t sender);

#endif
