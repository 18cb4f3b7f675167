/* Callouts that reach what a call was lent. */
#include <core/gate/callout.h>
#include <core/gate/loan.h>

static hx_err look(const struct hal_activation *activation, const uint64_t arguments[4],
                   const struct loan **loan)
{
    uint64_t offset = arguments[1];
    uint64_t size = arguments[3];

    *loan = loan_find(activation, arguments[0]);
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
