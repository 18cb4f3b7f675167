/* Serving a mailbox: taking requests, and answering them. */
#include <abi/helix/calls.h>
#include <abi/helix/mailbox_file.h>
#include <abi/helix/wire.h>

/* --- what is lent ----------------------------------------------------------------------------- */

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* What the server has made of what was lent goes there.  Errors: HX_EFAULT, HX_EINVAL. */
static hx_err take_back(struct router_service *service, uint64_t loan_address)
{
    struct router_loan *loan = router_service_loan(service);
    struct helix_loan own;
    hx_err error = hal_user_copy_in(&own, loan_address, sizeof(own));

    if (error != HX_OK || loan == NULL) {
        return error;
    }
    return hal_user_copy_in(loan->bytes, own.address, least(own.size, loan->size));
}

/* What was lent goes to the server. */
static hx_err hand_out(const struct router_loan *loan, uint64_t loan_address)
{
    struct helix_loan own;
    hx_err error = hal_user_copy_in(&own, loan_address, sizeof(own));

    if (error != HX_OK || loan == NULL) {
        return error;
    }
    return hal_user_copy_out(own.address, loan->bytes, least(own.size, loan->size));
}

/* --- receiving and answering ------------------------------------------------------------------ */

/* Give the message that was taken to the program. */
static HX_ALWAYS_INLINE hx_err tell_request(struct mailbox_server_end *end, uint64_t address,
                                            uint64_t loan_address)
{
    struct router_service *service = end->service;
    union wire_message *inbox = (union wire_message *)router_service_inbox(service);
    const struct router_loan *loan = router_service_loan(service);
    hx_err error;

    atomic_store_explicit(&end->taker, process_current()->files, memory_order_relaxed);
    inbox->user.sender = router_service_sender(service);
    inbox->user.progress = 0;
    inbox->user.lent = loan != NULL ? loan->size : 0;
    error = wire_copy_out(address, inbox);
    if (HX_UNLIKELY(loan_address != 0) && error == HX_OK) {
        error = hand_out(loan, loan_address);
    }
    return error;
}

/* 0 for a descriptor that does not block, else what the program says; never 0 then. */
static uint64_t deadline_of(const struct file *file, uint64_t deadline_ns)
{
    if (HX_UNLIKELY(file_does_not_block(file))) {
        return 0;
    }
    return HX_LIKELY(deadline_ns != 0) ? deadline_ns : 1;
}

/* In the service. */
static HX_ALWAYS_INLINE hx_err next(const struct file *file, struct router_service *service,
                                    bool replies, uint64_t request_address, uint64_t deadline_ns,
                                    uint64_t loan_address)
{
    hx_err error = router_service_next(service, replies, deadline_of(file, deadline_ns));

    return HX_LIKELY(error == HX_OK) ? tell_request(file->context, request_address, loan_address)
                                     : error;
}

/* Fill the outbox.  In the service. */
static HX_ALWAYS_INLINE hx_err take_response(struct router_service *service, uint64_t address,
                                             uint64_t loan_address)
{
    hx_err error = wire_copy_in((union wire_message *)router_service_outbox(service), address);

    if (HX_UNLIKELY(loan_address != 0) && error == HX_OK) {
        error = take_back(service, loan_address);
    }
    return error;
}

/* The service of a descriptor, entered; to be left.  Errors: HX_EBADF, HX_EINVAL, HX_EBUSY. */
static HX_ALWAYS_INLINE hx_err enter(const struct file *file, struct router_service **service)
{
    if (HX_UNLIKELY(file == NULL)) {
        return HX_EBADF;
    }
    if (HX_UNLIKELY(file->ops != &mailbox_server_ops)) {
        return HX_EINVAL;
    }
    *service = ((const struct mailbox_server_end *)file->context)->service;
    return router_service_enter(*service);
}

int64_t helix_receive(uint64_t descriptor, uint64_t request, uint64_t deadline_ns, uint64_t loan)
{
    struct file_use use = linux_use_file(descriptor);
    struct router_service *service;
    hx_err error = enter(use.file, &service);

    if (error == HX_OK) {
        error = next(use.file, service, false, request, deadline_ns, loan);
        router_service_leave(service);
    }
    file_use_end(use);
    return helix_result(error);
}

/* In the service. What was not answered is no more after a wait: a signal's end of it is EINTR. */
static HX_ALWAYS_INLINE hx_err reply_and_wait(const struct file *file,
                                              struct router_service *service, uint64_t response,
                                              uint64_t request, uint64_t deadline_ns, uint64_t loan)
{
    hx_err error = take_response(service, response, loan);

    if (HX_UNLIKELY(error != HX_OK)) {
        return error;
    }
    return HX_LIKELY(request != 0) ? next(file, service, true, request, deadline_ns, loan)
                                   : router_service_reply(service);
}

int64_t helix_reply_and_wait(uint64_t descriptor, uint64_t response, uint64_t request,
                             uint64_t deadline_ns, uint64_t loan)
{
    struct file_use use = linux_use_file(descriptor);
    struct router_service *service;
    hx_err error = enter(use.file, &service);

    if (HX_LIKELY(error == HX_OK)) {
        error = reply_and_wait(use.file, service, response, request, deadline_ns, loan);
        router_service_leave(service);
    }
    file_use_end(use);
    return linux_result(error);
}
