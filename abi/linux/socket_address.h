/* Addresses of sockets as programs write them (struct sockaddr). */
#ifndef ABI_LINUX_SOCKET_ADDRESS_H
#define ABI_LINUX_SOCKET_ADDRESS_H

#include <helix/attributes.h>
#include <helix/error.h>
#include <stdint.h>
#include <subsys/socket/socket.h>

/*
 * Copy one in. An empty one, or NULL, is no address (family SOCKET_NO_DOMAIN), as AF_UNSPEC is.
 * Errors: HX_EFAULT, HX_EINVAL too short or too long for its family.
 */
HX_MUST_USE hx_err linux_address_in(uint64_t from, uint64_t size, struct socket_address *address);

/*
 * Copy one out, cut to size; *size is its whole size then, 0 for no address.
 * Errors: HX_EFAULT, HX_EINVAL a negative size.
 */
HX_MUST_USE hx_err linux_address_out(const struct socket_address *address, uint64_t to,
                                     int32_t *size);
/* The same with a size that is in the program's memory. */
HX_MUST_USE hx_err linux_address_tell(const struct socket_address *address, uint64_t to,
                                      uint64_t size_address);

#endif
