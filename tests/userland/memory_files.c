/* memfd_create. */
#define _GNU_SOURCE 1
#include "userland.h"

#include <fcntl.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>

static void refusals(void)
{
    static char label[300];

    SHOW(memfd_create("x", 0x80));
    SHOW(memfd_create((const char *)8, 0));
    memset(label, 'a', 250);
    SHOW(memfd_create(label, 0));
    label[249] = 0;
    SHOW_ERROR(memfd_create(label, 0));
    SHOW_ERROR(memfd_create("", 0));
}

static void show_label(int file)
{
    char path[64];
    char text[512];
    ssize_t size;

    snprintf(path, sizeof(path), "/proc/self/fd/%d", file);
    size = readlink(path, text, sizeof(text) - 1);
    text[size > 0 ? size : 0] = 0;
    printf("%s\n", text);
}

static void as_a_file(void)
{
    int file = memfd_create("a label", MFD_CLOEXEC);
    struct stat status;
    char bytes[16] = "";

    SHOW(fcntl(file, F_GETFD));
    SHOW_TRUE((fcntl(file, F_GETFL) & O_ACCMODE) == O_RDWR);
    show_label(file);
    SHOW(fstat(file, &status));
    printf("mode %o, links %lu, size %ld\n", status.st_mode, (unsigned long)status.st_nlink,
           (long)status.st_size);
    SHOW(write(file, "some text", 9));
    SHOW(lseek(file, 5, SEEK_SET));
    SHOW(read(file, bytes, sizeof(bytes)));
    printf("%s\n", bytes);
    SHOW(ftruncate(file, 100000));
    SHOW(lseek(file, 0, SEEK_END));
    SHOW(pread(file, bytes, 1, 99999));
    SHOW(close(file));
}

static void mapped(void)
{
    int file = memfd_create("shared", 0);
    uint32_t *words;
    int status;

    SHOW(ftruncate(file, 8192));
    words = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    flush();
    if (fork() == 0) {
        words[1500] = 42;
        pwrite(file, "abcd", 4, 0);
        _exit(0);
    }
    wait(&status);
    printf("%u %.4s\n", words[1500], (const char *)words);
    SHOW(close(file));
    printf("%u\n", words[1500]);
    munmap(words, 8192);
}

int main(void)
{
    refusals();
    as_a_file();
    mapped();
    return 0;
}
