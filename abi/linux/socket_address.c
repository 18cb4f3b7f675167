#include <abi/linux/socket_address.h>
#include <base/memory.h>
#include <base/string.h>
#include <hal/user.h>
#include <stddef.h>

#define ADDRESS_MAX 128U /* struct sockaddr_storage */

struct linux_inet_address {
    uint16_t family;
    uint8_t port[2]; /* most significant first */
    uint8_t ip[4];
    uint8_t zero[8];
};
_Static_assert(sizeof(struct linux_inet_address) == 16, "the kernel's ABI");

struct linux_unix_address {
    uint16_t family;
    char name[SOCKET_NAME_MAX];
};

union linux_address {
    uint16_t family;
    struct linux_inet_address inet;
    struct linux_unix_address path;
    uint8_t bytes[ADDRESS_MAX];
};

/* --- in --------------------------------------------------------------------------------------- */

/* A path ends at its NUL, or with the address; an abstract name has all the bytes there are. */
static hx_err unix_in(const struct linux_unix_address *from, size_t size,
                      struct socket_address *address)
{
    size_t length = size - offsetof(struct linux_unix_address, name);

    if (length > SOCKET_NAME_MAX) {
        return HX_EINVAL;
    }
    memcpy(address->name, from->name, length);
    address->name[length] = '\0';
    address->length = (uint16_t)length;
    if (length > 0 && address->name[0] != '\0') {
        address->length = (uint16_t)string_length(address->name);
    }
    return HX_OK;
}

static hx_err inet_in(const struct linux_inet_address *from, size_t size,
                      struct socket_address *address)
{
    if (size < sizeof(*from)) {
        return HX_EINVAL;
    }
    address->port = (uint16_t)(from->port[0] << 8 | from->port[1]);
    address->ip = (uint32_t)from->ip[0] << 24 | (uint32_t)from->ip[1] << 16 |
                  (uint32_t)from->ip[2] << 8 | from->ip[3];
    return HX_OK;
}

static hx_err decode(const union linux_address *from, size_t size, struct socket_address *address)
{
    if (size < sizeof(from->family)) {
        return HX_EINVAL;
    }
    address->family = from->family;
    switch (from->family) {
    case SOCKET_UNIX:
        return unix_in(&from->path, size, address);
    case SOCKET_INET:
        return inet_in(&from->inet, size, address);
    default:
        return HX_OK;
    }
}

hx_err linux_address_in(uint64_t from, uint64_t size, struct socket_address *address)
{
    union linux_address copy;
    hx_err error;

    *address = (struct socket_address){.family = SOCKET_NO_DOMAIN};
    if (from == 0 || size == 0) {
        return HX_OK;
    }
    if ((int32_t)size < 0 || size > sizeof(copy)) {
        return HX_EINVAL;
    }
    error = hal_user_copy_in(&copy, from, (size_t)size);
    return error == HX_OK ? decode(&copy, (size_t)size, address) : error;
}

/* --- out -------------------------------------------------------------------------------------- */

static size_t encode_unix(const struct socket_address *address, struct linux_unix_address *to)
{
    bool is_path = address->length > 0 && address->name[0] != '\0';

    memcpy(to->name, address->name, address->length);
    /* A path of all 108 bytes is followed by its NUL all the same. */
    ((uint8_t *)to)[offsetof(struct linux_unix_address, name) + address->length] = 0;
    return offsetof(struct linux_unix_address, name) + address->length + (is_path ? 1U : 0U);
}

static size_t encode_inet(const struct socket_address *address, struct linux_inet_address *to)
{
    to->port[0] = (uint8_t)(address->port >> 8);
    to->port[1] = (uint8_t)address->port;
    for (unsigned i = 0; i < 4; i++) {
        to->ip[i] = (uint8_t)(address->ip >> (24 - 8 * i));
    }
    return sizeof(*to);
}

static size_t encode(const struct socket_address *address, union linux_address *to)
{
    memset(to, 0, sizeof(*to));
    to->family = (uint16_t)address->family;
    switch (address->family) {
    case SOCKET_UNIX:
        return encode_unix(address, &to->path);
    case SOCKET_INET:
        return encode_inet(address, &to->inet);
    default:
        return 0;
    }
}

hx_err linux_address_out(const struct socket_address *address, uint64_t to, int32_t *size)
{
    union linux_address copy;
    size_t whole = encode(address, &copy);
    size_t room = *size > 0 ? (size_t)*size : 0;

    if (*size < 0) {
        return HX_EINVAL;
    }
    *size = (int32_t)whole;
    room = room < whole ? room : whole;
    return room > 0 ? hal_user_copy_out(to, &copy, room) : HX_OK;
}

hx_err linux_address_tell(const struct socket_address *address, uint64_t to, uint64_t size_address)
{
    int32_t size;
    hx_err error = hal_user_copy_in(&size, size_address, sizeof(size));

    if (error == HX_OK) {
        error = linux_address_out(address, to, &size);
    }
    return error == HX_OK ? hal_user_copy_out(size_address, &size, sizeof(size)) : error;
}
