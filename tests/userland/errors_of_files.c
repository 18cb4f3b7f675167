/* The error of each call about files, for many wrong arguments. */
#define _GNU_SOURCE
#include "userland.h"

#include <dirent.h>
#include <fcntl.h>
#include <grp.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <termios.h>
#include <utime.h>

static char room[4096];
static char *const nowhere = (char *)8;
static char *const in_kernel = (char *)0xffffffff80000000;
static char long_name[300], long_path[5000];

/* A path that goes wrong in each of the ways a path can. */
static const char *const paths[] = {"",          "nosuch",      "nosuch/x",
                                    "file/x",    "loop",        "loop/x",
                                    "dangling",  "folder",      "folder/",
                                    "file/",     "file",        ".",
                                    "..",        "/",           "folder/.",
                                    "/dev/null", "/dev/null/x", long_name,
                                    long_path,   (char *)8,     (char *)0xffffffff80000000,
                                    NULL};

static void show_path(const char *what, const char *path, long result)
{
    const char *name = path == nowhere     ? "(8)"
                       : path == in_kernel ? "(kernel)"
                       : path == NULL      ? "(null)"
                       : path == long_name ? "(long name)"
                       : path == long_path ? "(long path)"
                                           : path;

    printf("%s <%s>: %s\n", what, name, result == -1 ? error_name(errno) : "done");
}

#define FOR_ALL_PATHS(what, call)                                                                  \
    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {                                \
        const char *path = paths[i];                                                               \
        errno = 0;                                                                                 \
        show_path(what, path, (long)(call));                                                       \
    }

static void set_up(void)
{
    memset(long_name, 'n', sizeof(long_name) - 1);
    for (size_t i = 0; i < sizeof(long_path) - 1; i++) {
        long_path[i] = i % 2 ? '/' : 'p';
    }
    close(open("file", O_CREAT | O_WRONLY, 0644));
    mkdir("folder", 0755);
    close(open("folder/inside", O_CREAT | O_WRONLY, 0644));
    symlink("loop", "loop");
    symlink("missing", "dangling");
}

static long open_and_close(const char *path, int flags)
{
    long file = open(path, flags, 0600);
    int error = errno;

    if (file >= 0) {
        close((int)file);
    }
    errno = error;
    return file;
}

static void by_path(void)
{
    static struct stat status;
    static struct statfs system;
    static char text[100];

    FOR_ALL_PATHS("open, read", open_and_close(path, O_RDONLY));
    FOR_ALL_PATHS("open, write", open_and_close(path, O_WRONLY));
    FOR_ALL_PATHS("open, folder", open_and_close(path, O_RDONLY | O_DIRECTORY));
    FOR_ALL_PATHS("open, no follow", open_and_close(path, O_RDONLY | O_NOFOLLOW));
    FOR_ALL_PATHS("open, new", open_and_close(path, O_RDWR | O_CREAT | O_EXCL));
    FOR_ALL_PATHS("open, path", open_and_close(path, O_PATH));
    FOR_ALL_PATHS("stat", stat(path, &status));
    FOR_ALL_PATHS("lstat", lstat(path, &status));
    FOR_ALL_PATHS("access", access(path, R_OK));
    FOR_ALL_PATHS("access, execute", access(path, X_OK));
    FOR_ALL_PATHS("readlink", readlink(path, text, 100));
    FOR_ALL_PATHS("statfs", statfs(path, &system));
    FOR_ALL_PATHS("truncate", truncate(path, 0));
    FOR_ALL_PATHS("chmod", path != NULL && strncmp(path == nowhere || path == in_kernel ? "" : path,
                                                   "/dev", 4) == 0
                               ? 0
                               : chmod(path, 0755));
    FOR_ALL_PATHS("chown", chown(path, (uid_t)-1, (gid_t)-1));
    FOR_ALL_PATHS("utimensat", utimensat(AT_FDCWD, path, NULL, AT_SYMLINK_NOFOLLOW));
    FOR_ALL_PATHS("mkdir", mkdir(path, 0700));
    FOR_ALL_PATHS("rmdir", path != NULL && path != nowhere && path != in_kernel &&
                                   strcmp(path, "nosuch") == 0
                               ? 0
                               : rmdir(path));
    FOR_ALL_PATHS("mkfifo", mkfifo(path, 0600));
    FOR_ALL_PATHS("link to", link("file", path));
    FOR_ALL_PATHS("link from", link(path, "file"));
    FOR_ALL_PATHS("symlink", symlink("x", path));
    FOR_ALL_PATHS("rename to", rename("folder", path) == 0 && path != nowhere ? 0 : -1);
    FOR_ALL_PATHS("rename from", rename(path, "nosuch/x"));
}

