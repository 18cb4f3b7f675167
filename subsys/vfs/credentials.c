#include <subsys/vfs/credentials.h>

bool credentials_in_group(const struct credentials *who, uint32_t group)
{
    bool found = who->effective_group == group;

    for (uint32_t i = 0; i < who->group_count && !found; i++) {
        found = who->groups[i] == group;
    }
    return found;
}
