/* Starting many subsystems: what one of them costs, registration, sorting and its init included. */
#include <tests/bench/bench.h>
#include <tests/bench/subsystem_chain.h>

const struct benchmark orchestrator_benchmarks[] = {
    {"init_all_100", "instructions", 100, subsystem_chain_start},
    {"init_all_1000", "instructions", 1000, subsystem_chain_start},
    {0},
};
