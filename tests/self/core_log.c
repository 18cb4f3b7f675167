/* The log: many writers at once. Who reads the console checks that no line is torn. */
#include <core/debug/console.h>
#include <core/debug/log.h>
#include <kern/cpu.h>
#include <tests/self/crew.h>
#include <tests/self/suites.h>

#define WRITERS   4U
#define LINES     100U
#define LENGTHS   90U
#define ROOM_LEFT 100U /* records that the ring is given time to print before more are written */

static struct crew crew;
static _Atomic uint32_t present; /* writers that are ready to begin */

/* Line n of a writer holds its letter n % LENGTHS + 1 times; every other one comes from an
 * interrupt. */
struct shout {
    uint32_t writer;
    uint32_t line;
};

static void shout(void *argument)
{
    static const char letters[WRITERS][LENGTHS + 1] = {
        [0] = {[0 ... LENGTHS - 1] = 'a'},
        [1] = {[0 ... LENGTHS - 1] = 'b'},
        [2] = {[0 ... LENGTHS - 1] = 'c'},
        [3] = {[0 ... LENGTHS - 1] = 'd'},
    };
    const struct shout *what = argument;

    kprintln("# shout %u %u %.*s.", what->writer, what->line, (int)(what->line % LENGTHS + 1),
             letters[what->writer]);
}

static void shout_all(void *argument)
{
    struct shout what = {.writer = (uint32_t)(uintptr_t)argument};

    atomic_fetch_add_explicit(&present, 1, memory_order_relaxed);
    EXPECT(crew_sleep_until(&present, WRITERS));
    for (; what.line < LINES; what.line++) {
        if (what.line % 2 == 0) {
            shout(&what);
        } else {
            cpu_call(1ULL << crew_cpu(what.writer % cpu_online_count()), shout, &what);
        }
        if (what.line % (ROOM_LEFT / WRITERS) == 0) {
            console_flush();
        }
    }
}

/* SPEC: D2 */
static void many_writers_lose_no_line(void)
{
    uint64_t dropped = log_statistics().dropped;
    uint64_t written = log_statistics().written;

    atomic_store_explicit(&present, 0, memory_order_relaxed);
    crew_open(&crew);
    for (uintptr_t writer = 0; writer < WRITERS; writer++) {
        (void)crew_start(&crew, shout_all, (void *)writer,
                         1ULL << crew_cpu((uint32_t)writer % cpu_online_count()));
    }
    crew_join(&crew);
    EXPECT_EQUAL(log_statistics().dropped, dropped);
    EXPECT(log_statistics().written >= written + (uint64_t)WRITERS * LINES);
    console_flush();
}

const struct selftest core_log_tests[] = {
    {.name = "core_log.many_writers_lose_no_line", .run = many_writers_lose_no_line},
    {.name = NULL},
};
