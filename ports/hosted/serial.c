/* A process has no second byte device. */
#include <hal/serial.h>

bool hal_serial_is_present(void)
{
    return false;
}

void hal_serial_write(const char *bytes, size_t size)
{
    (void)bytes;
    (void)size;
}

int hal_serial_read(void)
{
    return HAL_SERIAL_NOTHING;
}

int hal_serial_line(void)
{
    return -1;
}

void hal_serial_enable_input(void)
{
}
