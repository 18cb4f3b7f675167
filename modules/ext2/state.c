#include <../modules/ext2/count.h>
#include <../modules/ext2/state.h>
#include <../modules/ext2/volume.h>
#include <helix/module.h>
#include <stdatomic.h>

#define STATE_MOUNT  1U
#define STATE_COUNTS 2U

/* The record of how it is mounted. */
struct mount_record {
    uint32_t is_mounted;
    uint32_t is_read_only;
    uint32_t was_in_order;
    uint32_t reserved;
};

static _Atomic uint64_t counts[COUNT_END]; /* relaxed: each for itself */

void count_operation(enum count which)
{
    atomic_fetch_add_explicit(&counts[which], 1, memory_order_relaxed);
}

hx_err state_export(void)
{
    const struct mount_record mount = {.is_mounted = volume.is_mounted,
                                       .is_read_only = volume.is_read_only,
                                       .was_in_order = volume.was_in_order};
    uint64_t now[COUNT_END];
    hx_err error = hx_state_put(STATE_MOUNT, &mount, sizeof(mount));

    for (uint32_t i = 0; i < COUNT_END; i++) {
        now[i] = atomic_load_explicit(&counts[i], memory_order_relaxed);
    }
    return error == HX_OK ? hx_state_put(STATE_COUNTS, now, sizeof(now)) : error;
}

hx_err state_import(void)
{
    struct mount_record mount;
    uint64_t before[COUNT_END];
    hx_err error = hx_state_get(STATE_MOUNT, 0, &mount, sizeof(mount));

    if (error == HX_OK) {
        error = hx_state_get(STATE_COUNTS, 0, before, sizeof(before));
    }
    if (error == HX_OK &&
        (mount.is_mounted > 1 || mount.is_read_only > 1 || mount.was_in_order > 1)) {
        error = HX_EFORMAT;
    }
    if (error != HX_OK) {
        return error;
    }
    volume.is_mounted = mount.is_mounted != 0;
    volume.is_read_only = mount.is_read_only != 0;
    volume.was_in_order = mount.was_in_order != 0;
    volume_reload();
    for (uint32_t i = 0; i < COUNT_END; i++) {
        atomic_store_explicit(&counts[i], before[i], memory_order_relaxed);
    }
    return HX_OK;
}

/* --- the report ------------------------------------------------------------------------------- */

static uint32_t put_text(char *line, uint32_t at, const char *text)
{
    while (*text != '\0') {
        line[at++] = *text++;
    }
    return at;
}

static uint32_t put_number(char *line, uint32_t at, uint64_t number)
{
    uint64_t scale = 1;

    while (number / scale >= 10) {
        scale *= 10;
    }
    for (; scale > 0; scale /= 10) {
        line[at++] = (char)('0' + number / scale % 10);
    }
    return at;
}

void state_report(void)
{
    static const char *const texts[COUNT_END] = {" reads, ", " writes, ", " uses of names"};
    char line[120];
    uint32_t length = 0;

    for (uint32_t i = 0; i < COUNT_END; i++) {
        length = put_number(line, length, atomic_load_explicit(&counts[i], memory_order_relaxed));
        length = put_text(line, length, texts[i]);
    }
    (void)!hx_log(line, length);
}
