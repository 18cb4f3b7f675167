/*
 * hal/keyboard.h for the Intel 8042 and what took its place. Sources: IBM PS/2 Hardware Interface
 * Technical Reference, Keyboard and Auxiliary Device Controller; its commands are written to the
 * status port.
 */
#include <hal/clock.h>
#include <hal/cpu.h>
#include <hal/interrupt.h>
#include <hal/keyboard.h>
#include <ports/x86_64/instructions.h>

#define PORT_DATA   0x60
#define PORT_STATUS 0x64

#define STATUS_FULL    0x01U /* there is a byte to be read */
#define STATUS_BUSY    0x02U /* what was written is not taken yet */
#define STATUS_POINTER 0x20U /* the byte is of the other device */
#define STATUS_NOTHING 0xffU /* there is no controller */

#define COMMAND_READ_MODE       0x20U
#define COMMAND_WRITE_MODE      0x60U
#define COMMAND_POINTER_OFF     0xa7U
#define COMMAND_KEYBOARD_ON     0xaeU
#define MODE_KEYBOARD_INTERRUPT 0x01U
#define MODE_POINTER_INTERRUPT  0x02U
#define MODE_KEYBOARD_OFF       0x10U
#define MODE_POINTER_OFF        0x20U
#define MODE_TRANSLATED         0x40U /* from set 2, which keyboards send, to set 1 */

#define LINE        1 /* of the ISA bus */
#define PATIENCE_NS (100 * HAL_NS_PER_MS)
#define BUFFER_MAX  32U

static uint8_t status(void)
{
    return x86_in8(PORT_STATUS);
}

/* Until a bit of the status has a value. */
static bool wait_for(uint8_t bit, bool is_set)
{
    uint64_t deadline = hal_clock_now() + PATIENCE_NS;

    while (((status() & bit) != 0) != is_set) {
        if (hal_clock_now() > deadline) {
            return false;
        }
        hal_cpu_relax();
    }
    return true;
}

static bool write(uint16_t port, uint8_t byte)
{
    if (!wait_for(STATUS_BUSY, false)) {
        return false;
    }
    x86_out8(port, byte);
    return true;
}

static bool read(uint8_t *byte)
{
    if (!wait_for(STATUS_FULL, true)) {
        return false;
    }
    *byte = x86_in8(PORT_DATA);
    return true;
}

static void throw_away(void)
{
    for (unsigned i = 0; i < BUFFER_MAX && (status() & STATUS_FULL) != 0; i++) {
        (void)x86_in8(PORT_DATA);
    }
}

static bool set_mode(void)
{
    uint8_t mode;

    if (!write(PORT_STATUS, COMMAND_READ_MODE) || !read(&mode)) {
        return false;
    }
    mode &= (uint8_t) ~(MODE_KEYBOARD_OFF | MODE_POINTER_INTERRUPT);
    mode |= MODE_KEYBOARD_INTERRUPT | MODE_POINTER_OFF | MODE_TRANSLATED;
    return write(PORT_STATUS, COMMAND_WRITE_MODE) && write(PORT_DATA, mode);
}

bool hal_keyboard_start(void)
{
    if (status() == STATUS_NOTHING || !write(PORT_STATUS, COMMAND_POINTER_OFF)) {
        return false;
    }
    throw_away();
    return set_mode() && write(PORT_STATUS, COMMAND_KEYBOARD_ON);
}

/* Bytes of the other device are not asked for; if one comes, it is no code. */
int hal_keyboard_read(void)
{
    uint8_t now = status();
    uint8_t byte;

    if (now == STATUS_NOTHING || (now & STATUS_FULL) == 0) {
        return -1;
    }
    byte = x86_in8(PORT_DATA);
    return (now & STATUS_POINTER) == 0 ? byte : -1;
}

int hal_keyboard_line(void)
{
    struct hal_line_mode mode;
    uint32_t line;

    return hal_line_of_isa(LINE, &line, &mode) == HX_OK ? (int)line : -1;
}
