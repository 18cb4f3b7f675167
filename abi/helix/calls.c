/* The table of Helix's own system calls. */
#include <abi/helix/calls.h>
#include <core/syscall/syscall.h>

#define FIRST_NUMBER 480U

#define HELIX_ENTRY(number, call, argument_count)                                                  \
    [(number)-FIRST_NUMBER] = {.name = "helix_" #call,                                             \
                               .handler = SYSCALL_HANDLER(helix_##call),                           \
                               .arguments = (argument_count)},

static const struct syscall_entry table[] = {HELIX_CALL_LIST(HELIX_ENTRY)};
#undef HELIX_ENTRY

hx_err helix_calls_register(void)
{
    hx_err error = HX_OK;

    for (uint32_t i = 0; i < HX_ARRAY_SIZE(table) && error == HX_OK; i++) {
        error = syscall_register(FIRST_NUMBER + i, &table[i]);
    }
    return error;
}
