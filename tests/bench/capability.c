/* Checks of capabilities among few and many grants, and what a revocation costs its caller. */
#include <core/capability/capability.h>
#include <tests/bench/bench.h>
#include <tests/bench/measure.h>

#define MILLION     1000000U
#define DESCENDANTS 100000U

static resource_id slot(uint32_t number)
{
    return resource_make(RESOURCE_TYPE_SLOT, number);
}

/* Give a new subject so many grants; SUBJECT_NONE: that failed. */
static subject_id subject_with(uint32_t count)
{
    hx_err error;
    subject_id subject;

    if (capability_subject_create("bench", &subject) != HX_OK) {
        return SUBJECT_NONE;
    }
    for (uint32_t i = 0; i < count; i++) {
        error = capability_grant(subject, slot(i), PERMISSION_READ, NULL);
        if (error != HX_OK) {
            (void)!capability_subject_destroy(subject);
            return SUBJECT_NONE;
        }
    }
    capability_settle();
    return subject;
}

static void end(subject_id subject)
{
    (void)!capability_subject_destroy(subject);
    capability_settle();
}

/* Checks of grants from all over the table; among one, of that. The loop is included. */
static uint64_t check_among(uint32_t count, uint32_t runs)
{
    subject_id subject = subject_with(count);
    uint64_t step = count / runs;
    resource_id resource = slot(0);
    uint32_t left = runs;
    uint64_t cycles;
    uint64_t start = begin();

    while (left > 0 && capability_check(subject, resource, PERMISSION_READ)) {
        resource += step;
        left--;
    }
    cycles = cycles_since(start);
    end(subject);
    return left == 0 ? cycles : 0;
}

static uint64_t cap_check_1(uint32_t runs)
{
    return check_among(1, runs);
}

static uint64_t cap_check_1m(uint32_t runs)
{
    return check_among(MILLION, runs);
}

/* The loop is included, and the handle is a new one to the compiler in each round. */
static uint64_t cap_check_handle(uint32_t runs)
{
    subject_id subject = subject_with(0);
    capability_handle handle = CAPABILITY_NONE;
    hx_err error = capability_grant(subject, slot(0), PERMISSION_READ, &handle);
    capability_handle given = handle;
    uint32_t left = error == HX_OK ? runs : 0;
    uint64_t cycles;
    uint64_t start = begin();

    while (left > 0 && capability_check_handle(subject, given, slot(0), PERMISSION_READ)) {
        __asm__ volatile("" : "+r"(given));
        left--;
    }
    cycles = cycles_since(start);
    end(subject);
    return error == HX_OK && left == 0 ? cycles : 0;
}

/* --- revocation ------------------------------------------------------------------------------ */

/* Derive so many from the subject's grant, for as many subjects as that takes. */
static hx_err derive(subject_id from, subject_id *heirs, uint32_t count)
{
    hx_err error = HX_OK;

    for (uint32_t i = 0; i < count && error == HX_OK; i++) {
        subject_id *heir = &heirs[i / CAPABILITY_SAME_MAX];

        if (i % CAPABILITY_SAME_MAX == 0) {
            error = capability_subject_create("heir", heir);
        }
        if (error == HX_OK) {
            error = capability_delegate(from, *heir, slot(0), PERMISSION_READ, NULL);
        }
    }
    return error;
}

static void end_all(subject_id *heirs, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (heirs[i] != SUBJECT_NONE) {
            (void)!capability_subject_destroy(heirs[i]);
            heirs[i] = SUBJECT_NONE;
        }
    }
}

static uint64_t revoke_above(uint32_t descendants)
{
    static subject_id heirs[DESCENDANTS / CAPABILITY_SAME_MAX];
    subject_id from = subject_with(0);
    capability_handle root = CAPABILITY_NONE;
    hx_err error = capability_grant(from, slot(0), PERMISSION_READ | PERMISSION_DELEGATE, &root);
    uint64_t cycles;
    uint64_t start;

    if (error == HX_OK) {
        error = derive(from, heirs, descendants);
    }
    capability_settle();
    start = begin();
    if (capability_revoke_handle(root) != HX_OK) {
        error = HX_ESTALE;
    }
    cycles = cycles_since(start);
    end_all(heirs, HX_ARRAY_SIZE(heirs));
    end(from);
    return error == HX_OK ? cycles : 0;
}

/* Until the call returns: from then on no check passes by it. */
static uint64_t cap_revoke_1(uint32_t runs)
{
    return revoke_above(1) * runs;
}

static uint64_t cap_revoke_100k(uint32_t runs)
{
    return revoke_above(DESCENDANTS) * runs;
}

const struct benchmark capability_benchmarks[] = {
    {"cap_check_1", "instructions", 1000, cap_check_1},
    {"cap_check_1m", "instructions", 1000, cap_check_1m},
    {"cap_check_handle", "instructions", 1000, cap_check_handle},
    {"cap_revoke_1", "instructions", 1, cap_revoke_1},
    {"cap_revoke_100k", "instructions", 1, cap_revoke_100k},
    {0},
};
