/*
 * Ids of processes, threads, groups and sessions: one number space.
 *
 * Rules:
 * - An id is in use as long as a thread, a process, a group or a session has it; each of them
 * counts.
 * - Everything here is under process_mutex.
 */
#ifndef SUBSYS_PROCESS_ID_TABLE_H
#define SUBSYS_PROCESS_ID_TABLE_H

#include <helix/attributes.h>
#include <helix/error.h>
#include <stdint.h>

#define PROCESS_ID_MAX 65536U

struct process;
struct process_group;
struct user_thread;

struct identity {
    struct process *process;     /* NULL: no process has this id */
    struct process_group *group; /* NULL: no group */
    struct user_thread *thread;  /* NULL: no thread */
    uint32_t uses;               /* 0: free */
};

/* Take a free id, used once; the numbers go round.  Errors: HX_EAGAIN all are in use, HX_ENOMEM. */
HX_MUST_USE hx_err id_take(uint32_t *id);

/* The entry of an id that is in use; NULL otherwise. */
struct identity *id_find(uint32_t id);

/* One use more, one less. */
void id_get(uint32_t id);
void id_put(uint32_t id);

/* The lowest id in use above `after`, 0: there is none. */
uint32_t id_next(uint32_t after);

/* The id that was taken last, 0: none was. */
uint32_t id_last(void);

#endif
