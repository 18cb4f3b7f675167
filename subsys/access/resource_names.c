/* Resources and rights as people write them. */
#include <base/format.h>
#include <base/memory.h>
#include <base/string.h>
#include <subsys/access/access.h>

/* Written at boot only. */
static const struct resource_names *names_of[RESOURCE_TYPE_COUNT];

hx_err resource_names_register(const struct resource_names *names)
{
    if (names == NULL || names->type <= RESOURCE_TYPE_NONE || names->type >= RESOURCE_TYPE_COUNT ||
        names->find == NULL || names->name == NULL || names->next == NULL) {
        return HX_EINVAL;
    }
    if (names_of[names->type] != NULL && names_of[names->type] != names) {
        return HX_EEXIST;
    }
    names_of[names->type] = names;
    return HX_OK;
}

const struct resource_names *resource_names_of(enum resource_type type)
{
    return type > RESOURCE_TYPE_NONE && type < RESOURCE_TYPE_COUNT ? names_of[type] : NULL;
}

/* --- resources -------------------------------------------------------------------------------- */

void resource_text(resource_id resource, char text[RESOURCE_TEXT_SIZE])
{
    enum resource_type type = resource_type_of(resource);
    const struct resource_names *names = resource_names_of(type);
    char name[RESOURCE_NAME_SIZE];

    if (names == NULL || !names->name(resource_number_of(resource), name)) {
        (void)format_text(name, sizeof(name), "%llu",
                          (unsigned long long)resource_number_of(resource));
    }
    (void)format_text(text, RESOURCE_TEXT_SIZE, "%s:%s", resource_type_name(type), name);
}

static bool is_word(const char *text, size_t length, const char *word)
{
    return string_length(word) == length && memcmp(text, word, length) == 0;
}

static enum resource_type find_type(const char *text, size_t length)
{
    for (unsigned type = 1; type < RESOURCE_TYPE_COUNT; type++) {
        if (is_word(text, length, resource_type_name((enum resource_type)type))) {
            return (enum resource_type)type;
        }
    }
    return RESOURCE_TYPE_NONE;
}

static hx_err find_number(enum resource_type type, const char *text, size_t length,
                          uint64_t *number)
{
    const struct resource_names *names = resource_names_of(type);
    char name[RESOURCE_NAME_SIZE];

    if (string_to_u64(text, length, number) == HX_OK) {
        return *number <= RESOURCE_NUMBER_MAX ? HX_OK : HX_EINVAL;
    }
    if (length >= sizeof(name) || names == NULL) {
        return HX_ENOENT;
    }
    memcpy(name, text, length);
    name[length] = '\0';
    return names->find(name, number);
}

hx_err resource_parse(const char *text, size_t length, resource_id *resource)
{
    size_t colon = 0;
    enum resource_type type;
    uint64_t number;
    hx_err error;

    while (colon < length && text[colon] != ':') {
        colon++;
    }
    if (colon == 0 || colon + 1 >= length) {
        return HX_EINVAL;
    }
    type = find_type(text, colon);
    if (type == RESOURCE_TYPE_NONE) {
        return HX_ENOENT;
    }
    error = find_number(type, text + colon + 1, length - colon - 1, &number);
    if (error == HX_OK) {
        *resource = resource_make(type, number);
    }
    return error;
}

/* --- names of privileges ---------------------------------------------------------------------- */

static hx_err find_privilege(const char *name, uint64_t *number)
{
    for (unsigned i = 1; i < PRIVILEGE_END; i++) {
        if (string_equal(name, privilege_name((enum privilege)i))) {
            *number = i;
            return HX_OK;
        }
    }
    return HX_ENOENT;
}

static bool name_privilege(uint64_t number, char name[RESOURCE_NAME_SIZE])
{
    return number > 0 && number < PRIVILEGE_END &&
           string_copy(name, RESOURCE_NAME_SIZE, privilege_name((enum privilege)number));
}

static bool next_privilege(uint64_t from, uint64_t *number)
{
    *number = from > 0 ? from : 1;
    return *number < PRIVILEGE_END;
}

static const struct resource_names privilege_names = {
    .type = RESOURCE_TYPE_PRIVILEGE,
    .find = find_privilege,
    .name = name_privilege,
    .next = next_privilege,
};

hx_err access_init(void)
{
    return resource_names_register(&privilege_names);
}
