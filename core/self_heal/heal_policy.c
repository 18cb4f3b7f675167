/* The numbers of self-healing: their defaults, and how one is set by its name. */
#include <base/string.h>
#include <core/self_heal/heal_policy.h>

struct heal_option {
    const char *name;
    size_t offset; /* of its member */
    uint64_t unit;
    uint64_t least;
    uint64_t most;
};

static const struct heal_option options[] = {
#define OPTION_ROW(member, option, unit, value, least, most, meaning)                              \
    {option, offsetof(struct heal_policy, member), unit, least, most},
    HEAL_POLICY_LIST(OPTION_ROW)
#undef OPTION_ROW
};

#define OPTION_COUNT (sizeof(options) / sizeof(options[0]))

struct heal_policy heal_policy_default(void)
{
    return (struct heal_policy){
#define OPTION_DEFAULT(member, option, unit, value, least, most, meaning)                          \
    .member = (value) * (unit),
        HEAL_POLICY_LIST(OPTION_DEFAULT)
#undef OPTION_DEFAULT
    };
}

hx_err heal_policy_set(struct heal_policy *policy, const char *option, uint64_t value)
{
    for (size_t i = 0; i < OPTION_COUNT; i++) {
        const struct heal_option *row = &options[i];

        if (string_equal(row->name, option)) {
            if (value < row->least || value > row->most) {
                return HX_ERANGE;
            }
            *(uint64_t *)((char *)policy + row->offset) = value * row->unit;
            return HX_OK;
        }
    }
    return HX_ENOENT;
}
