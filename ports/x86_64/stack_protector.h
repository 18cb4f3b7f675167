/* The name is the compiler's. */
#ifndef PORTS_X86_64_STACK_PROTECTOR_H
#define PORTS_X86_64_STACK_PROTECTOR_H

#include <helix/attributes.h>

HX_NORETURN void __stack_chk_fail(void);

#endif
