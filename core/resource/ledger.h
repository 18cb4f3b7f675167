/*
 * The owner ledger: everything that carries one owner's tag, in one place (SPEC Q5).
 *
 * Rules:
 * - Sums are made on demand by walks over frames, slabs, threads, subscriptions, mailboxes and
 *   handles: exact while the owner does nothing.
 * - When an owner is gone, its ledger is zero.
 */
#ifndef CORE_RESOURCE_LEDGER_H
#define CORE_RESOURCE_LEDGER_H

#include <core/resource/owner.h>
#include <kern/owner.h>
#include <stdbool.h>
#include <stdint.h>

struct ledger {
    uint64_t frames;
    uint64_t heap_bytes;
    uint64_t heap_objects;
    uint64_t threads;
    uint64_t subscriptions;
    uint64_t mailboxes;
    struct resource_totals resources;
};

/* Context: thread. */
void ledger_take(owner_tag owner, struct ledger *ledger);

bool ledger_is_zero(const struct ledger *ledger);

/* Print one owner's ledger with its limits on the console.  Context: thread. */
void ledger_print(owner_tag owner);

#endif
