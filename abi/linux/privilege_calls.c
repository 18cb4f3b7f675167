/* What Linux calls capabilities, and calls that nobody but their holders may make. */
#include <abi/linux/call.h>
#include <abi/linux/calls.h>
#include <base/memory.h>
#include <hal/user.h>
#include <subsys/access/access.h>
#include <subsys/process/authority.h>
#include <subsys/process/process.h>

/* --- capget, capset --------------------------------------------------------------------------- */

#define CAPABILITY_VERSION_1 0x19980330U
#define CAPABILITY_VERSION_2 0x20071026U
#define CAPABILITY_VERSION_3 0x20080522U

/* The numbers of capabilities(7). */
#define FILE_CAPABILITIES                                                                          \
    0x1fULL /* CAP_CHOWN to CAP_FSETID: user 0 has them, by the files' modes */

struct linux_capability_header {
    uint32_t version;
    int32_t process;
};

struct linux_capability_data {
    uint32_t effective, permitted, inheritable;
};

/* Linux's numbers (bits) that stand for a privilege. */
static const struct {
    enum privilege privilege;
    uint64_t bits;
} privilege_bits[] = {
    {PRIVILEGE_SIGNAL, 1ULL << 5},    {PRIVILEGE_IDENTITY, 3ULL << 6},
    {PRIVILEGE_PORT, 1ULL << 10},     {PRIVILEGE_MODULE, 1ULL << 16},
    {PRIVILEGE_RAW_IO, 1ULL << 17},   {PRIVILEGE_CHROOT, 1ULL << 18},
    {PRIVILEGE_INSPECT, 1ULL << 19},  {PRIVILEGE_MOUNT, 1ULL << 21},
    {PRIVILEGE_NAME, 1ULL << 21},     {PRIVILEGE_POWER, 1ULL << 22},
    {PRIVILEGE_PRIORITY, 1ULL << 23}, {PRIVILEGE_LIMIT, 1ULL << 24},
    {PRIVILEGE_CLOCK, 1ULL << 25},    {PRIVILEGE_TERMINAL, 1ULL << 26},
    {PRIVILEGE_DEVICE, 1ULL << 27},   {PRIVILEGE_LOG, 1ULL << 34},
};

/* What a process holds, in Linux's numbers; of two privileges with one number, both. */
static uint64_t held_by(const struct process *process)
{
    subject_id subject = atomic_load_explicit(&process->subject, memory_order_relaxed);
    uint64_t held = process->credentials.effective_user == 0 ? FILE_CAPABILITIES : 0;
    uint64_t missing = 0;

    for (unsigned i = 0; i < HX_ARRAY_SIZE(privilege_bits); i++) {
        resource_id resource = privilege_resource(privilege_bits[i].privilege);

        if (capability_check(subject, resource, PERMISSION_EXECUTE)) {
            held |= privilege_bits[i].bits;
        } else {
            missing |= privilege_bits[i].bits;
        }
    }
    return held & ~missing;
}

/* Words of data that follow a header. An unknown version is answered with the newest. */
static hx_err read_header(uint64_t address, struct linux_capability_header *header, unsigned *words)
{
    const uint32_t newest = CAPABILITY_VERSION_3;
    hx_err error = hal_user_copy_in(header, address, sizeof(*header));

    if (error != HX_OK) {
        return error;
    }
    switch (header->version) {
    case CAPABILITY_VERSION_1:
        *words = 1;
        return HX_OK;
    case CAPABILITY_VERSION_2:
    case CAPABILITY_VERSION_3:
        *words = 2;
        return HX_OK;
    default:
        error = hal_user_copy_out(address, &newest, sizeof(newest));
        return error == HX_OK ? HX_EINVAL : error;
    }
}

static hx_err find_held(int32_t id, uint64_t *held)
{
    struct process *process;

    if (id < 0) {
        return HX_EINVAL;
    }
    process = id != 0 ? process_find_by_thread((uint32_t)id) : NULL;
    if (id != 0 && process == NULL) {
        return HX_ESRCH;
    }
    *held = held_by(process != NULL ? process : process_current());
    if (process != NULL) {
        process_put(process);
    }
    return HX_OK;
}

