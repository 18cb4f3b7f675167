/*
 * A demo slot under the healer's eyes, for the built-in tests of self-healing.
 *
 * Rules:
 * - One test at a time: begin puts a module into the slot "demo" and turns healing on, end undoes
 *   both and sets the options to what they are by default.
 */
#ifndef TESTS_SELF_HEAL_PATIENT_H
#define TESTS_SELF_HEAL_PATIENT_H

#include <core/self_heal/healer.h>
#include <hal/gate.h>
#include <stdbool.h>
#include <stdint.h>

/* Quick looks and checkpoints, and no waiting between recoveries. */
struct slot *patient_begin(const char *module, enum hal_gate_backend backend);
void patient_end(void);

void patient_set_option(const char *option, uint64_t value);
struct heal_member_info patient_info(struct slot *slot);

/* Until has_come answers true, at most CREW_PATIENCE_NS; whether it did. */
bool patient_wait_for(bool (*has_come)(struct slot *slot, uint64_t number), struct slot *slot,
                      uint64_t number);
bool patient_has_recovered(struct slot *slot, uint64_t recoveries);
bool patient_has_health(struct slot *slot, uint64_t health);

/* A checkpoint of what it is now. */
void patient_wait_for_checkpoint(struct slot *slot);

/* DEMO_COUNT, which is to succeed; its answer. */
uint64_t patient_count(struct slot *slot);

/* It dies of an exception. */
void patient_kill(struct slot *slot);

#endif
