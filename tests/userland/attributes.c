/* Extended attributes: what is refused, wherever they are kept and where not. */
#define _GNU_SOURCE
#include "userland.h"

#include <fcntl.h>
#include <sys/xattr.h>
#include <unistd.h>

int main(void)
{
    char value[16];
    char long_name[300];
    int file = open("file", O_RDWR | O_CREAT, 0644);
    int place = open("file", O_PATH);

    memset(long_name, 'x', sizeof(long_name) - 1);
    long_name[299] = '\0';
    symlink("file", "link");
    symlink("nowhere", "dangling");
    SHOW(getxattr("absent", "user.a", value, 16));
    SHOW(getxattr("file", "", value, 16));
    SHOW(getxattr("file", long_name, value, 16));
    SHOW(getxattr("file", NULL, value, 16));
    SHOW(getxattr("file", "nonsense", value, 16));
    SHOW(getxattr("file", "unknown.a", value, 16));
    SHOW(getxattr("dangling", "user.a", value, 16));
    SHOW(lgetxattr("dangling", "user.a", value, 16));
    SHOW(lsetxattr("link", "user.a", "x", 1, 0));
    SHOW(fgetxattr(99, "user.a", value, 16));
    SHOW(fgetxattr(place, "user.a", value, 16));
    SHOW(fsetxattr(place, "user.a", "x", 1, 0));
    SHOW(flistxattr(place, NULL, 0));
    SHOW(setxattr("file", "user.a", "x", 1, 4));
    SHOW(setxattr("file", "user.a", NULL, 70000, 0));
    SHOW(setxattr("file", "user.a", NULL, 4, 0));
    SHOW(setxattr("file", "nonsense", "x", 1, 0));
    SHOW(setxattr("file", "unknown.a", "x", 1, 0));
    SHOW(setxattr("absent", "user.a", "x", 1, 0));
    SHOW(removexattr("absent", "user.a"));
    SHOW(removexattr("file", "nonsense"));
    SHOW(lremovexattr("link", "user.a"));
    SHOW(listxattr("file", NULL, 0));
    SHOW(listxattr("absent", NULL, 0));
    SHOW(llistxattr("link", NULL, 0));
    SHOW(flistxattr(file, NULL, 0));
    SHOW(flistxattr(99, NULL, 0));
    SHOW(getxattr("/proc/self/status", "user.a", value, 16));
    SHOW(getxattr("/proc/self/status", "system.posix_acl_access", value, 16));
    SHOW(setxattr("/proc/self/status", "user.a", "x", 1, 0));
    unlink("link");
    unlink("dangling");
    unlink("file");
    return 0;
}
