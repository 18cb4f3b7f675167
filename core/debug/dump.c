#include <core/component/component.h>
#include <core/debug/dump.h>
#include <core/debug/log.h>
#include <core/lifecycle/lifecycle.h>
#include <hal/clock.h>

static void dump_component(const struct component *component, void *argument)
{
    struct component_stats numbers = component_get_stats(component);

    (void)argument;
    kprintln("%s %s %s: %llu operations, %llu errors (last %s), %llu bytes, up %llu ms",
             component->name, component->version,
             component_is_healthy(component) ? "healthy" : "not healthy",
             (unsigned long long)numbers.operations, (unsigned long long)numbers.errors,
             hx_error_name(numbers.last_error), (unsigned long long)numbers.memory_bytes,
             (unsigned long long)(numbers.uptime_ns / HAL_NS_PER_MS));
}

void debug_dump_state(void)
{
    kprintln("state %s, phase %s", kernel_state_name(kernel_state_current()),
             lifecycle_phase_name(lifecycle_phase()));
    component_for_each(dump_component, NULL);
}
