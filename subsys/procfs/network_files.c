/* /proc/net: the tables of sockets, and of the one interface there is. */
#include <subsys/procfs/procfs_private.h>
#include <subsys/socket/socket.h>

static hx_err show_unix(const struct pseudo_node *node, struct text *text)
{
    (void)node;
    socket_show_unix(text);
    return HX_OK;
}

static hx_err show_tcp(const struct pseudo_node *node, struct text *text)
{
    (void)node;
    socket_show_inet(text, SOCKET_STREAM);
    return HX_OK;
}

static hx_err show_udp(const struct pseudo_node *node, struct text *text)
{
    (void)node;
    socket_show_inet(text, SOCKET_DATAGRAM);
    return HX_OK;
}

/* Of IPv6 and of raw sockets there are none: netstat looks for the tables all the same. */
static hx_err show_none(const struct pseudo_node *node, struct text *text)
{
    (void)node;
    text_add(text, "  sl  local_address                         remote_address\n");
    return HX_OK;
}

/* Nothing travels in packets here, so none are counted. */
static hx_err show_interfaces(const struct pseudo_node *node, struct text *text)
{
    (void)node;
    text_add(text,
             "Inter-|   Receive                                                |  Transmit\n"
             " face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets "
             "errs drop fifo colls carrier compressed\n"
             "    lo:       0       0    0    0    0     0          0         0        0       0  "
             "  0    0    0     0       0          0\n");
    return HX_OK;
}

/* What leads to the machine itself is in no table of routes. */
static hx_err show_routes(const struct pseudo_node *node, struct text *text)
{
    (void)node;
    text_add(text, "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\t"
                   "Window\tIRTT\n");
    return HX_OK;
}

const struct pseudo_entry procfs_network_rows[] = {
    PSEUDO_FILE("dev", 0444, show_interfaces, "the interface lo"),
    PSEUDO_FILE("raw", 0444, show_none, "a heading"),
    PSEUDO_FILE("raw6", 0444, show_none, "a heading"),
    PSEUDO_FILE("route", 0444, show_routes, "a heading"),
    PSEUDO_FILE("tcp", 0444, show_tcp, "sockets of TCP"),
    PSEUDO_FILE("tcp6", 0444, show_none, "a heading"),
    PSEUDO_FILE("udp", 0444, show_udp, "sockets of UDP"),
    PSEUDO_FILE("udp6", 0444, show_none, "a heading"),
    PSEUDO_FILE("unix", 0444, show_unix, "Unix sockets"),
    {.name = NULL},
};
