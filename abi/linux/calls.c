/* The table of system calls. */
#include <abi/linux/absent_list.h>
#include <abi/linux/calls.h>
#include <abi/linux/core_file.h>
#include <core/syscall/syscall.h>
#include <stddef.h>

#define LINUX_ENTRY(number, call, argument_count, its_class)                                       \
    [number] = {.name = #call,                                                                     \
                .handler = SYSCALL_HANDLER(linux_##call),                                          \
                .arguments = (argument_count),                                                     \
                .class = (its_class)},
#define FILES(number, call, count, missing)  LINUX_ENTRY(number, call, count, SYSCALL_CLASS_FILES)
#define MEMORY(number, call, count, missing) LINUX_ENTRY(number, call, count, SYSCALL_CLASS_MEMORY)
#define PROCESSES(number, call, count, missing)                                                    \
    LINUX_ENTRY(number, call, count, SYSCALL_CLASS_PROCESSES)
#define SIGNALS(number, call, count, missing)                                                      \
    LINUX_ENTRY(number, call, count, SYSCALL_CLASS_SIGNALS)
#define TIME(number, call, count, missing) LINUX_ENTRY(number, call, count, SYSCALL_CLASS_TIME)
#define NETWORK(number, call, count, missing)                                                      \
    LINUX_ENTRY(number, call, count, SYSCALL_CLASS_NETWORK)
#define IDENTITY(number, call, count, missing)                                                     \
    LINUX_ENTRY(number, call, count, SYSCALL_CLASS_IDENTITY)
#define SYSTEM(number, call, count, missing) LINUX_ENTRY(number, call, count, SYSCALL_CLASS_SYSTEM)

static const struct syscall_entry table[] = {
    LINUX_CALL_LIST_BY_CLASS(FILES, MEMORY, PROCESSES, SIGNALS, TIME, NETWORK, IDENTITY, SYSTEM)};

#undef LINUX_ENTRY
#undef FILES
#undef MEMORY
#undef PROCESSES
#undef SIGNALS
#undef TIME
#undef NETWORK
#undef IDENTITY
#undef SYSTEM

#define LINUX_ABSENT(number, call) [number] = #call,
static const char *const absent_names[SYSCALL_MAX] = {LINUX_ABSENT_LIST(LINUX_ABSENT)};
#undef LINUX_ABSENT

hx_err linux_calls_register(void)
{
    hx_err error = HX_OK;

    syscall_set_absent_names(absent_names);
    core_dump_set_writer(linux_core_write);

    for (uint32_t number = 0; number < HX_ARRAY_SIZE(table) && error == HX_OK; number++) {
        if (table[number].handler != NULL) {
            error = syscall_register(number, &table[number]);
        }
    }
    return error;
}
