/* The handlers of Helix's own calls, and their registration. */
#ifndef ABI_HELIX_CALLS_H
#define ABI_HELIX_CALLS_H

#include <helix/attributes.h>
#include <helix/error.h>
#include <helix/system_calls.h>
#include <stdint.h>

#define HELIX_PARAMETERS_2                       uint64_t a0, uint64_t a1
#define HELIX_PARAMETERS_3                       HELIX_PARAMETERS_2, uint64_t a2
#define HELIX_PARAMETERS_4                       HELIX_PARAMETERS_3, uint64_t a3
#define HELIX_PARAMETERS_5                       HELIX_PARAMETERS_4, uint64_t a4
#define HELIX_PARAMETERS_6                       HELIX_PARAMETERS_5, uint64_t a5
#define HELIX_PROTOTYPE(number, name, arguments) int64_t helix_##name(HELIX_PARAMETERS_##arguments);
HELIX_CALL_LIST(HELIX_PROTOTYPE)
#undef HELIX_PROTOTYPE

/* Give all of them their numbers.  Context: boot, once.  Errors: those of syscall_register. */
HX_MUST_USE hx_err helix_calls_register(void);

#endif
