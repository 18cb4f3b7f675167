/* poll and select: many files, one wait. */
#include <abi/linux/call.h>
#include <abi/linux/calls.h>
#include <base/memory.h>
#include <hal/clock.h>
#include <hal/user.h>
#include <kern/heap.h>

/* --- what is left of the time ------------------------------------------------------------------
 */

static uint64_t rest_of(uint64_t deadline_ns)
{
    uint64_t now = hal_clock_now();

    return deadline_ns > now ? deadline_ns - now : 0;
}

/* As Linux's calls do; a time-out that cannot be written is no error. */
static void tell_rest(uint64_t address, uint64_t deadline_ns)
{
    const struct linux_timespec rest = linux_timespec_of(rest_of(deadline_ns));

    if (address != 0) {
        (void)!hal_user_copy_out(address, &rest, sizeof(rest));
    }
}

/* --- poll ------------------------------------------------------------------------------------- */

struct linux_pollfd {
    int32_t descriptor;
    int16_t events;
    int16_t ready;
};

/* Look the descriptors up; a negative one is left out, one that is not open is ready at once. */
static void take_files(const struct linux_pollfd *asked, struct poll_entry *entries, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct file *file =
            asked[i].descriptor >= 0 ? linux_file((uint64_t)asked[i].descriptor) : NULL;

        entries[i] = (struct poll_entry){
            .file = file,
            .events = (uint16_t)asked[i].events,
            .ready = file == NULL && asked[i].descriptor >= 0 ? (unsigned)POLL_INVALID : 0U,
        };
    }
}

static void give_files(struct linux_pollfd *asked, struct poll_entry *entries, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        asked[i].ready = (int16_t)entries[i].ready;
        file_put(entries[i].file);
    }
}

/* Both arrays in one piece of memory. */
static hx_err poll_copied(uint64_t address, struct linux_pollfd *asked, struct poll_entry *entries,
                          size_t count, uint64_t deadline_ns, size_t *ready)
{
    hx_err error = count > 0 ? hal_user_copy_in(asked, address, count * sizeof(*asked)) : HX_OK;

    if (error != HX_OK) {
        return error;
    }
    take_files(asked, entries, count);
    error = poll_wait(entries, count, deadline_ns, ready);
    give_files(asked, entries, count);
    return error == HX_OK && count > 0 ? hal_user_copy_out(address, asked, count * sizeof(*asked))
                                       : error;
}

static int64_t poll_until(uint64_t address, uint64_t count, uint64_t deadline_ns)
{
    size_t size = (size_t)count * (sizeof(struct linux_pollfd) + sizeof(struct poll_entry));
    char *memory = NULL;
    size_t ready = 0;
    hx_err error;

    if (count > process_current()->limits[LIMIT_FILES].soft) {
        return linux_result(HX_EINVAL);
    }
    memory = heap_allocate(size + 1, OWNER_CORE);
    if (memory == NULL) {
        return linux_result(HX_ENOMEM);
    }
    error =
        poll_copied(address, (struct linux_pollfd *)(memory + count * sizeof(struct poll_entry)),
                    (struct poll_entry *)memory, (size_t)count, deadline_ns, &ready);
    heap_free(memory);
    return error == HX_EINTR ? SYSCALL_RESTART_NO_HANDLER : linux_count(error, ready);
}

int64_t linux_poll(uint64_t address, uint64_t count, uint64_t milliseconds)
{
    int32_t wait = (int32_t)milliseconds;
    uint64_t deadline = THREAD_NO_DEADLINE;

    if (wait >= 0) {
        deadline = wait == 0 ? 0 : hal_clock_now() + (unsigned)wait * HAL_NS_PER_MS;
    }
    return poll_until(address, (uint32_t)count, deadline);
}

