/* Reading and writing /helix, and the line to the host. */
#include "chaos.h"
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

bool helix_write(const char *file, const char *text)
{
    char path[96];
    ssize_t written;
    int error;
    int fd;

    snprintf(path, sizeof(path), "/helix/%s", file);
    fd = open(path, O_WRONLY);
    if (fd < 0) {
        return false;
    }
    written = write(fd, text, strlen(text));
    error = errno;
    close(fd);
    errno = error;
    return written == (ssize_t)strlen(text);
}

/* The line of a table whose first word is name. */
static bool find_row(const char *file, const char *name, char *row, unsigned size)
{
    char path[96];
    char first[NAME_SIZE] = "";
    bool is_found = false;
    FILE *table;

    snprintf(path, sizeof(path), "/helix/%s", file);
    table = fopen(path, "r");
    while (table != NULL && !is_found && fgets(row, (int)size, table) != NULL) {
        is_found = sscanf(row, "%39s", first) == 1 && strcmp(first, name) == 0;
    }
    if (table != NULL) {
        fclose(table);
    }
    return is_found;
}

bool helix_member(const char *slot, struct member *member)
{
    char row[256];

    return find_row("heal", slot, row, sizeof(row)) &&
           sscanf(row, "%*s %*s %39s %*u %lu", member->health, &member->deaths) == 2;
}

bool helix_injected(struct injected *injected)
{
    FILE *table = fopen("/helix/inject", "r");
    char row[256] = "";
    bool is_there = false;

    while (table != NULL && fgets(row, sizeof(row), table) != NULL) {
        is_there =
            sscanf(row, "%*s %*s %*s %*u %39s %127[^\n]", injected->stage, injected->where) == 2;
    }
    if (table != NULL) {
        fclose(table);
    }
    return is_there;
}

void helix_active(const char *slot, char active[NAME_SIZE])
{
    char path[96];
    FILE *file;

    snprintf(path, sizeof(path), "/helix/slots/%s/active", slot);
    file = fopen(path, "r");
    active[0] = '\0';
    if (file != NULL) {
        if (fgets(active, NAME_SIZE, file) == NULL || strchr(active, ' ') == NULL) {
            active[0] = '\0';
        }
        active[strcspn(active, "\n")] = '\0';
        fclose(file);
    }
}

unsigned helix_classes(char names[][NAME_SIZE], unsigned most)
{
    FILE *table = fopen("/helix/fault_classes", "r");
    char row[256];
    unsigned count = 0;

    while (table != NULL && count < most && fgets(row, sizeof(row), table) != NULL) {
        if (sscanf(row, "%39s", names[count]) == 1 && strcmp(names[count], "class") != 0) {
            count++;
        }
    }
    if (table != NULL) {
        fclose(table);
    }
    return count;
}

/* --- the host --------------------------------------------------------------------------------- */

static int open_line(void)
{
    static int line = -1;
    struct termios settings;

    if (line < 0) {
        line = open("/dev/ttyS1", O_RDWR | O_NOCTTY);
        if (line >= 0 && tcgetattr(line, &settings) == 0) {
            cfmakeraw(&settings);
            tcsetattr(line, TCSANOW, &settings);
        }
    }
    return line;
}

void tell(const char *format, ...)
{
    char text[512];
    va_list arguments;
    int length;

    va_start(arguments, format);
    length = vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    if (write(open_line(), text, (size_t)length) != length) {
        perror("chaos: the second serial line");
    }
}

bool hear(char *line, unsigned size)
{
    unsigned used = 0;

    while (used + 1 < size && read(open_line(), line + used, 1) == 1) {
        if (line[used++] == '\n') {
            line[used - 1] = '\0';
            return true;
        }
    }
    return false;
}
