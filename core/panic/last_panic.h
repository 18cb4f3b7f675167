/*
 * The last panic, told by the kernel that was booted after it (SPEC X7, D4).
 *
 * Rules:
 * - The record lies in hal_retained_memory(). Where a machine has none, nothing is kept, and there
 *   is never a last panic.
 * - It stays until it is erased, another panic writes its own, or the power goes.
 */
#ifndef CORE_PANIC_LAST_PANIC_H
#define CORE_PANIC_LAST_PANIC_H

#include <base/text.h>
#include <helix/error.h>
#include <stdint.h>

/*
 * Keep the lines of the log from number `first` on as the report, what the flight recorder had, and
 * as many of the lines before as there is room for.  Context: panic.
 */
void last_panic_keep(const char *message, uint64_t first);

/* Say in the log that there was one.  Context: boot. */
void last_panic_announce(void);

/* What was kept; nothing when there was none.  Context: any. */
void last_panic_show(struct text *text);

/* Forget it.  Errors: HX_ENOENT there is none.  Context: any. */
HX_MUST_USE hx_err last_panic_erase(void);

#endif
