/* Calls on the system as a whole. */
#include <abi/linux/call.h>
#include <abi/linux/calls.h>
#include <base/format.h>
#include <base/string.h>
#include <core/debug/log.h>
#include <core/lifecycle/lifecycle.h>
#include <hal/clock.h>
#include <hal/memory.h>
#include <hal/user.h>
#include <kern/frames.h>
#include <subsys/access/access.h>
#include <subsys/process/load_average.h>
#include <subsys/process/system_name.h>
#include <subsys/random/random.h>

/* --- names ------------------------------------------------------------------------------------ */

struct linux_uts {
    char system[SYSTEM_NAME_SIZE];
    char node[SYSTEM_NAME_SIZE];
    char release[SYSTEM_NAME_SIZE];
    char version[SYSTEM_NAME_SIZE];
    char machine[SYSTEM_NAME_SIZE];
    char domain[SYSTEM_NAME_SIZE];
};

int64_t linux_uname(uint64_t address)
{
    struct linux_uts names = {
        .system = SYSTEM_TYPE,
        .release = SYSTEM_RELEASE,
        .version = SYSTEM_VERSION,
        .machine = "x86_64",
    };

    system_name_get(SYSTEM_NODE, names.node);
    system_name_get(SYSTEM_DOMAIN, names.domain);
    return linux_result(hal_user_copy_out(address, &names, sizeof(names)));
}

static int64_t set_name(enum system_name which, uint64_t address, uint64_t size)
{
    char text[SYSTEM_NAME_SIZE] = {0};
    hx_err error = access_require_privilege(PRIVILEGE_NAME);

    if (error == HX_OK && size >= SYSTEM_NAME_SIZE) {
        error = HX_EINVAL;
    }
    if (error == HX_OK) {
        error = hal_user_copy_in(text, address, (size_t)size);
    }
    if (error == HX_OK) {
        system_name_set(which, text);
    }
    return linux_result(error);
}

int64_t linux_sethostname(uint64_t address, uint64_t size)
{
    return set_name(SYSTEM_NODE, address, size);
}

int64_t linux_setdomainname(uint64_t address, uint64_t size)
{
    return set_name(SYSTEM_DOMAIN, address, size);
}

/* --- numbers ---------------------------------------------------------------------------------- */

struct linux_sysinfo {
    int64_t uptime;
    uint64_t loads[3];
    uint64_t memory_total, memory_free, memory_shared, memory_buffers;
    uint64_t swap_total, swap_free;
    uint16_t processes;
    uint16_t padding;
    uint64_t high_total, high_free;
    uint32_t unit;
};
_Static_assert(sizeof(struct linux_sysinfo) == 112, "the kernel's ABI");

#define SYSINFO_LOAD_SHIFT 16U

int64_t linux_sysinfo(uint64_t address)
{
    struct frame_statistics frames;
    struct linux_sysinfo info;
    uint32_t averages[LOAD_AVERAGES];

    frames_statistics(&frames);
    info = (struct linux_sysinfo){
        .uptime = (int64_t)(hal_clock_now() / 1000000000U),
        .memory_total = frames.total << HAL_PAGE_SHIFT,
        .memory_free = frames.free << HAL_PAGE_SHIFT,
        .processes = (uint16_t)process_count(),
        .unit = 1,
    };
    load_average_get(averages);
    for (unsigned i = 0; i < LOAD_AVERAGES; i++) {
        info.loads[i] = (uint64_t)averages[i] << (SYSINFO_LOAD_SHIFT - LOAD_SHIFT);
    }
    return linux_result(hal_user_copy_out(address, &info, sizeof(info)));
}

/* --- random ----------------------------------------------------------------------------------- */

#define RANDOM_FLAGS 7U
#define CHUNK        256U

