/* Loans and the callouts that reach them. */
#include <base/assert.h>
#include <core/gate/callout.h>
#include <core/gate/gate.h>
#include <core/gate/loan.h>
#include <kern/thread.h>

static uint64_t open_loan(struct loan *loan)
{
    struct thread *self = thread_current();

    loan->place = hal_gate_top(&self->hal);
    loan->next = self->loans;
    self->loans = loan;
    return (uintptr_t)loan;
}

uint64_t loan_open(struct loan *loan, void *bytes, size_t size)
{
    *loan = (struct loan){.bytes = bytes, .size = size, .is_writable = true};
    return open_loan(loan);
}

uint64_t loan_open_read_only(struct loan *loan, const void *bytes, size_t size)
{
    *loan = (struct loan){.bytes = (void *)(uintptr_t)bytes, .size = size};
    return open_loan(loan);
}

void loan_close(const struct loan *loan)
{
    struct thread *self = thread_current();

    HX_ASSERT(self->loans == loan, "the thread's last loan is closed first");
    self->loans = loan->next;
}

/* Only compared, never followed: a module may say any number. */
static const struct loan *loan_of(const struct hal_activation *activation, uint64_t handle)
{
    const struct loan *loan = thread_current()->loans;

    while (loan != NULL && ((uintptr_t)loan != handle || loan->place != activation)) {
        loan = loan->next;
    }
    return loan;
}

const struct loan *loan_of_call(const uint64_t arguments[4], unsigned *argument)
{
    const struct hal_activation *place = hal_gate_top(&thread_current()->hal);

    for (*argument = 0; *argument < 4; ++*argument) {
        const struct loan *loan = loan_of(place, arguments[*argument]);

        if (loan != NULL) {
            return loan;
        }
    }
    return NULL;
}

static hx_err look(const struct hal_activation *activation, const uint64_t arguments[4],
                   const struct loan **loan)
{
    uint64_t offset = arguments[1];
    uint64_t size = arguments[3];

    *loan = loan_of(activation, arguments[0]);
    if (*loan == NULL) {
        return HX_EINVAL;
    }
    return size <= (*loan)->size && offset <= (*loan)->size - size ? HX_OK : HX_ERANGE;
}

uint64_t callout_loan_read(struct hal_activation *activation, const uint64_t arguments[4])
{
    const struct loan *loan;
    hx_err error = look(activation, arguments, &loan);

    return error == HX_OK ? callout_copy_out(activation, arguments[2],
                                             (const char *)loan->bytes + arguments[1], arguments[3])
                          : error;
}

uint64_t callout_loan_write(struct hal_activation *activation, const uint64_t arguments[4])
{
    const struct loan *loan;
    hx_err error = look(activation, arguments, &loan);

    if (error == HX_OK && !loan->is_writable) {
        error = HX_EPERM;
    }
    return error == HX_OK ? callout_copy_in(activation, (char *)loan->bytes + arguments[1],
                                            arguments[2], arguments[3])
                          : error;
}
