/* Callouts that reach what a call was lent. */
#include <core/gate/callout.h>
#include <core/gate/loan.h>

uint64_t callout_loan_read(struct hal_activation *activation, const uint64_t arguments[4])
{
    void *bytes;
    hx_err error = loan_bytes(activation, arguments[0], arguments[1], arguments[3], false, &bytes);

    return error == HX_OK ? callout_copy_out(activation, arguments[2], bytes, arguments[3]) : error;
}

uint64_t callout_loan_write(struct hal_activation *activation, const uint64_t arguments[4])
{
    void *bytes;
    hx_err error = loan_bytes(activation, arguments[0], arguments[1], arguments[3], true, &bytes);

    return error == HX_OK ? callout_copy_in(activation, bytes, arguments[2], arguments[3]) : error;
}