static void more_by_path(void)
{
    struct stat status;
    char text[4];

    mkdir("two", 0755);
    mkdir("two/three", 0755);
    SHOW(rename("two", "two/three/four"));
    SHOW(rename("two", "file"));
    SHOW(rename("file", "two"));
    SHOW(rename("two/.", "x"));
    SHOW(rename("two", "two"));
    SHOW(syscall(SYS_renameat2, AT_FDCWD, "file", AT_FDCWD, "two", 1));
    SHOW(syscall(SYS_renameat2, AT_FDCWD, "file", AT_FDCWD, "nosuch2", 2));
    SHOW(syscall(SYS_renameat2, AT_FDCWD, "file", AT_FDCWD, "two", 3));
    SHOW(syscall(SYS_renameat2, AT_FDCWD, "file", AT_FDCWD, "two", 16));
    SHOW(syscall(SYS_renameat2, AT_FDCWD, "file", AT_FDCWD, "two", 2));
    SHOW_TRUE(stat("two", &status) == 0 && S_ISREG(status.st_mode));
    SHOW(syscall(SYS_renameat2, AT_FDCWD, "file", AT_FDCWD, "two", 2));
    SHOW(link("two", "x"));
    SHOW(linkat(AT_FDCWD, "file", AT_FDCWD, "x", 1));
    SHOW(linkat(AT_FDCWD, "dangling", AT_FDCWD, "x", AT_SYMLINK_FOLLOW));
    SHOW(unlink("two"));
    SHOW(unlinkat(AT_FDCWD, "file", AT_REMOVEDIR));
    SHOW(unlinkat(AT_FDCWD, "two", 77));
    SHOW(unlinkat(99, "two", 0));
    SHOW(rmdir("two/three/."));
    SHOW(rmdir("two/three/.."));
    SHOW(rmdir("two"));
    SHOW(readlink("loop", text, 0));
    SHOW(readlink("loop", text, 2));
    SHOW(readlink("loop", nowhere, 2));
    SHOW(mknod("odd", S_IFDIR | 0600, 0));
    SHOW(mknod("odd", 0x3000 | 0600, 0));
    SHOW(mknod("plain", 0600, 0));
    SHOW(mknod("device", S_IFCHR | 0600, makedev(240, 240)));
    SHOW_ERROR(open("device", O_RDONLY));
    SHOW(access("file", 77));
    SHOW(faccessat(AT_FDCWD, "file", R_OK, 0x4000));
    SHOW(fstatat(AT_FDCWD, "file", &status, 0x4000000));
    SHOW(fstatat(99, "file", &status, 0));
    SHOW(fstatat(0, "", &status, AT_EMPTY_PATH));
    SHOW(syscall(SYS_stat, "file", nowhere));
    SHOW(symlink("", "empty"));
    SHOW(truncate("file", -1));
    SHOW(chmod("file", 07777));
    SHOW(fchmodat(AT_FDCWD, "file", 0644, 77));
    SHOW(utimensat(AT_FDCWD, "file", (struct timespec[2]){{0, -1}, {0, 0}}, 0));
    SHOW(utimensat(AT_FDCWD, "file", (struct timespec[2]){{0, UTIME_OMIT}, {0, UTIME_OMIT}}, 0));
    SHOW(umask(022));
    SHOW(chdir("file"));
    SHOW(chdir("nosuch2"));
    SHOW(chroot("file"));
    SHOW(mount("x", "nosuch2", "tmpfs", 0, NULL));
    SHOW(mount("x", "folder", "nosuchfs", 0, NULL));
    SHOW(umount("folder"));
    SHOW(umount("nosuch2"));
}

