/* hal/keyboard.h: a process has no keyboard of its own. */
#include <hal/keyboard.h>

bool hal_keyboard_start(void)
{
    return false;
}

int hal_keyboard_read(void)
{
    return -1;
}

int hal_keyboard_line(void)
{
    return -1;
}
