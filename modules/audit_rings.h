/*
 * Records of system calls that have ended, the newest of each CPU: compiled into each version of
 * the module audit, which says before how many it keeps.
 *
 * Rules:
 * - The module defines STATE_MINOR; state minor n has at most RING_SIZE(n) records of a CPU.
 * - A CPU's ring is written by its post, and read when that does not run. export_state, which may
 *   run at any time, and post keep each other out: a post that finds the ring taken is made again.
 * - Records that are there already, by their numbers, are not taken twice.
 */
#ifndef MODULES_AUDIT_RINGS_H
#define MODULES_AUDIT_RINGS_H

#include <helix/hook.h>
#include <helix/loan.h>
#include <helix/module.h>
#include <stdatomic.h>
#include <stdbool.h>

#ifndef STATE_MINOR
#define STATE_MINOR 0U
#endif

#define RING_SIZE(minor) (1024U << (minor))
#define RING_RECORDS     RING_SIZE(STATE_MINOR)
#define PAGE_SIZE        4096U
#define RING_PAGES       (RING_RECORDS * sizeof(struct hx_hook_record) / PAGE_SIZE)
#define RECORD           sizeof(struct hx_hook_record)

#define EXPORT_WAIT_NS 50000U /* until the ring is looked at again */

/* Keys: P = the CPU's post and its readers, W = as P, read by anyone */
struct lane {
    _Atomic bool is_taken;        /* by post or export_state */
    struct hx_hook_record *ring;  /* P  NULL: no call has ended there */
    uint64_t base;                /* P  record n stands at (n - base) mod RING_RECORDS */
    uint64_t oldest;              /* P  what there is: records from this one on */
    uint64_t next;                /* P  and before this one */
    _Atomic uint64_t overwritten; /* W */
};

static struct lane lanes[HX_HOOK_CPU_MAX];

/* Acquire and release: what the one before did in the ring is seen. */
static inline bool try_take(struct lane *lane)
{
    return !atomic_exchange_explicit(&lane->is_taken, true, memory_order_acquire);
}

static inline void give_back(struct lane *lane)
{
    atomic_store_explicit(&lane->is_taken, false, memory_order_release);
}

/* --- writing ---------------------------------------------------------------------------------- */

static inline void add_overwritten(struct lane *lane, uint64_t count)
{
    atomic_store_explicit(&lane->overwritten,
                          atomic_load_explicit(&lane->overwritten, memory_order_relaxed) + count,
                          memory_order_relaxed);
}

static hx_err make_ring(struct lane *lane)
{
    if (lane->ring == NULL) {
        lane->ring = hx_pages_allocate(RING_PAGES);
    }
    return lane->ring != NULL ? HX_OK : HX_ENOMEM;
}

/* What is there belongs to numbers before a gap: it goes. */
static void begin_at(struct lane *lane, uint64_t first)
{
    add_overwritten(lane, lane->next - lane->oldest);
    lane->base = first;
    lane->oldest = first;
    lane->next = first;
}

/* So many are about to be written. */
static void make_room(struct lane *lane, uint64_t count)
{
    uint64_t held = lane->next - lane->oldest;

    if (held + count > RING_RECORDS) {
        uint64_t going = held + count - RING_RECORDS;

        lane->oldest += going;
        add_overwritten(lane, going);
    }
}

static uint64_t place_of(const struct lane *lane, uint64_t number)
{
    return (number - lane->base) % RING_RECORDS;
}

