#include <hal/cpu.h>
#include <hal/interrupt.h>
#include <hal/watchdog.h>
#include <ports/x86_64/cpu_local.h>
#include <ports/x86_64/ioapic.h>
#include <ports/x86_64/watchdog.h>
#include <stdatomic.h>

#define HPET_PERIOD_MS 100
#define LOGICAL_CPUS   8 /* as in ioapic.h */

static _Atomic bool runs;

static bool begin_signals(uint32_t line, struct hal_watchdog *watchdog)
{
    /* Firmware leaves the PIT counting, and on this input it would be heard beside the HPET. */
    pit_signal_stop();
    if (hpet_signal(HPET_WATCHDOG, line, HPET_PERIOD_MS)) {
        *watchdog = (struct hal_watchdog){.source = "HPET", .period_ms = HPET_PERIOD_MS};
        return true;
    }
    *watchdog = (struct hal_watchdog){.source = "PIT", .period_ms = PIT_SIGNAL_PERIOD_MS};
    return pit_signal();
}

bool hal_watchdog_start(struct hal_watchdog *watchdog)
{
    struct hal_line_mode mode;
    uint32_t line;

    if (hal_line_of_isa(0, &line, &mode) != HX_OK) {
        return false;
    }
    ioapic_route_nmi(line, mode);
    atomic_store_explicit(&runs, true, memory_order_relaxed);
    if (!begin_signals(line, watchdog)) {
        atomic_store_explicit(&runs, false, memory_order_relaxed);
        hal_line_mask(line);
        return false;
    }
    return true;
}

/* The devices alone, with a store or two: the line's register is behind a lock. */
void hal_watchdog_stop(void)
{
    if (atomic_exchange_explicit(&runs, false, memory_order_relaxed)) {
        hpet_signal_stop(HPET_WATCHDOG);
        pit_signal_stop();
    }
}

static bool has_arrived(uint32_t cpu)
{
    /* acquire: pairs with the release in x86_ap_main */
    return atomic_load_explicit(&x86_cpus[cpu].arrived, memory_order_acquire);
}

void watchdog_pass_on(void)
{
    uint32_t next = hal_cpu_id() + LOGICAL_CPUS;

    while (next < hal_cpu_count() && !has_arrived(next)) {
        next += LOGICAL_CPUS;
    }
    if (next < hal_cpu_count() && atomic_load_explicit(&runs, memory_order_relaxed)) {
        (void)hal_interrupt_send_nmi(next);
    }
}
