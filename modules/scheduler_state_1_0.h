/*
 * The statistics of a scheduler module as version 1.0 of the state has them: sums over all CPUs.
 * For whoever includes it, its number and its lifecycle.
 */
#ifndef MODULES_SCHEDULER_STATE_1_0_H
#define MODULES_SCHEDULER_STATE_1_0_H

#include <../modules/scheduler_queues.h>

static uint64_t queues_number(uint64_t index)
{
    return index < STATISTICS_1_0 ? sum_of(index) : 0;
}

static hx_err export_statistics(uint64_t minor)
{
    uint64_t statistics[STATISTICS_1_0];

    (void)minor;
    for (uint64_t i = 0; i < STATISTICS_1_0; i++) {
        statistics[i] = sum_of(i);
    }
    return hx_state_put(STATE_STATISTICS, statistics, sizeof(statistics));
}

static hx_err import_statistics(uint64_t minor)
{
    (void)minor;
    forget_counts();
    return hx_state_get(STATE_STATISTICS, 0, statistics_before, STATISTICS_1_0 * sizeof(uint64_t));
}

static const struct hx_module_lifecycle queues_lifecycle = {
    .init = queues_init,
    .import_state = import_statistics,
    .activate = queues_take_over,
    .cancel_unload = queues_take_over,
    .export_state = export_statistics,
};

#endif
