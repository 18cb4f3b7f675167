/*
 * Calls that have ended and that a hook's module has not been told of yet: a short ring for each
 * CPU, handed over in batches through the gate of the hook's slot.
 *
 * Rules:
 * - An entry is written by its CPU, in the read section in which post-hooks are called, without
 *   locks or waiting. When there is no room, and when somebody wants to read, all there is is
 *   handed over, by the thread at hand.
 * - What was handed over leaves the ring when the module has answered HX_OK. While the gate is
 *   closed, who finds the ring full waits, as all callers do; what an instance died of, or did not
 *   take, is handed over to the next one: nothing is lost or doubled by a swap.
 * - With nothing in the slot, entries that find no room are counted as lost.
 * - A CPU's batches are handed over one after the other: the turn is a mutex that is for nothing
 *   else, and held only for calls of post.
 */
#ifndef SUBSYS_HOOKS_BACKLOG_H
#define SUBSYS_HOOKS_BACKLOG_H

#include <core/gate/slot.h>
#include <hal/cpu.h>
#include <helix/attributes.h>
#include <helix/error.h>
#include <kern/mutex.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BACKLOG_ENTRIES 256U /* a power of two */

/* Keys: C = its CPU, in a read section; A = C, read by anyone; T = turn, read by anyone */
struct backlog_lane {
    _Atomic uint64_t written; /* A  entries so far; release, pairs with hand_over */
    _Atomic uint64_t taken;   /* T  of these, how many the module has; release, pairs with C */
    _Atomic uint64_t lost;    /* A */
    struct mutex turn;
    uint64_t words[]; /* C  entry n at (n mod BACKLOG_ENTRIES) */
};

/* Keys: I = immutable once started */
struct backlog {
    const char *slot_name;                             /* I  static */
    uint32_t entry_words;                              /* I  of 8 bytes, static */
    struct slot *slot;                                 /* I */
    _Atomic(struct backlog_lane *) lanes[HAL_CPU_MAX]; /* I  NULL: no memory */
};

/*
 * Make its rings; nothing when repeated. They stay.
 * Context: thread.  Errors: HX_ENOENT there is no such slot, HX_ENOMEM.
 */
HX_MUST_USE hx_err backlog_start(struct backlog *backlog);

static HX_ALWAYS_INLINE struct backlog_lane *backlog_here(const struct backlog *backlog)
{
    return atomic_load_explicit(&backlog->lanes[hal_cpu_id()], memory_order_relaxed);
}

/* Where the CPU's next entry is to be written; false: there is no room. Acquire: pairs with the
 * module's having read what was there. */
static HX_ALWAYS_INLINE bool backlog_try_claim(struct backlog_lane *lane, uint32_t entry_words,
                                               uint64_t **room)
{
    uint64_t written = atomic_load_explicit(&lane->written, memory_order_relaxed);

    *room = &lane->words[written % BACKLOG_ENTRIES * entry_words];
    return HX_LIKELY(written - atomic_load_explicit(&lane->taken, memory_order_acquire) <
                     BACKLOG_ENTRIES);
}

/*
 * The same when there was no room: it is made; false: there is none, and the entry was counted as
 * lost. *lane is where it is then.
 * Context: thread in a read section of its own, not nested in another; which is left and entered
 * again when there is no room at once, maybe on another CPU. Blocks then.
 */
HX_MUST_USE bool backlog_late_claim(struct backlog *backlog, struct backlog_lane **lane,
                                    uint64_t **room);

/* It is written.  Release: pairs with hand_over. */
static HX_ALWAYS_INLINE void backlog_commit(struct backlog_lane *lane)
{
    atomic_store_explicit(&lane->written,
                          atomic_load_explicit(&lane->written, memory_order_relaxed) + 1,
                          memory_order_release);
}

/*
 * Hand over what there is of every CPU.
 * Context: thread, may block.  Errors: HX_ENOENT nothing in the slot, HX_EDIED, what post answered:
 * the rest stays.
 */
HX_MUST_USE hx_err backlog_flush(struct backlog *backlog);

/* How many entries a CPU has had so far: the number of the next one.  Context: any. */
uint64_t backlog_written(const struct backlog *backlog, uint32_t cpu);

/*
 * Hand over what there is of a CPU and ask the module for something of it, with no post of it
 * beside; bytes are lent to be read and written.
 * Context: thread, may block.  Errors: HX_ENOENT nobody knows, HX_EDIED, what post answered.
 */
HX_MUST_USE hx_err backlog_read(struct backlog *backlog, uint32_t cpu, uint64_t item, void *bytes,
                                size_t size);

/*
 * Call an operation alone: while it runs nothing is handed over. What had not been is forgotten
 * when it has answered HX_OK, if so wanted.
 * Context: thread, may block.  Errors: those of gate_call, what the operation answered.
 */
HX_MUST_USE hx_err backlog_call_alone(struct backlog *backlog, uint32_t operation, uint64_t item,
                                      uint64_t loan, uint64_t size, bool forgets);

/* Entries that nobody got, and bytes of the rings.  Context: any. */
uint64_t backlog_lost(const struct backlog *backlog);
uint64_t backlog_memory(const struct backlog *backlog);

#endif
