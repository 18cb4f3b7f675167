#include <core/debug/log.h>
#include <core/interrupts/dispatcher.h>
#include <core/orchestrator/orchestrator.h>
#include <hal/clock.h>
#include <hal/cpu.h>
#include <hal/interrupt.h>
#include <kern/thread.h>
#include <kern/timer.h>
#include <subsys/power/power.h>

void power_toggle_suspend(void)
{
    struct subsystem_failure failure = {0};
    bool is_suspended = kernel_state_current() == KERNEL_SUSPENDED;
    hx_err error = is_suspended ? orchestrator_resume(&failure) : orchestrator_suspend(&failure);

    if (error != HX_OK) {
        kprintln("not %s: %s", is_suspended ? "resumed" : "suspended",
                 failure.text[0] != '\0' ? failure.text : hx_error_text(error));
    } else {
        kprintln("%s", is_suspended ? "resumed" : "suspended: z resumes");
    }
}

/* --- sleeping --------------------------------------------------------------------------------- */

/* Interrupts of devices that this CPU has had. */
static uint64_t device_interrupts(void)
{
    uint64_t count = 0;

    for (unsigned vector = HAL_VECTOR_FIRST; vector <= HAL_VECTOR_LAST; vector++) {
        count += interrupt_statistics((uint8_t)vector, hal_cpu_id()).count;
    }
    return count;
}

static void do_nothing(struct timer *timer)
{
    (void)timer; /* its interrupt is enough */
}

/*
 * The only CPU that is online runs no other thread, as preemption is off, and does not tick; what
 * interrupts do is done as ever. Its own timer message has the hardware armed without the tick.
 */
static void sleep_until(uint64_t wake_ns)
{
    static struct timer alarm;
    uint64_t before;

    timer_init(&alarm, do_nothing);
    preempt_disable();
    hal_interrupts_disable();
    before = device_interrupts();
    timer_stop_cpu();
    if (wake_ns != POWER_UNTIL_KEY) {
        timer_start(&alarm, wake_ns, 0);
    }
    hal_interrupt_send(hal_cpu_id(), HAL_VECTOR_TIMER);
    while (hal_clock_now() < wake_ns && device_interrupts() == before) {
        hal_cpu_idle();
        hal_interrupts_disable();
    }
    timer_tick_start();
    hal_interrupts_enable();
    (void)timer_cancel(&alarm);
    preempt_enable();
}

hx_err power_suspend(uint64_t wake_ns, struct subsystem_failure *failure)
{
    hx_err error = orchestrator_suspend(failure);

    if (error != HX_OK) {
        return error;
    }
    sleep_until(wake_ns);
    return orchestrator_resume(failure);
}
