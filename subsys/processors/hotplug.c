/*
 * A CPU off line and back, with all that core has there. Each step can be made to fail
 * (core/orchestrator/failpoint.h), and what was done before it is undone then.
 */
#include <core/debug/log.h>
#include <core/interrupts/router.h>
#include <core/ipc/event_bus.h>
#include <core/orchestrator/failpoint.h>
#include <core/resource/place.h>
#include <core/scheduling/scheduler_slot.h>
#include <hal/cpu.h>
#include <kern/cpu.h>
#include <kern/mutex.h>
#include <subsys/processors/processors.h>
#include <subsys/random/random.h>

/* Of who changes which CPUs run. */
static struct mutex turn = {.lock = SPINLOCK_INIT(LOCK_RANK_MUTEX, "processors"),
                            .waiters = LIST_INIT(turn.waiters)};

static void publish(uint32_t cpu, bool online)
{
    (void)event_publish(&(struct kernel_event){
        .kind = EVENT_CPU_HOTPLUG, .topic = EVENT_TOPIC_CPU_HOTPLUG, .cpu_hotplug = {cpu, online}});
}

/* --- steps ------------------------------------------------------------------------------------ */

static hx_err move_lines(uint32_t cpu)
{
    hx_err error = failpoint_step("offline", "lines");

    return error != HX_OK ? error : router_leave(cpu);
}

static hx_err stop_cpu(uint32_t cpu)
{
    hx_err error = failpoint_step("offline", "cpu");

    if (error == HX_OK) {
        scheduler_slot_hold();
        error = cpu_offline(cpu);
        scheduler_slot_let_go();
    }
    return error;
}

static hx_err give_back_caches(uint32_t cpu)
{
    hx_err error = failpoint_step("offline", "caches");

    if (error == HX_OK) {
        place_give_back(cpu);
        random_forget_reserve(cpu);
    }
    return error;
}

static hx_err start_cpu(uint32_t cpu)
{
    hx_err error = failpoint_step("online", "cpu");

    return error != HX_OK ? error : cpu_online(cpu);
}

static hx_err return_lines(uint32_t cpu)
{
    hx_err error = failpoint_step("online", "lines");

    if (error == HX_OK) {
        router_return(cpu);
    }
    return error;
}

/* --- off line --------------------------------------------------------------------------------- */

static hx_err take_off(uint32_t cpu)
{
    hx_err error = move_lines(cpu);

    if (error != HX_OK) {
        return error;
    }
    error = stop_cpu(cpu);
    if (error != HX_OK) {
        goto return_lines;
    }
    error = give_back_caches(cpu);
    if (error != HX_OK) {
        goto start_cpu;
    }
    return HX_OK;

start_cpu:
    if (cpu_online(cpu) != HX_OK) {
        kerror("CPU %u does not come back", (unsigned)cpu);
        return error;
    }
return_lines:
    router_return(cpu);
    return error;
}

hx_err processors_offline(uint32_t cpu)
{
    hx_err error = HX_ENODEV;

    mutex_lock(&turn);
    if (cpu < hal_cpu_count()) {
        error = !cpu_is_online(cpu) ? HX_ENOENT : cpu == 0 ? HX_EBUSY : take_off(cpu);
    }
    if (error == HX_OK) {
        kinfo("CPU %u is off line", (unsigned)cpu);
        publish(cpu, false);
    }
    mutex_unlock(&turn);
    return error;
}

/* --- on line ---------------------------------------------------------------------------------- */

/* The CPU has published by itself that it is there. */
static hx_err bring_on(uint32_t cpu)
{
    hx_err error = start_cpu(cpu);

    if (error != HX_OK) {
        return error;
    }
    error = return_lines(cpu);
    if (error == HX_OK) {
        return HX_OK;
    }
    scheduler_slot_hold();
    if (cpu_offline(cpu) == HX_OK) {
        publish(cpu, false);
    } else {
        kerror("CPU %u stays, without lines", (unsigned)cpu);
    }
    scheduler_slot_let_go();
    return error;
}

hx_err processors_online(uint32_t cpu)
{
    hx_err error = HX_ENODEV;

    mutex_lock(&turn);
    if (cpu < hal_cpu_count()) {
        error = cpu_is_online(cpu) ? HX_EEXIST : bring_on(cpu);
    }
    if (error == HX_OK) {
        kinfo("CPU %u is online", (unsigned)cpu);
    }
    mutex_unlock(&turn);
    return error;
}

hx_err processors_set_online(uint32_t cpu, const char *text, size_t length)
{
    bool wants;
    hx_err error;

    length -= length > 0 && text[length - 1] == '\n' ? 1 : 0;
    if (length != 1 || (text[0] != '0' && text[0] != '1')) {
        return HX_EINVAL;
    }
    wants = text[0] == '1';
    error = wants ? processors_online(cpu) : processors_offline(cpu);
    return error == (wants ? HX_EEXIST : HX_ENOENT) ? HX_OK : error;
}

/* --- suspend ---------------------------------------------------------------------------------- */

/* CPUs that were taken off line for it. Touched by suspend and resume, one at a time. */
static uint64_t suspended;

static hx_err bring_back(uint64_t cpus)
{
    hx_err first = HX_OK;

    for (; cpus != 0; cpus &= cpus - 1) {
        hx_err error = processors_online((uint32_t)__builtin_ctzll(cpus));

        first = first == HX_OK && error != HX_EEXIST ? error : first;
    }
    return first;
}

hx_err processors_suspend(void)
{
    uint64_t left = cpu_online_mask() & ~1ULL;
    hx_err error = HX_OK;

    for (suspended = 0; left != 0 && error == HX_OK; left &= left - 1) {
        uint32_t cpu = (uint32_t)__builtin_ctzll(left);

        error = processors_offline(cpu);
        if (error == HX_OK) {
            suspended |= 1ULL << cpu;
        }
    }
    if (error != HX_OK && bring_back(suspended) != HX_OK) {
        kerror("not all CPUs are back");
    }
    return error;
}

/* All or none: where one does not come, those that have go off line again. */
hx_err processors_resume(void)
{
    hx_err error = bring_back(suspended);

    for (uint64_t left = suspended; error != HX_OK && left != 0; left &= left - 1) {
        hx_err gone = processors_offline((uint32_t)__builtin_ctzll(left));

        if (gone != HX_OK && gone != HX_ENOENT) {
            kerror("a CPU stays online: %s", hx_error_text(gone));
        }
    }
    return error;
}
