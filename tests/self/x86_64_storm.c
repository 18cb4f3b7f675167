/* A storm on a real line, the interval timer's: the controller masks it, and a new route opens it.
 */
#include <core/gate/watchdog.h>
#include <core/interrupts/dispatcher.h>
#include <core/interrupts/router.h>
#include <hal/clock.h>
#include <hal/interrupt.h>
#include <kern/thread.h>
#include <ports/x86_64/instructions.h>
#include <ports/x86_64/ioapic.h>
#include <stdatomic.h>
#include <tests/self/crew.h>
#include <tests/self/suites.h>

#define NAME        "x86_64_storm"
#define PATIENCE_NS (20 * HAL_NS_PER_S)
#define SETTLE_NS   (3 * HAL_NS_PER_MS) /* for interrupts on their way */
#define ENOUGH      5U

/* Channel 0 of the PIT (Intel 8254) interrupts without being asked or answered. */
#define PIT_COMMAND   0x43
#define PIT_CHANNEL_0 0x40
#define PIT_RATE      0x34 /* both bytes, mode 2: a short pulse each time the count is over */
#define PIT_ONCE      0x30 /* both bytes, mode 0: high from the end of the count to the next one */
#define PIT_1_MS      1193

static _Atomic uint32_t answer;

static enum interrupt_action give_answer(void *unused, struct hal_frame *frame)
{
    (void)unused;
    (void)frame;
    return (enum interrupt_action)atomic_load_explicit(&answer, memory_order_relaxed);
}

static void pit_start(uint8_t command)
{
    x86_out8(PIT_COMMAND, command);
    x86_out8(PIT_CHANNEL_0, PIT_1_MS & 0xFF);
    x86_out8(PIT_CHANNEL_0, PIT_1_MS >> 8);
}

/* A pending interrupt has been counted when this returns. */
static void pit_stop(uint32_t line)
{
    hal_line_mask(line);
    x86_out8(PIT_COMMAND, PIT_ONCE);
    thread_sleep(SETTLE_NS);
}

/* Nobody sees to the line, which stays high: it interrupts again at once, until it is masked. */
static void expect_storm(uint32_t line, uint8_t vector, uint32_t cpu)
{
    const struct hal_line_mode level = {.level = true, .active_low = false};
    struct interrupt_statistics before = interrupt_statistics(vector, cpu);
    struct interrupt_statistics after;
    uint64_t storms = interrupt_storms();
    uint64_t limit = hal_clock_now() + PATIENCE_NS;

    atomic_store_explicit(&answer, INTERRUPT_NOT_HANDLED, memory_order_relaxed);
    EXPECT_EQUAL(router_route(line, vector, level, ROUTE_FIXED_CPU, cpu), HX_OK);
    pit_start(PIT_ONCE);
    while (!interrupt_is_masked(vector) && hal_clock_now() < limit) {
        thread_sleep(HAL_NS_PER_MS);
    }
    EXPECT(interrupt_is_masked(vector));
    EXPECT_EQUAL(interrupt_storms(), storms + 1);
    thread_sleep(SETTLE_NS);
    EXPECT((ioapic_entry(line) & IOAPIC_MASKED) != 0);
    after = interrupt_statistics(vector, cpu);
    EXPECT(after.unhandled - before.unhandled >= INTERRUPT_STORM_LIMIT);
    EXPECT(after.unhandled - before.unhandled < 10 * INTERRUPT_STORM_LIMIT);
    EXPECT_EQUAL(after.count - before.count, after.unhandled - before.unhandled);
    thread_sleep(SETTLE_NS);
    EXPECT_EQUAL(interrupt_statistics(vector, cpu).count, after.count);
}

/* A driver that knows what to do comes to the same line. */
static void expect_line_to_work_again(uint32_t line, uint8_t vector, uint32_t cpu)
{
    const struct hal_line_mode edge = {.level = false, .active_low = false};
    struct interrupt_statistics before = interrupt_statistics(vector, cpu);
    uint64_t limit = hal_clock_now() + PATIENCE_NS;

    atomic_store_explicit(&answer, INTERRUPT_HANDLED, memory_order_relaxed);
    EXPECT_EQUAL(router_route(line, vector, edge, ROUTE_FIXED_CPU, cpu), HX_OK);
    EXPECT(!interrupt_is_masked(vector));
    pit_start(PIT_RATE);
    while (interrupt_statistics(vector, cpu).count < before.count + ENOUGH &&
           hal_clock_now() < limit) {
        thread_sleep(HAL_NS_PER_MS);
    }
    EXPECT(interrupt_statistics(vector, cpu).count >= before.count + ENOUGH);
    EXPECT_EQUAL(interrupt_statistics(vector, cpu).unhandled, before.unhandled);
}

/* SPEC: I2 I5 I6 */
static void a_storm_masks_its_line_and_a_new_route_opens_it(void)
{
    uint8_t vector = interrupt_free_vector();
    uint32_t cpu = crew_cpu(0);
    struct hal_line_mode mode;
    uint32_t line;

    if (vector == 0 || hal_line_of_isa(0, &line, &mode) != HX_OK || router_cpus(line) != 0) {
        selftest_skip("no vector, or the interval timer's line is in use");
        return;
    }
    EXPECT_EQUAL(interrupt_register(vector, NAME, give_answer, NULL, false), HX_OK);
    watchdog_stop(); /* its line */
    expect_storm(line, vector, cpu);
    expect_line_to_work_again(line, vector, cpu);
    pit_stop(line);
    EXPECT_EQUAL(router_unroute(line), HX_OK);
    EXPECT_EQUAL(interrupt_unregister(vector, NAME), HX_OK);
    watchdog_start();
}

const struct selftest x86_64_storm_tests[] = {
    {.name = NAME ".a_storm_masks_its_line_and_a_new_route_opens_it",
     .run = a_storm_masks_its_line_and_a_new_route_opens_it},
    {.name = NULL},
};
