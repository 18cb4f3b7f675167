/* The tour: a module is called, and crashed in every way, through both backends. */
#include <core/debug/log.h>
#include <core/gate/gate.h>
#include <core/self_heal/healer.h>
#include <helix/demo.h>
#include <subsys/modules/modules.h>
#include <subsys/monitor/monitor.h>

#define BAD_ADDRESS 0x10UL

struct station {
    const char *what;
    uint32_t operation;
    uint64_t a0;
    uint64_t a1;
};

static const struct station stations[] = {
    {"40 + 2", DEMO_ADD, 40, 2},
    {"a line in the log", DEMO_SAY, 0, 0},
    {"a write to nowhere", DEMO_WILD_WRITE, BAD_ADDRESS, 0},
    {"a division by zero", DEMO_DIVIDE, 1, 0},
    {"interrupts switched off", DEMO_INTERRUPTS_OFF, 0, 0},
    {"an endless loop", DEMO_ENDLESS_LOOP, 0, 0},
    {"an illegal instruction", DEMO_ILLEGAL, 0, 0},
    {"a jump to nowhere", DEMO_WILD_JUMP, BAD_ADDRESS, 0},
    {"a stack that overflows", DEMO_DEEP, 100000, 0},
    {"giving up", DEMO_GIVE_UP, 0, 0},
};

static void visit(struct slot *slot, const char *backend, const struct station *station)
{
    struct hal_gate_result result =
        gate_call(slot, station->operation, station->a0, station->a1, 0, 0);

    if (result.error == HX_OK) {
        kprintln("tour: %s: %s: answer %llu", backend, station->what,
                 (unsigned long long)result.value);
    } else {
        kprintln("tour: %s: %s: %s", backend, station->what, hx_error_text(result.error));
    }
}

static void walk(subject_id subject, struct slot *slot, enum hal_gate_backend backend,
                 const char *name)
{
    for (size_t i = 0; i < HX_ARRAY_SIZE(stations); i++) {
        if (slot_instance(slot) == NULL && modules_reload(subject, slot, backend) != HX_OK) {
            return;
        }
        visit(slot, name, &stations[i]);
    }
    (void)!modules_reload(subject, slot, slot->backend);
}

/* Who dies on the tour is replaced by the tour itself. */
void monitor_tour(subject_id subject)
{
    struct slot *slot = slot_find("demo");
    bool is_healing = healer_is_on();

    if (slot == NULL || modules_reload(subject, slot, HAL_GATE_OPEN) != HX_OK) {
        kprintln("tour: there is no module to call");
        return;
    }
    healer_set_on(false);
    walk(subject, slot, HAL_GATE_OPEN, "open");
    if (modules_reload(subject, slot, HAL_GATE_USER) == HX_OK) {
        walk(subject, slot, HAL_GATE_USER, "user");
    }
    healer_set_on(is_healing);
    kprintln("tour: the kernel runs on");
}