/* Ranges that wrap or leave user space, whatever would be moved. */
static void ranges(int file, int writing, int folder)
{
    char *high = (char *)0x7ffffffff000 - 16;
    int zero = open("/dev/zero", O_RDWR);
    int pipe_ends[2];
    struct iovec wraps[] = {{room, 1}, {room, SIZE_MAX / 2}};
    struct iovec negative[] = {{high, 4096}, {room, SIZE_MAX}};

    pipe(pipe_ends);
    SHOW(read(file, room, SIZE_MAX / 2));
    SHOW(write(file, room, SIZE_MAX / 2));
    SHOW(pread(file, room, SIZE_MAX / 2, 0));
    SHOW(pwrite(file, room, SIZE_MAX / 2, 0));
    SHOW(read(file, high, 100000));
    SHOW(write(zero, high, 100000));
    SHOW(write(zero, in_kernel, 0));
    SHOW(read(writing, room, SIZE_MAX / 2));
    SHOW(write(folder, room, SIZE_MAX / 2));
    SHOW(read(folder, room, SIZE_MAX / 2));
    SHOW(pread(pipe_ends[0], room, SIZE_MAX / 2, 0));
    SHOW(pwrite(pipe_ends[1], room, SIZE_MAX / 2, 0));
    SHOW(readv(file, wraps, 2));
    SHOW(writev(file, wraps, 2));
    SHOW(readv(file, negative, 2));
    SHOW(writev(writing, negative, 2));
    SHOW(lseek(file, 0, SEEK_CUR));
    close(zero);
    close(pipe_ends[0]);
    close(pipe_ends[1]);
}

/* Of one file and its folder. */
struct descriptors {
    int file, reading, writing, folder, path;
};

static void reads_and_writes(const struct descriptors *of)
{
    char byte = 0;

    SHOW(read(99, &byte, 1));
    SHOW(read(-1, &byte, 1));
    SHOW(read(of->writing, &byte, 1));
    SHOW(read(of->folder, &byte, 1));
    SHOW(read(of->path, &byte, 1));
    SHOW(read(of->file, &byte, 1));
    SHOW(write(99, &byte, 1));
    SHOW(write(of->reading, &byte, 1));
    SHOW(write(of->folder, &byte, 1));
    SHOW(write(of->file, nowhere, 1));
    SHOW(write(of->file, in_kernel, 1));
    SHOW(write(of->file, nowhere, 0));
    SHOW(write(of->file, "x", 1));
    SHOW(lseek(of->file, 0, SEEK_SET));
    SHOW(read(of->file, nowhere, 1));
    SHOW(read(of->file, in_kernel, 1));
    SHOW(read(of->file, nowhere, 0));
    SHOW(read(of->file, room, SIZE_MAX));
    ranges(of->file, of->writing, of->folder);
    SHOW(pread(of->file, &byte, 1, -1));
    SHOW(pwrite(of->file, &byte, 1, -1));
    SHOW(pread(of->reading, &byte, 1, 100));
    SHOW(lseek(of->file, -1, SEEK_SET));
    SHOW(lseek(of->file, 0, 77));
    SHOW(lseek(of->file, 10, SEEK_END));
    SHOW(lseek(of->file, INT64_MAX, SEEK_CUR));
    SHOW(lseek(99, 0, SEEK_SET));
    SHOW(lseek(of->file, 0, SEEK_DATA));
    SHOW(lseek(of->file, 1000, SEEK_DATA));
}

static void changes_and_parts(const struct descriptors *of)
{
    char byte = 0;
    struct stat status;
    struct iovec vector = {&byte, 1};

    SHOW(ftruncate(of->file, -1));
    SHOW(ftruncate(of->reading, 0));
    SHOW(ftruncate(of->folder, 0));
    SHOW(ftruncate(99, 0));
    SHOW(fstat(99, &status));
    SHOW(syscall(SYS_fstat, of->file, nowhere));
    SHOW(fsync(of->file));
    SHOW(fsync(99));
    SHOW(fdatasync(99));
    SHOW(fchdir(of->file));
    SHOW(fchdir(99));
    SHOW(fchmod(99, 0644));
    SHOW(fchmod(of->path, 0644));
    SHOW(fchown(99, 0, 0));
    SHOW(readv(99, &vector, 1));
    SHOW(readv(of->file, &vector, 0));
    SHOW(readv(of->file, &vector, -1));
    SHOW(writev(of->reading, &vector, 1));
}

static void numbers_and_flags(const struct descriptors *of)
{
    SHOW(dup(99));
    SHOW(dup2(of->file, -1));
    SHOW(dup2(99, 5));
    SHOW(dup2(of->file, of->file));
    SHOW(dup2(99, 99));
    SHOW(dup3(of->file, of->file, 0));
    SHOW(dup3(of->file, 20, 77));
    SHOW(dup3(of->file, 20, O_CLOEXEC));
    SHOW(fcntl(20, F_GETFD));
    SHOW(close(20));
    SHOW(close(20));
    SHOW(close(-1));
    SHOW(fcntl(99, F_GETFD));
    SHOW(fcntl(of->file, 7777));
    SHOW(fcntl(of->file, F_DUPFD, -1));
    SHOW(fcntl(of->file, F_SETFL, O_APPEND | O_NONBLOCK));
    SHOW(fcntl(of->file, F_GETFL) & ~0100000);
}

