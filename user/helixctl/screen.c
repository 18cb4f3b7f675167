/* Escape sequences of ECMA-48, and the alternate screen that xterm and its kin have. */
#define _GNU_SOURCE /* ppoll */
#include "screen.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#define PICTURE_SIZE 65536
#define LINE_SIZE    1024

#define ENTER                                                                                      \
    "\033[?1049h\033[?25l\033[H\033[2J" /* the other screen, without a cursor, cleared             \
                                         */
#define LEAVE "\033[?25h\033[?1049l"

static struct termios before;
static char picture[PICTURE_SIZE];
static size_t length;
static unsigned row, rows, columns;
static sigset_t outside; /* signals as they were */
static volatile sig_atomic_t has_resized, must_stop, must_end;

/* --- signals ---------------------------------------------------------------------------------- */

static void note(int signal)
{
    switch (signal) {
    case SIGWINCH:
        has_resized = 1;
        break;
    case SIGTSTP:
        must_stop = 1;
        break;
    default:
        must_end = 1;
        break;
    }
}

static const int noted[] = {SIGWINCH, SIGTSTP, SIGINT, SIGTERM, SIGHUP, SIGQUIT};

/* They arrive in screen_wait and nowhere else. */
static void note_signals(void)
{
    struct sigaction action = {.sa_handler = note};
    sigset_t blocked;

    sigemptyset(&blocked);
    for (size_t i = 0; i < sizeof(noted) / sizeof(noted[0]); i++) {
        sigaddset(&blocked, noted[i]);
        sigaction(noted[i], &action, NULL);
    }
    sigprocmask(SIG_BLOCK, &blocked, &outside);
}

static void forget_signals(void)
{
    for (size_t i = 0; i < sizeof(noted) / sizeof(noted[0]); i++) {
        signal(noted[i], SIG_DFL);
    }
    sigprocmask(SIG_SETMASK, &outside, NULL);
}

/* --- the terminal ----------------------------------------------------------------------------- */

static void write_all(const char *bytes, size_t count)
{
    while (count > 0) {
        ssize_t done = write(STDOUT_FILENO, bytes, count);

        if (done < 0 && errno != EINTR && errno != EAGAIN) {
            must_end = 1;
            return;
        }
        if (done > 0) {
            bytes += done;
            count -= (size_t)done;
        }
    }
}

static void take_terminal(void)
{
    struct termios raw = before;

    raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
    raw.c_cc[VMIN] = 1;
    raw.c_cc[VTIME] = 0;
    tcsetattr(STDIN_FILENO, TCSADRAIN, &raw);
    write_all(ENTER, sizeof(ENTER) - 1);
}

static void give_terminal(void)
{
    write_all(LEAVE, sizeof(LEAVE) - 1);
    tcsetattr(STDIN_FILENO, TCSADRAIN, &before);
}

bool screen_enter(void)
{
    if (!isatty(STDOUT_FILENO) || tcgetattr(STDIN_FILENO, &before) != 0) {
        return false;
    }
    note_signals();
    take_terminal();
    return true;
}

void screen_leave(void)
{
    give_terminal();
    forget_signals();
}

/* ^Z: the shell gets its terminal as it was, until it gives it back. */
static void stop(void)
{
    give_terminal();
    raise(SIGSTOP);
    take_terminal();
}

void screen_size(unsigned *of_rows, unsigned *of_columns)
{
    struct winsize size = {0};

    (void)ioctl(STDOUT_FILENO, TIOCGWINSZ, &size);
    *of_rows = size.ws_row > 0 ? size.ws_row : 24;
    *of_columns = size.ws_col > 0 ? size.ws_col : 80;
}

/* --- pictures --------------------------------------------------------------------------------- */

static void add(const char *bytes, size_t count)
{
    if (count < sizeof(picture) - length) {
        memcpy(picture + length, bytes, count);
        length += count;
    }
}

static void add_text(const char *text)
{
    add(text, strlen(text));
}

void screen_begin(void)
{
    screen_size(&rows, &columns);
    length = 0;
    row = 0;
    add_text("\033[H");
}

/* Bytes of a line up to its width; escape sequences have none, nor have a character's later bytes.
 */
static size_t cut(const char *line, unsigned width)
{
    size_t at = 0;
    unsigned shown = 0;

    while (line[at] != '\0') {
        if (line[at] == '\033') {
            at += strcspn(line + at, "m");
            at += line[at] != '\0';
            continue;
        }
        if (((unsigned char)line[at] & 0xc0) != 0x80 && shown++ == width) {
            break;
        }
        at++;
    }
    return at;
}

void screen_line(const char *format, ...)
{
    char line[LINE_SIZE];
    va_list values;

    if (row == rows) {
        return;
    }
    va_start(values, format);
    (void)vsnprintf(line, sizeof(line), format, values);
    va_end(values);
    if (row++ > 0) {
        add_text("\r\n");
    }
    add(line, cut(line, columns));
    add_text("\033[0m\033[K");
}

unsigned screen_rows_left(void)
{
    return rows - row;
}

void screen_show(void)
{
    add_text("\033[J");
    write_all(picture, length);
}

/* --- keys ------------------------------------------------------------------------------------- */

/* What a signal that came stands for. */
static int signalled(void)
{
    if (must_end) {
        return KEY_END;
    }
    if (must_stop) {
        must_stop = 0;
        stop();
        return KEY_REDRAW;
    }
    if (has_resized) {
        has_resized = 0;
        return KEY_REDRAW;
    }
    return KEY_NONE;
}

int screen_wait(long milliseconds)
{
    struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};
    struct timespec time = {.tv_sec = milliseconds / 1000,
                            .tv_nsec = milliseconds % 1000 * 1000000};
    unsigned char key;
    int ready = ppoll(&input, 1, &time, &outside);

    if (ready < 0) {
        return errno == EINTR ? signalled() : KEY_END;
    }
    if (ready == 0) {
        return KEY_NONE;
    }
    return read(STDIN_FILENO, &key, 1) == 1 ? key : KEY_END;
}
