#include <core/gate/loan.h>

#include <base/assert.h>
#include <base/crc32c.h>
#include <base/memory.h>
#include <hal/gate.h>
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

uint64_t loan_open_to_fill(struct loan *loan, void *bytes, size_t size)
{
    memset(bytes, 0, size);
    return loan_open(loan, bytes, size);
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
const struct loan *loan_find(const struct hal_activation *place, uint64_t handle)
{
    const struct loan *loan = thread_current()->loans;

    while (loan != NULL && ((uintptr_t)loan != handle || loan->place != place)) {
        loan = loan->next;
    }
    return loan;
}

const struct loan *loan_of_call(const uint64_t arguments[4], unsigned *argument)
{
    const struct hal_activation *place = hal_gate_top(&thread_current()->hal);

    for (*argument = 0; *argument < 4; ++*argument) {
        const struct loan *loan = loan_find(place, arguments[*argument]);

        if (loan != NULL) {
            return loan;
        }
    }
    return NULL;
}

hx_err loan_bytes(const struct hal_activation *place, uint64_t handle, uint64_t offset,
                  uint64_t size, bool is_written, void **bytes)
{
    const struct loan *loan = loan_find(place, handle);

    if (loan == NULL) {
        return HX_EINVAL;
    }
    if (size > loan->size || offset > loan->size - size) {
        return HX_ERANGE;
    }
    *bytes = (char *)loan->bytes + offset;
    return is_written && !loan->is_writable ? HX_EPERM : HX_OK;
}

uint32_t loans_digest(void)
{
    const struct thread *self = thread_current();
    const struct hal_activation *place = hal_gate_top(&self->hal);
    uint32_t digest = 0;

    for (const struct loan *loan = self->loans; loan != NULL; loan = loan->next) {
        if (loan->place == place && loan->is_writable) {
            digest = crc32c(digest, loan->bytes, loan->size);
        }
    }
    return digest;
}
