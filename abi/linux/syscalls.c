/*
 * The Linux x86-64 system calls that a static program makes to greet and leave. One table; an
 * unknown number is -ENOSYS.
 */
#include <abi/linux/process.h>
#include <hal/entry.h>
#include <hal/user.h>
#include <helix/error.h>
#include <kern/thread.h>

#define ARCH_SET_FS 0x1002
#define CHUNK       128
#define WRITE_MAX   0x7ffff000UL /* what Linux transfers at most in one call */

struct arguments {
    uint64_t value[6];
};

static int64_t fail(hx_err error)
{
    return -(int64_t)hx_error_errno(error);
}

static int64_t sys_write(const struct arguments *arguments)
{
    uint64_t size = arguments->value[2] < WRITE_MAX ? arguments->value[2] : WRITE_MAX;
    char chunk[CHUNK];

    if (arguments->value[0] != 1 && arguments->value[0] != 2) {
        return -9; /* EBADF: no other descriptor is open */
    }
    for (uint64_t done = 0; done < size; done += CHUNK) {
        size_t here = size - done < CHUNK ? size - done : CHUNK;

        if (hal_user_copy_in(chunk, arguments->value[1] + done, here) != HX_OK) {
            return done > 0 ? (int64_t)done : fail(HX_EFAULT);
        }
        process_output(thread_current()->process, chunk, here);
    }
    return (int64_t)size;
}

static int64_t sys_exit(const struct arguments *arguments)
{
    process_exit((int)(arguments->value[0] & 0xff) << 8);
}

static int64_t sys_arch_prctl(const struct arguments *arguments)
{
    struct hal_range window = hal_user_window();

    if (arguments->value[0] != ARCH_SET_FS) {
        return fail(HX_EINVAL);
    }
    if (arguments->value[1] - window.base >= window.size) {
        return fail(HX_EPERM);
    }
    hal_user_set_thread_pointer(arguments->value[1]);
    return 0;
}

static int64_t sys_set_tid_address(const struct arguments *arguments)
{
    (void)arguments;
    return thread_current()->id;
}

struct system_call {
    const char *name;
    int64_t (*handler)(const struct arguments *arguments);
};

static const struct system_call table[] = {
    [1] = {"write", sys_write},
    [60] = {"exit", sys_exit},
    [158] = {"arch_prctl", sys_arch_prctl},
    [218] = {"set_tid_address", sys_set_tid_address},
    [231] = {"exit_group", sys_exit},
};

void kernel_syscall(struct hal_frame *frame)
{
    uint64_t number = hal_syscall_number(frame);
    struct arguments arguments;
    int64_t result = fail(HX_ENOSYS);

    for (unsigned i = 0; i < HX_ARRAY_SIZE(arguments.value); i++) {
        arguments.value[i] = hal_syscall_argument(frame, i);
    }
    if (number < HX_ARRAY_SIZE(table) && table[number].handler != NULL) {
        result = table[number].handler(&arguments);
    }
    hal_syscall_set_result(frame, result);
}
