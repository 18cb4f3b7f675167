/* The table of system calls. */
#include <abi/linux/absent_list.h>
#include <abi/linux/calls.h>
#include <core/syscall/syscall.h>
#include <stddef.h>

#define LINUX_ENTRY(number, call, argument_count, missing)                                         \
    [number] = {                                                                                   \
        .name = #call, .handler = SYSCALL_HANDLER(linux_##call), .arguments = (argument_count)},

static const struct syscall_entry table[] = {LINUX_CALL_LIST(LINUX_ENTRY)};
#undef LINUX_ENTRY

#define LINUX_ABSENT(number, call) [number] = #call,
static const char *const absent_names[SYSCALL_MAX] = {LINUX_ABSENT_LIST(LINUX_ABSENT)};
#undef LINUX_ABSENT

hx_err linux_calls_register(void)
{
    hx_err error = HX_OK;

    syscall_set_absent_names(absent_names);

    for (uint32_t number = 0; number < HX_ARRAY_SIZE(table) && error == HX_OK; number++) {
        if (table[number].handler != NULL) {
            error = syscall_register(number, &table[number]);
        }
    }
    return error;
}
