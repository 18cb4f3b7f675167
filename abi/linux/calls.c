/* The table of system calls. */
#include <abi/linux/absent_list.h>
#include <abi/linux/calls.h>
#include <core/debug/log.h>
#include <core/syscall/syscall.h>
#include <stddef.h>
#include <subsys/process/process.h>

#define LINUX_ENTRY(number, call, argument_count, missing)                                         \
    [number] = {                                                                                   \
        .name = #call, .handler = SYSCALL_HANDLER(linux_##call), .arguments = (argument_count)},

static const struct syscall_entry table[] = {LINUX_CALL_LIST(LINUX_ENTRY)};
#undef LINUX_ENTRY

/* --- calls that are not there
 * ------------------------------------------------------------------------ */

#define LINUX_ABSENT(number, call) [number] = #call,
static const char *const absent_names[SYSCALL_MAX] = {LINUX_ABSENT_LIST(LINUX_ABSENT)};
#undef LINUX_ABSENT

static void note_absent(uint32_t number)
{
    const char *name = number < SYSCALL_MAX ? absent_names[number] : NULL;

    kinfo("process %u (%s) called %s (%u), which does not exist here", process_current()->id,
          process_current()->name, name != NULL ? name : "a number without a name", number);
}

hx_err linux_calls_register(void)
{
    hx_err error = HX_OK;

    syscall_set_absent_hook(note_absent);

    for (uint32_t number = 0; number < HX_ARRAY_SIZE(table) && error == HX_OK; number++) {
        if (table[number].handler != NULL) {
            error = syscall_register(number, &table[number]);
        }
    }
    return error;
}
