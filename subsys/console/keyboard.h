/*
 * The PC's keyboard: codes come by interrupt, the module in the slot "keyboard" says what they are,
 * and the bytes go where those of the serial console go (console_input.h).
 *
 * Rules:
 * - Core reads the controller and keeps the codes; each waits until a module has answered for it.
 *   Of one that two instances in a row did not survive nothing comes.
 * - While the slot is empty codes wait: KEYBOARD_CODES of them, later ones are dropped and counted.
 * - The layout is core's, and given to the module with each code.
 * - What is pressed or let go on the way out of a sleep may be lost, so the module is told then
 * that modifiers are let go.
 */
#ifndef SUBSYS_CONSOLE_KEYBOARD_H
#define SUBSYS_CONSOLE_KEYBOARD_H

#include <helix/attributes.h>
#include <helix/error.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define KEYBOARD_CODES 256U

/* Begin to listen, if there is a keyboard; again after an error of the caller's, too.
 * Context: thread.  Errors: HX_ENOMEM, HX_ENOSPC no vector. */
HX_MUST_USE hx_err keyboard_start(void);

/* Start the controller anew, which may have been without power; without a keyboard nothing.
 * Context: thread. */
void keyboard_resume(void);

/* Choose a layout by its name of so many characters.  Context: any.  Errors: HX_EINVAL there is no
 * such layout. */
HX_MUST_USE hx_err keyboard_set_layout(const char *name, size_t length);
const char *keyboard_layout(void);

struct keyboard_statistics {
    bool is_there;
    uint64_t codes;
    uint64_t bytes;   /* typed */
    uint64_t dropped; /* codes */
};
struct keyboard_statistics keyboard_statistics(void);

#endif
