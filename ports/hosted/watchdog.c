#include <hal/watchdog.h>

bool hal_watchdog_start(struct hal_watchdog *watchdog)
{
    (void)watchdog;
    return false;
}

void hal_watchdog_stop(void)
{
}
