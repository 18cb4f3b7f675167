/* A line of the screen's full width, from a program's bytes to the display's pixels. */
#include <core/debug/screen.h>
#include <core/gate/gate.h>
#include <subsys/console/screen_driver.h>
#include <subsys/modules/modules.h>
#include <tests/bench/bench.h>
#include <tests/bench/measure.h>

#define COLUMNS 128U

static void do_nothing(void)
{
}

/* Another text each time, so that every cell of the row is drawn. */
static void fill(char line[COLUMNS], uint32_t number)
{
    for (uint32_t i = 0; i < COLUMNS; i++) {
        line[i] = (char)('!' + (number * 7 + i) % 94);
    }
}

static void write_and_draw(const char *before, size_t before_size, const char line[COLUMNS],
                           screen_painter *painter)
{
    console_framebuffer.write_bytes(before, before_size);
    console_framebuffer.write_bytes(line, COLUMNS);
    (void)screen_draw(painter);
}

/* Each line is drawn by itself; the screen's thread is not woken meanwhile. */
static uint64_t draw_lines(const char *before, size_t before_size, uint32_t runs,
                           screen_painter *painter)
{
    void (*wake)(void);
    uint64_t cycles = 0;

    if (screen_statistics().columns != COLUMNS) {
        return BENCH_NOT_HERE;
    }
    wake = screen_set_drawer(do_nothing);
    for (uint32_t i = 0; i < runs; i++) {
        char line[COLUMNS];
        uint64_t start;

        fill(line, i);
        start = begin();
        write_and_draw(before, before_size, line, painter);
        cycles += cycles_since(start);
    }
    (void)screen_set_drawer(wake);
    return without_readings(cycles, runs);
}

static uint64_t screen_line(uint32_t runs)
{
    return draw_lines("\r\n", 2, runs, NULL);
}

static uint64_t screen_line_in_place(uint32_t runs)
{
    return draw_lines("\r", 1, runs, NULL);
}

/* All cells: what a scroll costs at most where the display cannot show its memory from another
 * place. */
static uint64_t screen_redraw(uint32_t runs)
{
    uint64_t cycles = 0;

    if (!screen_is_there()) {
        return BENCH_NOT_HERE;
    }
    for (uint32_t i = 0; i < runs; i++) {
        uint64_t start;

        screen_forget();
        start = begin();
        (void)screen_draw(NULL);
        cycles += cycles_since(start);
    }
    return without_readings(cycles, runs);
}

static uint64_t by_module(uint32_t runs, enum hal_gate_backend backend)
{
    struct slot *slot = slot_find("screen");

    if (!screen_is_there() || slot == NULL ||
        modules_reload(SUBJECT_KERNEL, slot, backend) != HX_OK) {
        return BENCH_NOT_HERE;
    }
    return draw_lines("\r\n", 2, runs, screen_driver_paint);
}

static uint64_t screen_line_open(uint32_t runs)
{
    return by_module(runs, HAL_GATE_OPEN);
}

static uint64_t screen_line_user(uint32_t runs)
{
    return by_module(runs, HAL_GATE_USER);
}

/* The runs fill the display's memory twice. */
const struct benchmark screen_benchmarks[] = {
    {"screen_line", "instructions", 416, screen_line},
    {"screen_line_in_place", "instructions", 100, screen_line_in_place},
    {"screen_line_open", "instructions", 416, screen_line_open},
    {"screen_line_user", "instructions", 416, screen_line_user},
    {"screen_redraw", "instructions", 10, screen_redraw},
    {0},
};
