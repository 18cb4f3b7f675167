/* What ioctl tells of the one interface there is, lo (netdevice(7)). */
#include <base/memory.h>
#include <base/string.h>
#include <hal/user.h>
#include <subsys/access/access.h>
#include <subsys/process/process.h>
#include <subsys/socket/socket_private.h>

/* Linux's numbers. */
enum interface_request {
    GET_NAME = 0x8910,
    GET_ALL = 0x8912,
    GET_FLAGS = 0x8913,
    SET_FLAGS = 0x8914,
    GET_ADDRESS = 0x8915,
    SET_ADDRESS = 0x8916,
    GET_DESTINATION = 0x8917,
    GET_BROADCAST = 0x8919,
    GET_MASK = 0x891b,
    SET_MASK = 0x891c,
    GET_METRIC = 0x891d,
    GET_MTU = 0x8921,
    GET_HARDWARE = 0x8927,
    GET_INDEX = 0x8933,
    GET_QUEUE = 0x8942,
    GET_MAP = 0x8970,
};

#define INTERFACE_NAME     "lo"
#define INTERFACE_INDEX    1
#define INTERFACE_FLAGS    0x49 /* up, loopback, running */
#define INTERFACE_MTU      65536
#define INTERFACE_QUEUE    1000
#define INTERFACE_HARDWARE 772 /* ARPHRD_LOOPBACK */
#define NAME_SIZE          16U

struct inet_address { /* struct sockaddr_in */
    uint16_t family;
    uint8_t port[2];
    uint8_t ip[4];
    uint8_t zero[8];
};

struct interface { /* struct ifreq */
    char name[NAME_SIZE];
    union {
        struct inet_address address;
        int16_t flags;
        int32_t number;
        uint8_t bytes[24];
    };
};
_Static_assert(sizeof(struct interface) == 40, "the kernel's ABI");

struct interface_list { /* struct ifconf */
    int32_t size;
    int32_t padding;
    uint64_t address;
};

static void set_ip(struct interface *interface, uint8_t first, uint8_t last)
{
    interface->address = (struct inet_address){.family = SOCKET_INET, .ip = {first, 0, 0, last}};
}

static hx_err tell_all(uintptr_t argument)
{
    struct interface_list list;
    struct interface interface = {.name = INTERFACE_NAME};
    hx_err error = hal_user_copy_in(&list, argument, sizeof(list));

    if (error != HX_OK) {
        return error;
    }
    set_ip(&interface, 127, 1);
    if (list.address == 0) {
        list.size = sizeof(interface);
    } else if (list.size >= (int32_t)sizeof(interface)) {
        list.size = sizeof(interface);
        error = hal_user_copy_out(list.address, &interface, sizeof(interface));
    } else {
        list.size = 0;
    }
    return error == HX_OK ? hal_user_copy_out(argument, &list, sizeof(list)) : error;
}

static hx_err fill(struct interface *interface, uint32_t request)
{
    memset(interface->bytes, 0, sizeof(interface->bytes));
    switch (request) {
    case GET_FLAGS:
        interface->flags = INTERFACE_FLAGS;
        return HX_OK;
    case GET_ADDRESS:
    case GET_DESTINATION:
        set_ip(interface, 127, 1);
        return HX_OK;
    case GET_BROADCAST:
        set_ip(interface, 0, 0);
        return HX_OK;
    case GET_MASK:
        set_ip(interface, 255, 0);
        return HX_OK;
    case GET_METRIC:
    case GET_MAP:
        return HX_OK;
    case GET_MTU:
        interface->number = INTERFACE_MTU;
        return HX_OK;
    case GET_HARDWARE:
        interface->address.family = INTERFACE_HARDWARE;
        return HX_OK;
    case GET_INDEX:
        interface->number = INTERFACE_INDEX;
        return HX_OK;
    case GET_QUEUE:
        interface->number = INTERFACE_QUEUE;
        return HX_OK;
    default:
        return HX_EOPNOTSUPP;
    }
}

static hx_err tell_name(struct interface *interface)
{
    if (interface->number != INTERFACE_INDEX) {
        return HX_ENODEV;
    }
    (void)string_copy(interface->name, sizeof(interface->name), INTERFACE_NAME);
    return HX_OK;
}

/* It is as it is: who makes it so hears no error. */
static hx_err set(const struct interface *interface, uint32_t request)
{
    hx_err error = access_require_privilege(PRIVILEGE_NETWORK);

    if (error != HX_OK) {
        return error;
    }
    switch (request) {
    case SET_FLAGS:
        return (interface->flags & 1) != 0 ? HX_OK : HX_EOPNOTSUPP;
    case SET_ADDRESS:
        return interface->address.ip[0] == 127 ? HX_OK : HX_EOPNOTSUPP;
    default:
        return HX_OK;
    }
}

static bool is_known(uint32_t request)
{
    return request >= GET_NAME && request <= GET_MAP;
}

hx_err interface_control(uint32_t request, uintptr_t argument)
{
    struct interface interface;
    hx_err error;

    if (!is_known(request)) {
        return HX_ENOTTY;
    }
    if (request == GET_ALL) {
        return tell_all(argument);
    }
    error = hal_user_copy_in(&interface, argument, sizeof(interface));
    if (error != HX_OK) {
        return error;
    }
    interface.name[NAME_SIZE - 1] = '\0';
    if (request != GET_NAME && !string_equal(interface.name, INTERFACE_NAME)) {
        return HX_ENODEV;
    }
    if (request == SET_FLAGS || request == SET_ADDRESS || request == SET_MASK) {
        return set(&interface, request);
    }
    error = request == GET_NAME ? tell_name(&interface) : fill(&interface, request);
    return error == HX_OK ? hal_user_copy_out(argument, &interface, sizeof(interface)) : error;
}
