/* The handlers of call_list.h, and their registration. */
#ifndef ABI_LINUX_CALLS_H
#define ABI_LINUX_CALLS_H

#include <abi/linux/call_list.h>
#include <helix/attributes.h>
#include <helix/error.h>
#include <stdint.h>

#define LINUX_PARAMETERS_0 void
#define LINUX_PARAMETERS_1 uint64_t a0
#define LINUX_PARAMETERS_2 LINUX_PARAMETERS_1, uint64_t a1
#define LINUX_PARAMETERS_3 LINUX_PARAMETERS_2, uint64_t a2
#define LINUX_PARAMETERS_4 LINUX_PARAMETERS_3, uint64_t a3
#define LINUX_PARAMETERS_5 LINUX_PARAMETERS_4, uint64_t a4
#define LINUX_PARAMETERS_6 LINUX_PARAMETERS_5, uint64_t a5
#define LINUX_PROTOTYPE(number, name, arguments, missing)                                          \
    int64_t linux_##name(LINUX_PARAMETERS_##arguments);
LINUX_CALL_LIST(LINUX_PROTOTYPE)
#undef LINUX_PROTOTYPE

/* Give all of them their numbers.  Context: boot, once.  Errors: those of syscall_register. */
HX_MUST_USE hx_err linux_calls_register(void);

#endif
