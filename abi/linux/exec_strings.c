#include <abi/linux/exec_strings.h>
#include <base/memory.h>
#include <base/string.h>
#include <hal/user.h>
#include <kern/heap.h>

#define FIRST_CAPACITY 2048U
#define POINTERS       16U /* of an array copied at once */

void exec_strings_init(struct exec_strings *strings, uint64_t stack_limit)
{
    uint64_t limit = stack_limit / 4 < EXEC_STRINGS_MAX ? stack_limit / 4 : EXEC_STRINGS_MAX;

    *strings = (struct exec_strings){.limit = limit > EXEC_STRINGS_LEAST ? (size_t)limit
                                                                         : EXEC_STRINGS_LEAST};
}

void exec_strings_fini(struct exec_strings *strings)
{
    heap_free(strings->bytes);
    strings->bytes = NULL;
}

/* Errors: HX_E2BIG. */
static hx_err check_limit(const struct exec_strings *strings, uint32_t count)
{
    size_t pointers = (size_t)count * sizeof(uint64_t);

    return strings->used <= strings->limit && pointers <= strings->limit - strings->used ? HX_OK
                                                                                         : HX_E2BIG;
}

static hx_err grow(struct exec_strings *strings)
{
    size_t capacity = strings->capacity == 0 ? FIRST_CAPACITY : 2 * strings->capacity;
    char *bytes;

    if (strings->capacity >= EXEC_STRINGS_MAX) {
        return HX_E2BIG;
    }
    bytes = heap_allocate(capacity, OWNER_CORE);
    if (bytes == NULL) {
        return HX_ENOMEM;
    }
    if (strings->used > 0) {
        memcpy(bytes, strings->bytes, strings->used);
    }
    heap_free(strings->bytes);
    strings->bytes = bytes;
    strings->capacity = capacity;
    return HX_OK;
}

hx_err exec_strings_add(struct exec_strings *strings, const char *text)
{
    size_t size = string_length(text) + 1;

    while (strings->capacity - strings->used < size) {
        hx_err error = grow(strings);

        if (error != HX_OK) {
            return error;
        }
    }
    memcpy(strings->bytes + strings->used, text, size);
    strings->used += size;
    return check_limit(strings, 0);
}

static hx_err add_user_string(struct exec_strings *strings, uint64_t address)
{
    size_t length;
    hx_err error = strings->capacity > 0 ? HX_OK : grow(strings);

    while (error == HX_OK) {
        size_t room = strings->capacity - strings->used;

        error = room > 0
                    ? hal_user_copy_text(strings->bytes + strings->used, address,
                                         room < EXEC_STRING_MAX ? room : EXEC_STRING_MAX, &length)
                    : HX_ERANGE;
        if (error == HX_OK) {
            strings->used += length + 1;
            return HX_OK;
        }
        if (error == HX_ERANGE) {
            error = room >= EXEC_STRING_MAX ? HX_E2BIG : grow(strings);
        }
    }
    return error;
}

/* How many pointers can be read at once without leaving their page. */
static size_t pointers_at(uint64_t address)
{
    size_t rest = (HAL_PAGE_SIZE - (size_t)(address % HAL_PAGE_SIZE)) / sizeof(uint64_t);

    if (rest == 0) {
        return 1; /* one that crosses the border */
    }
    return rest < POINTERS ? rest : POINTERS;
}

hx_err exec_strings_add_user(struct exec_strings *strings, uint64_t address, uint32_t *count)
{
    uint64_t pointers[POINTERS];
    hx_err error = HX_OK;

    *count = 0;
    while (address != 0 && error == HX_OK) {
        size_t here = pointers_at(address);

        error = hal_user_copy_in(pointers, address, here * sizeof(uint64_t));
        for (size_t i = 0; i < here && error == HX_OK; i++) {
            if (pointers[i] == 0) {
                return HX_OK;
            }
            error = add_user_string(strings, pointers[i]);
            *count += 1;
            if (error == HX_OK) {
                error = check_limit(strings, strings->argument_count + strings->environment_count);
            }
        }
        address += here * sizeof(uint64_t);
    }
    return error;
}

static hx_err add_rest(struct exec_strings *strings, const struct exec_strings *old, size_t from)
{
    size_t size = old->used - from;

    while (strings->capacity - strings->used < size) {
        hx_err error = grow(strings);

        if (error != HX_OK) {
            return error;
        }
    }
    if (size > 0) {
        memcpy(strings->bytes + strings->used, old->bytes + from, size);
    }
    strings->used += size;
    return HX_OK;
}

static hx_err add_front(struct exec_strings *strings, const char *interpreter, const char *argument,
                        const char *script)
{
    hx_err error = exec_strings_add(strings, interpreter);

    if (error == HX_OK && argument != NULL) {
        error = exec_strings_add(strings, argument);
    }
    return error == HX_OK ? exec_strings_add(strings, script) : error;
}

hx_err exec_strings_put_interpreter(struct exec_strings *strings, const char *interpreter,
                                    const char *argument, const char *script)
{
    struct exec_strings changed;
    size_t first = strings->argument_count > 0 ? string_length(strings->bytes) + 1 : 0;
    hx_err error;

    exec_strings_init(&changed, 0);
    changed.limit = strings->limit;
    error = add_front(&changed, interpreter, argument, script);
    if (error == HX_OK) {
        size_t front = changed.used;

        error = add_rest(&changed, strings, first);
        changed.argument_count = (strings->argument_count > 0 ? strings->argument_count - 1 : 0) +
                                 (argument != NULL ? 3U : 2U);
        changed.environment_count = strings->environment_count;
        changed.environment_start = strings->environment_start - first + front;
    }
    if (error != HX_OK) {
        exec_strings_fini(&changed);
        return error;
    }
    exec_strings_fini(strings);
    *strings = changed;
    return HX_OK;
}
