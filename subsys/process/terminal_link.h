/*
 * What processes tell terminals: the way up to subsys/tty, which uses processes itself.
 *
 * Rules:
 * - Set once by terminal_init; without it nothing happens.
 */
#ifndef SUBSYS_PROCESS_TERMINAL_LINK_H
#define SUBSYS_PROCESS_TERMINAL_LINK_H

struct process;
struct session;

struct terminal_link {
    /* The leader of a session with a controlling terminal ends: hang up its foreground group, take
     * the terminal from the session.  Context: thread, process_mutex not held. */
    void (*leader_ends)(struct session *session);
};

void terminal_link_set(const struct terminal_link *link);

/* A process ends: tell the terminal if it leads a session that has one. */
void terminal_link_leader_ends(struct process *process);

#endif
