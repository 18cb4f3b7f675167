/* The categories of modules: what kind of slot a module fits, and the table that it then fills in.
 */
#ifndef HELIX_CATEGORY_LIST_H
#define HELIX_CATEGORY_LIST_H

/* X(enumerator, number, name, struct of its operations); numbers are stable for ever */
#define HX_CATEGORY_LIST(X)                                                                        \
    X(HX_CATEGORY_DEMO, 1, "demo", hx_demo_operations)                                             \
    X(HX_CATEGORY_SCHEDULER, 2, "scheduler", hx_scheduler_operations)                              \
    X(HX_CATEGORY_CHARACTER, 3, "character", hx_character_device_operations)                       \
    X(HX_CATEGORY_BLOCK, 4, "block", hx_block_operations)                                          \
    X(HX_CATEGORY_FILE_SYSTEM, 5, "file_system", hx_file_system_operations)                        \
    X(HX_CATEGORY_CONSOLE, 6, "console", hx_console_operations)                                    \
    X(HX_CATEGORY_ENTROPY, 7, "entropy", hx_entropy_operations)                                    \
    X(HX_CATEGORY_HOOK, 8, "hook", hx_hook_operations)                                             \
    X(HX_CATEGORY_SCREEN, 9, "screen", hx_screen_operations)                                       \
    X(HX_CATEGORY_KEYBOARD, 10, "keyboard", hx_keyboard_operations)

#define HX_CATEGORY_ENUM(enumerator, number, name, operations) enumerator = (number),
enum hx_category { HX_CATEGORY_LIST(HX_CATEGORY_ENUM) HX_CATEGORY_END };
#undef HX_CATEGORY_ENUM

#endif