static void devices_and_ranges(const struct descriptors *of)
{
    char byte = 0;
    struct stat status;
    struct winsize size;

    SHOW(ioctl(of->file, TCGETS, &size));
    SHOW(ioctl(99, TCGETS, &size));
    SHOW(ioctl(of->folder, TIOCGWINSZ, &size));
    SHOW(isatty(of->file));
    SHOW(syscall(SYS_getdents64, of->file, &status, 100));
    SHOW(syscall(SYS_getdents64, of->folder, &status, 10));
    SHOW(syscall(SYS_getdents64, of->folder, nowhere, 1000));
    SHOW(syscall(SYS_getdents64, 99, &status, 100));
    SHOW(syscall(SYS_close_range, 10, 5, 0));
    SHOW(syscall(SYS_close_range, 50, 60, 77));
    SHOW(syscall(SYS_close_range, 50, 60, 0));
    SHOW(syscall(SYS_fallocate, of->file, 0, 0, 0));
    SHOW(syscall(SYS_fallocate, of->reading, 0, 0, 10));
    SHOW(syscall(SYS_fallocate, of->file, 0, -1, 10));
    SHOW(syscall(SYS_sendfile, 99, of->reading, NULL, 10));
    SHOW(syscall(SYS_sendfile, of->reading, of->reading, NULL, 10));
    SHOW(getcwd(&byte, 1) == NULL ? -1 : 0);
    SHOW(syscall(SYS_getcwd, nowhere, 4096));
}

static void descriptors(void)
{
    struct descriptors of = {.file = open("file", O_RDWR | O_CREAT, 0644)};

    of.reading = open("file", O_RDONLY);
    of.writing = open("file", O_WRONLY);
    of.folder = open(".", O_RDONLY);
    of.path = open("file", O_PATH);
    printf("%d %d %d %d %d\n", of.file, of.reading, of.writing, of.folder, of.path);
    reads_and_writes(&of);
    changes_and_parts(&of);
    numbers_and_flags(&of);
    devices_and_ranges(&of);
}

/* Without the superuser's rights. */
static void permissions(void)
{
    mkdir("closed", 0700);
    close(open("closed/file", O_CREAT | O_WRONLY, 0644));
    close(open("secret", O_CREAT | O_WRONLY, 0600));
    close(open("public", O_CREAT | O_WRONLY, 0644));
    mkdir("shared", 01777);
    chmod("shared", 01777);
    close(open("shared/roots", O_CREAT | O_WRONLY, 0666));
    SHOW(setgroups(0, NULL));
    SHOW(setresgid(1000, 1000, 1000));
    SHOW(setresuid(1000, 1000, 1000));
    SHOW_ERROR(open("secret", O_RDONLY));
    SHOW_ERROR(open("public", O_WRONLY));
    SHOW_ERROR(open("public", O_RDONLY));
    SHOW_ERROR(open("closed/file", O_RDONLY));
    SHOW_ERROR(open("closed/nosuch", O_RDONLY));
    SHOW(chdir("closed"));
    SHOW(unlink("public"));
    SHOW(unlink("shared/roots"));
    SHOW(rename("shared/roots", "shared/mine"));
    SHOW_ERROR(open("shared/mine", O_CREAT | O_WRONLY, 0600));
    SHOW(unlink("shared/mine"));
    SHOW_ERROR(open("new", O_CREAT | O_WRONLY, 0600));
    SHOW(mkdir("new", 0700));
    SHOW(chmod("public", 0777));
    SHOW(chown("public", 1000, 1000));
    SHOW(utimensat(AT_FDCWD, "public", (struct timespec[2]){{0, 0}, {0, 0}}, 0));
    SHOW(access("public", W_OK));
    SHOW(access("public", R_OK));
    SHOW(access("closed", X_OK));
    SHOW(mknod("shared/device", S_IFCHR | 0600, makedev(1, 3)));
    SHOW(mount("x", "shared", "tmpfs", 0, NULL));
    SHOW(chroot("shared"));
    SHOW(setuid(0));
    SHOW(setgid(0));
    SHOW(setgroups(0, NULL));
    SHOW(sethostname("x", 1));
    SHOW(truncate("public", 0));
}

int main(void)
{
    set_up();
    by_path();
    system("rm -rf ./* 2> errors");
    set_up();
    more_by_path();
    descriptors();
    chmod(".", 0755);
    permissions();
    return 0;
}
