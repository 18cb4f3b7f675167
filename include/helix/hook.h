/*
 * The operations of a hook of system calls: what is behind security, audit and metrics.
 *
 * Rules:
 * - The kernel keeps the chain of hooks and its order, and sees to it that each call that a hook
 *   saw begin is told to it when it has ended, once.
 * - Calls that have ended are told in batches, those of one CPU in their order: post with as many
 *   entries as the kernel has for that CPU by then. A batch that was not answered with HX_OK is
 *   told again, to whoever is in the slot then; at once with HX_EAGAIN.
 * - post comes once at a time for each CPU, for several CPUs at once; read and the lifecycle's
 *   export_state at any time beside it. configure comes alone but for those two and pre. A slot
 *   gets what its hook is about: hook.security pre and configure, the others post.
 * - Times are in the units of the processor's counter.
 */
#ifndef HELIX_HOOK_H
#define HELIX_HOOK_H

#include <helix/error.h>
#include <helix/operation.h>
#include <stdint.h>

#define HX_HOOK_CPU_MAX  32U
#define HX_HOOK_CALL_MAX 512U /* numbers of system calls; there may be calls of others */

/*
 * pre: whether a call may be made, that the policy does not leave to everyone: its number and
 * class, the subject that makes it, and whether that holds the class's capability. Comes from
 * several threads at once, beside all others, in a context that does not wait; calls nothing.
 * HX_OK, HX_EPERM, HX_EACCES; HX_ESTATE: I have no policy yet. The kernel knows what the policy
 * says: who says otherwise, and was just told it, ends.
 *
 * post: count calls have ended on a CPU; the loan has an entry for each: the slot hook.metrics gets
 * struct hx_hook_time, hook.audit struct hx_hook_record. A CPU's entries are numbered from 0 on;
 * first is that of the first one here. A gap before it is what an instance before this one had.
 * HX_EAGAIN: not now; one that takes nothing for a second ends.
 *
 * read: what the hook knows: item says of what (enum hx_hook_item), index of which.
 *
 * configure: item says what is to be set.
 */
#define HX_HOOK_OPERATION_LIST(X)                                                                  \
    X(HOOK_PRE, pre, hx_err, (uint64_t number, uint64_t class, uint64_t subject, uint64_t holds),  \
      HX_OPERATION_READS)                                                                          \
    X(HOOK_POST, post, hx_err, (uint64_t cpu, uint64_t loan, uint64_t count, uint64_t first),      \
      HX_OPERATION_MUTATES)                                                                        \
    X(HOOK_READ, read, uint64_t, (uint64_t item, uint64_t index, uint64_t loan, uint64_t size),    \
      HX_OPERATION_READS)                                                                          \
    X(HOOK_CONFIGURE, configure, hx_err, (uint64_t item, uint64_t loan, uint64_t size),            \
      HX_OPERATION_MUTATES)

enum hook_operation { HX_HOOK_OPERATION_LIST(HX_OPERATION_ENUM) HOOK_OPERATION_COUNT };

struct hx_hook_operations {
    HX_HOOK_OPERATION_LIST(HX_OPERATION_MEMBER)
};

enum hx_hook_item {
    /* read: of call number index, a struct hx_hook_metrics into the loan; answers 1, 0: it was not
     * called, or there is no such number. */
    HX_HOOK_METRICS,
    /* read: answers how many calls could not be counted, for want of memory. */
    HX_HOOK_LOST,
    /* configure: begin anew; there is no loan. */
    HX_HOOK_RESET,
    /* read: records of CPU index, from the one on that is named in the struct hx_hook_reading at
     * the loan's beginning, which is changed to what follows it; as many as fit. Answers 1, 0: no
     * such CPU. Does not come beside a post of that CPU. */
    HX_HOOK_RECORDS,
    /* read: answers how many records had to make room for others. */
    HX_HOOK_OVERWRITTEN,
    /* configure: the policy, a struct hx_hook_policy. A pre that has begun may still be judged by
     * the one before, but ends before the next configure. */
    HX_HOOK_POLICY,
    /* read: answers how many calls of class index were refused. */
    HX_HOOK_REFUSED,
};

#define HX_HOOK_CLASS_MAX 32U

enum hx_hook_who {
    HX_HOOK_EVERYONE,
    HX_HOOK_HOLDERS, /* of the class's capability */
    HX_HOOK_NOBODY,
    HX_HOOK_WHO_COUNT,
};

struct hx_hook_rule {
    uint8_t who;      /* enum hx_hook_who */
    uint8_t error;    /* hx_err of who is refused */
    uint8_t is_given; /* for a call: it goes before that of the call's class */
    uint8_t reserved;
};

struct hx_hook_policy {
    struct hx_hook_rule classes[HX_HOOK_CLASS_MAX];
    struct hx_hook_rule calls[HX_HOOK_CALL_MAX];
};

/* A call that has ended, in numbers. */
struct hx_hook_time {
    uint64_t number; /* of the call, and HX_HOOK_FAILED */
    uint64_t duration;
};
#define HX_HOOK_FAILED (1ULL << 63) /* beside the number: its result was an error */

#define HX_HOOK_ARGUMENTS 6U

/* A call that has ended, as it was made and how it ended. */
struct hx_hook_record {
    uint64_t started;
    uint64_t duration;
    int64_t result;
    uint64_t number;
    uint64_t subject;
    uint32_t process; /* 0: a kernel thread's */
    uint32_t thread;
    uint64_t arguments[HX_HOOK_ARGUMENTS];
};

/* Records follow it. */
struct hx_hook_reading {
    uint64_t next; /* which is wanted; then, which is the first that follows: some were overwritten
                      if it is another one */
    uint64_t count;
};

/* What is known of the calls of one number. */
struct hx_hook_metrics {
    uint64_t count;
    uint64_t errors;
    uint64_t total;
    uint64_t least;
    uint64_t most;
    /* So many of a thousand calls took at most that. */
    uint64_t p500;
    uint64_t p900;
    uint64_t p990;
    uint64_t p999;
};

#endif
