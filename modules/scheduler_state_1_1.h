/*
 * The statistics of a scheduler module as version 1.1 of the state has them: each CPU's by
 * themselves, and two that 1.0 does not have. For whoever includes it, its number, length and
 * lifecycle, and count_turn for its is_over.
 *
 * The state of 1.0 knows sums alone: coming from it, they belong to no CPU. Going to it, what it
 * does not know is an optional record, which it carries along.
 */
#ifndef MODULES_SCHEDULER_STATE_1_1_H
#define MODULES_SCHEDULER_STATE_1_1_H

#include <../modules/scheduler_queues.h>

#define STATE_CPU     2U /* 1.1: struct state_of_cpu, one for each CPU that counted anything */
#define STATE_EARLIER 3U /* 1.1: what belongs to no CPU, HX_SCHEDULER_STATISTICS of them */
#define STATE_YOUNGER 4U /* 1.0, optional: the sums of what 1.0 does not count */

#define STATISTICS_YOUNGER ((uint32_t)HX_SCHEDULER_STATISTICS - STATISTICS_1_0)

struct state_of_cpu {
    uint64_t cpu;
    uint64_t counts[HX_SCHEDULER_STATISTICS];
};

/* --- counting --------------------------------------------------------------------------------- */

/* The CPU's own tick counts, nobody else. */
static inline uint64_t count_turn(uint64_t cpu, bool is_over)
{
    if (is_over) {
        set_count(cpu, HX_SCHEDULER_TURNS, count_of(cpu, HX_SCHEDULER_TURNS) + 1);
    }
    return is_over;
}

/* Asked at each of the CPU's ticks. */
static uint64_t counted_length(uint64_t cpu)
{
    uint64_t length = queues_length(cpu);

    if (length > count_of(cpu, HX_SCHEDULER_LONGEST)) {
        set_count(cpu, HX_SCHEDULER_LONGEST, length);
    }
    return length;
}

static uint64_t longest(void)
{
    uint64_t most = statistics_before[HX_SCHEDULER_LONGEST];

    for (uint64_t left = counting_cpus(); left != 0; left &= left - 1) {
        uint64_t here = count_of((uint64_t)__builtin_ctzll(left), HX_SCHEDULER_LONGEST);

        most = here > most ? here : most;
    }
    return most;
}

static uint64_t queues_number(uint64_t index)
{
    if (index >= HX_SCHEDULER_STATISTICS) {
        return 0;
    }
    return index == HX_SCHEDULER_LONGEST ? longest() : sum_of(index);
}

/* --- out -------------------------------------------------------------------------------------- */

static hx_err put_cpu(uint64_t cpu)
{
    struct state_of_cpu state = {.cpu = cpu};

    for (uint64_t i = 0; i < HX_SCHEDULER_STATISTICS; i++) {
        state.counts[i] = count_of(cpu, i);
    }
    return hx_state_put(STATE_CPU, &state, sizeof(state));
}

static hx_err export_1_1(void)
{
    hx_err error = hx_state_put(STATE_EARLIER, statistics_before, sizeof(statistics_before));

    for (uint64_t left = counting_cpus(); left != 0 && error == HX_OK; left &= left - 1) {
        error = put_cpu((uint64_t)__builtin_ctzll(left));
    }
    return error;
}

static hx_err export_1_0(void)
{
    uint64_t sums[HX_SCHEDULER_STATISTICS];
    hx_err error;

    for (uint64_t i = 0; i < HX_SCHEDULER_STATISTICS; i++) {
        sums[i] = queues_number(i);
    }
    error = hx_state_put(STATE_STATISTICS, sums, STATISTICS_1_0 * sizeof(sums[0]));
    return error == HX_OK ? hx_state_put(STATE_YOUNGER | HX_STATE_OPTIONAL, &sums[STATISTICS_1_0],
                                         STATISTICS_YOUNGER * sizeof(sums[0]))
                          : error;
}

static hx_err export_statistics(uint64_t minor)
{
    return minor == 0 ? export_1_0() : export_1_1();
}

/* --- in --------------------------------------------------------------------------------------- */

/* The next CPU's record, if there is one more: *is_there. */
static hx_err get_cpu(uint32_t index, struct state_of_cpu *state, bool *is_there)
{
    hx_err error = hx_state_get(STATE_CPU, index, state, sizeof(*state));

    *is_there = error == HX_OK;
    if (error == HX_ENOENT) {
        return HX_OK;
    }
    return error == HX_OK && state->cpu >= HX_SCHEDULER_CPU_MAX ? HX_EFORMAT : error;
}

static hx_err check_cpus(void)
{
    struct state_of_cpu state;
    bool is_there = true;
    hx_err error = HX_OK;

    for (uint32_t i = 0; is_there && error == HX_OK; i++) {
        error = get_cpu(i, &state, &is_there);
    }
    return error;
}

static void take_cpus(void)
{
    struct state_of_cpu state;
    bool is_there;

    forget_counts();
    for (uint32_t i = 0; get_cpu(i, &state, &is_there) == HX_OK && is_there; i++) {
        imported_cpus |= 1ULL << state.cpu;
        for (uint64_t which = 0; which < HX_SCHEDULER_STATISTICS; which++) {
            set_count(state.cpu, which, state.counts[which]);
        }
    }
}

static hx_err import_1_1(uint64_t earlier[HX_SCHEDULER_STATISTICS])
{
    hx_err error = check_cpus();

    if (error == HX_OK) {
        error =
            hx_state_get(STATE_EARLIER, 0, earlier, HX_SCHEDULER_STATISTICS * sizeof(earlier[0]));
    }
    if (error == HX_OK) {
        take_cpus();
    }
    return error;
}

static hx_err import_1_0(uint64_t sums[HX_SCHEDULER_STATISTICS])
{
    hx_err error = hx_state_get(STATE_STATISTICS, 0, sums, STATISTICS_1_0 * sizeof(sums[0]));

    if (error == HX_OK && hx_state_size(STATE_YOUNGER, 0) != UINT64_MAX) {
        error = hx_state_get(STATE_YOUNGER, 0, &sums[STATISTICS_1_0],
                             STATISTICS_YOUNGER * sizeof(sums[0]));
    }
    if (error == HX_OK) {
        forget_counts();
    }
    return error;
}

static hx_err import_statistics(uint64_t minor)
{
    uint64_t earlier[HX_SCHEDULER_STATISTICS] = {0};
    hx_err error = minor == 0 ? import_1_0(earlier) : import_1_1(earlier);

    for (uint64_t i = 0; i < HX_SCHEDULER_STATISTICS && error == HX_OK; i++) {
        statistics_before[i] = earlier[i];
    }
    return error;
}

static const struct hx_module_lifecycle queues_lifecycle = {
    .init = queues_init,
    .import_state = import_statistics,
    .activate = queues_take_over,
    .cancel_unload = queues_take_over,
    .export_state = export_statistics,
};

#endif