int64_t linux_getrandom(uint64_t address, uint64_t size, uint64_t flags)
{
    struct random_stream stream;
    uint64_t wanted = size < INT32_MAX ? size : INT32_MAX;
    uint64_t done = 0;
    hx_err error = HX_OK;

    if ((flags & ~(uint64_t)RANDOM_FLAGS) != 0 || (flags & 6) == 6) {
        return linux_result(HX_EINVAL);
    }
    if (!hal_user_is_range(address, wanted)) {
        return linux_result(HX_EFAULT);
    }
    random_stream_init(&stream);
    while (done < wanted && error == HX_OK && (done < CHUNK || !thread_is_interrupted())) {
        char chunk[CHUNK];
        size_t part = wanted - done < CHUNK ? (size_t)(wanted - done) : CHUNK;

        random_stream_fill(&stream, chunk, part);
        error = hal_user_copy_out(address + done, chunk, part);
        done += error == HX_OK ? part : 0;
    }
    random_stream_fini(&stream);
    return done > 0 || size == 0 ? (int64_t)done : linux_result(error);
}

/* --- the log ---------------------------------------------------------------------------------- */

enum linux_syslog { SYSLOG_READ_ALL = 3, SYSLOG_SIZE_BUFFER = 10 };

#define LOG_LINE_MAX (LOG_TEXT_MAX + 32U)

/* One line as dmesg expects it. */
static size_t log_line(char *line, const struct log_entry *entry)
{
    return format_text(line, LOG_LINE_MAX, "<6>[%5llu.%06llu] %s\n",
                       (unsigned long long)(entry->time_ns / 1000000000U),
                       (unsigned long long)(entry->time_ns / 1000U % 1000000U), entry->text);
}

/* The newest lines that fit. */
static int64_t read_log(uint64_t address, uint64_t size)
{
    struct log_entry entry;
    char line[LOG_LINE_MAX];
    uint64_t newest = log_statistics().written;
    uint64_t lines = size / LOG_LINE_MAX;
    uint64_t number = newest > lines ? newest - lines : 0;
    uint64_t done = 0;

    while (number < newest && log_read(number + 1, true, &entry) == LOG_READ_RECORD) {
        size_t length = log_line(line, &entry);

        if (length > size - done) {
            break;
        }
        if (hal_user_copy_out(address + done, line, length) != HX_OK) {
            return linux_result(HX_EFAULT);
        }
        done += length;
        number = entry.number;
    }
    return (int64_t)done;
}

int64_t linux_syslog(uint64_t type, uint64_t address, uint64_t size)
{
    switch (type) {
    case SYSLOG_READ_ALL:
        return address == 0 || (int32_t)size < 0 ? linux_result(HX_EINVAL)
                                                 : read_log(address, (uint32_t)size);
    case SYSLOG_SIZE_BUFFER:
        return (int64_t)LOG_RING_RECORDS * LOG_RECORD_SIZE;
    default:
        return type <= 9 ? linux_result(access_require_privilege(PRIVILEGE_LOG))
                         : linux_result(HX_EINVAL);
    }
}

/* --- the end ---------------------------------------------------------------------------------- */

#define REBOOT_MAGIC1    0xfee1deadU
#define REBOOT_RESTART   0x01234567U
#define REBOOT_HALT      0xcdef0123U
#define REBOOT_POWER_OFF 0x4321fedcU
#define REBOOT_CAD_ON    0x89abcdefU
#define REBOOT_CAD_OFF   0x00000000U

static bool is_magic(uint32_t magic)
{
    return magic == 672274793U || magic == 85072278U || magic == 369367448U || magic == 537993216U;
}

int64_t linux_reboot(uint64_t magic1, uint64_t magic2, uint64_t command)
{
    hx_err error = access_require_privilege(PRIVILEGE_POWER);

    if (error != HX_OK) {
        return linux_result(error);
    }
    if ((uint32_t)magic1 != REBOOT_MAGIC1 || !is_magic((uint32_t)magic2)) {
        return linux_result(HX_EINVAL);
    }
    switch ((uint32_t)command) {
    case REBOOT_RESTART:
        lifecycle_request_shutdown(SHUTDOWN_REBOOT);
        return 0;
    case REBOOT_HALT:
    case REBOOT_POWER_OFF:
        lifecycle_request_shutdown(SHUTDOWN_POWER_OFF);
        return 0;
    case REBOOT_CAD_ON:
    case REBOOT_CAD_OFF:
        return 0; /* there is no Ctrl-Alt-Del to be switched */
    default:
        return linux_result(HX_EINVAL);
    }
}
