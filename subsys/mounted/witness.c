/* A second instance that is asked the same, so that nobody has to be believed. */
#include <core/debug/log.h>
#include <core/gate/gate.h>
#include <hal/clock.h>
#include <subsys/block/disk_cache.h>
#include <subsys/mounted/mounted_private.h>

/* Two that differ again and again are not of one kind: for so long the one is asked alone. */
#define DISAGREEMENTS_MAX 3U
#define ALONE_NS          (60 * HAL_NS_PER_S)

struct opinion mounted_opinion(hx_err error)
{
    return (struct opinion){.error = error, .told = loans_digest(), .written = disk_cache_digest()};
}

/* In a transaction that never was. False: it did not answer. */
static bool ask(struct mounted *mounted, uint32_t operation, const uint64_t arguments[4],
                struct opinion *opinion)
{
    struct hal_gate_result result;

    disk_cache_begin();
    result = gate_call(mounted->witness, operation, arguments[0], arguments[1], arguments[2],
                       arguments[3]);
    *opinion = mounted_opinion((hx_err)result.value);
    disk_cache_abort();
    return result.error == HX_OK;
}

/* One that has not been told yet what it is asked about. */
static bool tell(struct mounted *mounted)
{
    struct hx_file_system_mounted answer;
    struct opinion opinion;
    struct loan loan;
    uint64_t arguments[4] = {mounted->flags};
    bool is_answer;

    arguments[1] = loan_open_to_fill(&loan, &answer, sizeof(answer));
    is_answer = ask(mounted, FILE_SYSTEM_MOUNT, arguments, &opinion);
    loan_close(&loan);
    return is_answer && opinion.error == HX_OK;
}

bool mounted_ask_witness(struct mounted *mounted, uint32_t operation, const uint64_t arguments[4],
                         struct opinion *opinion)
{
    if (mounted->witness == NULL || slot_instance(mounted->witness) == NULL ||
        operation == FILE_SYSTEM_MOUNT || hal_clock_now() < mounted->alone_until) {
        return false;
    }
    if (ask(mounted, operation, arguments, opinion) && opinion->error != HX_ESTATE) {
        return true;
    }
    return slot_instance(mounted->witness) != NULL && tell(mounted) &&
           ask(mounted, operation, arguments, opinion);
}

bool mounted_agree(struct mounted *mounted, const struct opinion *one, const struct opinion *other)
{
    bool is_same =
        one->error == other->error && (one->error != HX_OK || one->told == other->told) &&
        ((one->error != HX_OK && one->error != HX_EAGAIN) || one->written == other->written);

    mounted->disagreements = is_same ? 0 : mounted->disagreements + 1;
    return is_same;
}

void mounted_end_both(struct mounted *mounted)
{
    if (mounted->disagreements >= DISAGREEMENTS_MAX) {
        mounted->disagreements = 0;
        mounted->alone_until = hal_clock_now() + ALONE_NS;
        kwarn("mounted: slots %s and %s never agree: %s is asked alone", mounted->slot->name,
              mounted->witness->name, mounted->slot->name);
        return;
    }
    slot_distrust(mounted->slot);
    slot_distrust(mounted->witness);
}
