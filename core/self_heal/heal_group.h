/*
 * Groups of members: who is restarted with whom, in the running kernel. Private to core/self_heal;
 * core/self_heal/supervision.h decides.
 *
 * Rules:
 * - What a group's strategy has decided stands in the record of the member that died, and is worked
 *   off, one after the other, when that one serves again.
 * - Who is restarted with another one lives: its state moves to a fresh instance of the same
 *   version, while callers wait, as in a swap. When that fails, it goes on as it was.
 */
#ifndef CORE_SELF_HEAL_HEAL_GROUP_H
#define CORE_SELF_HEAL_HEAL_GROUP_H

#include <core/self_heal/supervision.h>
#include <helix/attributes.h>
#include <helix/error.h>
#include <stdint.h>

struct heal_member;

/* Who is still to be restarted, the next one first. */
struct heal_companions {
    uint8_t slots[SUPERVISION_MEMBERS_MAX]; /* by their numbers */
    uint32_t count;
    uint32_t group; /* whose strategy it is */
};

/* A slot has become a member.  Context: boot or thread. */
void heal_group_add(uint32_t slot);

/* A member has died: who is to be restarted with it.  Context: thread. */
void heal_group_died(const struct heal_member *member, uint64_t now_ns,
                     struct heal_companions *companions);

/* Restart those that are to be with a member, if it serves again. None of the healer's locks is
 * held.  Context: thread, may block.  Errors: HX_EIO a fail point: the thread is to end. */
HX_MUST_USE hx_err heal_group_restart(struct heal_member *member);

/* Those of group.NAME= on the command line.  Context: boot or thread. */
void heal_group_read_command_line(void);

#endif
