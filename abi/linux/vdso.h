/*
 * The vDSO: code that the kernel maps into every process, for calls that need not enter the kernel.
 */
#ifndef ABI_LINUX_VDSO_H
#define ABI_LINUX_VDSO_H

#include <hal/memory.h>
#include <helix/attributes.h>
#include <helix/error.h>
#include <stdint.h>

struct address_space;

/* It lies at the end of the user window, behind the stack, and takes at most so much. */
#define LINUX_VDSO_SIZE (8 * HAL_PAGE_SIZE)

/* Before the first program starts.  Context: boot.  Errors: HX_ENOMEM. */
HX_MUST_USE hx_err linux_vdso_init(void);

/*
 * Map it into a new space; *address is that of its ELF header, 0 where there is none: programs then
 * enter the kernel.  Errors: those of address_space_map.
 */
HX_MUST_USE hx_err linux_vdso_map(struct address_space *space, uintptr_t *address);

#endif