int64_t linux_capget(uint64_t header_address, uint64_t data_address)
{
    struct linux_capability_header header;
    struct linux_capability_data data[2] = {{0, 0, 0}, {0, 0, 0}};
    unsigned words = 0;
    uint64_t held;
    hx_err error = read_header(header_address, &header, &words);

    if (error == HX_EINVAL && data_address == 0) {
        return 0; /* who asks for the version alone */
    }
    if (error == HX_OK) {
        error = find_held(header.process, &held);
    }
    if (error == HX_OK) {
        for (unsigned i = 0; i < words; i++) {
            data[i].effective = data[i].permitted = (uint32_t)(held >> (32 * i));
        }
        error = hal_user_copy_out(data_address, data, words * sizeof(data[0]));
    }
    return linux_result(error);
}

/* Of what it holds, the calling process keeps the privileges of those numbers, and nothing else. */
static hx_err keep_only(uint64_t wanted)
{
    struct authority_right rights[HX_ARRAY_SIZE(privilege_bits)];
    size_t count = 0;

    for (unsigned i = 0; i < HX_ARRAY_SIZE(privilege_bits); i++) {
        if ((privilege_bits[i].bits & ~wanted) == 0) {
            rights[count++] =
                (struct authority_right){privilege_resource(privilege_bits[i].privilege),
                                         PERMISSION_EXECUTE | PERMISSION_DELEGATE};
        }
    }
    return authority_confine(rights, count);
}

int64_t linux_capset(uint64_t header_address, uint64_t data_address)
{
    struct linux_capability_header header;
    struct linux_capability_data data[2] = {{0, 0, 0}, {0, 0, 0}};
    uint64_t held = held_by(process_current());
    uint64_t permitted;
    uint64_t effective;
    unsigned words = 0;
    hx_err error = read_header(header_address, &header, &words);

    if (error == HX_OK) {
        error = hal_user_copy_in(data, data_address, words * sizeof(data[0]));
    }
    if (error == HX_OK && header.process != 0 &&
        (uint32_t)header.process != user_thread_current()->id) {
        error = HX_EPERM;
    }
    if (error != HX_OK) {
        return linux_result(error);
    }
    permitted = data[0].permitted | (uint64_t)data[1].permitted << 32;
    effective = data[0].effective | (uint64_t)data[1].effective << 32;
    if ((permitted & ~held) != 0 || (effective & ~permitted) != 0) {
        return linux_result(HX_EPERM);
    }
    return permitted == held ? 0 : linux_result(keep_only(permitted));
}

/* --- for holders of a privilege, who find nothing behind it ------------------------------------
 */

/* Modules are loaded by /helix; those of Linux are none. */
static int64_t refuse(enum privilege privilege)
{
    hx_err error = access_require_privilege(privilege);

    return linux_result(error == HX_OK ? HX_ENOSYS : error);
}

int64_t linux_init_module(uint64_t image, uint64_t size, uint64_t options)
{
    (void)image;
    (void)size;
    (void)options;
    return refuse(PRIVILEGE_MODULE);
}

int64_t linux_finit_module(uint64_t descriptor, uint64_t options, uint64_t flags)
{
    (void)descriptor;
    (void)options;
    (void)flags;
    return refuse(PRIVILEGE_MODULE);
}

int64_t linux_delete_module(uint64_t name, uint64_t flags)
{
    (void)name;
    (void)flags;
    return refuse(PRIVILEGE_MODULE);
}

/* Ports belong to drivers. */
int64_t linux_iopl(uint64_t level)
{
    (void)level;
    return refuse(PRIVILEGE_RAW_IO);
}

int64_t linux_ioperm(uint64_t from, uint64_t count, uint64_t on)
{
    (void)from;
    (void)count;
    (void)on;
    return refuse(PRIVILEGE_RAW_IO);
}