static uint64_t least_of(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* Copy count records from the loan, of which the ones before skipped are not wanted. */
static hx_err append(struct lane *lane, uint64_t loan, uint64_t count, uint64_t skipped)
{
    hx_err error = HX_OK;

    make_room(lane, count - skipped);
    for (uint64_t done = skipped, some; done < count && error == HX_OK; done += some) {
        uint64_t place = place_of(lane, lane->next + done - skipped);

        some = least_of(count - done, RING_RECORDS - place);
        error = hx_loan_read(loan, done * RECORD, &lane->ring[place], some * RECORD);
    }
    lane->next += error == HX_OK ? count - skipped : 0;
    return error;
}

static hx_err post_to(struct lane *lane, uint64_t loan, uint64_t count, uint64_t first)
{
    hx_err error = count <= RING_RECORDS ? make_ring(lane) : HX_ERANGE;

    if (error != HX_OK) {
        return error;
    }
    if (first > lane->next) {
        begin_at(lane, first);
    }
    return append(lane, loan, count, least_of(lane->next - first, count));
}

static hx_err audit_post(uint64_t cpu, uint64_t loan, uint64_t count, uint64_t first)
{
    struct lane *lane = &lanes[cpu % HX_HOOK_CPU_MAX];
    hx_err error;

    if (!try_take(lane)) {
        return HX_EAGAIN;
    }
    error = post_to(lane, loan, count, first);
    give_back(lane);
    return error;
}

/* --- reading ---------------------------------------------------------------------------------- */

static uint64_t read_records(struct lane *lane, uint64_t loan, uint64_t size)
{
    struct hx_hook_reading reading;
    uint64_t room = size / RECORD;
    hx_err error = hx_loan_read(loan, 0, &reading, sizeof(reading));

    if (error != HX_OK) {
        return 0;
    }
    if (lane->oldest != lane->next && reading.next < lane->oldest) {
        reading.next = lane->oldest;
    }
    reading.count = reading.next < lane->next
                        ? least_of(least_of(lane->next - reading.next, room),
                                   RING_RECORDS - place_of(lane, reading.next))
                        : 0;
    if (reading.count != 0) {
        error = hx_loan_write(loan, sizeof(reading), &lane->ring[place_of(lane, reading.next)],
                              reading.count * RECORD);
    }
    return error == HX_OK && hx_loan_write(loan, 0, &reading, sizeof(reading)) == HX_OK;
}

static uint64_t count_overwritten(void)
{
    uint64_t sum = 0;

    for (uint32_t cpu = 0; cpu < HX_HOOK_CPU_MAX; cpu++) {
        sum += atomic_load_explicit(&lanes[cpu].overwritten, memory_order_relaxed);
    }
    return sum;
}

static uint64_t audit_read(uint64_t item, uint64_t index, uint64_t loan, uint64_t size)
{
    if (item == HX_HOOK_RECORDS && index < HX_HOOK_CPU_MAX &&
        size >= sizeof(struct hx_hook_reading)) {
        return read_records(&lanes[index], loan, size - sizeof(struct hx_hook_reading));
    }
    return item == HX_HOOK_OVERWRITTEN ? count_overwritten() : 0;
}

/* --- state ------------------------------------------------------------------------------------ */

#define STATE_LANE    1U
#define STATE_RECORDS 16U /* and the CPU: one or two in a row */

struct state_lane {
    uint64_t cpu;
    uint64_t next;
    uint64_t count; /* of the newest records, which follow */
    uint64_t overwritten;
};

/* How many of a CPU fit, so that all CPUs' do: some of the state is for other things. */
static uint64_t most_of_each(uint64_t minor)
{
    uint64_t used = 0;

    for (uint32_t cpu = 0; cpu < HX_HOOK_CPU_MAX; cpu++) {
        used += lanes[cpu].ring != NULL;
    }
    return used == 0 ? 0 : least_of(RING_SIZE(minor), HX_STATE_SIZE_MAX / 16 * 15 / RECORD / used);
}

static hx_err export_lane(const struct lane *lane, uint64_t cpu, uint64_t most)
{
    uint64_t held = lane->next - lane->oldest;
    struct state_lane told = {.cpu = cpu,
                              .next = lane->next,
                              .count = least_of(held, most),
                              .overwritten = lane->overwritten};
    hx_err error = HX_OK;

    told.overwritten += held - told.count;
    error = hx_state_put(STATE_LANE, &told, sizeof(told));
    for (uint64_t left = told.count, some; left > 0 && error == HX_OK; left -= some) {
        uint64_t place = place_of(lane, told.next - left);

        some = least_of(left, RING_RECORDS - place);
        error = hx_state_put(STATE_RECORDS + (uint32_t)cpu, &lane->ring[place], some * RECORD);
    }
    return error;
}

static hx_err audit_export(uint64_t minor)
{
    uint64_t most = most_of_each(minor);
    hx_err error = HX_OK;

    for (uint32_t cpu = 0; cpu < HX_HOOK_CPU_MAX && error == HX_OK; cpu++) {
        while (!try_take(&lanes[cpu])) {
            (void)hx_sleep(EXPORT_WAIT_NS);
        }
        if (lanes[cpu].ring != NULL) {
            error = export_lane(&lanes[cpu], cpu, most);
        }
        give_back(&lanes[cpu]);
    }
    return error;
}

static hx_err import_records(struct lane *lane, const struct state_lane *told)
{
    uint64_t done = 0;
    uint64_t size;
    hx_err error = HX_OK;

    for (uint32_t i = 0; error == HX_OK && done < told->count; i++) {
        size = hx_state_size(STATE_RECORDS + (uint32_t)told->cpu, i);
        if (size == 0 || size % RECORD != 0 || size / RECORD > told->count - done) {
            return HX_EVERSION;
        }
        error = hx_state_get(STATE_RECORDS + (uint32_t)told->cpu, i, &lane->ring[done], size);
        done += size / RECORD;
    }
    return error;
}

static hx_err import_lane(const struct state_lane *told)
{
    struct lane *lane = &lanes[told->cpu];
    hx_err error = make_ring(lane);

    if (error == HX_OK) {
        error = import_records(lane, told);
    }
    if (error == HX_OK) {
        lane->next = told->next;
        lane->oldest = told->next - told->count;
        lane->base = lane->oldest;
        atomic_store_explicit(&lane->overwritten, told->overwritten, memory_order_relaxed);
    }
    return error;
}

static void forget_all(void)
{
    for (uint32_t cpu = 0; cpu < HX_HOOK_CPU_MAX; cpu++) {
        lanes[cpu] = (struct lane){.ring = lanes[cpu].ring};
    }
}

static hx_err audit_import(uint64_t minor)
{
    struct state_lane told;
    hx_err error = HX_OK;

    forget_all();
    for (uint32_t i = 0; error == HX_OK && hx_state_size(STATE_LANE, i) != UINT64_MAX; i++) {
        error = hx_state_get(STATE_LANE, i, &told, sizeof(told));
        if (error == HX_OK && (told.cpu >= HX_HOOK_CPU_MAX || told.count > RING_SIZE(minor) ||
                               told.count > told.next)) {
            error = HX_EVERSION;
        }
        if (error == HX_OK) {
            error = import_lane(&told);
        }
    }
    return error;
}

static const struct hx_module_lifecycle audit_lifecycle = {
    .import_state = audit_import,
    .export_state = audit_export,
};

static const struct hx_hook_operations audit_operations = {
    .post = audit_post,
    .read = audit_read,
};

#endif
