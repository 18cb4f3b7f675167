/*
 * Relocations: how this machine's code and data refer to addresses that are known only when a
 * module is placed. The types are those of the machine's ELF supplement.
 *
 * Rules:
 * - Pure: nothing but the bytes of the place is written, and they only on success.
 */
#ifndef HAL_RELOCATE_H
#define HAL_RELOCATE_H

#include <helix/attributes.h>
#include <helix/error.h>
#include <stddef.h>
#include <stdint.h>

/* The e_machine of module files that run here.  Context: any. */
uint16_t hal_relocation_machine(void);

/*
 * Apply one relocation. place points to the bytes to change, through a writable alias, and room
 * says how many of them there are up to the end of the section; place_address is where those bytes
 * will be when the module runs. Context: any. Errors: HX_ENOSYS a type that is not supported,
 * HX_EINVAL the value is wider than room, HX_ERANGE the value does not fit (module and target are
 * too far apart).
 */
HX_MUST_USE hx_err hal_relocate(uint32_t type, void *place, uint64_t place_address,
                                uint64_t symbol_value, int64_t addend, size_t room);

/* The name of a type, for messages; "unknown relocation" if this machine has none of it. */
const char *hal_relocation_name(uint32_t type);

#endif
