/* What a program would like: personality, priorities of input and output, barriers, handles. */
#define _GNU_SOURCE
#include "userland.h"

#include <fcntl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

static void personalities(void)
{
    int status;
    pid_t child;

    SHOW(syscall(SYS_personality, 0xffffffff));
    SHOW(syscall(SYS_personality, 0x0040000));
    SHOW(syscall(SYS_personality, 0xffffffff));
    fflush(stdout);
    child = fork();
    if (child == 0) {
        _exit(syscall(SYS_personality, 0xffffffff) == 0x0040000);
    }
    waitpid(child, &status, 0);
    SHOW(WEXITSTATUS(status));
    SHOW(syscall(SYS_personality, 0));
}

static void priorities(void)
{
    SHOW(syscall(SYS_ioprio_get, 0, 0));
    SHOW(syscall(SYS_ioprio_get, 1, 4000000));
    SHOW(syscall(SYS_ioprio_set, 1, 0, 2 << 13 | 4));
    SHOW(syscall(SYS_ioprio_get, 1, 0));
    SHOW(syscall(SYS_ioprio_set, 1, 0, 5 << 13));
    SHOW(syscall(SYS_ioprio_set, 9, 0, 2 << 13));
    SHOW(syscall(SYS_ioprio_set, 1, 4000000, 2 << 13));
    SHOW(syscall(SYS_ioprio_set, 1, 0, 1));
}

static void barriers(void)
{
    SHOW_TRUE((syscall(SYS_membarrier, 0, 0) & 31) == 31);
    SHOW(syscall(SYS_membarrier, 0, 1));
    SHOW(syscall(SYS_membarrier, 3, 0));
    SHOW(syscall(SYS_membarrier, 1, 0));
    SHOW(syscall(SYS_membarrier, 8, 0));
    SHOW(syscall(SYS_membarrier, 16, 0));
    SHOW(syscall(SYS_membarrier, 8, 0));
    SHOW(syscall(SYS_membarrier, 32, 0));
    SHOW(syscall(SYS_membarrier, 64, 0));
    SHOW(syscall(SYS_membarrier, 32, 0));
    SHOW(syscall(SYS_membarrier, 2, 0));
}

static void handles(void)
{
    struct {
        unsigned size;
        int type;
        char bytes[128];
    } handle = {200, 0, {0}};
    int mount;

    SHOW(syscall(SYS_name_to_handle_at, AT_FDCWD, "absent", &handle, &mount, 0));
    SHOW(syscall(SYS_name_to_handle_at, AT_FDCWD, ".", &handle, &mount, 1));
    SHOW(syscall(SYS_name_to_handle_at, AT_FDCWD, ".", &handle, &mount, 0));
    SHOW(syscall(SYS_name_to_handle_at, AT_FDCWD, ".", (void *)8, &mount, 0));
    handle.size = 0;
    SHOW(syscall(SYS_open_by_handle_at, AT_FDCWD, &handle, O_RDONLY));
    SHOW(syscall(SYS_open_by_handle_at, AT_FDCWD, (void *)8, O_RDONLY));
}

int main(void)
{
    personalities();
    priorities();
    barriers();
    handles();
    return 0;
}
