/* Waiting on a word of memory. */
#include <abi/linux/call.h>
#include <abi/linux/calls.h>
#include <hal/clock.h>
#include <hal/user.h>
#include <subsys/process/futex.h>

/* --- futex ------------------------------------------------------------------------------------ */

enum linux_futex {
    FUTEX_WAIT = 0,
    FUTEX_WAKE = 1,
    FUTEX_REQUEUE = 3,
    FUTEX_CMP_REQUEUE = 4,
    FUTEX_WAKE_OP = 5,
    FUTEX_WAIT_BITSET = 9,
    FUTEX_WAKE_BITSET = 10,
    FUTEX_PRIVATE = 128,
    FUTEX_CLOCK_REALTIME = 256,
};

/* FUTEX_WAIT's time is relative, FUTEX_WAIT_BITSET's absolute on either clock. */
static hx_err futex_deadline(uint64_t operation, uint64_t address, uint64_t *deadline_ns)
{
    struct linux_timespec time;
    uint64_t ns;
    hx_err error = hal_user_copy_in(&time, address, sizeof(time));

    if (error == HX_OK) {
        error = linux_timespec_to_ns(time, &ns);
    }
    if (error != HX_OK) {
        return error;
    }
    if ((operation & 127) == FUTEX_WAIT) {
        *deadline_ns = hal_clock_now() + ns;
    } else {
        *deadline_ns = (operation & FUTEX_CLOCK_REALTIME) != 0 ? linux_from_wall(ns) : ns;
    }
    return HX_OK;
}

static HX_NOINLINE int64_t wait_until(struct futex_word word, uint64_t operation, uint32_t value,
                                      uint64_t time, uint32_t bits)
{
    uint64_t deadline;
    hx_err error = futex_deadline(operation, time, &deadline);

    if (error == HX_OK) {
        error = futex_wait(word, value, bits, deadline);
    }
    if (error == HX_EINTR && (operation & 127) == FUTEX_WAIT_BITSET) {
        return SYSCALL_RESTART_NO_HANDLER; /* absolute, if at all */
    }
    return linux_result(error);
}

static int64_t wait_at(struct futex_word word, uint64_t operation, uint32_t value, uint64_t time,
                       uint32_t bits)
{
    return time != 0 ? wait_until(word, operation, value, time, bits)
                     : linux_restartable(futex_wait(word, value, bits, THREAD_NO_DEADLINE), 0);
}

int64_t linux_futex(uint64_t address, uint64_t operation, uint64_t value, uint64_t time,
                    uint64_t address2, uint64_t value3)
{
    const struct futex_word word = {address, (operation & FUTEX_PRIVATE) != 0};
    const struct futex_word word2 = {address2, word.is_private};
    uint32_t most = (uint32_t)value;
    uint32_t count = 0;
    hx_err error;

    switch (operation & 127) {
    case FUTEX_WAIT:
        return wait_at(word, operation, most, time, FUTEX_ANY);
    case FUTEX_WAIT_BITSET:
        return wait_at(word, operation, most, time, (uint32_t)value3);
    case FUTEX_WAKE:
        error = futex_wake(word, most, FUTEX_ANY, &count);
        break;
    case FUTEX_WAKE_BITSET:
        error = futex_wake(word, most, (uint32_t)value3, &count);
        break;
    case FUTEX_REQUEUE:
    case FUTEX_CMP_REQUEUE:
        error = futex_requeue(word, word2, most, (uint32_t)time,
                              (operation & 127) == FUTEX_CMP_REQUEUE, (uint32_t)value3, &count);
        break;
    case FUTEX_WAKE_OP:
        error = futex_wake_operation(word, word2, most, (uint32_t)time, (uint32_t)value3, &count);
        break;
    default:
        error = HX_ENOSYS;
    }
    return linux_count(error, count);
}
