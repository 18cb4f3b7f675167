#include <core/debug/log.h>
#include <core/orchestrator/orchestrator.h>
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
