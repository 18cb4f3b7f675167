/*
 * struct termios and its bits: Linux's on x86-64 (termios(3), asm-generic/termbits.h).
 */
#ifndef SUBSYS_TTY_TERMINAL_SETTINGS_H
#define SUBSYS_TTY_TERMINAL_SETTINGS_H

#include <stdint.h>

enum terminal_input_flags {
    IGNBRK = 0000001,
    BRKINT = 0000002,
    ISTRIP = 0000040,
    INLCR = 0000100,
    IGNCR = 0000200,
    ICRNL = 0000400,
    IXON = 0002000,
    IXANY = 0004000,
    IXOFF = 0010000, /* kept, and without effect */
    IMAXBEL = 0020000,
    IUTF8 = 0040000,
};

enum terminal_output_flags {
    OPOST = 0000001,
    ONLCR = 0000004,
    OCRNL = 0000010,
    ONOCR = 0000020,
    ONLRET = 0000040,
    XTABS = 0014000, /* both bits: tabs become spaces */
};

enum terminal_control_flags {
    B38400 = 0000017,
    CS8 = 0000060,
    CREAD = 0000200,
    HUPCL = 0002000,
    CLOCAL = 0004000,
};

enum terminal_local_flags {
    ISIG = 0000001,
    ICANON = 0000002,
    ECHO = 0000010,
    ECHOE = 0000020,
    ECHOK = 0000040,
    ECHONL = 0000100,
    NOFLSH = 0000200,
    TOSTOP = 0000400,
    ECHOCTL = 0001000,
    ECHOKE = 0004000,
    IEXTEN = 0100000,
};

enum terminal_special {
    VINTR,
    VQUIT,
    VERASE,
    VKILL,
    VEOF,
    VTIME,
    VMIN,
    VSWTC,
    VSTART,
    VSTOP,
    VSUSP,
    VEOL,
    VREPRINT,
    VDISCARD,
    VWERASE,
    VLNEXT,
    VEOL2,
    SPECIAL_COUNT = 19,
};

/* struct termios2; struct termios is its part before input_speed. */
struct terminal_settings {
    uint32_t input;   /* enum terminal_input_flags */
    uint32_t output;  /* enum terminal_output_flags */
    uint32_t control; /* enum terminal_control_flags */
    uint32_t local;   /* enum terminal_local_flags */
    uint8_t discipline;
    uint8_t special[SPECIAL_COUNT]; /* by enum terminal_special; 0: none */
    uint32_t input_speed;
    uint32_t output_speed;
};

#define TERMINAL_SETTINGS_SHORT 36U /* sizeof(struct termios) */
_Static_assert(sizeof(struct terminal_settings) == 44, "as struct termios2");

struct terminal_window { /* struct winsize */
    uint16_t rows;
    uint16_t columns;
    uint16_t x_pixels;
    uint16_t y_pixels;
};

#endif