int64_t linux_ppoll(uint64_t address, uint64_t count, uint64_t timeout, uint64_t mask,
                    uint64_t mask_size)
{
    uint64_t deadline;
    hx_err error = linux_deadline(timeout, &deadline);

    int64_t result;

    if (error == HX_OK) {
        error = linux_mask_for_call(mask, mask_size);
    }
    if (error != HX_OK) {
        return linux_result(error);
    }
    result = poll_until(address, (uint32_t)count, deadline);
    tell_rest(timeout, deadline);
    return result;
}

/* --- select ----------------------------------------------------------------------------------- */

#define SET_MAX   1024U /* FD_SETSIZE */
#define SET_WORDS (SET_MAX / 64)
#define SET_KINDS 3U

static const unsigned set_events[SET_KINDS] = {POLL_IN, POLL_OUT, POLL_PRIORITY};
/* What makes a descriptor of each set ready. */
static const unsigned set_ready[SET_KINDS] = {POLL_IN | POLL_HANGUP | POLL_ERROR,
                                              POLL_OUT | POLL_ERROR, POLL_PRIORITY};

struct selection {
    uint64_t sets[SET_KINDS][SET_WORDS];
    struct poll_entry entries[SET_MAX];
};

static bool has(const uint64_t *set, size_t number)
{
    return (set[number / 64] >> (number % 64) & 1) != 0;
}

static unsigned events_of(const struct selection *selection, size_t number)
{
    unsigned events = 0;

    for (unsigned kind = 0; kind < SET_KINDS; kind++) {
        events |= has(selection->sets[kind], number) ? set_events[kind] : 0U;
    }
    return events;
}

/* Errors: HX_EBADF one is not open; *taken entries hold files then, too. */
static hx_err select_files(struct selection *selection, size_t count, size_t *taken)
{
    for (*taken = 0; *taken < count; (*taken)++) {
        struct poll_entry *entry = &selection->entries[*taken];

        *entry = (struct poll_entry){.events = events_of(selection, *taken)};
        if (entry->events != 0) {
            entry->file = linux_file(*taken);
            if (entry->file == NULL) {
                return HX_EBADF;
            }
        }
    }
    return HX_OK;
}

/* Turn the sets into what is ready; answers how many bits that are. */
static size_t keep_ready(struct selection *selection, size_t count)
{
    size_t bits = 0;

    for (unsigned kind = 0; kind < SET_KINDS; kind++) {
        for (size_t i = 0; i < count; i++) {
            if (!has(selection->sets[kind], i)) {
                continue;
            }
            if ((selection->entries[i].ready & set_ready[kind]) != 0) {
                bits++;
            } else {
                selection->sets[kind][i / 64] &= ~(1ULL << (i % 64));
            }
        }
    }
    return bits;
}

static hx_err copy_sets_in(struct selection *selection, const uint64_t *addresses, size_t size)
{
    hx_err error = HX_OK;

    memset(selection->sets, 0, sizeof(selection->sets));
    for (unsigned kind = 0; kind < SET_KINDS && error == HX_OK; kind++) {
        if (addresses[kind] != 0) {
            error = hal_user_copy_in(selection->sets[kind], addresses[kind], size);
        }
    }
    return error;
}

static hx_err copy_sets_out(const struct selection *selection, const uint64_t *addresses,
                            size_t size)
{
    hx_err error = HX_OK;

    for (unsigned kind = 0; kind < SET_KINDS && error == HX_OK; kind++) {
        if (addresses[kind] != 0) {
            error = hal_user_copy_out(addresses[kind], selection->sets[kind], size);
        }
    }
    return error;
}

static hx_err select_with(struct selection *selection, size_t count, const uint64_t *addresses,
                          uint64_t deadline_ns, size_t *bits)
{
    size_t size = (count + 63) / 64 * 8;
    size_t taken = 0;
    size_t ready;
    hx_err error = copy_sets_in(selection, addresses, size);

    if (error != HX_OK) {
        return error;
    }
    error = select_files(selection, count, &taken);
    if (error == HX_OK) {
        error = poll_wait(selection->entries, count, deadline_ns, &ready);
    }
    for (size_t i = 0; i < taken; i++) {
        file_put(selection->entries[i].file);
    }
    if (error == HX_OK) {
        *bits = keep_ready(selection, count);
        error = copy_sets_out(selection, addresses, size);
    }
    return error;
}

