/* Calls of the module, which may be away for a while, or die. */
#include <core/gate/gate.h>
#include <subsys/block/disk_cache.h>
#include <subsys/mounted/mounted.h>
#include <subsys/mounted/mounted_private.h>

/* --- once ------------------------------------------------------------------------------------- */

/* How a call ended: whether the module answered at all, and what. */
struct outcome {
    bool is_answer;
    hx_err error;
    hx_err trouble; /* what the disk's cache had to say while it ran */
};

static hx_err error_of(uint64_t answer)
{
    return hx_error_is_known(answer) ? (hx_err)answer : HX_EIO;
}

static void end_transaction(struct outcome outcome)
{
    if (outcome.is_answer && (outcome.error == HX_OK || outcome.error == HX_EAGAIN)) {
        disk_cache_commit();
    } else {
        disk_cache_abort();
    }
}

/* What the module wrote counts if it says so, and nobody says otherwise. */
static struct outcome call_once(struct mounted *mounted, uint32_t operation,
                                const uint64_t arguments[4])
{
    struct opinion other;
    bool has_witness = mounted_ask_witness(mounted, operation, arguments, &other);
    struct hal_gate_result result;
    struct outcome outcome;
    struct opinion own;

    disk_cache_begin();
    result =
        gate_call(mounted->slot, operation, arguments[0], arguments[1], arguments[2], arguments[3]);
    outcome.is_answer = result.error == HX_OK;
    outcome.error = outcome.is_answer ? error_of(result.value) : result.error;
    outcome.trouble = disk_cache_trouble();
    if (has_witness && outcome.is_answer && outcome.error != HX_ESTATE) {
        own = mounted_opinion(outcome.error);
        if (!mounted_agree(mounted, &own, &other)) {
            mounted_end_both(mounted);
            outcome = (struct outcome){.error = HX_EDIED};
        }
    }
    end_transaction(outcome);
    return outcome;
}

/* --- until somebody answers ------------------------------------------------------------------- */

/* All ways in are taken for a moment, the slot is empty, or it is about to be. */
static bool is_worth_waiting(hx_err error)
{
    return error == HX_EAGAIN || error == HX_ENOENT || error == HX_EDIED;
}

static struct outcome call_patiently(struct mounted *mounted, uint32_t operation,
                                     const uint64_t arguments[4])
{
    uint64_t deadline = hal_clock_now() + MOUNTED_PATIENCE_NS;
    struct outcome outcome = call_once(mounted, operation, arguments);

    while (!outcome.is_answer && is_worth_waiting(outcome.error) && hal_clock_now() < deadline &&
           slot_wait_filled(mounted->slot, deadline) == HX_OK) {
        thread_yield();
        outcome = call_once(mounted, operation, arguments);
    }
    return outcome;
}

hx_err mounted_call_mount(struct mounted *mounted, struct hx_file_system_mounted *answer)
{
    uint64_t arguments[4] = {mounted->flags};
    struct outcome outcome;
    struct loan loan;

    arguments[1] = loan_open_to_fill(&loan, answer, sizeof(*answer));
    outcome = call_patiently(mounted, FILE_SYSTEM_MOUNT, arguments);
    loan_close(&loan);
    return outcome.is_answer ? outcome.error : HX_EIO;
}

/* An instance that has not been told yet what it serves. */
static hx_err mount_again(struct mounted *mounted)
{
    struct hx_file_system_mounted answer;

    return mounted_call_mount(mounted, &answer);
}

#define MOUNTS_MAX 8U /* of instances that die one after the other */

/* The answer of an instance that knows what it serves. */
static struct outcome call_mounted(struct mounted *mounted, uint32_t operation,
                                   const uint64_t arguments[4])
{
    struct outcome outcome = call_patiently(mounted, operation, arguments);

    for (uint32_t i = 0; i < MOUNTS_MAX && outcome.is_answer && outcome.error == HX_ESTATE; i++) {
        if (mount_again(mounted) != HX_OK) {
            outcome.error = HX_EIO;
            return outcome;
        }
        outcome = call_patiently(mounted, operation, arguments);
    }
    return outcome;
}

/* Nothing of the call has taken effect. Of an instance without the first one's state. */
static struct outcome call_another(struct mounted *mounted, uint32_t operation,
                                   const uint64_t arguments[4], hx_err first)
{
    struct outcome outcome;

    slot_distrust(mounted->slot);
    outcome = call_mounted(mounted, operation, arguments);
    mounted_end_doubt(mounted, first, outcome.error);
    return outcome;
}

hx_err mounted_call(struct mounted *mounted, enum file_system_operation operation, uint64_t a0,
                    uint64_t a1, uint64_t a2, uint64_t a3)
{
    const uint64_t arguments[4] = {a0, a1, a2, a3};
    struct outcome outcome = call_mounted(mounted, operation, arguments);

    if (outcome.is_answer &&
        mounted_is_doubtful(mounted, operation, outcome.error, outcome.trouble)) {
        outcome = call_another(mounted, operation, arguments, outcome.error);
    }
    return outcome.is_answer && outcome.error != HX_ESTATE ? outcome.error : HX_EIO;
}

hx_err mounted_call_on(struct mounted *mounted, enum file_system_operation operation, uint64_t a0,
                       uint64_t a1)
{
    hx_err error;

    do {
        error = mounted_call(mounted, operation, a0, a1, 0, 0);
    } while (error == HX_EAGAIN);
    return error;
}
