/* Asking: requests to mailboxes, and messages that want no answer. */
#include <abi/helix/calls.h>
#include <abi/helix/mailbox_file.h>
#include <abi/helix/wire.h>
#include <core/ipc/router_call.h>
#include <core/ipc/router_send.h>

/* Tell how far a request has come that brought no reply. */
static HX_NOINLINE int64_t tell_failure(uint64_t response_address, struct router_outcome outcome)
{
    const uint32_t progress = outcome.progress;
    const uintptr_t place = response_address + offsetof(struct helix_message, progress);
    hx_err error = hal_user_copy_out(place, &progress, sizeof(progress));

    if (error != HX_OK) {
        return linux_result(error);
    }
    return outcome.progress == ROUTER_NOT_RUN ? helix_result(outcome.error)
                                              : linux_result(outcome.error);
}

/* The reply, and what became of it. */
static HX_ALWAYS_INLINE int64_t tell_reply(uint64_t address, union wire_message *response,
                                           uint64_t lent)
{
    response->user.sender = 0;
    response->user.progress = HELIX_REPLIED;
    response->user.lent = lent;
    return linux_result(wire_copy_out(address, response));
}

/* --- what is lent ----------------------------------------------------------------------------- */

/* Make a loan of what a program lends.  Errors: HX_EFAULT, HX_EINVAL its size, HX_ENOMEM. */
static hx_err take_loan(uint64_t address, struct helix_loan *lent, struct router_loan **loan)
{
    hx_err error = hal_user_copy_in(lent, address, sizeof(*lent));

    if (error == HX_OK) {
        error = router_loan_create(lent->size, loan);
    }
    if (error != HX_OK) {
        return error;
    }
    error = hal_user_copy_in((*loan)->bytes, lent->address, lent->size);
    if (error != HX_OK) {
        router_loan_put(*loan);
    }
    return error;
}

static int64_t call_lending(struct router_call *call, union wire_message *request,
                            uint64_t response_address, uint64_t loan_address)
{
    union wire_message *response = (union wire_message *)call->response;
    struct helix_loan lent;
    struct router_outcome outcome;
    hx_err error = take_loan(loan_address, &lent, &call->loan);

    if (error != HX_OK) {
        return tell_failure(response_address, router_not_run(error));
    }
    request->kernel.buffer = call->loan->bytes;
    request->kernel.buffer_size = lent.size;
    outcome = router_send_call(call);
    if (outcome.error == HX_OK) {
        error = hal_user_copy_out(lent.address, call->loan->bytes, lent.size);
    }
    router_loan_put(call->loan);
    if (outcome.error != HX_OK) {
        return tell_failure(response_address, outcome);
    }
    return error == HX_OK ? tell_reply(response_address, response, lent.size) : linux_result(error);
}

/* --- calls ------------------------------------------------------------------------------------ */

/* The whole of it: something is lent, a deadline is set, the mailbox is the kernel's. */
static HX_NOINLINE int64_t call_fully(const struct mailbox_client_end *end,
                                      union wire_message *request, uint64_t response_address,
                                      uint64_t deadline_ns, uint64_t loan_address,
                                      uint64_t priority)
{
    union wire_message response;
    struct router_outcome outcome;
    struct router_call call = {.to = end->to,
                               .priority = (enum router_priority)(uint32_t)priority,
                               .sender = process_current()->id,
                               .is_interruptible = true,
                               .request = &request->kernel,
                               .response = &response.kernel,
                               .deadline_ns = deadline_ns};

    if (loan_address != 0) {
        return call_lending(&call, request, response_address, loan_address);
    }
    outcome = router_send_call(&call);
    return outcome.error == HX_OK ? tell_reply(response_address, &response, 0)
                                  : tell_failure(response_address, outcome);
}

/* Whether nothing but a server that waits is needed. */
static HX_ALWAYS_INLINE bool is_plain(uint64_t deadline_ns, uint64_t loan_address,
                                      uint64_t priority)
{
    return HX_LIKELY(deadline_ns == HELIX_NO_DEADLINE) && HX_LIKELY(loan_address == 0) &&
           HX_LIKELY((uint32_t)priority < ROUTER_PRIORITY_COUNT) &&
           HX_LIKELY(!thread_is_interrupted());
}

static HX_ALWAYS_INLINE int64_t call_mailbox(const struct mailbox_client_end *end,
                                             uint64_t request_address, uint64_t response_address,
                                             uint64_t deadline_ns, uint64_t loan_address,
                                             uint64_t priority)
{
    union wire_message request;
    union wire_message response;
    struct router_outcome outcome;
    struct client client;
    hx_err error = wire_copy_in(&request, request_address);

    if (HX_UNLIKELY(error != HX_OK)) {
        return tell_failure(response_address, router_not_run(error));
    }
    if (HX_UNLIKELY(!is_plain(deadline_ns, loan_address, priority))) {
        return call_fully(end, &request, response_address, deadline_ns, loan_address, priority);
    }
    client.parcel.message = &request.kernel;
    client.parcel.priority = (enum router_priority)(uint32_t)priority;
    client.sender = process_current()->id;
    client.is_interruptible = true;
    client.loan = NULL;
    client.response = &response.kernel;
    outcome = router_send_waiting(end->place, end->to, &client, deadline_ns);
    return HX_LIKELY(outcome.error == HX_OK) ? tell_reply(response_address, &response, 0)
                                             : tell_failure(response_address, outcome);
}

/* Why a descriptor cannot be asked by, for who has found that out. */
static HX_NOINLINE int64_t refuse(const struct file *file)
{
    if (file == NULL) {
        return linux_result(HX_EBADF);
    }
    return linux_result(file->ops == &mailbox_client_ops ? HX_EACCES : HX_EINVAL);
}

static HX_ALWAYS_INLINE bool may_ask(const struct file *file)
{
    return HX_LIKELY(file != NULL) && HX_LIKELY(file->ops == &mailbox_client_ops) &&
           HX_LIKELY(helix_may(&((struct mailbox_client_end *)file->context)->right));
}

int64_t helix_call(uint64_t descriptor, uint64_t request, uint64_t response, uint64_t deadline_ns,
                   uint64_t loan, uint64_t priority)
{
    struct file_use use = linux_use_file(descriptor);
    int64_t result =
        HX_LIKELY(may_ask(use.file))
            ? call_mailbox(use.file->context, request, response, deadline_ns, loan, priority)
            : refuse(use.file);

    file_use_end(use);
    return result;
}

static int64_t send_envelope(const struct mailbox_client_end *end, uint64_t address,
                             uint64_t priority)
{
    union wire_message envelope;
    hx_err error = wire_copy_in(&envelope, address);

    if (error == HX_OK) {
        error = router_send_from(end->to, (enum router_priority)(uint32_t)priority,
                                 &envelope.kernel, process_current()->id);
    }
    return linux_result(error);
}

int64_t helix_send(uint64_t descriptor, uint64_t envelope, uint64_t priority)
{
    struct file_use use = linux_use_file(descriptor);
    int64_t result =
        may_ask(use.file) ? send_envelope(use.file->context, envelope, priority) : refuse(use.file);

    file_use_end(use);
    return result;
}
