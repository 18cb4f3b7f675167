/* Apart from the recorder itself, which asks for no memory. */
#include <kern/heap.h>
#include <kern/recorder_private.h>

static hx_err make_ring(struct recorder *recorder, uint32_t shift)
{
    recorder->shift = shift;
    recorder->records = heap_allocate_zeroed(sizeof(struct recorder_record) << shift, OWNER_CORE);
    /* Zeros would be lap 0 with no kind, which is nothing. */
    return recorder->records != NULL ? HX_OK : HX_ENOMEM;
}

static uint32_t shift_of(uint32_t records)
{
    uint32_t shift = 0;

    while (1U << shift < records && 1U << shift < RECORDER_BUSY_MOST) {
        shift++;
    }
    return shift;
}

hx_err recorder_start(uint32_t busy_records)
{
    uint32_t busy = shift_of(busy_records != 0 ? busy_records : RECORDER_BUSY_DEFAULT);
    hx_err error = HX_OK;

    for (uint32_t cpu = 0; cpu < hal_cpu_count() && error == HX_OK; cpu++) {
        error = make_ring(&recorders[cpu][RECORDER_RARE], shift_of(RECORDER_RARE_RECORDS));
        if (error == HX_OK) {
            error = make_ring(&recorders[cpu][RECORDER_BUSY], busy);
        }
    }
    return error;
}
