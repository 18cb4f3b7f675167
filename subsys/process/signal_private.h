/* What signal.c and signal_delivery.c share. All _locked ones: under the process's lock. */
#ifndef SUBSYS_PROCESS_SIGNAL_PRIVATE_H
#define SUBSYS_PROCESS_SIGNAL_PRIVATE_H

#include <helix/attributes.h>
#include <helix/error.h>
#include <stdbool.h>
#include <stdint.h>
#include <subsys/process/signal.h>
#include <subsys/process/signal_list.h>

static inline uint64_t signal_bit(unsigned number)
{
    return 1ULL << (number - 1);
}

/* SIGKILL and SIGSTOP. */
#define SIGNAL_UNBLOCKABLE ((1ULL << (SIGNAL_KILL - 1)) | (1ULL << (SIGNAL_STOP - 1)))

enum signal_default signal_default_of(unsigned number);

/* One queued real-time signal. */
struct signal_entry {
    struct list link;
    uint32_t number;
    struct signal_detail detail;
};

/* Add a signal. entry is for real-time ones (NULL: keep the number only); taken over when used. */
void signal_pending_add_locked(struct signal_pending *pending, const struct hal_signal_info *info,
                               struct signal_entry **entry);

/* Take the lowest one of a mask (SIGKILL first); 0: there is none. Entries that came out of the
 * queue are put to *used, to be freed without the lock. */
unsigned signal_pending_take_locked(struct signal_pending *pending, uint64_t mask,
                                    struct hal_signal_info *info, struct signal_entry **used);

/* Forget those of a mask; entries of the queue go to dropped, to be freed without the lock. */
void signal_pending_drop_locked(struct signal_pending *pending, uint64_t mask,
                                struct list *dropped);

/* Whether the signal does nothing now: ignored, or ignored by default. */
bool signal_is_ignored_locked(const struct process *process, unsigned number);

/* Take the calling thread's next signal out of a mask: its own first, then its process's. */
unsigned signal_take(uint64_t mask, struct hal_signal_info *info);

#endif
