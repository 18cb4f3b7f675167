#include <base/memory.h>
#include <base/string.h>
#include <core/debug/recorder_control.h>
#include <core/ipc/event_bus.h>
#include <core/syscall/syscall.h>
#include <kern/mutex.h>
#include <kern/read_section.h>

#define HOOK_NAME "recorder"

/* --- names ------------------------------------------------------------------------------------ */

#define KIND_ROW(enumerator, text, group, ring, meaning)                                           \
    [RECORDER_##enumerator] = {text, group, RECORDER_##ring == RECORDER_RARE},
static const struct {
    const char *name;
    const char *group;
    bool is_rare;
} rows[RECORDER_KIND_COUNT] = {RECORDER_LIST(KIND_ROW)};
#undef KIND_ROW

const char *recorder_kind_name(enum recorder_kind kind)
{
    return kind > RECORDER_NOTHING && kind < RECORDER_KIND_COUNT ? rows[kind].name : "?";
}

/* Kinds of a group stand together; so each begins where the one before has another. */
static bool begins_group(unsigned kind)
{
    return kind == 1 || !string_equal(rows[kind].group, rows[kind - 1].group);
}

const char *recorder_group_name(unsigned group)
{
    for (unsigned kind = 1; kind < RECORDER_KIND_COUNT; kind++) {
        if (begins_group(kind) && group-- == 0) {
            return rows[kind].group;
        }
    }
    return NULL;
}

static bool is_word(const char *name, size_t length, const char *word)
{
    return string_length(word) == length && memcmp(name, word, length) == 0;
}

uint32_t recorder_group_find(const char *name, size_t length)
{
    bool is_all = is_word(name, length, "all");
    bool is_usual = is_word(name, length, "usual");
    uint32_t kinds = 0;

    for (unsigned kind = 1; kind < RECORDER_KIND_COUNT; kind++) {
        if (is_all || (is_usual && rows[kind].is_rare) || is_word(name, length, rows[kind].group)) {
            kinds |= RECORDER_BIT(kind);
        }
    }
    return kinds;
}

uint32_t recorder_group_kinds(unsigned group)
{
    const char *name = recorder_group_name(group);

    return name != NULL ? recorder_group_find(name, string_length(name)) : 0;
}

uint32_t recorder_groups_parse(const char *text, const char **unknown)
{
    uint32_t kinds = 0;

    *unknown = NULL;
    if (text[0] == '\0' || string_equal(text, "off")) {
        return 0;
    }
    for (;;) {
        size_t length = 0;
        uint32_t found;

        while (text[length] != ',' && text[length] != '\0') {
            length++;
        }
        found = recorder_group_find(text, length);
        if (found == 0 && *unknown == NULL) {
            *unknown = text;
        }
        kinds |= found;
        if (text[length] == '\0') {
            return kinds;
        }
        text += length + 1;
    }
}

/* --- system calls ----------------------------------------------------------------------------- */

static int64_t record_call(const struct syscall_call *call, void *argument)
{
    (void)argument;
    recorder_note(RECORDER_CALL, call->arguments[0], call->number, (uint32_t)call->arguments[2]);
    return 0;
}

static void record_return(const struct syscall_call *call, void *argument)
{
    (void)argument;
    recorder_note(RECORDER_RETURN, (uint64_t)call->result, call->number, 0);
}

/* First before a call and last behind it, so that what other hooks do lies between. It is never
 * taken out again: that would wait for calls, such as the one that switches it. */
static hx_err switch_calls(bool is_on)
{
    static const struct syscall_hook hook = {
        .name = HOOK_NAME, .order = INT32_MIN, .pre = record_call, .post = record_return};
    hx_err error = syscall_hook_enable(HOOK_NAME, is_on);

    return error == HX_ENOENT ? (is_on ? syscall_hook_add(&hook) : HX_OK) : error;
}

/* --- switching -------------------------------------------------------------------------------- */

static struct mutex mutex = {.lock = SPINLOCK_INIT(LOCK_RANK_MUTEX, "recorder"),
                             .waiters = LIST_INIT(mutex.waiters)};

static hx_err switch_locked(uint32_t kinds)
{
    hx_err error = switch_calls((kinds & RECORDER_BIT(RECORDER_CALL)) != 0);

    if (error == HX_OK) {
        recorder_set_kinds(kinds);
        read_detour_always((kinds & RECORDER_BIT(RECORDER_SWITCH)) != 0);
        event_bus_set_recorded((kinds & RECORDER_BIT(RECORDER_EVENT)) != 0);
    }
    return error;
}

/* What is on now but for some, and with others. */
static hx_err change(uint32_t removed, uint32_t added)
{
    hx_err error;

    mutex_lock(&mutex);
    error = switch_locked((recorder_get_kinds() & ~removed) | added);
    mutex_unlock(&mutex);
    return error;
}

hx_err recorder_switch(uint32_t kinds)
{
    return change(RECORDER_ALL, kinds);
}

hx_err recorder_switch_on(uint32_t kinds)
{
    return change(0, kinds);
}

hx_err recorder_switch_off(uint32_t kinds)
{
    return change(kinds, 0);
}
