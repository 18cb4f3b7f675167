/* epoll: sets of files that are waited for together. */
#include <abi/linux/call.h>
#include <abi/linux/calls.h>
#include <hal/clock.h>
#include <hal/user.h>
#include <subsys/vfs/event_set.h>

#define EVENTS_MOST (INT32_MAX / sizeof(struct linux_epoll_event)) /* what Linux takes */
#define EVENTS_ONCE 64U /* told of in one call: there may be more the next time */

struct linux_epoll_event {
    uint32_t events;
    uint64_t data;
} __attribute__((packed));

enum epoll_operation { EPOLL_CTL_ADD = 1, EPOLL_CTL_DEL = 2, EPOLL_CTL_MOD = 3 };

/* --- making and changing ---------------------------------------------------------------------- */

int64_t linux_epoll_create1(uint64_t flags)
{
    struct file *file;
    hx_err error;

    if (((uint32_t)flags & ~(uint32_t)FILE_CLOSE_ON_EXEC) != 0) {
        return linux_result(HX_EINVAL);
    }
    error = event_set_create(process_current()->owner, &file);
    return error == HX_OK ? linux_add_file(file, (uint32_t)flags) : linux_result(error);
}

int64_t linux_epoll_create(uint64_t size)
{
    return (int32_t)size > 0 ? linux_epoll_create1(0) : linux_result(HX_EINVAL);
}

/* What may be asked for together with EVENT_EXCLUSIVE, and only by who adds. */
static bool is_bad_exclusive(enum epoll_operation operation, uint32_t events, bool is_set)
{
    const uint32_t allowed = POLL_IN | POLL_OUT | POLL_ERROR | POLL_HANGUP |
                             (uint32_t)EVENT_WAKE_UP | EVENT_EDGE | EVENT_EXCLUSIVE;

    return (events & EVENT_EXCLUSIVE) != 0 &&
           (operation == EPOLL_CTL_MOD ||
            (operation == EPOLL_CTL_ADD && ((events & ~allowed) != 0 || is_set)));
}

static hx_err change(struct file *set, struct file *member, int descriptor,
                     enum epoll_operation operation, const struct event *event)
{
    if (member->ops->poll == NULL) {
        return HX_EPERM;
    }
    if (!event_set_is(set) || member == set ||
        is_bad_exclusive(operation, event->events, event_set_is(member))) {
        return HX_EINVAL;
    }
    switch (operation) {
    case EPOLL_CTL_ADD:
        return event_set_add(set, member, descriptor, event);
    case EPOLL_CTL_DEL:
        return event_set_remove(set, member, descriptor);
    case EPOLL_CTL_MOD:
        return event_set_change(set, member, descriptor, event);
    default:
        return HX_EINVAL;
    }
}

int64_t linux_epoll_ctl(uint64_t set, uint64_t operation, uint64_t descriptor, uint64_t address)
{
    struct linux_epoll_event wanted = {0, 0};
    struct file *set_file;
    struct file *member;
    hx_err error = HX_OK;

    if ((uint32_t)operation != EPOLL_CTL_DEL) {
        error = hal_user_copy_in(&wanted, address, sizeof(wanted));
    }
    if (error != HX_OK) {
        return linux_result(error);
    }
    set_file = linux_file(set);
    member = linux_file(descriptor);
    if (set_file == NULL || member == NULL) {
        error = HX_EBADF;
    } else {
        error = change(set_file, member, (int)descriptor, (enum epoll_operation)(uint32_t)operation,
                       &(struct event){wanted.events, wanted.data});
    }
    file_put(set_file);
    file_put(member);
    return linux_result(error);
}

/* --- waiting ---------------------------------------------------------------------------------- */

static hx_err give_events(uint64_t address, const struct event *events, size_t count)
{
    struct linux_epoll_event told[EVENTS_ONCE];

    for (size_t i = 0; i < count; i++) {
        told[i] = (struct linux_epoll_event){events[i].events, events[i].data};
    }
    return hal_user_copy_out(address, told, count * sizeof(told[0]));
}

static int64_t wait_for_events(struct file *file, uint64_t address, uint32_t most,
                               uint64_t deadline_ns)
{
    struct event events[EVENTS_ONCE];
    size_t count = 0;
    hx_err error =
        event_set_wait(file, events, most < EVENTS_ONCE ? most : EVENTS_ONCE, deadline_ns, &count);

    if (HX_LIKELY(error == HX_OK) && count > 0) {
        error = give_events(address, events, count);
    }
    return linux_count(error, count);
}

static int64_t wait_until(uint64_t set, uint64_t address, uint64_t capacity, uint64_t deadline_ns)
{
    int32_t most = (int32_t)capacity;
    struct file_use use;
    int64_t result;

    if (most <= 0 || (uint32_t)most > EVENTS_MOST) {
        return linux_result(HX_EINVAL);
    }
    use = linux_use_file(set);
    if (use.file == NULL) {
        return linux_result(HX_EBADF);
    }
    result = HX_LIKELY(event_set_is(use.file))
                 ? wait_for_events(use.file, address, (uint32_t)most, deadline_ns)
                 : linux_result(HX_EINVAL);
    file_use_end(use);
    return result;
}

static uint64_t deadline_of(uint64_t milliseconds)
{
    int32_t wait = (int32_t)milliseconds;

    if (HX_LIKELY(wait < 0)) {
        return THREAD_NO_DEADLINE;
    }
    return wait == 0 ? 0 : hal_clock_now() + (unsigned)wait * HAL_NS_PER_MS;
}

int64_t linux_epoll_wait(uint64_t set, uint64_t address, uint64_t capacity, uint64_t milliseconds)
{
    return wait_until(set, address, capacity, deadline_of(milliseconds));
}

int64_t linux_epoll_pwait(uint64_t set, uint64_t address, uint64_t capacity, uint64_t milliseconds,
                          uint64_t mask, uint64_t mask_size)
{
    hx_err error = linux_mask_for_call(mask, mask_size);

    return error == HX_OK ? wait_until(set, address, capacity, deadline_of(milliseconds))
                          : linux_result(error);
}

int64_t linux_epoll_pwait2(uint64_t set, uint64_t address, uint64_t capacity, uint64_t timeout,
                           uint64_t mask, uint64_t mask_size)
{
    uint64_t deadline;
    hx_err error = linux_deadline(timeout, &deadline);

    if (error == HX_OK) {
        error = linux_mask_for_call(mask, mask_size);
    }
    return error == HX_OK ? wait_until(set, address, capacity, deadline) : linux_result(error);
}
