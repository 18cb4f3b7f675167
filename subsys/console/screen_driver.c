#include <base/glyph.h>
#include <base/memory.h>
#include <core/debug/screen.h>
#include <core/gate/gate.h>
#include <core/gate/loan.h>
#include <helix/cell.h>
#include <helix/screen.h>
#include <kern/thread.h>
#include <kern/wait_queue.h>
#include <stdatomic.h>
#include <subsys/console/screen_driver.h>

#define CELL_WORDS (HX_GLYPH_WIDTH * HX_GLYPH_HEIGHT)

/* Keys: A = atomic, D = the thread */
static struct {
    struct wait_queue work;
    _Atomic bool is_wanted; /* A */
    struct slot *slot;      /* D  NULL: not found yet */
    uint32_t turn;          /* D  which cell of a call core draws, too */
    bool has_failed;        /* D  the module; what it drew is not trusted */
    struct thread *thread;  /* of who starts it; NULL: not yet */
} driver = {
    .work = WAIT_QUEUE_INIT(driver.work, "screen"),
};

/* --- the module ------------------------------------------------------------------------------- */

static struct slot *slot_of_screen(void)
{
    if (HX_UNLIKELY(driver.slot == NULL)) {
        driver.slot = slot_find("screen");
    }
    return driver.slot;
}

/* A closed gate is not waited at: core draws during a swap. */
static bool is_ready(const struct slot *slot)
{
    return slot != NULL && slot_instance(slot) != NULL &&
           atomic_load_explicit(&slot->way, memory_order_relaxed) != SLOT_WAY_CLOSED;
}

/* Whether one of the cells, another one each time, has the pixels that core makes of it. */
static bool is_right(const uint32_t *cells, size_t count, const uint32_t *pixels)
{
    uint32_t own[CELL_WORDS] __attribute__((aligned(sizeof(uint64_t))));
    size_t index = driver.turn++ % count;
    const uint32_t *from = pixels + index * HX_GLYPH_WIDTH;
    size_t size = HX_GLYPH_WIDTH * sizeof(uint32_t);
    bool is_same = true;

    hx_cells_draw(&console_font, &cells[index], 1, own, size);
    for (size_t y = 0; y < HX_GLYPH_HEIGHT && is_same; y++) {
        is_same = memcmp(&own[y * HX_GLYPH_WIDTH], from + y * count * HX_GLYPH_WIDTH, size) == 0;
    }
    return is_same;
}

static struct hal_gate_result call(struct slot *slot, const uint32_t *cells, size_t count,
                                   uint32_t *pixels)
{
    struct loan of_cells;
    struct loan of_pixels;
    uint64_t cells_handle = loan_open_read_only(&of_cells, cells, count * sizeof(*cells));
    uint64_t pixels_handle = loan_open(&of_pixels, pixels, count * CELL_WORDS * sizeof(*pixels));
    struct hal_gate_result result =
        gate_call(slot, SCREEN_DRAW, cells_handle, count, pixels_handle, 0);

    loan_close(&of_pixels);
    loan_close(&of_cells);
    return result;
}

bool screen_driver_paint(const uint32_t *cells, size_t count, uint32_t *pixels)
{
    struct slot *slot = slot_of_screen();
    struct hal_gate_result result;
    bool is_drawn;

    if (!is_ready(slot)) {
        return false;
    }
    result = call(slot, cells, count, pixels);
    is_drawn = result.error == HX_OK && result.value == count && is_right(cells, count, pixels);
    if (result.error == HX_OK && !is_drawn) {
        slot_distrust(slot);
    }
    driver.has_failed |= !is_drawn;
    return is_drawn;
}

/* --- the thread ------------------------------------------------------------------------------- */

static void wake(void)
{
    atomic_store_explicit(&driver.is_wanted, true, memory_order_release);
    wait_queue_wake_all(&driver.work);
}

/* Acquire: pairs with wake. */
static bool take_wish(void)
{
    return atomic_exchange_explicit(&driver.is_wanted, false, memory_order_acquire);
}

static void wait_for_wish(void)
{
    struct waiter waiter;

    wait_queue_prepare(&driver.work, &waiter);
    while (!take_wish()) {
        (void)!wait_queue_wait(&driver.work, &waiter, THREAD_NO_DEADLINE);
    }
    wait_queue_finish(&driver.work, &waiter);
}

static void draw(void)
{
    (void)screen_draw(screen_driver_paint);
    if (driver.has_failed) {
        driver.has_failed = false;
        screen_forget();
        (void)screen_draw(NULL);
    }
}

HX_NORETURN static void keep_drawing(void *argument)
{
    (void)argument;
    for (;;) {
        wait_for_wish();
        draw();
        thread_sleep(SCREEN_PERIOD_NS);
    }
}

hx_err screen_driver_start(void)
{
    static const struct thread_options options = {
        .name = "screen", .entry = keep_drawing, .priority = THREAD_PRIORITY_NORMAL};
    hx_err error = driver.thread == NULL ? thread_create(&options, &driver.thread) : HX_ESTATE;

    if (error == HX_OK) {
        thread_start(driver.thread);
        (void)screen_set_drawer(wake);
        wake();
    }
    return error == HX_ESTATE ? HX_OK : error;
}
