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

#define SIGNAL_BY_KERNEL 0x80 /* si_code: sent by the kernel */

/* SIGKILL and SIGSTOP. */
#define SIGNAL_UNBLOCKABLE ((1ULL << (SIGNAL_KILL - 1)) | (1ULL << (SIGNAL_STOP - 1)))

/* What stops a process, unless it is caught. */
#define SIGNAL_STOPPING                                                                            \
    ((1ULL << (SIGNAL_STOP - 1)) | (1ULL << (SIGNAL_TERMINAL_STOP - 1)) |                          \
     (1ULL << (SIGNAL_TERMINAL_IN - 1)) | (1ULL << (SIGNAL_TERMINAL_OUT - 1)))

enum signal_default signal_default_of(unsigned number);

/* One queued real-time signal. */
struct signal_entry {
    struct list link;
    bool is_kept; /* a timer's: not freed when it is taken */
    uint32_t number;
    struct signal_detail detail;
};

/* Add a signal. entry is for real-time ones (NULL: keep the number only); taken over when used. */
void signal_pending_add_locked(struct signal_pending *pending, const struct hal_signal_info *info,
                               struct signal_entry **entry);

/* An entry of a timer's own, in no queue. The timer gives it up under the lock: true, it is to be
 * freed; false, whoever takes the signal frees it. NULL: no memory. */
struct signal_entry *signal_entry_make_kept(void);
bool signal_entry_let_go_locked(struct signal_entry *entry);

/* A timer's signal once more, while the one before is pending: its overrun, the upper half of the
 * first field, grows by times. Answers whether it is pending. */
bool signal_pending_count_again_locked(struct signal_pending *pending,
                                       const struct hal_signal_info *info,
                                       const struct signal_entry *entry, int32_t times);

/* What a timer sends, to a thread of the process or (NULL) to the process; nothing if its signal is
 * pending. Answers what signal_note_sent is to be told when the lock is released. Context: irq. */
bool signal_send_kept_locked(struct process *process, struct user_thread *target,
                             const struct hal_signal_info *info, struct signal_entry *entry);
void signal_note_sent(struct process *process, bool wakes);

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

/* A signal that a thread takes to act upon it. */
struct signal_taken {
    struct hal_signal_info info; /* its number 0: there is none */
    struct signal_action action; /* as it was; one that works once is reset */
    uint64_t blocked_before;     /* with a handler: which runs with its mask blocked already */
    bool has_more;               /* others are pending */
    bool may_wait;               /* the process is stopped, or goes on again */
};

/* Take the calling thread's next signal that it does not block, and what is to be done about it. */
void signal_take_to_act(struct signal_taken *taken);

/* The same for one that has just been sent, if no other is pending and a handler is to take it:
 * it is not noted as pending. Answers whether that is so. */
bool signal_take_at_once(struct signal_taken *taken, const struct hal_signal_info *info);

/* Leave the process's memory in a file, if that is wanted. Answers whether there is a file; the
 * process is to end now.  Context: thread, on its way to user mode. */
bool signal_dump(const struct hal_signal_info *info);

#endif
