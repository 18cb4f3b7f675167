/* execve of a program that names an interpreter with which something is wrong. */
#include "userland.h"

#include <elf.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#ifndef ELIBBAD
#define ELIBBAD 80
#endif

static char *bytes; /* this program's own file */
static size_t size;

static void read_own_file(void)
{
    int file = open("/proc/self/exe", O_RDONLY);
    struct stat status;

    fstat(file, &status);
    size = (size_t)status.st_size;
    bytes = malloc(size + 8192);
    if (read(file, bytes, size) != status.st_size) {
        exit(1);
    }
    close(file);
}

/* The program header that is no part of what is loaded. */
static Elf64_Phdr *spare_header(char *image)
{
    const Elf64_Ehdr *header = (const Elf64_Ehdr *)image;
    Elf64_Phdr *segments = (Elf64_Phdr *)(image + header->e_phoff);
    Elf64_Phdr *spare = NULL;

    for (unsigned i = 0; i < header->e_phnum; i++) {
        if (segments[i].p_type == PT_GNU_STACK) {
            spare = &segments[i];
        }
    }
    return spare;
}

static void write_file(const char *name, const void *from, size_t length, mode_t mode)
{
    int file = open(name, O_CREAT | O_TRUNC | O_WRONLY, 0600);

    if (write(file, from, length) != (ssize_t)length) {
        exit(1);
    }
    close(file);
    chmod(name, mode);
}

/* A program "named" whose interpreter is the text, of so many bytes. */
static void name_interpreter(const char *text, size_t length)
{
    Elf64_Phdr *header = spare_header(bytes);
    Elf64_Phdr good = *header;

    memcpy(bytes + size, text, length);
    *header = (Elf64_Phdr){
        .p_type = PT_INTERP, .p_flags = PF_R, .p_offset = size, .p_filesz = length, .p_align = 1};
    write_file("named", bytes, size + length, 0700);
    *header = good;
}

static void run(const char *what)
{
    char *arguments[] = {"named", "again", NULL};
    int status;

    flush();
    if (fork() == 0) {
        execv("./named", arguments);
        _exit(errno == ELIBBAD ? 80 : errno);
    }
    wait(&status);
    printf("%s: %s\n", what,
           WEXITSTATUS(status) == 80 ? "ELIBBAD" : error_name(WEXITSTATUS(status)));
}

static void run_with(const char *path)
{
    name_interpreter(path, strlen(path) + 1);
    run(path);
}

static void bad_paths(void)
{
    static char long_path[5000];

    run_with("/not/there");
    run_with("/");
    run_with("");
    run_with("relative");
    run_with("/dev/null");
    run_with("named/file");
    name_interpreter("/dev/null", 5);
    run("a path without its end");
    name_interpreter("", 1);
    run("a path of one byte");
    memset(long_path, 'x', sizeof(long_path) - 1);
    name_interpreter(long_path, 5000);
    run("a path that is too long");
    long_path[4095] = 0;
    name_interpreter(long_path, 4096);
    run("a path that is a name of too many bytes");
}

static void bad_files(void)
{
    char header[sizeof(Elf64_Ehdr)];

    write_file("no-program", "text", 4, 0600);
    run_with("no-program");
    chmod("no-program", 0700);
    run_with("no-program");
    memset(header, 'x', sizeof(header));
    write_file("no-elf", header, sizeof(header), 0700);
    run_with("no-elf");
    write_file("script", "#!/bin/sh\necho a script that is long enough to be a header of ELF\n", 67,
               0700);
    run_with("script");
    memcpy(header, bytes, sizeof(header));
    ((Elf64_Ehdr *)header)->e_machine = EM_386;
    write_file("other-machine", header, sizeof(header), 0700);
    run_with("other-machine");
    memcpy(header, bytes, sizeof(header));
    write_file("cut", header, sizeof(header), 0700);
    run_with("cut");
    SHOW(symlink("round", "round"));
    run_with("round");
}

static void being_written(void)
{
    int file;

    write_file("written", bytes, size, 0700);
    file = open("written", O_WRONLY);
    run_with("written");
    close(file);
}

int main(int count, char **arguments)
{
    (void)arguments;
    if (count > 1) {
        return 0;
    }
    read_own_file();
    bad_paths();
    bad_files();
    being_written();
    return 0;
}
