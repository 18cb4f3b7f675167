/*
 * Who a program acts as, in the manner of POSIX: user, groups, and the permissions they give.
 */
#ifndef SUBSYS_VFS_CREDENTIALS_H
#define SUBSYS_VFS_CREDENTIALS_H

#include <stdbool.h>
#include <stdint.h>

#define CREDENTIALS_GROUPS_MAX 32U

struct credentials {
    uint32_t user, effective_user, saved_user;
    uint32_t group, effective_group, saved_group;
    uint32_t group_count;
    uint32_t groups[CREDENTIALS_GROUPS_MAX];
};

/* What to ask of a file: the bits of one class of its mode. */
enum access_wanted {
    ACCESS_EXECUTE = 1,
    ACCESS_WRITE = 2,
    ACCESS_READ = 4,
};

bool credentials_in_group(const struct credentials *who, uint32_t group);

/* Whether the user may do what belongs to the superuser of the file system. */
static inline bool credentials_are_root(const struct credentials *who)
{
    return who->effective_user == 0;
}

#endif