/* As many descriptors as there is room for: bits behind that mean nothing, as Linux has it. */
static size_t selectable(uint64_t count)
{
    size_t most = file_table_room(process_current()->files);

    most = most < SET_MAX ? most : SET_MAX;
    return count < most ? (size_t)count : most;
}

static int64_t select_until(uint64_t count, const uint64_t *addresses, uint64_t deadline_ns)
{
    struct selection *selection;
    size_t bits = 0;
    hx_err error;

    if ((int32_t)count < 0) {
        return linux_result(HX_EINVAL);
    }
    selection = heap_allocate(sizeof(*selection), OWNER_CORE);
    if (selection == NULL) {
        return linux_result(HX_ENOMEM);
    }
    error = select_with(selection, selectable(count), addresses, deadline_ns, &bits);
    heap_free(selection);
    return error == HX_EINTR ? SYSCALL_RESTART_NO_HANDLER : linux_count(error, bits);
}

/* The deadline of a time-out in seconds and microseconds, of which there may be a million. */
static hx_err timeval_deadline(uint64_t address, uint64_t *deadline_ns)
{
    struct linux_timeval time;
    uint64_t ns;
    hx_err error;

    *deadline_ns = THREAD_NO_DEADLINE;
    if (address == 0) {
        return HX_OK;
    }
    error = hal_user_copy_in(&time, address, sizeof(time));
    if (error != HX_OK) {
        return error;
    }
    if (time.seconds < 0 || time.microseconds < 0) {
        return HX_EINVAL;
    }
    if (time.seconds < INT64_MAX / 2) {
        time.seconds += time.microseconds / 1000000;
    }
    error = linux_timespec_to_ns(
        (struct linux_timespec){time.seconds, time.microseconds % 1000000 * 1000}, &ns);
    *deadline_ns = ns == 0 ? 0 : hal_clock_now() + ns;
    return error;
}

static void tell_rest_as_timeval(uint64_t address, uint64_t deadline_ns)
{
    uint64_t rest = rest_of(deadline_ns) / 1000;
    const struct linux_timeval time = {(int64_t)(rest / 1000000), (int64_t)(rest % 1000000)};

    if (address != 0) {
        (void)!hal_user_copy_out(address, &time, sizeof(time));
    }
}

int64_t linux_select(uint64_t count, uint64_t readers, uint64_t writers, uint64_t exceptions,
                     uint64_t timeout)
{
    const uint64_t addresses[SET_KINDS] = {readers, writers, exceptions};
    uint64_t deadline;
    int64_t result;
    hx_err error = timeval_deadline(timeout, &deadline);

    if (error != HX_OK) {
        return linux_result(error);
    }
    result = select_until(count, addresses, deadline);
    tell_rest_as_timeval(timeout, deadline);
    return result;
}

int64_t linux_pselect6(uint64_t count, uint64_t readers, uint64_t writers, uint64_t exceptions,
                       uint64_t timeout, uint64_t mask)
{
    const uint64_t addresses[SET_KINDS] = {readers, writers, exceptions};
    uint64_t mask_and_size[2] = {0, 0};
    uint64_t deadline;
    int64_t result;
    hx_err error = linux_deadline(timeout, &deadline);

    if (error == HX_OK && mask != 0) {
        error = hal_user_copy_in(mask_and_size, mask, sizeof(mask_and_size));
    }
    if (error == HX_OK) {
        error = linux_mask_for_call(mask_and_size[0], mask_and_size[1]);
    }
    if (error != HX_OK) {
        return linux_result(error);
    }
    result = select_until(count, addresses, deadline);
    tell_rest(timeout, deadline);
    return result;
}
