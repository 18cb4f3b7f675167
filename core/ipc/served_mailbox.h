/*
 * Mailboxes that programs serve (SPEC P11): the third kind beside those of message_router.h. Who
 * serves takes messages and answers them, one after the other, on threads of its own.
 *
 * Rules:
 * - A message is taken by router_service_next, and ends with the reply. Until then it is there: who
 *   asks again is given it again. An envelope is "replied" to as well, which ends it.
 * - One thread at a time is in the service: between router_service_enter and _leave. It alone
 *   touches what router_service_inbox and _outbox point to.
 * - Closing the service is the server's death: the request that was taken ends with HX_EDIED, may
 *   have run; those queued wait for a successor, each until its own deadline.
 * - The wait for the next message is interruptible.
 */
#ifndef CORE_IPC_SERVED_MAILBOX_H
#define CORE_IPC_SERVED_MAILBOX_H

#include <core/ipc/loan.h>
#include <core/ipc/message_router.h>
#include <stdbool.h>

struct router_service;
struct wait_queue;

/*
 * Make a mailbox, or take over that of a dead server that was a program too.
 * Context: thread.  Errors: as router_register.
 */
HX_MUST_USE hx_err router_serve(const char *name, uint32_t capacity, owner_tag owner,
                                struct router_service **service);

/* The end of the server; nobody is in the service.  Context: thread. */
void router_service_close(struct router_service *service);

/* The id of the mailbox.  Context: any. */
router_mailbox router_service_id(const struct router_service *service);

/* --- from one message to the next ------------------------------------------------------------- */

/* Context: thread.  Errors: HX_EBUSY another thread is in it. */
HX_MUST_USE hx_err router_service_enter(struct router_service *service);
void router_service_leave(struct router_service *service);

/* What the next reply says; whatever it is filled with, its length is within ROUTER_DATA_MAX. */
struct router_message *router_service_outbox(struct router_service *service);

/* The message that was taken, to be read and changed; and who sent it, 0: the kernel. */
struct router_message *router_service_inbox(struct router_service *service);
uint32_t router_service_sender(const struct router_service *service);

/* What was lent with the request taken; NULL.  In the service. */
struct router_loan *router_service_loan(const struct router_service *service);

/*
 * Reply with what is in the outbox, if `replies`, then wait for the next message. A client that
 * waits gets the processor at once when there is nothing else to do.
 * deadline_ns: absolute, THREAD_NO_DEADLINE; 0: take what is there now.
 * Context: thread, may block; in the service.
 * Errors: HX_ESTATE there is nothing to reply to. The reply has been given: HX_EAGAIN nothing is
 * there (deadline 0), HX_ETIMEDOUT, HX_EINTR.
 */
HX_MUST_USE hx_err router_service_next(struct router_service *service, bool replies,
                                       uint64_t deadline_ns);

/* Reply, and take nothing.  Context: thread; in the service.  Errors: HX_ESTATE. */
HX_MUST_USE hx_err router_service_reply(struct router_service *service);

/*
 * Who took the message will not answer it: a request ends with HX_EDIED, may have run. Nothing if
 * none is taken.  Context: thread; in the service.
 */
void router_service_abandon(struct router_service *service);

/* --- waiting for several things --------------------------------------------------------------- */

/* Woken when a message is queued.  Context: thread. */
struct wait_queue *router_service_queue(struct router_service *service);
/* Whether router_service_next would find one.  Context: any but nmi. */
bool router_service_is_readable(struct router_service *service);

#endif
