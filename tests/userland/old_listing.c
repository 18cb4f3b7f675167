/* getdents, which getdents64 has replaced. */
#define _GNU_SOURCE
#include "userland.h"

#include <fcntl.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/syscall.h>

static int by_text(const void *a, const void *b)
{
    return strcmp(a, b);
}

/* Names and types, sorted; the last byte of an entry is its type. */
static void show_entries(const char *buffer, long size)
{
    char lines[16][300];
    size_t count = 0;

    for (long at = 0; at < size && count < 16;) {
        uint16_t length;

        memcpy(&length, buffer + at + 16, sizeof(length));
        snprintf(lines[count++], sizeof(lines[0]), "%s: type %d, %u bytes", buffer + at + 18,
                 buffer[at + length - 1], length);
        at += length;
    }
    qsort(lines, count, sizeof(lines[0]), by_text);
    for (size_t i = 0; i < count; i++) {
        printf("%s\n", lines[i]);
    }
}

int main(void)
{
    static char buffer[4096];
    int here = open(".", O_RDONLY | O_DIRECTORY);
    int file = open("a file", O_CREAT | O_RDWR, 0600);
    long size;

    SHOW(mkdir("directory", 0700));
    SHOW(symlink("a file", "link"));
    SHOW(mkfifo("fifo-of-a-longer-name", 0600));
    SHOW(syscall(SYS_getdents, here, buffer, 20));
    SHOW(syscall(SYS_getdents, file, buffer, sizeof(buffer)));
    SHOW(syscall(SYS_getdents, 99, buffer, sizeof(buffer)));
    SHOW(syscall(SYS_getdents, here, 8, sizeof(buffer)));
    size = SHOW(syscall(SYS_getdents, here, buffer, sizeof(buffer)));
    show_entries(buffer, size);
    SHOW(syscall(SYS_getdents, here, buffer, sizeof(buffer)));
    return 0;
}
